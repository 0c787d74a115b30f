"""What a synthesised frame is compared by; images (n, k, y, x) with values about 0 to 1.

The published loss adds VGG-19 terms that need weights learned on ImageNet. Here the Laplacian
pyramid keeps its low-pass level instead, and structural similarity and the vessels count besides.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch  # noqa: TID253  the trainer's side
from torch.nn import functional as F  # noqa: N812, TID253

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

LEVELS = 5
STRUCTURE, VESSELS = 0.2, 0.5  # weights beside the pyramid's
BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Of the predictions, and of the stages that lead to them on average."""
    targets, vessels = batch["targets"], batch["vessels"]
    predictions, stages = model(batch["first"], batch["last"], batch["times"])
    with torch.autocast(targets.device.type, enabled=False):  # variances are small differences
        earlier = torch.stack([compare(stage, targets, vessels) for stage in stages]).mean()
        structure = 1 - similarity(predictions, targets).mean()
        return compare(predictions, targets, vessels) + earlier + STRUCTURE * structure


def compare(found: Tensor, truth: Tensor, vessels: Tensor) -> Tensor:
    """Laplacian pyramid with its low-pass level, and the mean difference inside vessels."""
    difference = found - truth
    inside = (difference.abs() * vessels).sum() / vessels.sum().clamp_min(1)
    return pyramid(difference) + VESSELS * inside


def pyramid(difference: Tensor) -> Tensor:
    """Sum over levels of the mean absolute value; linear, so that of a difference will do."""
    x, total = difference.flatten(0, 1)[:, None], difference.new_zeros(())
    for _ in range(LEVELS):
        smooth = blur(x, BINOMIAL)
        total = total + (x - smooth).abs().mean()
        x = smooth[..., ::2, ::2]
    return total + x.abs().mean()


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of every pixel: 11 taps, sigma 1.5, values about 0 to 1 (Wang et al. 2004)."""
    a, b = a.flatten(0, 1)[:, None], b.flatten(0, 1)[:, None]
    moments = blur(torch.cat([a, b, a * a, b * b, a * b], dim=1), gaussian())
    mean_a, mean_b, square_a, square_b, product = moments.chunk(5, dim=1)
    variances = square_a + square_b - mean_a**2 - mean_b**2
    covariance = product - mean_a * mean_b
    means = mean_a**2 + mean_b**2
    alike = (2 * mean_a * mean_b + 1e-4) / (means + 1e-4)
    found: Tensor = alike * (2 * covariance + 9e-4) / (variances + 9e-4)
    return found


def blur(x: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Separable, border reflected; any channels, one at a time."""
    channels, half = x.shape[1], len(taps) // 2
    kernel = torch.tensor(taps, device=x.device, dtype=x.dtype)
    row = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    x = F.pad(x, (half,) * 4, "reflect")
    return F.conv2d(F.conv2d(x, row, groups=channels), row.transpose(2, 3), groups=channels)


@cache
def gaussian() -> tuple[float, ...]:
    """11 taps, sigma 1.5."""
    steps = torch.arange(11) - 5.0
    return tuple(torch.exp(-steps.square() / (2 * 1.5**2)).tolist())
