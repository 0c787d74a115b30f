"""Models and encodings kept between jobs; only ever an optimisation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class ModelCache:
    """Forgets what was used longest ago once the total passes `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: dict[Hashable, Any] = {}  # the last used last
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """What is kept under `key`, else what `load` gives; give models and encodings own keys."""
        with self._lock:
            if key in self._kept:
                value: T = self._kept.pop(key)
                self._kept[key] = value
                return value
        value = load()  # without the lock: a click may want its model while a volume loads one
        with self._lock:
            self._kept[key] = value
            self._evict()
        return value

    def clear(self) -> None:
        """Forget everything, such as when memory is short."""
        with self._lock:
            self._kept.clear()

    @property
    def nbytes(self) -> int:
        """Of everything kept."""
        return sum(map(size_of, self._kept.values()))

    def _evict(self) -> None:
        while len(self._kept) > 1 and self.nbytes > self._limit:
            del self._kept[next(iter(self._kept))]


def size_of(value: Any) -> int:
    """Bytes of a model's parameters and buffers, or of the arrays in a container."""
    if hasattr(value, "parameters"):
        return sum(tensor.nbytes for tensor in (*value.parameters(), *value.buffers()))
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return int(getattr(value, "nbytes", 0))
