"""Training samples from a pack: `Samples(pack, seed, size)(step, batch)` never changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from plugins.click_segmentation import prepare
from plugins.click_segmentation.samples import making
from plugins.click_segmentation.samples.pictures import read_pictures
from plugins.click_segmentation.samples.volumes import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from plugins.click_segmentation.samples.volumes import Volume

    Maker = Callable[[np.random.Generator], making.Made | None]

T = TypeVar("T")

# How often each kind is drawn: real organs first, invented things enough to know none by heart.
KINDS = {
    "labelled": 0.34,
    "ended": 0.02,
    "region": 0.22,
    "rendered": 0.18,
    "lesion": 0.07,
    "invented": 0.12,
    "projected": 0.05,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """n crops of s × s square pixels."""

    image: NDArray[np.float32]  # (n, c, s, s), as prepare.normalise leaves it
    target: NDArray[np.uint8]  # (n, s, s), 0/1
    neighbour: NDArray[np.uint8]  # (n, s, s): the target on a slice beside, or nothing
    spacing: NDArray[np.float32]  # (n,), mm per pixel


class Samples:
    """Batches as a pure function of (seed, step)."""

    def __init__(self, pack: Path, seed: int, size: int) -> None:
        self.volumes = [read_volume(path) for path in sorted(pack.glob("volume_*.npz"))]
        self.pictures = [read_pictures(path) for path in sorted(pack.glob("pictures_*.npz"))]
        if not self.volumes or not self.pictures:
            raise FileNotFoundError(
                f"{pack} is no pack: write one by plugins.click_segmentation.pack"
            )
        self.drawn = [v for v in self.volumes if v.targets]
        self.seed, self.size = seed, size
        self.makers: dict[str, Maker] = {
            "labelled": lambda rng: making.labelled(_weighted(self.drawn, rng), size, rng),
            "ended": lambda rng: making.ended(_weighted(self.drawn, rng), size, rng),
            "rendered": lambda rng: making.rendered(_weighted(self.drawn, rng), size, rng),
            "region": lambda rng: making.region(_any(self.volumes, rng), size, rng),
            "lesion": lambda rng: making.lesion(_any(self.volumes, rng), size, rng),
            "projected": lambda rng: making.projected(_any(self.pictures, rng), size, rng),
            "invented": lambda rng: making.invented(size, rng),
        }

    def __call__(self, step: int, batch: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        made = [self.one(rng) for _ in range(batch)]
        return Batch(
            np.stack([prepare.normalise(sample.image) for sample in made]),
            np.stack([sample.target for sample in made]).astype(np.uint8),
            np.stack([sample.neighbour for sample in made]).astype(np.uint8),
            np.array([sample.spacing for sample in made], np.float32),
        )

    def one(self, rng: np.random.Generator, kind: str | None = None) -> making.Made:
        """One crop, of a drawn kind unless it is given."""
        shares = np.array(list(KINDS.values()))
        chosen = kind or str(rng.choice(list(KINDS), p=shares / shares.sum()))
        for _ in range(8):
            made = self.makers[chosen](rng)
            if made is not None and made.is_fit:
                return made
        return self.one(rng, "invented")


def _any(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]


def _weighted(volumes: Sequence[Volume], rng: np.random.Generator) -> Volume:
    """Volumes with more structures more often."""
    weights = np.sqrt([len(v.targets) for v in volumes])
    return volumes[int(rng.choice(len(volumes), p=weights / weights.sum()))]
