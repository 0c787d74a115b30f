"""The page of the dock that follows contrast in regions: draw, plot, table, CSV."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton

from gui.background import Background
from gui.parts import button
from gui.sections import quiet, row, switch
from gui.tool import Outline
from inference.errors import UserError
from inference.writing import stem
from plugins.dsa_interpolation.curves import write_curves
from plugins.dsa_interpolation.following import follow, frame_at, rows_of, run_times, scatter_over
from plugins.dsa_interpolation.tools import EllipseTool, FreehandTool, PolygonTool
from plugins.dsa_interpolation.widget_figures import FigureTable
from plugins.dsa_interpolation.widget_parts import Page, ToolSwitches

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.dsa_interpolation.following import Followed
    from plugins.dsa_interpolation.regions import Point, Region
    from plugins.dsa_interpolation.scatter import Scatter
    from plugins.dsa_interpolation.widget_plot import CurvePlot
    from plugins.dsa_interpolation.work import DsaWork

    Found = tuple[Scatter | None, dict[tuple[Point, ...], Followed]]

TOOLS = {
    "Ellipse": (EllipseTool, "Drag from corner to corner of its box."),
    "Polygon": (PolygonTool, "Click the corners; a double click or Enter closes it."),
    "Freehand": (FreehandTool, "Draw round the region with the button held down."),
}
NONE_YET = "Draw regions, such as an artery and its tissue, to see contrast come and go in them."
OFF = "The run is not subtracted: the curves show its plain density, bone included."
BUSY = "Following the contrast…"


def load_plot() -> type[CurvePlot]:
    """Import what plots, which takes too long for the Qt thread."""
    from plugins.dsa_interpolation.widget_plot import CurvePlot

    return CurvePlot


class CurvesPage(Page):
    """Any number of regions; their curves follow the subtraction."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.plot: CurvePlot | None = None
        self._background = Background(self)
        self._asked = 0  # answers to earlier questions are dropped
        self.tools = ToolSwitches(session)
        self.buttons = {name: self._tool_button(name) for name in TOOLS}
        self.hint = quiet(NONE_YET)
        self.table = FigureTable(self._rename)
        self.delete_button = button("Delete", self._delete, name="Delete the chosen region")
        self.clear_button = button("Clear", self._clear, name="Delete all regions")
        self.save_button = button("Save CSV…", self.ask_csv)
        self.column.addWidget(row(*self.buttons.values()))
        self.column.addWidget(self.hint)
        self.column.addWidget(self.table)
        self.column.addWidget(row(self.delete_button, self.clear_button, self.save_button))
        self.column.addStretch()
        self.table.itemSelectionChanged.connect(self._enable)
        session.views.tool_changed.connect(lambda tool: self._tell())
        self._background.run(load_plot, self._add_plot)

    @property
    def busy(self) -> bool:
        """Whether curves are being computed."""
        return self._background.busy

    def show_work(self, work: DsaWork | None) -> None:
        """Show another run's regions, and follow its time."""
        if self.work is not None:
            self.work.display.events.position.disconnect(self._moved)
        super().show_work(work)
        if work is not None:
            work.display.events.position.connect(self._moved)
            self._moved()

    def refresh(self) -> None:
        """Show the regions on the image, and their curves as far as they are known."""
        work = self.work
        regions = work.regions if work else ()
        frame = work.display.position[0] if work else 0.0
        self.session.views.set_outlines(
            [
                Outline(tuple((frame, *corner) for corner in region.corners), region.color,
                        region.name)
                for region in regions
            ]
        )  # fmt: skip
        missing = [r for r in regions if work and r.corners not in work.followed]
        if missing:
            self._follow(missing)
        self._show()

    def outdate(self) -> None:
        """The densities have changed."""
        self.refresh()

    def ask_csv(self) -> None:
        """Save the curves and their figures as a table."""
        work = self.work
        if work is None or not work.regions:
            return
        folder = self.session.settings.now.export_folder or Path.home()
        start = str(folder / f"{stem(work.document.series.source)}_curves.csv")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save curves", start, "CSV (*.csv)")
        if chosen:
            self.save_csv(work, Path(chosen).with_suffix(".csv"))

    def save_csv(self, work: DsaWork, path: Path) -> None:
        """One row a frame, and beside it a table of figures; tells where they are."""
        curves = {region.name: followed.curve for region, followed in work.known}
        try:
            write_curves(path, run_times(work.document.series), curves)
        except UserError as error:
            self.session.notices.failed(error)
        else:
            tables = f"{path.name} and {path.stem}_figures{path.suffix}"
            self.session.notices.tell(f"Saved {tables} to {path.parent}.")

    def _tool_button(self, name: str) -> QPushButton:
        _, tip = TOOLS[name]
        made = switch(name, partial(self._draw, name), tip)
        self.tools.add(made)
        return made

    def _draw(self, name: str, wanted: bool) -> None:
        kind, _ = TOOLS[name]
        made = self.buttons[name]
        leave = partial(self._draw, name, False)
        tool = kind(self._drawn, self.session.views.redraw, leave) if wanted else None
        self.tools.use(made, tool if self.work else None)

    def _drawn(self, corners: tuple[Point, ...]) -> None:
        if self.work is not None:
            self.work.add_region(corners)

    def _add_plot(self, kind: type[CurvePlot]) -> None:
        self.plot = kind()
        self.plot.time_asked.connect(self._go)
        self.column.insertWidget(2, self.plot)
        self._show()
        self._moved()

    def _follow(self, regions: list[Region]) -> None:
        """Ask for curves; a newer question ends an older one."""
        work = self.work
        if work is None or work.subtractor is None:
            return
        self._asked += 1
        ours = self._asked
        subtractor = work.subtractor.changed(work.subtractor.settings)
        series, known = work.document.series, work.scatter

        def compute() -> Found:
            scatter = known or scatter_over(subtractor, series)
            return scatter, follow(
                subtractor, series, regions, scatter, lambda: ours == self._asked
            )

        self._background.run(compute, partial(self._followed, work, ours))

    def _followed(self, work: DsaWork, ours: int, found: Found) -> None:
        if ours == self._asked:
            work.scatter, curves = found
            work.followed |= curves
            self._show()

    def _show(self) -> None:
        work = self.work
        regions = work.regions if work else ()
        known = work.known if work else []
        if self.plot is not None:
            self.plot.setVisible(bool(regions))
            if work is not None:
                self.plot.show_curves(run_times(work.document.series), known)
        self.table.show_rows(rows_of(known), [region for region, _ in known])
        self._enable()
        self._tell()

    def _enable(self) -> None:
        some = self.work is not None and bool(self.work.regions)
        self.table.setVisible(some)
        self.clear_button.setEnabled(some)
        self.save_button.setEnabled(some)
        self.delete_button.setEnabled(some and self.table.chosen is not None)
        for made in self.buttons.values():
            made.setEnabled(self.work is not None and self.work.subtractor is not None)

    def _tell(self) -> None:
        work = self.work
        used = next((name for name, made in self.buttons.items() if made is self.tools.used), "")
        waiting = work is not None and any(r.corners not in work.followed for r in work.regions)
        if used:
            text = TOOLS[used][1]
        elif waiting:
            text = BUSY
        elif work is None or not work.regions:
            text = NONE_YET
        else:
            text = "" if work.settings.on else OFF
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def _moved(self) -> None:
        if self.plot is not None and self.work is not None:
            times = run_times(self.work.document.series)
            self.plot.show_time(times[round(self.work.display.position[0])])

    def _go(self, ms: float) -> None:
        if self.work is not None:
            self.session.views.active.go(frame_at(run_times(self.work.document.series), ms))

    def _rename(self, region: Region, name: str) -> None:
        if self.work is not None and name and name != region.name:
            self.work.rename_region(region, name)

    def _delete(self) -> None:
        if self.work is not None and self.table.chosen is not None:
            self.work.remove_region(self.table.chosen)

    def _clear(self) -> None:
        if self.work is not None:
            self.work.clear_regions()
