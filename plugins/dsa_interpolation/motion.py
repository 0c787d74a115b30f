"""Motion between two frames: the network's where it explains the change, carried on to agreement.

The network's motion is damped to the share of the difference between the frames that it explains.
From there a few Gauss-Newton steps from coarse to fine bring both frames to agree, by the combined
local-global method (Bruhn, Weickert and Schnörr 2005): in windows, so that noise averages out, and
smooth in between. Windows lose their mean first: contrast that comes or goes is no motion. How much
smoothness weighs follows from how much the frames still differ around a place. Thin structures
have pictures of their own, for a small frame shows only what is wide.
"""

from __future__ import annotations

import torch  # noqa: TID253  the worker's side
from torch import Tensor  # noqa: TID253
from torch.nn import functional as F  # noqa: N812, TID253

from plugins.dsa_interpolation.sampling import resize, warp, warp_both

FACTORS = (32, 16, 8, 4, 2)
"""Of reduction, one after the other: motion of some 48 px is found from standing still."""
EXPLAINED_AT = 4
"""Reduction at which it is seen what the network's motion explains, in windows of so many px."""
STEPS, SWEEPS = 3, 5
"""At each size: new looks at the frames, and for each of them passes of smoothing."""
WINDOW, SMOOTH, AROUND = 1.4, 2.0, 8.0
"""Sigmas, px of the reduced frames: of windows, of what neighbours pass on, of the remaining
difference."""
THIN, WEIGHT = 5, 5.0
"""Px of frames of half size; how often what is thinner counts, in all but the finest size."""
STIFFNESS = 3.0
"""Weight of smoothness, in units of the remaining difference's variance."""
FLOOR = 1e-5
"""Of that variance: steps of grey values, in shares of the run's range."""
LONGEST = 1.0
"""Step, px of the reduced frames."""


def agreed(frames: Tensor, found: Tensor) -> Tensor:
    """Way from the first to the last frame (2, 1, y, x) of what is halfway, from the network's.

    Both ways (1, 2: y, x; y / 2, x / 2), px of the frames; sides are multiples of 32.
    """
    start = found * _explained(frames, found)
    change, before = torch.zeros_like(F.avg_pool2d(start, FACTORS[0] // 2)), FACTORS[0]
    half = F.avg_pool2d(frames, 2)
    told = torch.cat([half, *_thin(half)], dim=1)
    for factor in FACTORS:
        small = F.avg_pool2d(told, factor // 2) if factor > 2 else half
        there = (F.avg_pool2d(start, factor // 2) if factor > 2 else start) / factor
        if factor != before:
            change = resize(change, before / factor) * (before / factor)
        for _ in range(STEPS):
            change = _nearer(small, there, change)
        before = factor
    return start + change * FACTORS[-1]


def at(way: Tensor, share: float) -> Tensor:
    """Flow (1, 4, …) to both frames from what is at a place `share` of the time between them."""
    here = warp(way, (0.5 - share) * way / 2)
    return torch.cat([-share * here, (1 - share) * here], dim=1)


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian mean of each channel, border repeated."""
    reach, channels = max(1, round(2.5 * sigma)), x.shape[1]
    steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-steps.square() / (2 * sigma**2))
    row = (weights / weights.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(x, (reach,) * 4, "replicate")
    across = F.conv2d(padded, row, groups=channels)
    return F.conv2d(across, row.transpose(2, 3), groups=channels)


def _thin(x: Tensor) -> tuple[Tensor, Tensor]:
    """What is narrower than `THIN` and darker or brighter than around it, `WEIGHT` times itself.

    Other than the frame itself it keeps its weight when made small: a vessel is not lost there.
    """
    closed, opened = -_largest(-_largest(x)), _largest(-_largest(-x))
    return WEIGHT * (closed - x), WEIGHT * (x - opened)


def _largest(x: Tensor) -> Tensor:
    """Within squares of `THIN` px."""
    reach = THIN // 2
    return F.max_pool2d(F.max_pool2d(x, (THIN, 1), 1, (reach, 0)), (1, THIN), 1, (0, reach))


def _explained(frames: Tensor, way: Tensor) -> Tensor:
    """Share (0 to 1) of the difference between the frames that is gone once they are warped."""
    small = F.avg_pool2d(frames, EXPLAINED_AT)
    way = F.avg_pool2d(way, EXPLAINED_AT // 2) / EXPLAINED_AT

    def remaining(way: Tensor) -> Tensor:
        first, last = warp_both(small, torch.cat([-way / 2, way / 2], dim=1)).chunk(2)
        rest = last - first
        return smooth((rest - smooth(rest, EXPLAINED_AT)).square(), EXPLAINED_AT)

    gone = 1 - remaining(way) / (remaining(torch.zeros_like(way)) + FLOOR / 10)
    return resize(gone.clamp(0, 1), EXPLAINED_AT / 2)


def _nearer(frames: Tensor, start: Tensor, change: Tensor) -> Tensor:
    """A better change of the way `start`, px of these frames (2, 1, y, x)."""
    half = (start + change) / 2
    first, last = warp_both(frames, torch.cat([-half, half], dim=1)).chunk(2)
    yy, yx, xx, yr, xr, rr = _covariances(*_slopes((first + last) / 2), last - first)
    doubt = STIFFNESS * (smooth(rr, AROUND) + FLOOR)
    drive_y = yy * change[:, :1] + yx * change[:, 1:] - yr
    drive_x = yx * change[:, :1] + xx * change[:, 1:] - xr
    yy, xx = yy + doubt, xx + doubt
    area, better = yy * xx - yx * yx, change
    for _ in range(SWEEPS):
        y, x = smooth(better, SMOOTH).mul(doubt).chunk(2, dim=1)
        y, x = y + drive_y, x + drive_x
        better = torch.cat([xx * y - yx * x, yy * x - yx * y], dim=1) / area
    return change + (better - change).clamp(-LONGEST, LONGEST)


def _covariances(y: Tensor, x: Tensor, rest: Tensor) -> tuple[Tensor, ...]:
    """In the window around each place, of all pictures: yy, yx, xx, y·rest, x·rest, rest·rest."""
    products = [y * y, y * x, x * x, y * rest, x * rest, rest * rest]
    means = smooth(torch.cat([*products, y, x, rest], dim=1), WINDOW)
    *squares, y, x, rest = means.chunk(9, dim=1)
    pairs = (y, y), (y, x), (x, x), (y, rest), (x, rest), (rest, rest)
    parts = (square - a * b for square, (a, b) in zip(squares, pairs, strict=True))
    found = [part.sum(1, keepdim=True) for part in parts]
    return (*found[:5], found[5].clamp_min(0))


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Along rows (y) and columns (x), central differences."""
    padded = F.pad(x, (1, 1, 1, 1), "replicate")
    y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return y, (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
