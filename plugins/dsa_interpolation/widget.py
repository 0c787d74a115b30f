"""The dock of DSA runs: subtract, curves, maps, interpolate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from gui.background import Background
from gui.theme import GRID
from plugins.dsa_interpolation.task import TASK
from plugins.dsa_interpolation.widget_curves import CurvesPage
from plugins.dsa_interpolation.widget_interpolate import InterpolatePage
from plugins.dsa_interpolation.widget_maps import MapsPage
from plugins.dsa_interpolation.widget_subtraction import SubtractionPage
from plugins.dsa_interpolation.work import DsaWork, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psygnal import SignalInstance
    from qtpy.QtGui import QHideEvent

    from gui.document import Document
    from gui.project import Kept
    from gui.session import Session
    from plugins.dsa_interpolation.regions import Region


class DsaWidget(QWidget):
    """Works on the selected run; keeps what it knows of every open one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._background = Background(self)
        self._works: dict[Document, DsaWork] = {}
        self.work: DsaWork | None = None
        self.subtraction = SubtractionPage(session)
        self.curves = CurvesPage(session)
        self.maps = MapsPage(session)
        self.interpolation = InterpolatePage(session)
        self.pages = (self.subtraction, self.curves, self.maps, self.interpolation)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setStyleSheet("QTabBar::tab { padding: 7px 9px; }")
        self.tabs.setUsesScrollButtons(False)
        self.tabs.tabBar().setDrawBase(False)
        titles = "Subtract", "Curves", "Maps", "Interpolate"
        for title, page in zip(titles, self.pages, strict=True):
            self.tabs.addTab(page, title)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 0, GRID, GRID)
        column.addWidget(self.tabs)
        session.studies.selected_changed.connect(self._select)
        session.studies.removed.connect(self._forget)
        self._select(session.studies.selected)

    def hideEvent(self, event: QHideEvent) -> None:
        """The mouse goes back to the views."""
        self.subtraction.shift_part.tools.put_away()
        self.curves.tools.put_away()
        super().hideEvent(event)

    def keep(self, document: Document) -> Kept | None:
        """Subtraction and regions, for the project."""
        work = self._works.get(document)
        return work.kept() if work is not None else None

    def restore(self, document: Document, kept: Kept) -> None:
        """Go on with subtraction and regions of before."""
        (self._works.get(document) or self._begin(document)).restore(kept)

    def _select(self, document: Document | None) -> None:
        for signal, slot in self._links():
            signal.disconnect(slot)
        self.work = None
        if document is not None and TASK.suits(document.series):
            self.work = self._works.get(document) or self._begin(document)
        for signal, slot in self._links():
            signal.connect(slot)
        for page in self.pages:
            page.show_work(self.work)

    def _begin(self, document: Document) -> DsaWork:
        """Look at a grey run in the background, and have it copied for the worker."""
        work = DsaWork(document, self._session.views.display_for(document))
        work.regions = self._regions_of_source(document)
        self._works[document] = work
        if not document.series.rgb:
            work.shared = self._session.jobs.share(document.image)
            self._background.run(partial(prepare, document.series), work.accept)
        return work

    def _regions_of_source(self, document: Document) -> tuple[Region, ...]:
        """Those drawn on the run from which this one was made by adding frames."""
        made = any(document.series.synthetic or ())
        source = document.series.paths if made else ()
        works = (w for w in self._works.values() if w.document.series.paths == source)
        return next((work.regions for work in works if work.regions), ())

    def _links(self) -> Iterator[tuple[SignalInstance, Callable[..., object]]]:
        if self.work is None:
            return
        yield self.work.changed, self.subtraction.refresh
        yield self.work.density_changed, self.curves.outdate
        yield self.work.changed, self.maps.outdate
        yield self.work.regions_changed, self.curves.refresh
        yield self.work.map_changed, self.maps.refresh

    def _forget(self, document: Document) -> None:
        work = self._works.pop(document, None)
        if work is None:
            return
        self.subtraction.shift_part.running.forget(work)
        self.maps.running.forget(work)
        self.interpolation.forget(work)
        if work.shared is not None:
            work.shared.close()
