"""What the network is trained for: overlap with the drawn vessels inside the field of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch  # noqa: TID253  the trainer's side
from torch.nn import functional as F  # noqa: N812, TID253

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Binary cross-entropy + Dice (smooth 1) inside the field of view, mean of the heads."""
    vessels, inside = batch["vessels"], batch["field_of_view"]
    heads = [head.float() for head in model(batch["image"])]
    return torch.stack([_loss(head, vessels, inside) for head in heads]).mean()


def _loss(logits: Tensor, vessels: Tensor, inside: Tensor) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(logits, vessels, reduction="none")
    probability = torch.sigmoid(logits) * inside
    drawn = vessels * inside
    overlap = 2 * (probability * drawn).sum() + 1
    dice = 1 - overlap / (probability.sum() + drawn.sum() + 1)
    return (entropy * inside).sum() / inside.sum().clamp_min(1) + dice
