"""Frames that form no volume: a run, or by energy window and detector what a gamma camera saw.

A whole body or a static picture was taken in one piece: its frames follow in no time (PS3.3 C.8.4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inference.series import FRAMES
from plugins.dicom.header import items, numbers, text, texts
from plugins.dicom.pixels import Stored, shown
from plugins.dicom.runs import build_run
from plugins.dicom.stacks import build, image_geometry, labelled, spacing_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Series
    from plugins.dicom.header import Slice

AT_REST = {"STATIC", "WHOLE BODY"}
SPLIT = "Its frames are of several detectors or energy windows: they were put into as many series."


def views(entries: Sequence[Slice], stored: Stored) -> list[Series]:
    """The frames as a run, or what each detector of a gamma camera saw in each energy window."""
    header = entries[0].header
    if text(header, "Modality") != "NM":
        return [_run(entries, stored)]
    parts = _by_view(header, stored)
    found = []
    for name, members in parts.items():
        seen = replace(
            stored, values=stored.values[members], digest="",
            whole=tuple(stored.frames[index] for index in members),
        )  # fmt: skip
        made = _pictures(entries, seen) if _at_rest(header) else [(_run(entries, seen), "")]
        found += [labelled(labelled(series, name), own) for series, own in made]
    return [series.warned(SPLIT) for series in found] if len(parts) > 1 else found


def _run(entries: Sequence[Slice], stored: Stored) -> Series:
    digest = stored.sha256
    return build_run(entries, stored, shown(stored, [entries[0].header]), digest)


def _pictures(entries: Sequence[Slice], stored: Stored) -> list[tuple[Series, str]]:
    """Each frame by itself, and its number if there are several."""
    header, found = entries[0].header, []
    for index, frame in enumerate(stored.frames):
        one = replace(stored, values=stored.values[index : index + 1], whole=(frame,))
        digest, look = one.sha256, shown(one, [header])
        series = build(
            entries, "image", look.values[0], look, image_geometry(header), sha256=digest,
            warnings=(*stored.notes, *look.notes, *spacing_notes(header)),
            details={FRAMES: (frame,)},
        )  # fmt: skip
        count = len(stored.frames)
        found.append((series, f"{index + 1} of {count}" if count > 1 else ""))
    return found


def _at_rest(header: Dataset) -> bool:
    return not AT_REST.isdisjoint(texts(header, "ImageType"))


def _by_view(header: Dataset, stored: Stored) -> dict[str, list[int]]:
    """Indices of the decoded frames by the name of their energy window and detector."""
    windows = _names(header, "EnergyWindow", [
        text(item, "EnergyWindowName") for item in items(header, "EnergyWindowInformationSequence")
    ])  # fmt: skip
    detectors = _names(header, "Detector", [
        text(next(iter(items(item, "ViewCodeSequence")), item), "CodeMeaning")
        for item in items(header, "DetectorInformationSequence")
    ])  # fmt: skip
    found: dict[str, list[int]] = {}
    for index, frame in enumerate(stored.frames):
        parts = (names[frame] for names in (detectors, windows) if frame < len(names))
        found.setdefault(" · ".join(parts), []).append(index)
    return found


def _names(header: Dataset, kind: str, known: list[str]) -> list[str]:
    """For each frame the name of its window or detector; none if all have the same."""
    places = [int(place) for place in numbers(header, f"{kind}Vector")]
    if len(set(places)) < 2:
        return []
    word = "energy window" if kind == "EnergyWindow" else "detector"
    named = [known[place - 1] if 0 < place <= len(known) else "" for place in places]
    unclear = "" in named or len(set(named)) < len(set(places))
    return [f"{word} {place}" for place in places] if unclear else named
