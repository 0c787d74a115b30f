"""Values of a task as JSON, with the arrays in them set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

ARRAY, PAIRS = "$array", "$pairs"
NOTHING = object()


def plain(value: Any, name: str, arrays: Arrays, known: Mapping[int, str]) -> Any:
    """A value for JSON; its arrays go to `arrays` under names that begin with `name`.

    `known` gives the names of arrays that are kept anyway, by their id. NOTHING for what has no
    place in JSON, which is left out of a mapping.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _array(value, name, arrays, known)
    if isinstance(value, list | tuple):
        items = [plain(v, f"{name}/{i}", arrays, known) for i, v in enumerate(value)]
        return NOTHING if NOTHING in items else items
    return _pairs(value, name, arrays, known) if isinstance(value, dict) else NOTHING


def full(value: Any, load: Callable[[str], NDArray[Any]]) -> Any:
    """The value again; tuples have become lists."""
    if isinstance(value, list):
        return [full(item, load) for item in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return load(str(value[ARRAY]))
    if PAIRS in value:
        return {key: full(item, load) for key, item in value[PAIRS]}
    return {key: full(item, load) for key, item in value.items()}


def _array(value: NDArray[Any], name: str, arrays: Arrays, known: Mapping[int, str]) -> Any:
    if id(value) in known:
        return {ARRAY: known[id(value)]}
    if value.dtype.kind not in "biuf":
        return NOTHING
    arrays[name] = value
    return {ARRAY: name}


def _pairs(value: dict[Any, Any], name: str, arrays: Arrays, known: Mapping[int, str]) -> Any:
    made = {key: plain(item, f"{name}/{key}", arrays, known) for key, item in value.items()}
    made = {key: item for key, item in made.items() if item is not NOTHING}
    if all(isinstance(key, str) and not key.startswith("$") for key in made):
        return made
    return {PAIRS: [[key, item] for key, item in made.items()]}
