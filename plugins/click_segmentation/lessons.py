"""One training step as a conversation: prompts, an outline, corrections, a better outline.

After a first outline up to `CORRECTIONS` prompts follow, the j-th with probability 1 - j / N, each
on an outline that is made without gradients (the loop of DeepGrow, arXiv 1903.08205). First and
last outline are learned from; the image is encoded once. Some conversations begin with a mask:
one that needs correcting, or the neighbouring slice's, as when an object is followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch  # noqa: TID253  training only
from torch.nn import functional as F  # noqa: N812, TID253

from plugins.click_segmentation import teaching
from plugins.click_segmentation.encoding import BESIDE, encode
from plugins.click_segmentation.zoom import middle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from plugins.click_segmentation.model import ClickNet
    from plugins.click_segmentation.prompts import Prompt

    Mask = NDArray[np.uint8]

CORRECTIONS = 6
TAKEN = 0.9  # a batch's corrections each take place in so many of its samples
EDITED, FOLLOWED = 0.12, 0.25  # conversations that begin with a mask
FORGOTTEN = 0.15  # the previous outline is left out
EDGE, EDGE_WEIGHT = 5, 3.0  # px round the outline count 1 + weight times


@dataclass(slots=True)
class Conversation:
    """One sample: what has been said of it, and the last outline."""

    image: NDArray[np.float32]
    target: Mask
    prompts: list[Prompt]
    previous: Mask | None = None
    strength: float = 1.0  # of the previous mask, see encoding

    def correct(self, found: Mask, rng: np.random.Generator) -> None:
        """Take the outline that was found and say what is wrong with it."""
        self.prompts += teaching.correction(self.target, found, rng)
        self.previous = None if rng.random() < FORGOTTEN else found
        self.strength = 1.0

    def maps(self, profile: str) -> NDArray[np.float32]:
        """What the network is told, with clicks of that profile."""
        return encode(self.image, self.prompts, self.previous, self.strength, profile)


def begin(
    image: NDArray[np.float32], target: Mask, neighbour: Mask, rng: np.random.Generator
) -> Conversation:
    """A conversation with its first prompts."""
    choice = rng.random()
    if neighbour.any() and (choice < FOLLOWED or not target.any()):
        return _followed(image, target, neighbour, rng)
    if choice < FOLLOWED + EDITED and target.any():
        mask = teaching.spoiled(target, neighbour, rng)
        return Conversation(image, target, teaching.correction(target, mask, rng), mask)
    return Conversation(image, target, teaching.first(target, rng))


def _followed(
    image: NDArray[np.float32], target: Mask, neighbour: Mask, rng: np.random.Generator
) -> Conversation:
    """The neighbour's mask, mostly with a click in its middle; the object may have ended."""
    mask = teaching.drifted(neighbour, rng)
    said = [middle(mask)] if rng.random() < 0.8 and mask.any() else []
    return Conversation(image, target, said, mask, BESIDE)


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Mean loss of the first and the last outline."""
    network = cast("ClickNet", model)
    rng = np.random.default_rng(int(torch.randint(2**31, (1,))))
    image = batch["image"]
    images, targets, neighbours = (
        batch[name].cpu().numpy() for name in ("image", "target", "neighbour")
    )
    samples = zip(images, targets, neighbours, strict=True)
    talks = [begin(seen, truth, beside, rng) for seen, truth, beside in samples]
    target = torch.from_numpy(np.stack([talk.target for talk in talks])).to(image.device)
    encoded = network.encode(image)
    kept = _detached(encoded)
    logits = network.decode(encoded, _maps(talks, network, image))
    losses = [objective(logits, target)]
    count = 0
    while rng.random() < (1 - count / CORRECTIONS if count else 0.7):
        if count:
            with torch.no_grad():
                logits = network.decode(kept, _maps(talks, network, image))
        _correct(talks, logits, rng)
        count += 1
    if count:
        logits = network.decode(encoded, _maps(talks, network, image))
        losses.append(objective(logits, target))
    return torch.stack(losses).mean()


def objective(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice with squared denominators (published) + cross-entropy, heavier at the outline."""
    wanted, logits = target[:, None].float(), logits.float()
    near = (F.avg_pool2d(wanted, EDGE, 1, EDGE // 2) - wanted).abs() > 0.01
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, 1 + EDGE_WEIGHT * near)
    found = torch.sigmoid(logits)
    overlap = 2 * (found * wanted).sum((1, 2, 3)) + 1
    whole = (found**2).sum((1, 2, 3)) + (wanted**2).sum((1, 2, 3)) + 1
    return entropy + (1 - overlap / whole).mean()


def _correct(talks: Sequence[Conversation], logits: Tensor, rng: np.random.Generator) -> None:
    found = (logits.detach()[:, 0] > 0).to(torch.uint8).cpu().numpy()
    for talk, mask in zip(talks, found, strict=True):
        if rng.random() < TAKEN:
            talk.correct(mask, rng)


def _maps(talks: Sequence[Conversation], network: ClickNet, like: Tensor) -> Tensor:
    maps = np.stack([talk.maps(network.profile) for talk in talks])
    return torch.from_numpy(maps).to(like.device)


def _detached(encoded: Sequence[object]) -> list[object]:
    """The same features without their gradients."""

    def free(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return value.detach()
        return tuple(free(part) for part in value) if isinstance(value, tuple) else value

    return [free(value) for value in encoded]
