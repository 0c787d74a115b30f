"""Opens what a project names: images, found again by their pixels, and what was done on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from gui.background import Background
from gui.keeping import filled, series_made, task_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qtpy.QtWidgets import QWidget

    from gui.document import Document
    from gui.jobs import Jobs
    from gui.keeping import Store
    from gui.notices import Notices
    from gui.project import Kept, Project, SavedDocument
    from inference.locate import Located
    from inference.series import Series

READ, FIND = "inference.locate:read_job", "inference.locate:find_job"
TITLE = "Opening the project"


@dataclass(eq=False)
class Opened:
    """A document of a project, and what the docks of tasks get of it."""

    saved: SavedDocument
    document: Document
    tasks: dict[str, Kept]


@dataclass(eq=False)
class Request:
    """A project that is being opened; `folder` is where it lies, None if it lies nowhere."""

    project: Project
    store: Store
    folder: Path | None
    done: Callable[[list[Opened], list[SavedDocument]], object]  # gets what was not found, too
    failed: Callable[[BaseException | None], object]  # None: the user gave up
    found: dict[str, Series] = field(default_factory=dict)  # by key of a document
    changed: set[str] = field(default_factory=set)  # keys, at whose place are other pixels
    asked: int = 0  # folders that were searched

    def __post_init__(self) -> None:
        self.wanted = [one for one in self.project.documents if one.made is None]


class ProjectOpening(QObject):
    """Reads in the other process; gives `missing` until all is found or the user goes on."""

    missing = Signal(object)  # Request: call `look_in`, `go_on` or `cancel`

    def __init__(self, host: QWidget, reader: Jobs, notices: Notices) -> None:
        super().__init__(host)
        self._reader, self._notices = reader, notices
        self._background = Background(self)
        self._now: Request | None = None

    @property
    def busy(self) -> bool:
        """Whether a project is being opened."""
        return self._now is not None

    def open(self, request: Request) -> None:
        """Begin; a project that is being opened is given up."""
        if self._now is not None:
            self.cancel(self._now)
        self._now = request
        self._read_next(request, list(_groups(request)))

    def look_in(self, request: Request, folder: Path) -> None:
        """Look for what is missing in a folder that the user named."""
        request.asked += 1
        self._find(request, folder, None)

    def go_on(self, request: Request) -> None:
        """Open what was found."""
        self._fill(request)

    def cancel(self, request: Request) -> None:
        """Give up."""
        self._failed(request, None)

    # --- finding the images --------------------------------------------------------------------

    def _read_next(self, request: Request, groups: list[tuple[list[str], list[str]]]) -> None:
        """One place after another."""
        if request is not self._now:
            return
        if not groups:
            self._search_beside(request)
            return
        (paths, shas), rest = groups[0], groups[1:]
        self._reader.submit(
            READ,
            title=TITLE,
            done=partial(self._read, request, rest, shas),
            failed=lambda error: self._read_next(request, rest),  # it is missing then, and told
            paths=paths,
            wanted=shas,
        )

    def _read(
        self,
        request: Request,
        rest: list[tuple[list[str], list[str]]],
        shas: list[str],
        located: Located,
    ) -> None:
        for path, series in located.series:
            _take(request, path, series)
        if located.changed:
            here = {one.key for one in request.wanted if one.source.sha256 in shas}
            request.changed |= here - request.found.keys()
        self._read_next(request, rest)

    def _search_beside(self, request: Request) -> None:
        """What was moved with the project is looked for by its name, and known by its pixels."""
        lacking = lacking_in(request)
        if lacking and request.folder is not None and not request.asked:
            request.asked += 1
            names = {name for one in lacking for name in _names(one)}
            self._find(request, request.folder, sorted(names))
        elif lacking:
            self.missing.emit(request)
        else:
            self._fill(request)

    def _find(self, request: Request, folder: Path, names: list[str] | None) -> None:
        self._reader.submit(
            FIND,
            title="Looking for images of the project",
            done=partial(self._located, request),
            failed=partial(self._not_located, request),
            folder=str(folder),
            wanted=[one.source.sha256 for one in lacking_in(request)],
            names=names,
        )

    def _located(self, request: Request, found: dict[str, str]) -> None:
        groups = [([path], [sha]) for sha, path in found.items()]
        self._read_next(request, groups)

    def _not_located(self, request: Request, error: BaseException) -> None:
        self._notices.failed(error)
        self._read_next(request, [])

    # --- filling the documents -----------------------------------------------------------------

    def _fill(self, request: Request) -> None:
        def work() -> list[Opened]:
            return list(_opened(request))

        self._background.run(work, partial(self._done, request), partial(self._failed, request))

    def _done(self, request: Request, opened: list[Opened]) -> None:
        if request is self._now:
            self._now = None
            here = {one.saved.key for one in opened}
            lacking = [one for one in request.project.documents if one.key not in here]
            request.done(opened, lacking)

    def _failed(self, request: Request, error: BaseException | None) -> None:
        if request is self._now:
            self._now = None
            request.failed(error)


def _groups(request: Request) -> Iterable[tuple[list[str], list[str]]]:
    """Paths to try in turn, and the pixels that are wanted of them."""
    places: dict[tuple[str, ...], list[str]] = {}
    for one in request.wanted:
        places.setdefault(_places(one, request.folder), []).append(one.source.sha256)
    return ((list(paths), shas) for paths, shas in places.items())


def _places(one: SavedDocument, folder: Path | None) -> tuple[str, ...]:
    """Beside the project first: a copy of both is a pair, wherever the originals are."""
    near = [folder / one.source.beside] if folder is not None and one.source.beside else []
    alone = one.source.files if len(one.source.files) == 1 else ()
    return tuple(dict.fromkeys(map(str, (*near, *alone, one.source.root))))


def _take(request: Request, path: str, series: Series) -> None:
    for number, one in enumerate(request.wanted):
        fits = series.sha256 == one.source.sha256 and series.voxels.shape == one.source.shape
        if fits and one.key not in request.found:
            request.found[one.key] = series
            request.wanted[number] = replace(one, source=replace(one.source, root=path))
            request.changed.discard(one.key)


def lacking_in(request: Request) -> Sequence[SavedDocument]:
    """What was not found yet."""
    return [one for one in request.wanted if one.key not in request.found]


def _names(one: SavedDocument) -> tuple[str, str]:
    """Of what was opened, and of the first file in it."""
    return one.source.name, Path(one.source.files[0]).name


def _opened(request: Request) -> Iterable[Opened]:
    """All that can be opened, in the order of the project; raises UserError."""
    placed = {one.key: one for one in request.wanted}
    parents = {saved.source.files[0]: series for key, series in request.found.items()
               for saved in request.project.documents if saved.key == key}  # fmt: skip
    for one in request.project.documents:
        saved = placed.get(one.key, one)
        series = request.found.get(one.key)
        if saved.made is not None:
            series = series_made(saved, request.store, parents)
        if series is not None:
            document = filled(saved, series, request.store)
            yield Opened(saved, document, task_states(saved, request.store))
