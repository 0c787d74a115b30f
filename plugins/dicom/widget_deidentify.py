"""The dialog that writes de-identified copies: choices, what they change, the work."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QWidget,
)

from gui.background import Background
from gui.parts import Scrolled, button, column, label, letter_width
from gui.studies import series_title, without_path
from gui.theme import GRID
from inference.errors import UserError
from plugins.dicom.deidentify_command import note
from plugins.dicom.deidentify_files import WRITE, Copying, Order
from plugins.dicom.deidentify_preview import PREVIEW, Preview
from plugins.dicom.widget_changes import ChangesPage
from plugins.dicom.widget_deidentify_choices import Choices
from plugins.dicom.widget_mask import MaskPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.document import Document
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from inference.audit import Notebook
    from inference.job import Job

LETTERS, LINES = 193, 54  # that the dialog has room for, where the screen has
LEFT = 62  # letters of the choices, which get no more than a half


class DeidentifyDialog(QDialog):
    """Of the open DICOM series of one study; another process reads and writes."""

    def __init__(
        self,
        documents: Sequence[Document],
        reader: Jobs,
        settings: SettingsFile,
        notices: Notices,
        notebook: Notebook,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("De-identified copies")
        self._take_room()
        self._documents, self._reader = tuple(documents), reader
        self._settings, self._notices, self._notebook = settings, notices, notebook
        self._background = Background(notices)  # what it writes down outlives the dialog
        self._fears: dict[Document, str] = {}
        self._job: Job | None = None
        self._asked: list[Job] = []
        self._build()
        for document in self._documents:
            self._look(document)
        self.choices.series.setCurrentRow(0)

    def _take_room(self) -> None:
        """As much as the size of the text needs, if the screen is that large."""
        wanted = QSize(LETTERS * letter_width(self), LINES * self.fontMetrics().lineSpacing())
        self.resize(wanted.boundedTo(self.screen().availableSize() * 0.95))

    # --- parts -------------------------------------------------------------------------------

    def _build(self) -> None:
        page = column(self, (2 * GRID, GRID, 2 * GRID, 2 * GRID), GRID)
        middle = QHBoxLayout()
        middle.setSpacing(2 * GRID)
        self.choices = Choices(self._documents, self._settings)
        self.choices.changed.connect(self._refresh)
        self.choices.rules_changed.connect(self._preview)
        self.choices.series.currentRowChanged.connect(self._show)
        left = Scrolled(self.choices)
        left.setFixedWidth(min(LEFT * letter_width(self), self.width() // 2))
        middle.addWidget(left)
        self.changes, self.masks = ChangesPage(), MaskPage()
        self.masks.changed.connect(self._refresh)
        self.changes.file_changed.connect(self._preview)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(self.changes, "What changes")
        self.tabs.addTab(self.masks, "Picture")
        middle.addWidget(self.tabs, 1)
        page.addLayout(middle, 1)
        self.outcome = QPlainTextEdit(readOnly=True)
        self.outcome.setAccessibleName("What was left out")
        self.outcome.setFixedHeight(10 * GRID)
        self.outcome.hide()
        page.addWidget(self.outcome)
        page.addLayout(self._bottom())
        for part in self.findChildren(QPushButton):
            part.setAutoDefault(False)  # Return in a field presses none of them

    def _bottom(self) -> QHBoxLayout:
        line = QHBoxLayout()
        self.state = label("", wrap=True)
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName("Progress")
        self.bar.setFixedSize(160, GRID)
        self.bar.hide()
        self.write_button = button("Write copies", self.write, "primary")
        self.leave = button("Close", self.reject)
        line.addWidget(self.state, 1)
        for part in (self.bar, self.leave, self.write_button):
            line.addWidget(part)
        return line

    # --- what is shown -----------------------------------------------------------------------

    @property
    def _hidden(self) -> bool:
        return self._settings.now.hide_patient_names

    def _look(self, document: Document) -> None:
        """Learn from the first file whether text is to be feared in the pictures."""
        self._ask(document, document.series.path, partial(self._feared, document))

    def _feared(self, document: Document, found: Preview) -> None:
        self._fears[document] = found.burned_in
        self._refresh()

    def _show(self, number: int) -> None:
        series = self._documents[number].series
        self.masks.show_series(series)
        self.changes.offer_files(len(series.paths))
        self._preview()

    def _preview(self) -> None:
        document = self.choices.current
        shown = partial(self._previewed, self._hidden)
        path = document.series.paths[self.changes.file.value() - 1]
        self._ask(document, path, shown, replaces=f"preview {id(self)}")

    def _previewed(self, hidden: bool, found: Preview) -> None:
        self.changes.show_changes(found.changes, hidden)

    def _ask(self, document: Document, path: Path, done: Any, replaces: str | None = None) -> None:
        uid = document.series.identity.series_uid
        job = self._reader.submit(
            PREVIEW, done=done, failed=self._unseen, replaces=replaces,
            title="Looking at a header", file=str(path), chosen=self.choices.kept,
            masked=uid in self.masks.masks,
        )  # fmt: skip
        self._asked.append(job)

    def _unseen(self, error: BaseException) -> None:
        path = self.choices.current.series.path
        text = str(error) if isinstance(error, UserError) else "A header could not be read."
        self.state.setText(without_path(text, path, self._hidden))

    def _refresh(self) -> None:
        masked = self.masks.masks
        risky = [
            document for document in self.choices.included
            if self._fears.get(document) and document.series.identity.series_uid not in masked
        ]  # fmt: skip
        fear = ""
        if risky:
            title = series_title(risky[0].series, self._hidden)
            fear = f"{title} {self._fears[risky[0]]}. Look under Picture."
        self.choices.warn(fear)
        self.write_button.setEnabled(self.choices.complete and self._job is None)

    # --- the work ----------------------------------------------------------------------------

    def write(self) -> None:
        """Write a copy of every file of the ticked series."""
        paths = dict.fromkeys(str(p) for d in self.choices.included for p in d.series.paths)
        masks = {uid: tuple(masks) for uid, masks in self.masks.masks.items()}
        choices = self.choices
        order = Order(tuple(paths), choices.out, choices.kept, masks, choices.looked.isChecked())
        self.outcome.hide()
        self.bar.show()
        self.bar.setMaximum(len(paths))
        self._submit(Copying(order))

    def _submit(self, copying: Copying) -> None:
        self._job = self._reader.submit(
            WRITE, done=lambda _: self._written(copying), failed=partial(self._failed, copying),
            partial=partial(self._heard, copying), title="Writing de-identified copies",
            order=copying.rest,
        )  # fmt: skip
        self.leave.setText("Cancel")
        self.state.setText("Writing…")
        self._refresh()
        self._copying = copying

    def _heard(self, copying: Copying, part: Any) -> None:
        copying.heard(part)
        self.bar.setValue(len(copying.copied))

    def _failed(self, copying: Copying, error: BaseException) -> None:
        if copying.again(error):
            self._submit(copying)
            return
        if len(copying.copied) < len(copying.order.files):
            self._notices.failed(error, "The copies could not be written.")
        self._written(copying)

    def _written(self, copying: Copying) -> None:
        """Tell what was done, also if it was stopped on the way."""
        self._job = None
        self.leave.setText("Close")
        self.bar.hide()
        written, total = len(copying.written), len(copying.order.files)
        self.state.setText(f"{written} of {total} files were written to {copying.order.out}.")
        lines = [*copying.problems, *copying.warnings]
        if self._hidden:
            lines = [_nameless(line, copying) for line in lines]
        self.outcome.setPlainText("\n".join(lines))
        self.outcome.setVisible(bool(lines))
        self._background.run(partial(note, copying, self._notebook, self._hidden), lambda _: None)
        self._refresh()

    def reject(self) -> None:
        """Stop the work if it goes on, else close."""
        if self._job is None:
            for job in self._asked:
                job.cancel()  # so that no answer comes to a dialog that is gone
            super().reject()
        else:
            self._job.cancel()
            self._written(self._copying)


def _nameless(line: str, copying: Copying) -> str:
    """A sentence without the name of the file that it is about."""
    for number, file in enumerate(copying.order.files, 1):
        if line.startswith(Path(file).name):
            return line.replace(Path(file).name, f"File {number}")
    return line
