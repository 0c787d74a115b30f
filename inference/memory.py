"""Memory: what a job needs and what is free, smaller retries, and giving memory back."""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

OUT_OF_MEMORY = "There is not enough memory for this: close other programs or choose a smaller part"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


@dataclass(frozen=True, slots=True)
class Footprint:
    """How much a task may use at once: a device, and a tile's edge in voxels."""

    device: str
    tile: int

    def ladder(self) -> Iterator[Footprint]:
        """This footprint, then ever cheaper ones, ending on the CPU."""
        half = replace(self, tile=self.tile // 2)
        yield self
        yield half
        if self.device != "cpu":
            yield replace(half, device="cpu")


def with_fallback(
    run: Callable[[Footprint], T],
    first: Footprint,
    tell: Callable[[str], None],
    make_room: Callable[[], None] = lambda: None,
) -> T:
    """Run on the first footprint of the ladder that fits, telling each step; or UserError."""
    ladder = list(first.ladder())
    for footprint, smaller in zip(ladder, [*ladder[1:], None], strict=True):
        try:
            return run(footprint)
        except (RuntimeError, MemoryError) as error:
            if not is_exhausted(error):
                raise
        make_room()
        give_back()
        if smaller is not None:
            tell(_step(footprint, smaller))
    raise UserError(f"{OUT_OF_MEMORY}.")


def is_exhausted(error: BaseException) -> bool:
    """Whether an allocation failed, on the GPU or the CPU (torch has no own class for the CPU)."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    known = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in known)


def check(needed_bytes: int, device: str = "cpu", free_bytes: int | None = None) -> str | None:
    """One sentence if a job may not fit, with both figures; None if it fits or nobody knows."""
    free = available(device) if free_bytes is None else free_bytes
    if free is None or needed_bytes <= free:
        return None
    place = "memory" if device == "cpu" else "GPU memory"
    return (
        f"This needs about {needed_bytes / 1e9:.1f} GB of {place} and {free / 1e9:.1f} GB are "
        "free: it may be slow or fail; close other programs or choose a smaller part."
    )


def available(device: str = "cpu") -> int | None:
    """Free bytes; None for a GPU where torch is not loaded, as in the window."""
    if device == "cuda":
        torch = sys.modules.get("torch")
        return int(torch.cuda.mem_get_info()[0]) if torch is not None else None
    import psutil

    return int(psutil.virtual_memory().available)


def keep_freed_blocks() -> None:
    """Let glibc reuse large blocks: fresh pages for every tensor make a model 2-3 times slower.

    One arena, for only the main one takes blocks over 32 MB, and jobs run in threads.
    """
    if sys.platform == "linux" and (libc := _glibc()):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def return_freed_blocks() -> None:
    """Let glibc return large blocks: closed images would else stay, in pieces, in its arenas.

    For the window, which lives for days and has no model. glibc would raise the size of a block
    that goes back to the system up to 32 MB by itself, and keep two arenas for each processor.
    """
    if sys.platform == "linux" and (libc := _glibc()):
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 24)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 26)


def settle() -> None:
    """Spare the garbage collector the objects that stay: a full round stops every thread."""
    gc.collect(1)  # of what is new: a full round is what this spares
    gc.freeze()


def unsettle() -> None:
    """Search all, the spared objects too, once."""
    gc.unfreeze()
    gc.collect()


def give_back() -> None:
    """Return what the last job freed to the system and to other users of the GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (libc := _glibc()):
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None


def _step(footprint: Footprint, smaller: Footprint) -> str:
    if smaller.device != footprint.device:
        return "Not enough GPU memory: continuing on the CPU, which takes longer"
    place = "memory" if footprint.device == "cpu" else "GPU memory"
    return f"Not enough {place}: continuing in smaller parts"
