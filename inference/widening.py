"""Wider networks that begin with what a narrower one has learned.

Net2WiderNet (Chen, Goodfellow and Shlens 2016): a channel is repeated, and what sums over channels
shares its weight among the repetitions. The wide network then says what the narrow one says. The
shares are uneven, so that repetitions do not learn alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch  # noqa: TID253  the trainer's side
from torch import Tensor, nn  # noqa: TID253

if TYPE_CHECKING:
    from collections.abc import Sequence

SUMMING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""What sums over the second axis of its weight; one weight of a group is no sum."""
LEAST = 0.5
"""Of a repetition's share, over the greatest."""


def widen(network: nn.Module, narrow: nn.Module, seed: int = 0) -> None:
    """Give a network what another of the same structure knows, each size a multiple of its.

    Raises ValueError if the structures differ or a size is no multiple.
    """
    wide, generator = network.state_dict(), torch.Generator().manual_seed(seed)
    known = narrow.state_dict()
    if wide.keys() != known.keys():
        raise ValueError("the networks differ in structure")
    for name, value in known.items():
        owner = network.get_submodule(name.rpartition(".")[0])
        summed = isinstance(owner, SUMMING) and name.endswith("weight")
        wide[name].copy_(_repeated(value, wide[name].shape, summed, generator))


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
