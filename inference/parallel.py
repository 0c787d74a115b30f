"""The same work on many things by a few threads, the answers in their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""That wait for disks and networks: more than there are processors."""
AHEAD = 8 * THREADS


def in_order(work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
    """`work` of each thing; whoever stops asking stops the work that has not begun."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="parallel")
    waiting: deque[Future[R]] = deque()
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
