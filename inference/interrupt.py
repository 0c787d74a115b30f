"""Lets a job stop, or give way to a click, within a layer's time instead of a tile's."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn


@contextmanager
def interruptible(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Call `check`, such as `context.check`, before each layer that this thread runs."""
    owner = threading.get_ident()  # a click may use the same network from a thread of its own

    def before(*_: object) -> None:
        if threading.get_ident() == owner:
            check()

    layers = [layer for layer in network.modules() if not any(layer.children())]
    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
