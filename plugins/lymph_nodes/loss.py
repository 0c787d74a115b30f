"""What the networks are trained for: overlap of the nodes, and every voxel that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch  # noqa: TID253  the trainer's side
from torch.nn import functional as F  # noqa: N812, TID253

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

FOCUS = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""
FEWEST = 500.0
"""The focal sum is divided by the node voxels, or by this where there are fewer."""
SMOOTH = 5.0


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Dice + focal of every head, coarser ones for half as much; what is unknown counts nowhere."""
    image = batch["image"]
    if _takes_priors(model):
        image = torch.cat([image, batch["priors"]], dim=1)
    nodes, known = batch["nodes"], batch["known"]
    total, weight, sum_of_weights = image.new_zeros(()), 1.0, 0.0
    for logits in model(image):
        size = logits.shape[2:]
        here = F.adaptive_avg_pool3d(nodes, size)
        seen = (F.adaptive_avg_pool3d(known, size) > 0.99).float()
        found = logits.float()
        total = total + weight * (dice(found, here, seen) + focal(found, here, seen))
        sum_of_weights += weight
        weight /= 2
    return total / sum_of_weights


def dice(logits: Tensor, nodes: Tensor, known: Tensor) -> Tensor:
    """1 - Dice of the nodes alone, squared denominators, mean over samples; never below 0.

    The mean is over the foreground class: a sum that includes the background, divided by one class
    fewer, passes 1 and stops learning.
    """
    found, wanted = torch.sigmoid(logits) * known, nodes * known
    axes = (1, 2, 3, 4)
    overlap = 2 * (found * wanted).sum(axes) + SMOOTH
    return (1 - overlap / ((found**2).sum(axes) + (wanted**2).sum(axes) + SMOOTH)).mean()


def focal(logits: Tensor, nodes: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of known voxels, those that are right already weighing little."""
    entropy = F.binary_cross_entropy_with_logits(logits, nodes, reduction="none")
    found = torch.sigmoid(logits)
    wrong = (found - nodes).abs() ** FOCUS
    return (wrong * entropy * known).sum() / (nodes * known).sum().clamp_min(FEWEST)


def _takes_priors(model: nn.Module) -> bool:
    return bool(model.config.priors)  # type: ignore[union-attr]
