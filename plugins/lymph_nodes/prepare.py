"""Between a CT and the networks: doubts, normalisation, grids there and back; no torch here.

Arrays are canonical, (z, y, x), in HU; spacing (z, y, x), mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.box import Box
    from inference.series import Array

THRESHOLD = 0.4
"""Of the published ensemble."""
CT = ("CT", "OT")
"""What may be a CT: files like NIfTI state no modality."""
WINDOW = (-175.0, 275.0)
"""HU that become -1 and 1."""
FEWEST_SLICES = 8
THICKEST = 10.0
"""mm: a node of 10 mm lies in one slice."""
THICK = 5.0
FLAT = 3.0
"""A chest is longer than this along each axis, cm."""

PRIORS = (
    "esophagus", "oesophagus", "azygos", "subclavian", "brachiocephalic", "aorta", "heart",
    "atri", "ventricle", "vena_cava", "vena cava", "svc", "pulmonary_artery", "pulmonary artery",
    "pulmonary_vein", "pulmonary vein", "trachea", "bronch", "thyroid", "carotid",
)  # fmt: skip
"""Parts of names of structures that are known not to be nodes and may lie beside one."""


def normalise(volume: Array) -> Array:
    """HU to float32 from -1 to 1."""
    low, high = WINDOW
    scaled: Array = np.clip(volume, low, high).astype(np.float32)
    scaled -= np.float32((low + high) / 2)
    scaled *= np.float32(2 / (high - low))
    return scaled


def refuse(
    volume: Array, spacing: Sequence[float], modality: str = "CT", *, measured: bool = True
) -> None:
    """Raise UserError for what cannot be searched for nodes; `measured`: the spacing is known."""
    if modality not in CT:
        raise UserError(f"This series is {modality}, not CT: give a chest CT.")
    if not measured:
        raise UserError(
            "The file does not tell how large its voxels are, so no node can be measured: give "
            "the CT as DICOM, NIfTI or NRRD."
        )
    if volume.ndim != 3 or len(volume) < FEWEST_SLICES:
        raise UserError(
            f"This volume has {len(volume)} slices: give a chest CT of {FEWEST_SLICES} or more."
        )
    if max(spacing) >= THICKEST:
        raise UserError(
            f"Slices {max(spacing):.3g} mm apart are too coarse for lymph nodes: give a "
            "reconstruction of 5 mm or less."
        )
    if any(n * step < 10 * FLAT for n, step in zip(volume.shape, spacing, strict=True)):
        raise UserError("This volume is only some centimetres long: give a whole chest CT.")
    if not _is_ct(volume):
        raise UserError(
            "The values of this volume are not those of a CT in Hounsfield units: only CT can be "
            "searched for lymph nodes."
        )


def _is_ct(volume: Array) -> bool:
    """Soft tissue lies near 0 to 100 HU, and air or fat below; an MR has nothing below 0."""
    sample = volume[::2, ::4, ::4]
    tissue = np.count_nonzero((sample > -20) & (sample < 130)) / sample.size
    return bool(np.percentile(sample, 1) < -80 and tissue > 0.02)


def doubts(spacing: Sequence[float], tilted: bool) -> list[str]:
    """A sentence for each thing that makes the result less sure."""
    found = []
    if max(spacing) > THICK:
        found.append(
            f"Slices are {max(spacing):.3g} mm apart: nodes below {2 * max(spacing):.0f} mm may "
            "be missed and short axes are rough."
        )
    if tilted:
        found.append(
            "The slices are tilted against their stack (gantry tilt): sizes are measured in the "
            "tilted slices."
        )
    return found


def is_tilted(affine: Array) -> bool:
    """Whether the axes of a grid are more than a degree off right angles."""
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    off: Array = np.abs(unit.T @ unit - np.eye(3))
    return bool(off.max() > np.sin(np.radians(1.0)))


def known_anatomy(labels: Array, names: Mapping[int, str]) -> Array | None:
    """Where labels with the names of anatomy lie, uint8; None if there are none."""
    values = [value for value, name in names.items() if is_anatomy(name)]
    mask = np.isin(labels, values) if values else np.zeros(1, bool)
    return mask.astype(np.uint8) if mask.any() else None


def is_anatomy(name: str) -> bool:
    """Whether a structure of this name is known not to be a node."""
    return any(part in name.lower().replace("-", "_") for part in PRIORS)


@dataclass(frozen=True, slots=True)
class Grid:
    """A box of a volume resampled to a network's spacing; a voxel's centre stays in its place."""

    box: Box
    spacing: tuple[float, float, float]  # of the volume, mm
    wanted: tuple[float, float, float]  # of the network, mm

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the resampled box."""
        lengths = zip(self.box.shape, self.spacing, self.wanted, strict=True)
        return tuple(max(1, round(n * step / size)) for n, step, size in lengths)

    def forward(self, volume: Array, *, linear: bool = True) -> Array:
        """The box at the network's spacing, float32; averaged first where it gets coarser."""
        image = _image(volume[self.box.slices].astype(np.float32), self.spacing)
        for axis, (step, size) in enumerate(zip(self.spacing, self.wanted, strict=True)):
            if linear and size > 1.5 * step:  # half the coarser voxel, less the finer one's own
                sigma = 0.35 * np.sqrt(size**2 - step**2)
                image = sitk.RecursiveGaussian(image, float(sigma), False, 0, 2 - axis)
        how = sitk.sitkLinear if linear else sitk.sitkNearestNeighbor
        return _resampled(image, self.shape, self.box.shape, how)

    def back(self, values: Array) -> Array:
        """A map over `shape` on the voxels of the box, float32."""
        image = _image(values.astype(np.float32), self._exact)
        return _resampled(image, self.box.shape, self.shape, sitk.sitkLinear)

    @property
    def _exact(self) -> tuple[float, ...]:
        lengths = zip(self.box.shape, self.spacing, self.shape, strict=True)
        return tuple(n * step / few for n, step, few in lengths)


def _image(array: Array, spacing: Sequence[float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(step) for step in spacing[::-1]])
    return image


def _resampled(image: sitk.Image, shape: Sequence[int], before: Sequence[int], how: int) -> Array:
    """On a grid of `shape` that covers the same space, whose corners are shared."""
    spacing = image.GetSpacing()
    wanted = [step * n / m for step, n, m in zip(spacing, before[::-1], shape[::-1], strict=True)]
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize([int(n) for n in shape[::-1]])
    filter_.SetOutputSpacing(wanted)
    filter_.SetOutputOrigin([(new - old) / 2 for new, old in zip(wanted, spacing, strict=True)])
    filter_.SetInterpolator(how)
    filter_.UseNearestNeighborExtrapolatorOn()
    found: Array = sitk.GetArrayFromImage(filter_.Execute(image))
    return found
