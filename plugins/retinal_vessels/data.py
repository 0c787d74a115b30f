"""Photographs with drawn vessels: reading, folds by patient, augmented crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as Photograph
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plugins.retinal_vessels import prepare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SETS = ("drive", "chase", "hrf")


@dataclass(frozen=True, slots=True)
class Sample:
    """One photograph of a set; `patient` groups what must not be split between folds."""

    set: str
    name: str
    image: Path
    vessels: Path
    field_of_view: Path

    @property
    def patient(self) -> str:
        """Whose eye it is: CHASE shows both eyes of each child."""
        return self.name[:2] if self.set == "chase" else self.name


def samples(folder: Path) -> list[Sample]:
    """Return all photographs below `folder` (`<set>_train/<id>_image.*`), in a fixed order."""
    found = []
    for set_name in SETS:
        for path in sorted((folder / f"{set_name}_train").glob("*_image.*")):
            name = path.stem.removesuffix("_image")
            masks = (path.with_name(f"{name}_{kind}.png") for kind in ("vessels", "fov"))
            found.append(Sample(set_name, name, path, *masks))
    return found


def split(
    every: Sequence[Sample], fold: int | None, folds: int, leave_out: str | None
) -> tuple[list[Sample], list[Sample]]:
    """Return (training, held out): by fold of patients, or a whole set, or nothing held out."""
    held = [s for s in every if _is_held(s, every, fold, folds, leave_out)]
    return [s for s in every if s not in held], held


def _is_held(
    sample: Sample, every: Sequence[Sample], fold: int | None, folds: int, leave_out: str | None
) -> bool:
    if leave_out is not None:
        return sample.set == leave_out
    if fold is None:
        return False
    patients = sorted({s.patient for s in every if s.set == sample.set})
    return patients.index(sample.patient) % folds == fold


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return (y, x, 3) or (y, x) as stored."""
    with Photograph.open(path) as file:
        return np.asarray(file)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return (y, x): what was drawn."""
    with Photograph.open(path) as file:
        return np.asarray(file.convert("L")) > 127


def load(sample: Sample) -> Tensor:
    """Return (6, y, x) float32 of a sample: see `planes`."""
    return planes(read_image(sample.image), read_mask(sample.vessels))


def planes(image: NDArray[np.generic], vessels: NDArray[np.bool_]) -> Tensor:
    """Return (6, y, x) float32 at the network's scale: its input, vessels, field of view.

    The field of view is the one that the product finds, not one that came with the data:
    training sees exactly what a user's photograph will look like.
    """
    image = prepare.finite(image)
    field_of_view = prepare.find_field_of_view(image)
    found = prepare.planes(image, field_of_view)
    masks = [found.forward(mask)[None] > 0.5 for mask in (vessels & field_of_view, field_of_view)]
    return torch.from_numpy(np.concatenate([found.values, *masks]).astype(np.float32))


class Crops:
    """Augmented batches as a function of the step: `crops(step)` is always the same batch.

    Every crop has a strength of its own in [0, 1], mostly small, often none: the sets were drawn in
    different manners, and a network that cannot tell them apart any more draws none of them well.
    The photographs stay on `device`, where crops are cut and recoloured as well.
    """

    def __init__(
        self, loaded: Sequence[Tensor], batch: int, size: int, seed: int, device: str = "cpu"
    ) -> None:
        self.loaded = [_pyramid(planes.to(device)) for planes in loaded]
        self.inside = [(8 * planes[-1, ::8, ::8].nonzero() + 4).numpy() for planes in loaded]
        self.batch = batch
        self.size = size
        self.seed = seed

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Return image (n, 4, y, x), vessels and field of view (n, 1, y, x), all float32."""
        rng = np.random.default_rng((self.seed, step))
        torch.manual_seed(int(rng.integers(2**31)))
        chosen = rng.integers(len(self.loaded), size=self.batch)
        strengths = np.maximum(0, rng.uniform(-0.4, 1, self.batch)) ** 2
        pairs = zip(chosen, strengths, strict=True)
        crops = torch.stack([self._crop(index, strength, rng) for index, strength in pairs])
        if rng.random() < 0.8:
            crops = cut_mix(crops, rng)
        vessels, field_of_view = crops[:, 4:5], crops[:, 5:]
        colour = recolour(crops[:, :3], strengths, rng) * field_of_view
        image = torch.cat([colour, crops[:, 3:4]], dim=1)
        return {
            "image": image.contiguous(memory_format=torch.channels_last),
            "vessels": vessels,
            "field_of_view": (field_of_view > 0.5).float(),
        }

    def _crop(self, index: int, strength: float, rng: np.random.Generator) -> Tensor:
        """Any scale, turn and flip in one lookup, centred within the field of view.

        Drawn vessels are looked up by nearest pixel: many are one pixel wide, and interpolation
        would turn them into halves that teach the network to leave them out.
        """
        zoom = 2 ** (strength * rng.uniform(-1, 1))
        level = int(zoom < 0.75)
        planes = self.loaded[index][level]
        centre = rng.choice(self.inside[index]) / 2**level
        linear = _linear(strength, rng) * (self.size / 2 / (zoom * 2**level))
        theta = _affine(planes.shape[1:], centre, linear).to(planes.device)
        grid = F.affine_grid(theta[None], [1, 6, self.size, self.size], align_corners=False)
        image = F.grid_sample(planes[None, :3], grid, mode="bilinear", align_corners=False)
        drawn = F.grid_sample(planes[None, 3:], grid, mode="nearest", align_corners=False)
        drawn[:, 0] += np.log2(zoom) * drawn[:, 2]
        return torch.cat([image, drawn], dim=1)[0]


