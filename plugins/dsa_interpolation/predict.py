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
    from plugins.dsa_interpolation.sampling import Fields

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
        observed = network.observe(*small.chunk(2))
        way = agreed(small, network.way(observed))
    for share in shares:
        with torch.inference_mode():
            image = _composed(padded, factor * resize(at(way, share), 2 * factor), share)
            time = torch.full((1, 1, 1, 1), float(share), device=device)
            maps = _doubts(small, network.fields(observed, time))
        height, width = pair[0].shape
        found = image[0, 0, :height, :width].cpu().numpy()
        signs = _signs(maps, (height // factor, width // factor), share)
        yield Made(scale.back(found, pair[0].dtype), signs)


def _composed(frames: torch.Tensor, flow: torch.Tensor, share: float) -> torch.Tensor:
    """The frame (1, 1, y, x)."""
    first, last = warp_both(frames, flow).chunk(2)
    return merged(first, last, share)


def _doubts(frames: torch.Tensor, fields: Fields) -> torch.Tensor:
    """Maps (6, y / 8, x / 8) of what the network alone would do: where a frame may be wrong."""
    flow, _ = fields.stages[-1]
    first, last = warp_both(frames, flow).chunk(2)
    return F.avg_pool2d(torch.cat([first - last, fields.residual, flow], dim=1), 8)[0]


def _signs(maps: torch.Tensor, shape: tuple[int, int], share: float) -> Signs:
    rows, columns = (max(1, n // 8) for n in shape)
    difference, residual, *flow = maps[:, :rows, :columns].cpu().numpy()
    back, forth = np.stack(flow[:2]), np.stack(flow[2:])
    apart = np.hypot(*(back * (1 - share) + forth * share))
    seen = np.abs(difference) * min(share, 1 - share) * 2
    weighted = apart * np.abs(difference)  # where all is flat, the way does not matter
    return Signs(worst(seen), worst(np.abs(residual)), worst(weighted))


def _tensor(frame: Array, device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame))[None].to(device)


def _padded(x: torch.Tensor, multiple: int) -> torch.Tensor:
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), "replicate")
