"""The data model: a series is voxels in stored order plus where, when and what they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

Kind = Literal["volume", "run", "image"]


@dataclass(frozen=True)
class Geometry:
    """Where voxels lie: `affine` maps (z, y, x, 1) indices to patient (x, y, z) LPS, mm."""

    affine: NDArray[np.float64] = field(default_factory=lambda: np.eye(4)[[2, 1, 0, 3]])
    known: bool = False  # False: the file states no spacing, 1 pixel is drawn as 1 unit

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x), mm."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @cached_property
    def axes(self) -> tuple[tuple[int, int], ...]:
        """For z, y, x in turn the nearest patient axis (0 L, 1 P, 2 S) and its sign (+1 or -1)."""
        direction = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        left, found = np.abs(direction), [(0, 1)] * 3
        for _ in range(3):  # the clearest pair first, so that oblique axes never share a letter
            patient, array = (int(i) for i in np.unravel_index(np.argmax(left), left.shape))
            found[array] = (patient, 1 if direction[patient, array] > 0 else -1)
            left[patient, :], left[:, array] = -1, -1
        return tuple(found)

    @property
    def orientation(self) -> str:
        """Three letters, the patient direction in which z, y and x increase, such as "SPL"."""
        return "".join("LPS"[axis] if sign > 0 else "RAI"[axis] for axis, sign in self.axes)

    def to_patient(self, index: Array) -> NDArray[np.float64]:
        """(..., 3) (z, y, x) indices to (..., 3) LPS (x, y, z), mm."""
        return np.asarray(index) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def reordered(self, order: tuple[int, ...], flips: tuple[bool, ...], shape: Any) -> Geometry:
        """The geometry after `transpose(order)` and flipping the new axes."""
        affine = self.affine.copy()
        affine[:, :3] = affine[:, order]
        for axis, flip in enumerate(flips):
            if flip:
                affine[:3, 3] += affine[:3, axis] * (shape[order[axis]] - 1)
                affine[:3, axis] *= -1
        return Geometry(affine, self.known)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and what, as far as the file tells; never logged, never part of a file name."""

    patient_name: str = ""
    patient_id: str = ""
    study_uid: str = ""
    study_description: str = ""
    study_date: str = ""
    series_uid: str = ""
    series_description: str = ""
    series_number: str = ""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How a run of X-ray frames was taken, as far as its file tells; frames count from 0."""

    intensity: Literal["linear", "logarithmic", ""] = ""  # of the stored values to the X-rays
    inverted: bool = False  # larger values mean less X-rays: vessels are bright
    subtracted: bool = False  # the stored frames are differences from a mask already
    mask_frames: tuple[int, ...] = ()
    mask_shift: tuple[float, float] = (0.0, 0.0)  # (y, x), px, of the mask
    angles: tuple[float, float] | None = None  # primary (LAO +) and secondary (cranial +), degrees
    plane: Literal["A", "B", ""] = ""  # of a biplane system


INSTANCES, FRAMES = "instances", "frames"  # details of DICOM: UIDs of `paths`; which frames, from 0


@dataclass(frozen=True)
class Series:
    """Voxels in stored order: volume (z, y, x), run (t, y, x) or image (y, x); colour adds 3."""

    voxels: Array
    kind: Kind
    modality: str  # DICOM code: CT, MR, XA, OP (ophthalmic photograph), OT (other) …
    paths: tuple[Path, ...]
    geometry: Geometry = field(default_factory=Geometry)
    rgb: bool = False
    frame_times: tuple[float, ...] | None = None  # ms from the first frame
    acquisition: Acquisition | None = None  # of a run
    synthetic: tuple[bool, ...] | None = None  # which frames a model made; None: all were taken
    confidence: tuple[float, ...] | None = None  # in each frame, 0 to 1; 1 where it was taken
    identity: Identity = field(default_factory=Identity)
    sha256: str = ""  # of the decoded stored pixel values, C order, little endian
    window: tuple[float, float] | None = None  # centre, width, in units of the voxels
    unit: str = ""  # "HU" where the voxels are calibrated
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)  # what one kind of file alone needs

    @property
    def path(self) -> Path:
        """The file, or the first file, that it was read from."""
        return self.paths[0]

    @property
    def source(self) -> Path:
        """What a person would call it by: its file, or the folder of its files."""
        return self.path if len(self.paths) == 1 else self.path.parent

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Shape without the colour axis: (z, y, x), (t, y, x) or (y, x)."""
        return self.voxels.shape[: self.voxels.ndim - self.rgb]

    @property
    def scale(self) -> tuple[float, ...]:
        """Step per spatial axis of `canonical()`: mm; 1 per frame; 1 per pixel if unknown."""
        z, y, x = self.canonical_geometry.spacing
        return {"volume": (z, y, x), "run": (1.0, y, x), "image": (y, x)}[self.kind]

    @cached_property
    def canonical_geometry(self) -> Geometry:
        """The geometry of `canonical()`."""
        order, flips = self._canonical
        return self.geometry.reordered(order, flips, self.spatial_shape) if order else self.geometry

    def canonical(self) -> Array:
        """A view turned to (z to S, y to P, x to L) by swaps and flips; runs, images as stored."""
        order, flips = self._canonical
        return _flip(self.voxels.transpose(order), flips) if order else self.voxels

    def from_canonical(self, array: Array) -> Array:
        """A view of an array over `canonical()`'s grid, turned back to stored order."""
        order, flips = self._canonical
        return _flip(array, flips).transpose(np.argsort(order)) if order else array

    @cached_property
    def _canonical(self) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        if self.kind != "volume" or self.rgb:
            return (), ()
        axes = self.geometry.axes
        order = tuple([axis for axis, _ in axes].index(patient) for patient in (2, 1, 0))
        return order, tuple(axes[i][1] < 0 for i in order)

    def warned(self, *sentences: str) -> Series:
        """The same series with further warnings."""
        return replace(self, warnings=(*self.warnings, *sentences))


def _flip(array: Array, flips: tuple[bool, ...]) -> Array:
    return array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