def _pyramid(planes: Tensor) -> tuple[Tensor, Tensor]:
    return planes, F.avg_pool2d(planes[None], 2)[0]


def _linear(strength: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a flip and a turn, by quarters and, with strength, any angle, and a stretch (x, y)."""
    stretch = 2 ** (strength * rng.uniform(-0.4, 0.4))
    angle = rng.integers(4) * np.pi / 2 + strength * np.deg2rad(rng.uniform(-45, 45))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([rng.choice([-1, 1]) * stretch, 1 / stretch])


def _affine(
    shape: tuple[int, ...], centre: NDArray[np.float64], linear: NDArray[np.float64]
) -> Tensor:
    """Return the 2×3 matrix from the crop's to the image's coordinates in [-1, 1] (x, y).

    The centre (y, x) is drawn towards the image's and put on the grid of pixels, so that a crop
    that is only turned by quarters keeps the photograph's own pixels.
    """
    size = np.array(shape[::-1], dtype=np.float64)
    middle = np.round(size / 2 + 0.85 * (centre[::-1] - size / 2)) / size * 2 - 1
    matrix = np.column_stack([linear / (size[:, None] / 2), middle])
    return torch.tensor(matrix, dtype=torch.float32)


def cut_mix(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Paste a box of a quarter to three quarters of the side from the next crop of the batch."""
    size = crops.shape[-1]
    height, width = (int(size * rng.uniform(0.25, 0.75)) for _ in range(2))
    top, left = rng.integers(size - height), rng.integers(size - width)
    mixed = crops.clone()
    box = (..., slice(top, top + height), slice(left, left + width))
    mixed[box] = crops.roll(1, 0)[box]
    return mixed


def recolour(image: Tensor, strengths: NDArray[np.float64], rng: np.random.Generator) -> Tensor:
    """Another camera: channel mixtures, contrast, gamma, uneven light, blur and noise."""
    count, device = len(image), image.device
    strength = torch.tensor(strengths, dtype=torch.float32, device=device).view(count, 1, 1, 1)
    mixture = torch.stack([_mixture(s, rng) for s in strengths]).to(device)
    mixed = torch.einsum("nij,njyx->niyx", mixture, image)
    gain, curve, offset, noise = strength * torch.randn(4, count, 3, 1, 1, device=device)
    gain = torch.exp(0.4 * gain + 0.3 * strength * torch.randn_like(strength))
    light = 0.4 * strength * torch.randn(count, 6, 4, 4, device=device)
    light = F.interpolate(light, image.shape[2:], mode="bilinear")
    changed = mixed * gain * (1 + light[:, :3]) + 0.2 * curve * mixed * mixed.abs()
    changed = changed + 0.4 * offset + light[:, 3:]
    for index, most in enumerate(strengths):
        if rng.random() < 0.4:
            changed[index] = blur(changed[index], 0.3 + most * rng.uniform(0.2, 1.5))
    noise = 0.2 * noise.abs().clamp_max(2) * torch.randn_like(changed)
    result: Tensor = (changed + noise).clamp(-4, 4)
    return result


def _mixture(strength: float, rng: np.random.Generator) -> Tensor:
    """Mostly the channels with a little crosstalk; sometimes one grey or the green one alone."""
    kind = rng.random()
    if kind < 0.1:
        return torch.tensor([[0.0, 1.0, 0.0]]).repeat(3, 1)
    if kind < 0.2:
        weights = torch.tensor(rng.dirichlet([1.0, 2.0, 0.5]), dtype=torch.float32)
        return weights.repeat(3, 1)
    return torch.eye(3) + 0.2 * strength * torch.randn(3, 3)


def blur(planes: Tensor, sigma: float) -> Tensor:
    """Gaussian of `sigma` pixels on (channels, y, x)."""
    radius = max(1, round(2.5 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=planes.device) / sigma) ** 2)
    line = (line / line.sum()).view(1, 1, 1, -1)
    stack = F.pad(planes[:, None], (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(stack, line), line.transpose(2, 3))[:, 0]
