"""Saves a run: as DICOM, as numbered pictures, or as the video that the view shows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.background import Background
from gui.run_picture import RunPicture
from gui.timeline import Timeline, frames_shown
from inference.registry import command
from inference.writing import stem

if TYPE_CHECKING:
    from gui.document import Document
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views
    from inference.series import Series

FORMATS = {
    "MP4 video as shown (*.mp4)": ".mp4",
    "GIF animation as shown (*.gif)": ".gif",
    "DICOM run (*.dcm)": ".dcm",
    "Folder of numbered pictures (*)": "",
}
WRITE_VIDEO = "limn-images.write_video"
WRITE_FRAMES = "limn-images.write_frames"
WRITE_DICOM = "limn-dicom.write_run"


class RunExport(QObject):
    """Asks where to and saves in the background."""

    saved = Signal(object, list)  # Document, paths

    def __init__(
        self,
        host: QWidget,
        studies: Studies,
        views: Views,
        settings: SettingsFile,
        notices: Notices,
    ) -> None:
        super().__init__(host)
        self._host, self._studies, self._views = host, studies, views
        self._settings, self._notices = settings, notices
        self._background = Background(self)

    def ask(self) -> None:
        """Let the user choose a name and a format for the shown run."""
        document = self._studies.selected
        if document is None or document.series.kind != "run":
            return
        folder = self._settings.now.export_folder or Path.home()
        kind = "interpolated" if any(document.series.synthetic or ()) else "run"
        hidden = self._settings.now.hide_patient_names
        start = str(folder / (kind if hidden else f"{stem(document.series.source)}_{kind}"))
        chosen, wish = QFileDialog.getSaveFileName(
            self._host, "Save run", start, ";;".join(FORMATS)
        )
        if chosen:
            self._settings.change(export_folder=Path(chosen).parent)
            self.save(document, named(Path(chosen), FORMATS.get(wish, ".mp4")))

    def save(self, document: Document, path: Path) -> None:
        """Save a run by the ending of the path; tells the user when it is done."""
        display = self._views.display_for(document)
        picture = RunPicture(document, display)
        timeline = Timeline.of(document.series, frames_shown(document.series, display))

        def work() -> None:
            if path.suffix in (".mp4", ".gif"):
                write_video(picture, timeline, path)
            else:
                write_run(document.series, path)

        self._notices.tell(f"Saving {path.name}…")
        saved, failed = partial(self._saved, document, path), partial(self._failed, path)
        self._background.run(work, lambda _: saved(), failed)

    def _saved(self, document: Document, path: Path) -> None:
        self._notices.tell(f"Saved {path.name} to {path.parent}.")
        self.saved.emit(document, [path])

    def _failed(self, path: Path, error: Exception) -> None:
        self._notices.failed(error, f"{path.name} could not be saved.")


def named(path: Path, ending: str) -> Path:
    """The path with an ending that Limn writes: the one typed, else that of the chosen format."""
    known = path.suffix.lower() in (".mp4", ".gif", ".dcm")
    return path if known or not ending else path.with_name(path.name + ending)


def write_video(picture: RunPicture, timeline: Timeline, path: Path) -> None:
    """The frames as they are shown, each for its true time; raises UserError."""
    frames = (picture.frame(index) for index in timeline.frames)
    command(WRITE_VIDEO)(path, frames, timeline.starts)


def write_run(series: Series, path: Path) -> None:
    """All frames with their stored values and what is known of each; raises UserError."""
    write = command(WRITE_DICOM if path.suffix == ".dcm" else WRITE_FRAMES)
    write(
        path, series, series.voxels, series.frame_times, series.synthetic, series.confidence,
        str(series.details.get("model", "")),
    )  # fmt: skip
