"""Volumes with a geometry: NIfTI, NRRD and MetaImage, by SimpleITK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from inference.errors import UserError
from inference.reading import require_memory, sha256
from inference.series import Geometry, Series

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from inference.series import Array

AIR_HU, SOFT_TISSUE_HU = -900, 20  # a volume that reaches from one to beyond the other is a CT

LOOKED_AT = 16  # slices of a volume, to tell whether it is a label map
MOST_LABELS = 256  # with the background
PATCHES = 0.8  # of the neighbours within objects that have one label: in images, few are alike


def read_volume(path: Path) -> list[Series]:
    """One series for each 3-D volume or 2-D picture in the file; raises UserError."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _require_memory(path, reader)
        image = reader.Execute()
    except RuntimeError as error:
        raise UserError(_refusal(path, str(error))) from error
    stored = sitk.GetArrayFromImage(image)
    return _split(path, stored, _geometry(image), image.GetNumberOfComponentsPerPixel())


def geometry_of(spacing: ArrayLike, origin: ArrayLike, direction: ArrayLike) -> Geometry:
    """From ITK's x, y, z spacing and origin in mm and its row-wise direction matrix (all LPS)."""
    affine = np.eye(4)
    columns = np.reshape(direction, (3, 3)) * np.asarray(spacing)  # of x, y, z
    affine[:3, :3] = columns[:, ::-1]
    affine[:3, 3] = origin
    return Geometry(affine, known=True)


def _geometry(image: Any) -> Geometry:
    """Of the first three axes; a 2-D picture lies in the plane z = 0."""
    n = image.GetDimension()
    spacing, origin = np.ones(3), np.zeros(3)
    direction = np.eye(3)
    k = min(n, 3)
    spacing[:k], origin[:k] = image.GetSpacing()[:k], image.GetOrigin()[:k]
    direction[:k, :k] = np.reshape(image.GetDirection(), (n, n))[:k, :k]
    return geometry_of(spacing, origin, direction)


def _require_memory(path: Path, reader: Any) -> None:
    dtype = sitk.GetArrayFromImage(sitk.Image([1, 1], reader.GetPixelID())).dtype
    require_memory(path, (*reader.GetSize(), reader.GetNumberOfComponents()), dtype)


def _split(path: Path, stored: Array, geometry: Geometry, components: int) -> list[Series]:
    """One series for each time point and component; three 8-bit components are colour."""
    rgb = components == 3 and stored.dtype == np.uint8
    if components > 1 and not rgb:
        stored = np.moveaxis(stored, -1, 0)
    spatial = stored.ndim - rgb
    volumes = stored.reshape(-1, *stored.shape[spatial - 3 :]) if spatial > 3 else stored[None]
    notes = (f"{path.name} holds {len(volumes)} volumes at one place: each is its own series.",)
    return [
        _series(path, volume, geometry, rgb, notes if len(volumes) > 1 else ())
        for volume in volumes
    ]


def _series(
    path: Path, stored: Array, geometry: Geometry, rgb: bool, notes: tuple[str, ...]
) -> Series:
    voxels = stored.astype(np.float32) if stored.dtype == np.float64 else stored
    if voxels.ndim - rgb == 3 and voxels.shape[0] == 1:
        voxels = voxels[0]
    is_ct = not rgb and voxels.dtype.kind in "if" and _looks_like_ct(voxels)
    return Series(
        voxels,
        "volume" if voxels.ndim - rgb == 3 else "image",
        "CT" if is_ct else "OT",
        (path,),
        geometry,
        rgb=rgb,
        sha256=sha256(stored),
        window=(40.0, 400.0) if is_ct else None,
        unit="HU" if is_ct else "",
        warnings=notes,
        details={"labels": True} if not rgb and _looks_like_labels(voxels) else {},
    )


def _looks_like_ct(voxels: Array) -> bool:
    """These files name no modality; only CT has its air near -1000 and its tissue above 0."""
    return bool(voxels.min() <= AIR_HU and voxels.max() >= SOFT_TISSUE_HU)


def _looks_like_labels(voxels: Array) -> bool:
    """Whether a volume (z, y, x) holds a few whole numbers in patches on a background of zeros."""
    drawn = np.flatnonzero(voxels.any(axis=(1, 2))) if voxels.ndim == 3 else np.array([])
    chosen = voxels[drawn[:: max(1, len(drawn) // LOOKED_AT)]] if len(drawn) else voxels[:0]
    if voxels.dtype.kind not in "biuf" or not chosen.size or chosen.min() < 0:
        return False
    whole = voxels.dtype.kind != "f" or bool((chosen == np.rint(chosen)).all())
    if not whole or chosen.all() or len(np.unique(chosen)) > MOST_LABELS:
        return False
    beside = (chosen[..., 1:] != 0) & (chosen[..., :-1] != 0)
    alike = (chosen[..., 1:] == chosen[..., :-1])[beside]
    return bool(alike.mean() > PATCHES) if alike.size else len(np.unique(chosen)) == 2


def _refusal(path: Path, reason: str) -> str:
    if "orthonormal" in reason:
        return (
            f"The axes of {path.name} are not at right angles, which Limn cannot show: resample it."
        )
    return f"{path.name} is damaged, cut off or not the kind of file that its name says."
