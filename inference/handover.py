"""Arrays that another process takes over as they lie in memory, where the system has that."""

from __future__ import annotations

import math
import mmap
import os
import sys
import weakref
from multiprocessing.reduction import recv_handle, send_handle
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from inference.series import Array

LARGE = 1 << 26  # bytes; each block takes up a file of the few that a process may have open


class Memory(mmap.mmap):
    """A block that has no name and lasts as long as a process maps it: no crash leaves it over."""

    file: int

    @classmethod
    def of(cls, size: int) -> Self | None:
        """A new block of zeros, or None where the system has no such memory."""
        if sys.platform != "linux":
            return None
        try:
            file = os.memfd_create("limn")
        except OSError:  # some containers forbid it
            return None
        os.ftruncate(file, size)
        return cls._mapped(file, size)

    @classmethod
    def received(cls, connection: Connection, size: int) -> Self:
        """The block that the other end sends next; raises EOFError or OSError if it is gone."""
        return cls._mapped(recv_handle(connection), size)

    def send(self, connection: Connection) -> None:
        """Let the other end map it too; raises OSError if that is gone."""
        send_handle(connection, self.file, None)

    @classmethod
    def _mapped(cls, file: int, size: int) -> Self:
        made = cls(file, size)
        made.file = file
        weakref.finalize(made, os.close, file)
        return made


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Like `numpy.empty`, to be handed over without a copy: then leave it alone."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = Memory.of(size) if size >= LARGE else None
    return np.empty(shape, dtype) if memory is None else np.frombuffer(memory, dtype).reshape(shape)


def lent(view: memoryview) -> tuple[Memory, int] | None:
    """The block in which large values lie, if need be as a copy, and at which byte; or None."""
    if view.nbytes < LARGE:
        return None
    values = np.frombuffer(view, np.uint8)
    memory = _owner(view)
    if memory is not None:
        return memory, _address(values) - _address(np.frombuffer(memory, np.uint8))
    memory = Memory.of(view.nbytes)
    if memory is None:
        return None
    np.frombuffer(memory, np.uint8)[:] = values
    return memory, 0


def _owner(view: memoryview) -> Memory | None:
    owner: object = view
    while isinstance(owner, memoryview | np.ndarray):
        owner = owner.obj if isinstance(owner, memoryview) else owner.base
    return owner if isinstance(owner, Memory) else None


def _address(values: Array) -> int:
    return int(values.__array_interface__["data"][0])
