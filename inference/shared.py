"""Numpy arrays in shared memory; the application owns every block, a worker only attaches."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from inference.errors import UserError
from inference.messages import ArrayRef

if TYPE_CHECKING:
    from inference.series import Array

SHARED_MEMORY = Path("/dev/shm")
_still_viewed: list[SharedMemory] = []
_freeing = threading.RLock()  # blocks end on any thread, even within one another


class _Block(SharedMemory):
    def __del__(self) -> None:
        with contextlib.suppress(OSError, BufferError):  # a view at the end of the process
            self.close()


class SharedArray:
    """An array that both processes see; freed when everybody who retained it has closed it.

    A view that outlives its block keeps the memory mapped until the view dies. What nobody closes
    is freed at the end of the process at the latest.
    """

    def __init__(self, memory: SharedMemory, ref: ArrayRef, *, owner: bool) -> None:
        self.ref = ref
        self._free = weakref.finalize(self, _free, memory, owner)
        self._holders, self._lock = 1, threading.Lock()
        self._filling: threading.Thread | None = None
        count = int(np.prod(ref.shape))
        # frombuffer, unlike np.ndarray(buffer=...), keeps the mapping alive as long as the view
        flat = np.frombuffer(memory.buf or b"", np.dtype(ref.dtype), count)
        self.view: Array | None = flat.reshape(ref.shape)

    @classmethod
    def create(cls, shape: tuple[int, ...], dtype: np.dtype) -> Self:
        """A new block of zeros; raises UserError if the system has too little shared memory."""
        size = max(1, int(np.prod(shape)) * dtype.itemsize)
        _require_space(size)
        memory = _Block(create=True, size=size)
        return cls(memory, ArrayRef(memory.name, tuple(shape), dtype.str), owner=True)

    @classmethod
    def copy_of(cls, array: Array) -> Self:
        """A block that holds the values which `array` has now."""
        shared = cls.create(array.shape, array.dtype)
        shared._fill(array)
        return shared

    @classmethod
    def filling(cls, array: Array) -> Self:
        """Like `copy_of`, but copied in the background: for arrays that nobody changes."""
        shared = cls.create(array.shape, array.dtype).retain()
        shared._filling = threading.Thread(target=shared._fill_and_close, args=(array,))
        shared._filling.start()
        return shared

    @classmethod
    def attach(cls, ref: ArrayRef) -> Self:
        """A read-only view of a block of the application's."""
        shared = cls(_Block(ref.name), ref, owner=False)
        if shared.view is not None:
            shared.view.flags.writeable = False
        return shared

    @property
    def filled(self) -> bool:
        """Whether all values are there."""
        return self._filling is None or not self._filling.is_alive()

    def wait(self) -> None:
        """Return once the block is filled."""
        if self._filling is not None:
            self._filling.join()

    def retain(self) -> Self:
        """Announce one more holder, who must `close` too."""
        with self._lock:
            self._holders += 1
        return self

    def close(self) -> None:
        """Give up one hold; the last one frees the block."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        self.view = None
        self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self, array: Array) -> None:
        if self.view is not None:
            self.view[...] = array

    def _fill_and_close(self, array: Array) -> None:
        self._fill(array)
        self.close()


def _free(memory: SharedMemory, owner: bool) -> None:
    if owner:
        memory.unlink()
    with _freeing:
        _still_viewed.append(memory)
        for block in list(_still_viewed):
            with contextlib.suppress(BufferError, ValueError):  # viewed, or closed meanwhile
                block.close()
                _still_viewed.remove(block)


def free() -> int | None:
    """Bytes of shared memory that are left; None where it is no folder, as on Windows and macOS."""
    if not SHARED_MEMORY.is_mount():  # a plain folder of that name would lie on a disk
        return None
    status = os.statvfs(SHARED_MEMORY)
    return status.f_bavail * status.f_frsize


def _require_space(size: int) -> None:
    """A block beyond what a container allows would kill the process at the first touch."""
    left = free()
    if left is not None and size > left:
        raise UserError(
            f"The image needs {size / 2**30:.2f} GiB of shared memory and the system has "
            f"{left / 2**30:.2f} GiB left: close other studies, or enlarge {SHARED_MEMORY}."
        )
