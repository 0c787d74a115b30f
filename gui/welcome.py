"""The card of the first start: samples to open, the tour, and whether all is well here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout

from gui.background import Background
from gui.parts import button, column, label
from gui.theme import GRID, Theme, icon
from inference.checkup import checkup
from inference.resources import resource_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QAction

    from inference.checkup import Finding

SAMPLES = {  # files below resources/samples: a title and an icon
    "fundus.jpg": ("Retinal photo", "mdi6.eye-outline"),
    "ct_phantom.nii.gz": ("CT volume", "mdi6.cube-scan"),
    "dsa_run.dcm": ("DSA run", "mdi6.movie-open-outline"),
}


class Welcome(QFrame):
    """Shown until it is hidden or the tour was taken; everything in it works offline."""

    sample_asked = Signal(object)  # Path
    ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._background = Background(self)
        self._looked = False
        inside = column(self, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        inside.addWidget(label("Welcome to Limn", "big"))
        inside.addWidget(label("Begin with a sample, or with a tour of two minutes.", wrap=True))
        self._grid = QGridLayout()  # in one row they would not fit a small window
        self.samples = {
            name: button(title, partial(self._ask, name), name=f"Open sample: {title}")
            for name, (title, _) in SAMPLES.items()
        }
        for place, made in enumerate(self.samples.values()):
            self._grid.addWidget(made, *divmod(place, 2))
        inside.addLayout(self._grid)
        self.state = label("", "quiet", wrap=True)
        inside.addWidget(self.state)
        self._row = QHBoxLayout()
        inside.addLayout(self._row)

    def offer(self, actions: dict[str, QAction]) -> None:
        """Put the tour and the check-up on buttons."""
        self.tour = button("Take the tour", actions["tour"].trigger, "primary")
        self.details = button("This computer and models…", actions["check_up"].trigger)
        self.hide_card = button("Hide", self.ended.emit, name="Hide the welcome")
        self._grid.addWidget(self.tour, *divmod(len(self.samples), 2))
        self._row.addWidget(self.details)
        self._row.addStretch()
        self._row.addWidget(self.hide_card)

    def look(self) -> None:
        """Find out in the background whether all is well, once."""
        if not self._looked and not self.isHidden():
            self._looked = True
            self._background.run(checkup, self.show_findings)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Say it in one line, or what is wrong."""
        wrong = [f"{found.title}: {found.value}. {found.advice}" for found in findings
                 if not found.good]  # fmt: skip
        graphics = next(found.value for found in findings if found.title == "Graphics")
        well = f"✓ The models are intact. Graphics: {graphics}."
        self.state.setObjectName("warning" if wrong else "quiet")
        self.state.style().polish(self.state)
        self.state.setText("\n".join(wrong) or well)

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        for name, made in self.samples.items():
            made.setIcon(icon(SAMPLES[name][1], theme))

    def _ask(self, name: str) -> None:
        self.sample_asked.emit(resource_path("samples", name))
