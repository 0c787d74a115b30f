"""Two frames of any size and depth to frames between them, each with what tells of its faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  the worker's side
from torch.nn import functional as F  # noqa: N812, TID253

from plugins.dsa_interpolation.merging import merged
from plugins.dsa_interpolation.model import STRIDE
from plugins.dsa_interpolation.motion import agreed, at
from plugins.dsa_interpolation.prepare import Signs, worst
from plugins.dsa_interpolation.sampling import resize, warp_both

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inference.series import Array
    from plugins.dsa_interpolation.model import MoStDSA
    from plugins.dsa_interpolation.prepare import Scale

EDGE = 1024
"""Motion of larger frames is found at a fraction of their size; they are warped at their own."""


@dataclass(frozen=True, slots=True)
class Made:
    """A frame (y, x) in the type of its neighbours."""

    frame: Array
    signs: Signs


def between(
    network: MoStDSA,
    pair: tuple[Array, Array],
    shares: Sequence[float],
    scale: Scale,
    device: str = "cpu",
    edge: int = EDGE,
) -> Iterator[Made]:
    """Frames at `shares` (0 to 1) of the way from one frame (y, x) of a pair to the other."""
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    factor = -(-max(pair[0].shape) // edge)
    with torch.inference_mode():
        frames = torch.stack([_tensor(scale.forward(frame), device) for frame in pair])
        padded = _padded(frames, STRIDE * factor)
        small = F.avg_pool2d(padded, factor) if factor > 1 else padded
        way = agreed(small, network.way(network.observe(*small.chunk(2))))
        before = _reduced(torch.cat([small[:1] - small[1:], resize(way, 2)], dim=1), 1)
    for share in shares:
        with torch.inference_mode():
            flow = factor * resize(at(way, share), 2 * factor)
            first, last = warp_both(padded, flow).chunk(2)
            image = merged(first, last, share)
            maps = torch.cat([_reduced(first - last, factor), before])
        height, width = pair[0].shape
        found = image[0, 0, :height, :width].cpu().numpy()
        signs = _signs(maps, (height // factor, width // factor), share)
        yield Made(scale.back(found, pair[0].dtype), signs)


def _reduced(maps: torch.Tensor, factor: int) -> torch.Tensor:
    """(1, n, y, x) to (n, y / 8, x / 8) of the size at which motion was found."""
    return F.avg_pool2d(maps, 8 * factor)[0]


def _signs(maps: torch.Tensor, shape: tuple[int, int], share: float) -> Signs:
    """From the difference of both frames as they are merged, and as they came, and the way."""
    rows, columns = (max(1, n // 8) for n in shape)
    left, change, *way = maps[:, :rows, :columns].cpu().numpy()
    near = min(share, 1 - share) * 2
    far = np.hypot(*way) * np.abs(change)  # where all is flat, the way does not matter
    return Signs(*(worst(np.abs(sign)) * near for sign in (left, change, far)))


def _tensor(frame: Array, device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame))[None].to(device)


def _padded(x: torch.Tensor, multiple: int) -> torch.Tensor:
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), "replicate")
