"""Training samples made by processes of their own, some steps ahead."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Sample = TypeVar("Sample")

EACH = 2  # steps that each process is ahead
_at: list[Callable[[int], Any]] = []  # of this process


@contextmanager
def made_ahead(
    begin: Callable[[], Callable[[int], Sample]], workers: int
) -> Iterator[Callable[[int], Sample]]:
    """What `begin()(step)` gives, by so many processes; 0: made here, when it is asked for.

    `begin` is called once in each process, so it must be importable; its samples may depend on
    their step alone.
    """
    if not workers:
        yield begin()
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(begin,))
    waiting: dict[int, Future[Sample]] = {}

    def at(step: int) -> Sample:
        for coming in range(step, step + EACH * workers):
            if coming not in waiting:
                waiting[coming] = pool.submit(_make, coming)
        return waiting.pop(step).result()

    try:
        yield at
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(begin: Callable[[], Callable[[int], Any]]) -> None:
    _at[:] = [begin()]


def _make(step: int) -> Any:
    return _at[0](step)
