"""The page of the dock that shows the whole flow in one picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDoubleSpinBox, QRadioButton, QWidget

from gui.parts import button, label
from gui.running_jobs import RunningJobs
from gui.sections import heading, quiet, row, silent
from plugins.dsa_interpolation.following import run_times
from plugins.dsa_interpolation.map_picture import (
    EARLY_FIRST,
    TURBO,
    MapKind,
    MapPicture,
    PeakPicture,
    fitting,
)
from plugins.dsa_interpolation.widget_parts import Page
from plugins.dsa_interpolation.work import FRAMES

if TYPE_CHECKING:
    from gui.display import Picture
    from gui.session import Session
    from inference.series import Array
    from plugins.dsa_interpolation.maps import Maps
    from plugins.dsa_interpolation.work import DsaWork

MAP = "plugins.dsa_interpolation.jobs:map_run"
PEAK = "plugins.dsa_interpolation.jobs:peak_run"
KINDS = (
    MapKind("arrival", "Arrival", "s", EARLY_FIRST, 1000, "When contrast comes to each place"),
    MapKind("time_to_peak", "Time to peak", "s", EARLY_FIRST, 1000, "When it is densest there"),
    MapKind("mean_transit", "Mean transit", "s", TURBO, 1000, "How long it stays there"),
    MapKind("area", "Area", "ln·s", TURBO, 1000, "How much passes there"),
)
PEAK_OPACITY = "peak"
NARROW = 72  # px


class MapsPage(Page):
    """The frames, their peak opacity, or a map of times in colours."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.choices = {
            FRAMES: _choice("Frames", "The run itself"),
            PEAK_OPACITY: _choice("Peak opacity", "The darkest each place becomes"),
            **{kind.key: _choice(kind.title, kind.help) for kind in KINDS},
        }
        self.column.addWidget(heading("Show"))
        for key, choice in self.choices.items():
            choice.clicked.connect(partial(self.choose, key))
            self.column.addWidget(choice)
        self.running = RunningJobs(session.jobs, "the map")
        self.running.changed.connect(self.refresh)
        self.running.stopped.connect(lambda work: work.show_map(FRAMES, None))
        self.column.addWidget(self.running)
        self.column.addWidget(self._scale_part())
        self.note = quiet()
        self.column.addWidget(self.note)
        self.column.addStretch()

    def _scale_part(self) -> QWidget:
        self.low, self.high = _field("Lowest value of the scale"), _field("Highest value")
        for field in (self.low, self.high):
            field.valueChanged.connect(self._rescale)
            field.setMinimumWidth(NARROW)
        self.fit = button("Fit", self._fit, tip="Fit the scale to the map")
        self.scale = row(self.low, label("to"), self.high, self.fit)
        return self.scale

    def show_work(self, work: DsaWork | None) -> None:
        """Show another run's map."""
        super().show_work(work)
        self._pay()

    def refresh(self) -> None:
        """Show what is chosen and what is being computed."""
        work = self.work
        ready = work is not None and work.subtractor is not None
        shown = work.map_key if work else FRAMES
        for key, choice in self.choices.items():
            choice.setEnabled(ready)
            choice.setChecked(key == shown)
        self.running.show_key(work)
        picture = work.map if work else None
        self.scale.setVisible(isinstance(picture, MapPicture))
        if isinstance(picture, MapPicture):
            with silent(self.low, self.high):
                self.low.setValue(picture.low)
                self.high.setValue(picture.high)
                for field in (self.low, self.high):
                    field.setSuffix(f" {picture.kind.unit}")
        self.note.setText(self._explain())

    def choose(self, key: str) -> None:
        """Show a map, once it is computed, or the frames again."""
        if self.work is not None:
            self._show(self.work, key)
            self.work.document.state_changed.emit()

    def _show(self, work: DsaWork, key: str) -> None:
        self.running.forget(work)
        work.owed_map = ""
        picture = self._picture(work, key)
        if picture is None and key != FRAMES:
            self._compute(work, key)
        work.show_map(key, picture)

    def outdate(self) -> None:
        """The subtraction has changed: what is being made would not be true any more."""
        if self.work is not None:
            self.running.forget(self.work)
        self._pay()

    def _pay(self) -> None:
        """Make the map again that a project was showing."""
        work = self.work
        if work is not None and work.subtractor is not None and work.owed_map in self.choices:
            self._show(work, work.owed_map)

    def _picture(self, work: DsaWork, key: str) -> Picture | None:
        """The map if it is made already."""
        if key == PEAK_OPACITY and work.peak is not None:
            return PeakPicture(work.peak, work.window, work.settings.on)
        kind = next((kind for kind in KINDS if kind.key == key), None)
        if kind is None or work.maps is None:
            return None
        values = getattr(work.maps, kind.key) / kind.divisor
        scale = work.scales.get(key) or fitting(values)
        return MapPicture(kind, values, work.maps.peak, *scale)

    def _compute(self, work: DsaWork, key: str) -> None:
        if work.shared is None:
            return
        series = work.document.series
        peak = key == PEAK_OPACITY
        times: dict[str, Any] = {} if peak else {"times": run_times(series)}
        job = self.session.jobs.submit(
            PEAK if peak else MAP,
            {"frames": work.shared},
            done=partial(self._peak_done if peak else self._maps_done, work),
            failed=partial(self._failed, work),
            title="Peak opacity" if peak else "Maps of flow",
            settings=work.settings,
            acquisition=work.acquisition,
            **times,
        )
        self.running.begin(work, job)

    def _peak_done(self, work: DsaWork, found: Array) -> None:
        work.peak = found
        self._made(work)

    def _maps_done(self, work: DsaWork, found: Maps) -> None:
        work.maps = found
        self._made(work)

    def _made(self, work: DsaWork) -> None:
        work.show_map(work.map_key, self._picture(work, work.map_key))

    def _rescale(self) -> None:
        work = self.work
        if work is not None and isinstance(work.map, MapPicture):
            low, high = self.low.value(), self.high.value()
            if high > low:
                work.scales[work.map_key] = low, high
                work.show_map(work.map_key, work.map.scaled(low, high))
                work.document.state_changed.emit()

    def _fit(self) -> None:
        work = self.work
        if work is not None and isinstance(work.map, MapPicture):
            work.scales.pop(work.map_key, None)
            work.show_map(work.map_key, work.map.scaled(*fitting(work.map.values)))

    def _explain(self) -> str:
        work = self.work
        if work is None or work.map_key == FRAMES:
            return ""
        if work in self.running:
            return "The map is being made…"
        if isinstance(work.map, MapPicture):
            text = "Brightness tells how much contrast there is. The wheel and the cine go on."
            if work.maps is not None and work.maps.restless:
                text = f"Vessels move in this run: times are smeared along their way. {text}"
            return text if work.settings.on else f"The run is not subtracted. {text}"
        return ""

    def _failed(self, work: DsaWork, error: BaseException) -> None:
        work.show_map(FRAMES, None)
        self.session.notices.failed(error)


def _choice(text: str, tip: str) -> QRadioButton:
    made = QRadioButton(text)
    made.setToolTip(tip)
    return made


def _field(name: str) -> QDoubleSpinBox:
    made = QDoubleSpinBox(minimum=-1e6, maximum=1e6, singleStep=0.1, decimals=2)
    made.setAccessibleName(name)
    made.setKeyboardTracking(False)
    return made
