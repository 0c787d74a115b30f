"""Wider and deeper networks that begin with what a smaller one has learned.

Net2Net (Chen, Goodfellow and Shlens 2016): a channel is repeated, and what sums over channels
shares its weight among the repetitions; a part that the smaller one lacks passes on what comes. The
large network then says what the small one says. The shares are uneven, so that repetitions do not
learn alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch  # noqa: TID253  the trainer's side
from torch import Tensor, nn  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Sequence

SUMMING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""What sums over the second axis of its weight; one weight of a group is no sum."""
LEAST = 0.5
"""Of a repetition's share, over the greatest."""


@runtime_checkable
class Residual(Protocol):
    """A part of a network that can be without effect."""

    def step_aside(self) -> None:
        """Pass on what comes, until training makes more of it."""


def widen(network: nn.Module, narrow: nn.Module, seed: int = 0) -> None:
    """Give a network what another knows, each size a multiple of its; it may have more `Residual`s.

    Raises ValueError if the structures differ otherwise or a size is no multiple.
    """
    wide, generator = network.state_dict(), torch.Generator().manual_seed(seed)
    known, parts = narrow.state_dict(), dict(narrow.named_modules())
    deeper = {name: part for name, part in network.named_modules() if name not in parts}
    added = {name: part for name, part in deeper.items() if isinstance(part, Residual)}
    if {name for name in wide if not name.startswith(tuple(f"{a}." for a in added))} != set(known):
        raise ValueError("the networks differ in structure")
    for name, value in known.items():
        owner = network.get_submodule(name.rpartition(".")[0])
        summed = isinstance(owner, SUMMING) and name.endswith("weight")
        wide[name].copy_(_repeated(value, wide[name].shape, summed, generator))
    for part in added.values():
        part.step_aside()


def _repeated(
    value: Tensor, shape: Sequence[int], summed: bool, generator: torch.Generator
) -> Tensor:
    for axis, (size, wanted) in enumerate(zip(value.shape, shape, strict=True)):
        times, rest = divmod(wanted, size)
        if rest:
            raise ValueError(f"{wanted} is no multiple of {size}")
        value = value.repeat_interleave(times, axis)
        if summed and axis == 1 and times > 1:
            shares = LEAST + (1 - LEAST) * torch.rand((size, times), generator=generator)
            shares = (shares / shares.sum(1, keepdim=True)).reshape(-1)
            value = value * shares.reshape(1, -1, *[1] * (value.ndim - 2))
    return value
