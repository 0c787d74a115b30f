"""Prompts, and what following knows, for the project and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gui.project import Kept
from inference.box import Box
from plugins.click_segmentation.fixed import Fixed
from plugins.click_segmentation.prompts import Prompt
from plugins.click_segmentation.slices import Masks, Packed, Place, Said
from plugins.click_segmentation.stretches import Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Spoken = Mapping[Place, Said]

MASKS = ("base", "answer", "drawn", "erased")


def kept(said: Spoken, tracks: Mapping[int, Track]) -> Kept | None:
    """What was said of each slice, oldest first, and the masks that it arose from, as bits."""
    if not said and not tracks:
        return None
    arrays: dict[str, NDArray[Any]] = {}
    slices = []
    for place, here in said.items():
        name = f"{place.object_id}.{place.axis}.{place.index}"
        if here.masks is not None:
            arrays |= {f"{name}.{mask}": getattr(here.masks, mask).bits for mask in MASKS}
        slices.append(
            {
                "object": place.object_id,
                "axis": place.axis,
                "index": place.index,
                "prompts": [prompt.to_json() for prompt in here.prompts],
                "answered": [prompt.to_json() for prompt in here.answered],
                "masks": name if here.masks is not None else None,
            }
        )
    followed = {str(number): _track(track) for number, track in tracks.items()}
    for number, track in tracks.items():
        arrays |= {
            f"fixed.{number}.{i}": np.packbits(one.mask) for i, one in enumerate(track.fixed)
        }
    return Kept({"slices": slices, "followed": followed}, arrays)


def restored(kept: Kept, shape: tuple[int, ...]) -> tuple[dict[Place, Said], dict[int, Track]]:
    """The same again; UserError, KeyError, TypeError or ValueError for what makes no sense."""
    said = {}
    for entry in kept.values["slices"]:
        place = _place(entry, shape)
        prompts, answered = (
            tuple(Prompt.from_json(one, len(shape)) for one in entry[name])
            for name in ("prompts", "answered")
        )
        masks = _masks(entry["masks"], kept.arrays, place, shape) if entry["masks"] else None
        if any(not prompt.lies_in(place.axis, place.index) for prompt in prompts):
            raise ValueError("a prompt of another slice")
        said[place] = Said(prompts, answered, masks)
    followed = {
        int(number): _as_track(
            track, len(shape), _fixed(track["fixed"], number, kept.arrays, shape)
        )
        for number, track in kept.values["followed"].items()
    }
    return said, followed


def _place(entry: Mapping[str, Any], shape: tuple[int, ...]) -> Place:
    place = Place(int(entry["object"]), entry["axis"], int(entry["index"]))
    slices = 1 if place.axis is None else shape[place.axis]
    if (place.axis is None) != (len(shape) == 2) or not 0 <= place.index < slices:
        raise ValueError("a slice of another image")
    return place


def _masks(
    name: str, arrays: Mapping[str, NDArray[Any]], place: Place, shape: tuple[int, ...]
) -> Masks:
    flat = tuple(n for axis, n in enumerate(shape) if axis != place.axis)
    masks = [Packed(arrays[f"{name}.{mask}"], flat) for mask in MASKS]
    if any(mask.bits.shape != (-(-int(np.prod(flat)) // 8),) for mask in masks):
        raise ValueError("a mask of another size")
    return Masks(*masks)


def _track(track: Track) -> dict[str, Any]:
    return {
        "axis": track.axis,
        "made": {str(index): sorted(contents) for index, contents in track.made.items()},
        "fixed": [{"start": one.box.start, "stop": one.box.stop} for one in track.fixed],
        "erased": sorted(track.erased),
        "corrected": sorted(track.corrected),
        "interrupted": track.interrupted,
    }


def _fixed(
    entries: Sequence[Mapping[str, Any]],
    number: str,
    arrays: Mapping[str, NDArray[Any]],
    shape: tuple[int, ...],
) -> list[Fixed]:
    """Projects of before have no masks of what was drawn in other planes."""
    found = []
    for place, one in enumerate(entries):
        bits = arrays.get(f"fixed.{number}.{place}")
        if bits is not None:
            box = Box(tuple(map(int, one["start"])), tuple(map(int, one["stop"])))
            if box.clipped(shape) != box:
                raise ValueError("a place of another image")
            mask = np.unpackbits(bits, count=int(np.prod(box.shape))).astype(bool)
            found.append(Fixed(box, mask.reshape(box.shape)))
    return found


def _as_track(entry: Mapping[str, Any], rank: int, fixed: list[Fixed]) -> Track:
    axis = entry["axis"]
    if axis is not None and axis not in range(rank):
        raise ValueError("an axis that there is not")
    made = {int(index): set(map(int, contents)) for index, contents in entry["made"].items()}
    interrupted = entry["interrupted"]
    span = (int(interrupted[0]), int(interrupted[1])) if interrupted else None
    erased, corrected = (set(map(int, entry.get(name, ()))) for name in ("erased", "corrected"))
    return Track(axis, made, fixed, erased, corrected, span)
