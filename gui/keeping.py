"""From an open document to what a project keeps of it, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gui.comparison import Counts
from gui.document import Document
from gui.project import ArrayInfo, Kept, Made, SavedDocument, Source, View
from gui.project_values import NOTHING, full, plain
from gui.segment_object import SegmentObject, color_of
from inference.errors import UserError
from inference.series import Geometry, Identity, Series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gui.display import Display

    Array = NDArray[Any]

LABELS = ("labels", "ai_labels")
MOST_EXTRA = 2 << 30  # bytes of all arrays of tasks on one image
PIECE = 1 << 22  # voxels that are counted at a time, as counting takes eight bytes for each
TASKS, RESULTS = "tasks", "results"


class Store(Protocol):
    """Where the arrays of a project are read from."""

    def array(self, key: str, name: str, info: ArrayInfo) -> Array:
        """An array of a document, as `info` says; raises UserError."""


# --- to a project ---------------------------------------------------------------------------


def saved(
    key: str, document: Document, display: Display, tasks: Mapping[str, Kept]
) -> tuple[SavedDocument, dict[str, Array]]:
    """A document without its labels, which go on changing, and its other arrays by name."""
    arrays: dict[str, Array] = {}
    made = None
    if document.root is None:
        made, arrays["voxels"] = _made(document.series), document.series.voxels
    if document.probability is not None:
        arrays["probability"] = document.probability
    known = {id(array): name for name, array in arrays.items()}
    known |= {id(getattr(document, name)): name for name in LABELS}
    result = SavedDocument(
        key,
        source(document),
        view(display),
        tuple(document.objects.values()),
        document.active,
        made,
        {name: _task(name, kept, arrays) for name, kept in tasks.items()},
        _results(document, arrays, known),
    )
    infos = {name: info_of(array) for name, array in arrays.items()}
    present = [name for name in LABELS if getattr(document, name) is not None]
    infos |= {name: ArrayInfo("|u1", document.shape) for name in present}
    return replace(result, arrays=infos), arrays


def info_of(array: Array) -> ArrayInfo:
    """What a project says of an array."""
    return ArrayInfo(array.dtype.newbyteorder("<").str, array.shape)


def source(document: Document) -> Source:
    """Where a document's pixels are."""
    series = document.series
    return Source(
        "" if document.root is None else str(document.root),
        tuple(str(path) for path in series.paths),
        series.kind,
        series.modality,
        series.voxels.shape,
        series.sha256,
        series.identity.series_uid,
    )


def view(display: Display) -> View:
    """How a document is looked at."""
    return View(
        tuple(map(float, display.position)),
        {title: (float(c), float(w)) for title, (c, w) in display.windows.items()},
        display.picture.title if display.picture else "",
        display.inverted,
        display.opacity,
        display.outlined,
        display.mask_shown,
        display.ai_shown,
        display.difference_shown,
        display.synthetic_hidden,
        tuple(sorted(display.marked)),
        dict(display.framings),
        display.orbit,
    )


def _made(series: Series) -> Made:
    affine = tuple(tuple(map(float, row)) for row in series.geometry.affine)
    details = plain(series.details, "details", {}, {})
    return Made(
        affine,
        series.geometry.known,
        series.identity.series_description,
        series.rgb,
        series.frame_times,
        series.synthetic,
        series.confidence,
        series.acquisition,
        series.window,
        series.unit,
        details,
    )


def _task(name: str, kept: Kept, arrays: dict[str, Array]) -> Any:
    arrays |= {f"{TASKS}/{name}/{own}": array for own, array in kept.arrays.items()}
    return {"values": kept.values, "arrays": list(kept.arrays)}


def _results(document: Document, arrays: dict[str, Array], known: dict[int, str]) -> dict[str, Any]:
    """What tasks have left for an export, but for their labels: those are the document's."""
    made = {}
    for name, result in document.results.items():
        lean = {
            key: value for key, value in result.items() if key not in LABELS or id(value) in known
        }
        made[name] = plain(lean, f"{RESULTS}/{name}", arrays, known)
    return {name: value for name, value in made.items() if value is not NOTHING}


# --- from a project -------------------------------------------------------------------------


def check(document: SavedDocument, shape: tuple[int, ...]) -> None:
    """Raises UserError where arrays are not those of an image of this shape, or are too large."""
    expected = {"labels": shape, "ai_labels": shape}
    extra = 0
    for name, info in document.arrays.items():
        if name in expected and (info.shape != expected[name] or info.dtype[1:] != "u1"):
            raise _unfit(document)
        if name not in LABELS and name != "voxels":
            extra += int(np.prod(info.shape, dtype=object)) * np.dtype(info.dtype).itemsize
    if extra > MOST_EXTRA + 8 * int(np.prod(shape, dtype=object)):
        raise _unfit(document)


