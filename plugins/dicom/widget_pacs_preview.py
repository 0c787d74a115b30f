"""A picture of the series that is chosen, fetched once the user stays on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from gui.painting import image_of

if TYPE_CHECKING:
    from qtpy.QtGui import QImage

    from inference.job import Job
    from inference.series import Array
    from inference.servers import Server
    from plugins.dicom.network.archive import FoundSeries
    from plugins.dicom.widget_pacs_work import PacsWork

STAYS_MS = 300
TEXT = QColor(150, 158, 168)


class Preview(QWidget):
    """Black, with the picture in its proportions, or a line that says why there is none."""

    def __init__(self, work: PacsWork) -> None:
        super().__init__()
        self.setMinimumSize(160, 80)
        self.setAccessibleName("Preview")
        self._work = work
        self._picture: QImage | None = None
        self._text = ""
        self._job: Job | None = None
        self._server: Server | None = None
        self._series: FoundSeries | None = None
        self._known: dict[str, QImage] = {}  # by the UID of the series
        self._timer = QTimer(self, singleShot=True, interval=STAYS_MS)
        self._timer.timeout.connect(self._fetch)

    @property
    def picture(self) -> QImage | None:
        """What is shown."""
        return self._picture

    def sizeHint(self) -> QSize:
        """Large enough to tell one series from another."""
        return QSize(200, 200)

    def show_series(self, server: Server | None, series: FoundSeries | None) -> None:
        """Fetch a picture of this series, or show none."""
        if self._job is not None:
            self._job.cancel()
        self._server, self._series, self._job = server, series, None
        known = self._known.get(series.series_uid) if series else None
        self._show(known, "" if series else "Choose a series to see it")
        if series is not None and known is None:
            self._timer.start()
        else:
            self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture or the line."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self._picture is None:
            painter.setPen(TEXT)
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), wrapped, self._text)
            return
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        painter.drawImage(self.rect().adjusted(left, top, -left, -top), self._picture)

    def _show(self, picture: QImage | None, text: str = "") -> None:
        self._picture, self._text = picture, text
        self.update()

    def _fetch(self) -> None:
        if self._server is None or self._series is None:
            return
        uid = self._series.series_uid
        self._show(None, "Fetching a picture…")
        self._work.submit(
            self._work.queries, "preview", self._server, lambda found: self._got(uid, found),
            lambda error: self._show(None, str(error or "")), self._began, replaces="preview",
            series=self._series, title="Fetching a preview",
        )  # fmt: skip

    def _began(self, job: Job) -> None:
        self._job = job

    def _got(self, uid: str, found: Array | None) -> None:
        self._job = None
        if found is None:
            return self._show(None, "There is no picture in this series")
        self._known[uid] = image_of(found)
        return self._show(self._known[uid])
