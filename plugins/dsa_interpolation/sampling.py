"""Warping, blending and what passes between the parts of the network; flows in px of the frames."""

from __future__ import annotations

from typing import NamedTuple

import torch  # noqa: TID253  the worker's side
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: N812, TID253


class Pair(NamedTuple):
    """What is known of two frames before a time is asked for; (2n, …): first ones, last ones."""

    frames: Tensor  # (2n, 1, y, x)
    parts: tuple[Tensor, ...]  # of the flow head's first layer
    sides: list[Tensor]  # features that the refinement warps, from fine to coarse


class Fields(NamedTuple):
    """What makes a frame at one time; stages are (flow (n, 4, y, x), blend logit (n, 1, y, x))."""

    stages: list[tuple[Tensor, Tensor]]  # the last one counts
    residual: Tensor  # (n, 1, y, x), added to the blend


def conv(entering: int, leaving: int, stride: int = 1) -> nn.Sequential:
    """3×3 convolution and a PReLU with a slope for each channel."""
    return nn.Sequential(nn.Conv2d(entering, leaving, 3, stride, padding=1), nn.PReLU(leaving))


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear; the values stay as they are."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Look `x` (n, c, y, x) up at each place + `flow` (n, 2: y, x; px of `x`), border repeated."""
    height, width = x.shape[2:]
    y = torch.arange(height, device=x.device, dtype=torch.float32)[:, None]
    column = torch.arange(width, device=x.device, dtype=torch.float32)
    grid = torch.stack(
        [
            (column + flow[:, 1].float()) * (2 / max(width - 1, 1)) - 1,
            (y + flow[:, 0].float()) * (2 / max(height - 1, 1)) - 1,
        ],
        dim=-1,
    )
    found: Tensor = F.grid_sample(
        x.float(), grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found.to(x.dtype)


def warp_both(x: Tensor, flow: Tensor) -> Tensor:
    """Warp first and last frames' (2n, c, y, x) maps by a flow (n, 4, …) of the maps' size, px."""
    return warp(x, torch.cat(flow.chunk(2, dim=1)))


def compose(frames: Tensor, flow: Tensor, logit: Tensor) -> Tensor:
    """Warp both frames (2n, 1, y, x) and blend them by the logit: (n, 1, y, x)."""
    first, last = warp_both(frames, flow).chunk(2)
    return blend(first, last, logit)


def blend(first: Tensor, last: Tensor, logit: Tensor) -> Tensor:
    """Weight sigma(logit) for the first one."""
    return last + torch.sigmoid(logit) * (first - last)
