"""From prompts on a slice to an outline: wide looks, a fitting one, and a close one for details."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253  the worker's side

from inference.box import Box
from inference.device import mixed_precision
from plugins.click_segmentation.doubt import absent, misjudged, overdone
from plugins.click_segmentation.encoding import BESIDE, encode
from plugins.click_segmentation.obedience import obeyed, touched
from plugins.click_segmentation.prepare import crop_of, normalise
from plugins.click_segmentation.reach import pulled
from plugins.click_segmentation.zoom import CLOSER, SEEN, fill, fitted, looks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.model import ClickNet
    from plugins.click_segmentation.prepare import Crop
    from plugins.click_segmentation.prompts import Prompt

    Image = NDArray[Any]
    Plane = NDArray[np.float32]

KEPT = 16
"""So many crops stay encoded."""

SHARP = 0.8
"""A correction is looked at again where the crop has fewer pixels for one of the slice."""

SURE = 0.55
"""The network knows what it sees where it expects at least this Dice of its outline."""

SHRUNK = 0.3
"""An outline that has become so small a part of its crop is looked at again in one that fits."""

AROUND = 2.0
"""That look is so much wider than what the correction changed."""


@dataclass
class Encodings:
    """What the network keeps of the crops seen last: an optimisation, never needed."""

    kept: dict[str, tuple[Plane, Any]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """About, for the cache that holds this."""
        return sum(8 * view.nbytes for view, _ in list(self.kept.values()))

    def find(self, key: str) -> tuple[Plane, Any] | None:
        """The crop of that key, now the last seen."""
        found = self.kept.pop(key, None)
        if found is not None:
            self.kept[key] = found
        return found

    def keep(self, key: str, encoded: tuple[Plane, Any]) -> None:
        """Remember a crop and forget the oldest."""
        self.kept[key] = encoded
        for old in list(self.kept)[:-KEPT]:
            self.kept.pop(old, None)


@dataclass(frozen=True, slots=True)
class Outline:
    """A mask of the whole slice, bool, and the Dice that the network expects of it, 0 to 1."""

    mask: NDArray[np.bool_]
    score: float


@dataclass(frozen=True, slots=True)
class Outliner:
    """A network, its device, the size of its crops in px, and the encodings it shares."""

    network: ClickNet
    device: str
    size: int
    encodings: Encodings

    def outline(
        self,
        image: Image,
        prompts: Sequence[Prompt],
        previous: Image | None = None,
        spacing: Sequence[float] = (1.0, 1.0),
        locked: Image | None = None,
        fresh: int | None = None,
        beside: Image | None = None,
    ) -> Outline:
        """Outline a slice (down, right[, 3]) by all its prompts and the mask before.

        The newest `fresh` prompts are those that `previous` does not answer yet: one, or all
        where there is nothing before, if not given. `beside` is the object's mask in the nearest
        slice, which tells how large it is where nothing else does.
        """
        if previous is not None and previous.any():
            new = min(1, len(prompts)) if fresh is None else fresh

            def obey(found: Image) -> NDArray[np.bool_]:
                return obeyed(found, prompts, previous, new, locked)

            return self._corrected(image, prompts, previous, spacing, obey)
        if not any(prompt.positive for prompt in prompts):
            return Outline(np.zeros(image.shape[:2], bool), 0.0)
        if beside is not None and any(touched(beside != 0, one).any() for one in prompts):
            crop = fitted(beside, prompts, spacing, self.size)
            found = self.seen(image, crop, prompts, beside, BESIDE)
        else:
            found = self._first(image, prompts, spacing)
        return replace(found, mask=obeyed(found.mask, prompts, locked=locked))

    def _first(self, image: Image, prompts: Sequence[Prompt], spacing: Sequence[float]) -> Outline:
        """Look closer until the object is large enough to be seen, then at it alone.

        What was seen from afar is told to that last look only where the network is sure of it.
        """
        for crop in looks(image.shape[:2], prompts, spacing, self.size):
            found = self.seen(image, crop, prompts, None)
            mask = obeyed(found.mask, prompts)
            if fill(mask, crop, spacing) > SEEN:
                break
        if not mask.any():
            return found
        close = fitted(mask, prompts, spacing, self.size)
        if close.box == crop.box:
            return found
        return self.seen(image, close, prompts, mask if found.score > SURE else None)

    def _corrected(
        self,
        image: Image,
        prompts: Sequence[Prompt],
        previous: Image,
        spacing: Sequence[float],
        obey: Callable[[Image], NDArray[np.bool_]],
    ) -> Outline:
        """Correct the mask before; forget a mistaken one; look closer at what goes too far."""
        before = previous != 0
        if absent(before, prompts):
            return Outline(obey(np.zeros_like(before)), 1.0)
        if misjudged(before, prompts):
            anew = self._first(image, prompts, spacing)
            mask = obey(anew.mask)
            if mask.any():
                return replace(anew, mask=mask)
        crop = fitted(previous, prompts, spacing, self.size)
        found = self._refined(image, crop, prompts, previous, spacing, obey)
        wide = CLOSER * max(n * mm for n, mm in zip(crop.box.shape, spacing, strict=True))
        for close in looks(before.shape, prompts[-1:], spacing, self.size, wide):
            if not overdone(found.mask, before, prompts):
                break
            nearer = self.seen(image, close, prompts, previous)
            found = replace(nearer, mask=obey(nearer.mask))
        return found

    def _refined(
        self,
        image: Image,
        crop: Crop,
        prompts: Sequence[Prompt],
        previous: Image,
        spacing: Sequence[float],
        obey: Callable[[Image], NDArray[np.bool_]],
    ) -> Outline:
        """Look at a crop, then at native resolution at what that changed."""
        found = self.seen(image, crop, prompts, previous)
        mask = obey(found.mask)
        changed = Box.of(mask != (previous != 0))
        if 0 < fill(mask, crop, spacing) < SHRUNK:
            said = [prompt for prompt in prompts if prompt.positive]
            close = fitted(mask, said, spacing, self.size)
        elif changed is not None and min(crop.scale) < SHARP:
            close = self._close(changed, image.shape[:2], spacing)
        else:
            return replace(found, mask=mask)
        finer = self.seen(image, close, prompts, mask)
        return Outline(obey(finer.mask), found.score)

    def _close(self, changed: Box, shape: tuple[int, ...], spacing: Sequence[float]) -> Crop:
        """A look at native resolution, if what changed is not too large for that."""
        margin = [max(8, int((AROUND - 1) / 2 * n)) for n in changed.shape]
        return crop_of(changed.grown(margin, shape), spacing, self.size)

    def seen(
        self,
        image: Image,
        crop: Crop,
        prompts: Sequence[Prompt],
        previous: Image | None,
        strength: float = 1.0,
    ) -> Outline:
        """What the network finds in a crop; the previous mask around it."""
        view, encoded = self._encoded(image, crop)
        inner = [
            replace(prompt, points=tuple(map(tuple, crop.inside(prompt.points))))
            for prompt in prompts
        ]
        before = None if previous is None else (crop.take(previous) > 0.5).astype(np.uint8)
        maps = self._tensor(encode(view, inner, before, strength, self.network.profile))
        with torch.inference_mode():
            logits = self.network.decode(encoded, maps)[0, 0].float().cpu()
        if before is not None and strength == 1:
            logits = logits + torch.from_numpy(pulled(before, inner))
        probability = torch.sigmoid(logits).numpy()
        result = np.zeros(image.shape[:2], bool) if previous is None else previous != 0
        result[crop.box.slices] = crop.back(probability) > 0.5
        return Outline(result, expected_dice(probability))

    def _encoded(self, image: Image, crop: Crop) -> tuple[Plane, Any]:
        part = np.ascontiguousarray(image[crop.box.slices])
        key = hashlib.sha256(part.tobytes() + f"{part.shape}{part.dtype}{crop.shape}".encode())
        found = self.encodings.find(key.hexdigest())
        if found is None:
            view = normalise(crop.take(image))
            with torch.inference_mode():
                found = view, self.network.encode(self._tensor(view))
            self.encodings.keep(key.hexdigest(), found)
        return found

    def _tensor(self, maps: Plane) -> torch.Tensor:
        kind = next(self.network.parameters()).dtype
        tensor = torch.from_numpy(maps)[None].to(self.device, kind)
        return tensor.contiguous(memory_format=torch.channels_last)


def ready(network: ClickNet, device: str) -> ClickNet:
    """The network where and as it computes fastest."""
    kind = torch.bfloat16 if mixed_precision(device) else torch.float32
    network = network.eval().to(device, kind)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def expected_dice(probability: Plane) -> float:
    """What Dice the mask probability > 0.5 has if the probabilities are right."""
    mask = probability > 0.5
    total = float(probability.sum() + mask.sum())
    return 2 * float(probability[mask].sum()) / total if total else 0.0