def filled(document: SavedDocument, series: Series, store: Store) -> Document:
    """A series with all that was done on it, for any thread; raises UserError."""
    made = Document(series)
    check(document, made.shape)
    made.root = Path(document.source.root) if document.source.root else None
    made.objects = {item.id: item for item in sorted(document.objects, key=lambda item: item.id)}
    made.active = document.active
    for name in (*LABELS, "probability"):
        if name in document.arrays:
            setattr(made, name, store.array(document.key, name, document.arrays[name]))
    made.counts = counted(made)
    for number in np.setdiff1d(np.flatnonzero(made.counts.now), (0, *made.objects)).tolist():
        made.objects[number] = unnamed(number)
    made.results = {name: _full(made, document, store, of) for name, of in document.results.items()}
    return made


def task_states(document: SavedDocument, store: Store) -> dict[str, Kept]:
    """What the docks of tasks handed over; raises UserError."""
    found = {}
    for name, state in document.tasks.items():
        own = [str(array) for array in state.get("arrays", ())]
        arrays = {
            array: store.array(document.key, full_name, document.arrays[full_name])
            for array in own
            if (full_name := f"{TASKS}/{name}/{array}") in document.arrays
        }
        found[name] = Kept(state.get("values"), arrays)
    return found


def series_made(document: SavedDocument, store: Store, parents: Mapping[str, Series]) -> Series:
    """A series that was made here; `parents` by their first file say who the patient is."""
    source, made = document.source, document.made
    if made is None or "voxels" not in document.arrays:
        raise _unfit(document)
    voxels = store.array(document.key, "voxels", document.arrays["voxels"])
    if voxels.shape != source.shape or np.shape(made.affine) != (4, 4):
        raise _unfit(document)
    parent = parents.get(source.files[0])
    identity = parent.identity if parent else Identity(series_uid=source.series_uid)
    return Series(
        voxels,
        source.kind,
        source.modality,
        tuple(map(Path, source.files)),
        Geometry(np.array(made.affine, np.float64), made.known),
        made.rgb,
        made.frame_times,
        made.acquisition,
        made.synthetic,
        made.confidence,
        replace(identity, series_description=made.description),
        source.sha256,
        made.window,
        made.unit,
        details=made.details,
    )


def show_as(display: Display, view: View, shape: tuple[int, ...]) -> None:
    """Look at a document as it was looked at; what does not fit is left as it is."""
    if len(view.position) == len(shape):
        limits = zip(view.position, shape, strict=True)
        display.position = tuple(min(max(p, 0.0), n - 1.0) for p, n in limits)
    display.keep_windows({title: (c, w) for title, (c, w) in view.windows.items() if w > 0})
    for name in ("inverted", "opacity", "outlined", "mask_shown", "ai_shown", "difference_shown",
                 "synthetic_hidden"):  # fmt: skip
        setattr(display, name, getattr(view, name))
    display.framings, display.orbit = dict(view.framings), view.orbit
    display.marked = frozenset(frame for frame in view.marked if 0 <= frame < shape[0])


def counted(document: Document) -> Counts:
    """Voxels of each label, counted anew."""
    counts, now, ai = Counts(), document.labels.reshape(-1), document.ai_labels
    for start in range(0, now.size, PIECE):
        here = now[start : start + PIECE]
        counts.now += np.bincount(here, minlength=256)
        if ai is not None:
            there = ai.reshape(-1)[start : start + PIECE]
            counts.ai += np.bincount(there, minlength=256)
            counts.both += np.bincount(here[here == there], minlength=256)
    return counts


def unnamed(number: int) -> SegmentObject:
    """An object for voxels of which nothing else is known."""
    return SegmentObject(number, f"Object {number}", color_of(number))


def _full(made: Document, document: SavedDocument, store: Store, result: Any) -> dict[str, Any]:
    def load(name: str) -> Array:
        here = {"voxels": made.series.voxels} | {own: getattr(made, own) for own in LABELS}
        here["probability"] = made.probability
        if here.get(name) is not None:
            return np.asarray(here[name])
        if name not in document.arrays:
            raise _unfit(document)
        return store.array(document.key, name, document.arrays[name])

    return dict(full(result, load))


def _unfit(document: SavedDocument) -> UserError:
    return UserError(
        f"What the project holds of {document.source.name} does not fit this image: the project "
        "is damaged, take an older copy of it."
    )
