"""The project of the window: saved, opened, kept from moment to moment, and recovered."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QFileDialog

from gui import project_file
from gui.autosave import Autosave, recovery_folder, trouble
from gui.background import Background
from gui.project_dialogs import Button, MissingDialog, ask_unsaved, sure_to_replace
from gui.project_file import SUFFIX, Closed, read_project
from gui.project_opening import Opened, ProjectOpening, Request
from gui.project_saving import Draft, ProjectSaving
from gui.recovering import Recovering
from gui.studies import path_title, without_path
from inference.errors import UserError
from inference.writing import stem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.document import Document
    from gui.project import Project, SavedDocument
    from gui.project_saving import Carried
    from gui.window import LimnWindow
    from gui.workspace import Workspace

FILTER = f"Limn projects (*{SUFFIX})"


class Projects(QObject):
    """Which project is open, what of it is unsaved, and its commands."""

    changed = Signal()  # the path, or whether anything is unsaved

    def __init__(self, window: LimnWindow, workspace: Workspace) -> None:
        super().__init__(window)
        self._window, self._workspace = window, workspace
        self._studies, self._settings = window.studies, window.settings
        self._notices, self._export = window.notices, window.export
        self.path: Path | None = None
        self._revision = ""
        self._carried: list[Carried] = []  # whose images were not found
        self._changed: WeakSet[Document] = WeakSet()  # since the project was saved
        self._recovered: WeakSet[Document] = WeakSet()  # and never saved
        self._then: Callable[[], object] | None = None  # once all is saved
        self._background = Background(self)
        self.saving = ProjectSaving(window)
        self.opening = ProjectOpening(window, window.reader, window.notices)
        self.autosave = Autosave(workspace.take, self._kept, parent=self)
        self.recovering = Recovering(window, self.opening, self.autosave, self.adopt)
        self._connect()

    def _connect(self) -> None:
        self._studies.added.connect(self._added)
        self._studies.removed.connect(self._removed)
        self.saving.saved.connect(self._saved)
        self.saving.failed.connect(self._save_failed)
        self.opening.missing.connect(self._ask_missing)
        self.autosave.failed.connect(self._autosave_failed)

    def start(self) -> None:
        """Look for what was left behind, once the window is there."""
        self.recovering.look(recovery_folder(), tell=bool(self._studies.open))

    # --- what is unsaved ------------------------------------------------------------------------

    def unsaved(self, document: Document) -> bool:
        """Whether work on a document would be lost: in no project, or else not exported."""
        if document in self._recovered:
            return True
        return document in self._changed if self.path else self._export.unsaved(document)

    @property
    def unsaved_documents(self) -> list[Document]:
        """All documents with work that would be lost."""
        return [document for document in self._studies.open if self.unsaved(document)]

    @property
    def title(self) -> str:
        """Of the window, with the mark where a star stands for unsaved work."""
        if self.path is None:
            return "Limn"
        name = "Project" if self._hidden else self.path.stem
        return f"{name}[*] \N{EN DASH} Limn"

    def leave(self, why: str, then: Callable[[], object]) -> bool:
        """Whether the work may be left now; `then` is called later, once the user has it saved."""
        documents = self.unsaved_documents
        if not documents:
            return True
        answer = ask_unsaved(self._window, len(documents), why)
        if answer == Button.Save:
            self.save(then)
        return answer == Button.Discard

    def close(self) -> None:
        """The window ends as the user wanted: nothing is to be recovered."""
        self.autosave.close(remove=True)
        self.recovering.close()

    # --- saving -------------------------------------------------------------------------------

    def save(self, then: Callable[[], object] | None = None) -> None:
        """Save to the project that is open, or ask where to."""
        if self.path is None:
            self.save_as(then)
        elif self._ours(self.path) or sure_to_replace(self._window, self._name(self.path)):
            self.write(self.path, then)

    def save_as(self, then: Callable[[], object] | None = None) -> None:
        """Ask where to, and save."""
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Save project", str(self._suggested()), FILTER
        )
        if chosen:
            path = Path(chosen)
            whole = path if path.suffix == SUFFIX else path.with_name(f"{path.name}{SUFFIX}")
            if whole == path or not whole.exists() or sure_to_replace(self._window, whole.name):
                self.write(whole, then)

    def write(self, path: Path, then: Callable[[], object] | None = None) -> None:
        """Save to a path; the user is told how it went."""
        self._then = then
        self.saving.save(path, self._draft)

    def _draft(self) -> Draft:
        """Everything as it is now; what is drawn from here on is unsaved again."""
        taken = [(self._workspace.key(d), d) for d in self._studies.open]
        saved = [(key, d, *self._workspace.take(key, d)) for key, d in taken]
        arrays = [(key, name, a) for key, _, _, own in saved for name, a in own.items()]
        self._changed.clear()
        return Draft(
            self._workspace.project([one for _, _, one, _ in saved]),
            tuple((key, document, document.version) for key, document in taken),
            tuple(arrays),
            tuple(self._carried),
        )

    def _saved(self, path: Path, project: Project, carried: Sequence[SavedDocument]) -> None:
        self._carried = [(one, Closed(path)) for one in carried]
        self.path, self._revision = path, project.revision
        self._recovered.clear()
        if not self._changed:
            self.autosave.saved()
        self._settings.remember(path)
        self._notices.tell(f"Saved {self._name(path)}.")
        self.changed.emit()
        then, self._then = self._then, None
        if then is not None:
            QTimer.singleShot(0, then)

    def _save_failed(self, error: BaseException) -> None:
        self._then = None
        self._changed.update(self._studies.open)
        self._notices.failed(error, "The project could not be saved.")
        self.changed.emit()

    # --- opening ------------------------------------------------------------------------------

    def ask_open(self) -> None:
        """Let the user choose a project."""
        recent = self._settings.now.recent
        folder = str(recent[0].parent) if recent else str(Path.home())
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open project", folder, FILTER)
        if chosen:
            self.open(Path(chosen))

    def open(self, path: Path) -> None:
        """Open a project in place of what is open."""
        if self._window.is_ready:
            self._background.run(
                partial(read_project, path),
                partial(self._read, path),
                partial(self._read_failed, path),
            )
        else:  # tasks take their work again then
            self._window.ready.connect(lambda: self.open(path))

    def _read(self, path: Path, project: Project) -> None:
        if self.leave("before another is opened", lambda: self.open(path)):
            show = partial(self._show, path, project)
            failed = partial(self._read_failed, path)
            self.opening.open(Request(project, Closed(path), path.parent, show, failed))

    def _read_failed(self, path: Path, error: BaseException | None) -> None:
        if isinstance(error, UserError):
            error = UserError(without_path(str(error), path, self._hidden))
        if error is not None:
            self._notices.failed(error, "The project could not be opened.")

    def _ask_missing(self, request: Request) -> None:
        dialog = MissingDialog(request, self._hidden, self._window)
        dialog.look_asked.connect(partial(self.opening.look_in, request))
        dialog.go_on_asked.connect(partial(self.opening.go_on, request))
        dialog.rejected.connect(partial(self.opening.cancel, request))
        dialog.open()

    def _show(
        self,
        path: Path,
        project: Project,
        opened: list[Opened],
        lacking: Sequence[SavedDocument],
    ) -> None:
        """The window shows this project, and nothing else."""
        for document in list(self._studies.open):
            self._studies.close(document)
        self.path, self._revision = path, project.revision
        self._carried = [(one, Closed(path)) for one in lacking]
        self._put(opened, project)
        self._changed.clear()
        self.autosave.saved()
        self._settings.remember(path)
        self.changed.emit()

    def _put(self, opened: Sequence[Opened], project: Project) -> None:
        refused = self._workspace.put(opened, project.layout)
        if refused:
            names = ", ".join(dict.fromkeys(refused))
            self._notices.tell(
                f"Settings of {names} could not be taken up again; they stay in the project.",
                level="warning",
            )

    # --- keeping and recovering -----------------------------------------------------------------

    def _kept(self, documents: tuple[SavedDocument, ...]) -> Project:
        """What the autosave says of the window."""
        path = str(self.path) if self.path else ""
        absent = tuple(one.key for one, _ in self._carried)
        return self._workspace.project(documents, path=path, based_on=self._revision, absent=absent)

    def adopt(self, project: Project, opened: Sequence[Opened], carried: Sequence[Carried]) -> None:
        """Go on with unsaved work of another window, which is this one's from now on."""
        if self.path is None and project.path:
            self.path, self._revision = Path(project.path), project.based_on
        self._carried += carried
        self._put(opened, project)
        for one in opened:
            self._recovered.add(one.document)
            self.autosave.touch(one.document)
        self.autosave.write()
        self.changed.emit()

    # --- following ----------------------------------------------------------------------------

    def _added(self, document: Document) -> None:
        self.autosave.follow(self._workspace.key(document), document)
        for signal in (document.history_changed, document.state_changed):
            signal.connect(lambda: self._touched(document))

    def _removed(self, document: Document) -> None:
        self.autosave.forget(document)
        if not self._studies.open:
            self.path, self._revision, self._carried = None, "", []
        self.changed.emit()

    def _touched(self, document: Document) -> None:
        self._changed.add(document)
        self.changed.emit()

    def _autosave_failed(self, error: BaseException) -> None:
        self._notices.tell(trouble(error), level="warning")

    # --- names --------------------------------------------------------------------------------

    @property
    def _hidden(self) -> bool:
        return self._settings.now.hide_patient_names

    def _name(self, path: Path) -> str:
        return path_title(path, self._hidden)

    def _ours(self, path: Path) -> bool:
        """Whether nobody else has saved the project since."""
        return project_file.revision(path) in ("", self._revision)

    def _suggested(self) -> Path:
        """Beside the first image."""
        if self.path is not None:
            return self.path
        first = next(iter(self._studies.open), None)
        if first is None:
            return Path.home() / f"project{SUFFIX}"
        name = "project" if self._hidden else stem(first.root or first.series.path)
        return (first.root or first.series.path).parent / f"{name}{SUFFIX}"
