"""Slices that share their places, such as phases or echoes: which of them belong together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from plugins.dicom import stacking
from plugins.dicom.diffusion import b_value
from plugins.dicom.header import items, number, numbers, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydicom import Dataset

    from plugins.dicom.header import Plane, Slice

    Value = tuple[float, ...] | str
    Parts = dict[tuple[Value, ...], list[int]]

MIXED = "Up to {count} slices lie at one place: they were {how}."


@dataclass(frozen=True, slots=True)
class Phase:
    """Indices of slices with one slice at each place, and what sets them apart."""

    members: tuple[int, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something in which phases may differ: its name, its value by slice, how a value is said."""

    name: str
    value: Callable[[int], Value]
    pattern: str


NUMBERS = (  # keyword, name, how a value is said
    ("TemporalPositionIdentifier", "time", "time {}"),
    ("NominalPercentageOfCardiacPhase", "heart phase", "{} %"),
    ("TriggerTime", "trigger time", "{} ms after the trigger"),
    ("EchoTime", "echo time", "TE {} ms"),
    ("InversionTime", "inversion time", "TI {} ms"),
    ("FlipAngle", "flip angle", "{} degrees"),
    ("KVP", "tube voltage", "{} kV"),
    ("AcquisitionNumber", "acquisition", "acquisition {}"),
    ("FrameReferenceTime", "time", "{} ms"),
)
TEXTS = (
    ("ConvolutionKernel", "kernel", "{}"),
    ("AcquisitionTime", "acquisition time", "at {}"),
)
ORDER = ("TemporalPositionIdentifier", "EchoTime", "AcquisitionNumber", "InstanceNumber")


def file_traits(headers: Sequence[Dataset]) -> Iterable[Trait]:
    """In what files with one slice each may differ, the most telling first."""
    yield Trait("b-value", lambda i: b_value(headers[i]), "b {}")
    for keyword, name, pattern in NUMBERS:
        yield Trait(name, lambda i, k=keyword: numbers(headers[i], k)[:1], pattern)  # type: ignore[misc]
    kinds = _own_parts([texts(header, "ImageType") for header in headers])
    yield Trait("image type", lambda i: kinds[i], "{}")
    for keyword, name, pattern in TEXTS:
        yield Trait(name, lambda i, k=keyword: text(headers[i], k), pattern)  # type: ignore[misc]


def file_order(entry: Slice) -> tuple[Any, ...]:
    """What sorts slices of one place that nothing tells apart."""
    return *(number(entry.header, keyword, 0) for keyword in ORDER), entry.name_order


def frame_traits(header: Dataset, contents: Sequence[Dataset | None]) -> Iterable[Trait]:
    """In what frames of one file may differ: its dimensions, by each frame's own content."""
    values = [numbers(item, "DimensionIndexValues") if item else () for item in contents]
    for place, item in enumerate(items(header, "DimensionIndexSequence")):
        name = (text(item, "DimensionDescriptionLabel") or "dimension").lower()
        yield Trait(name, lambda i, p=place: values[i][p : p + 1], f"{name} {{}}")  # type: ignore[misc]


def phases(
    planes: Sequence[Plane], traits: Iterable[Trait], order: Callable[[int], tuple[Any, ...]]
) -> tuple[list[Phase], str]:
    """Planes of one orientation, put apart so that none shares its place; how that was done."""
    places = stacking.place_numbers(planes)
    most = max(Counter(places).values())
    if most == 1:
        return [Phase(tuple(range(len(planes))))], ""
    parts, used = _by_traits(places, most, traits)
    if _most_at_one_place(parts, places) == 1:
        labelled = [Phase(tuple(members), _label(key, used)) for key, members in parts.items()]
        how = f"split by {' and '.join(dict.fromkeys(trait.name for trait in used))}"
        return labelled, MIXED.format(count=most, how=how)
    stacks = stacking.repeats(planes, order)
    ranked = [Phase(tuple(p), f"{n} of {len(stacks)}") for n, p in enumerate(stacks, 1)]
    return ranked, MIXED.format(count=most, how="put into as many series")


def _own_parts(values: Sequence[list[str]]) -> list[str]:
    """Of values with several parts, those that are not the same in all."""
    differ = [len(set(parts)) > 1 for parts in zip_longest(*values)]
    return [" ".join(part for part, own in zip(parts, differ, strict=False) if own)
            for parts in values]  # fmt: skip


def _by_traits(
    places: Sequence[int], most: int, traits: Iterable[Trait]
) -> tuple[Parts, list[Trait]]:
    """Parts by the values of the first traits that part the slices without scattering them."""
    parts: Parts = {(): list(range(len(places)))}
    used: list[Trait] = []
    for trait in traits:
        if (now := _most_at_one_place(parts, places)) == 1:
            break
        finer: Parts = {}
        for key, members in parts.items():
            for index in members:
                finer.setdefault((*key, trait.value(index)), []).append(index)
        if len(finer) <= most + most // 2 and _most_at_one_place(finer, places) < now:
            parts, used = finer, [*used, trait]
    return dict(sorted(parts.items(), key=_rank)), used


def _rank(part: tuple[tuple[Value, ...], list[int]]) -> Any:
    """By the values, numbers as numbers, then by the first slice."""
    values = tuple((isinstance(value, str), value) for value in part[0])
    return values, part[1]


def _most_at_one_place(parts: Parts, places: Sequence[int]) -> int:
    return max(max(Counter(places[i] for i in part).values()) for part in parts.values())


def _label(key: tuple[Value, ...], used: Sequence[Trait]) -> str:
    said = [
        trait.pattern.format(value if isinstance(value, str) else f"{value[0]:g}")
        for trait, value in zip(used, key, strict=True)
        if value
    ]
    return ", ".join(said)
