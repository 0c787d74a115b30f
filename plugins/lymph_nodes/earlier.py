"""An earlier CT of the same patient laid over a later one, and their nodes matched.

Affine registration by mutual information (Mattes et al. 2001, in SimpleITK) inside the thorax,
begun where the lungs of one lie over those of the other. Positions are LPS (x, y, z), mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from scipy.optimize import linear_sum_assignment

from inference.errors import UserError
from inference.writing import to_itk
from plugins.lymph_nodes import regions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.box import Box
    from inference.series import Array, Geometry

GRID_MM = 4.0
SAMPLES, SEED, BINS = 0.2, 1, 32
ROUNDS = 120
CLIPPED_HU = (-1000.0, 300.0)
FARTHEST_MM = 15.0
"""Nodes further from each other, once registered, are not the same."""
DIFFERENCE = 0.5
"""A difference of short axes counts so many times as much as a distance."""


def register(
    now: Array,
    now_geometry: Geometry,
    before: Array,
    before_geometry: Geometry,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Callable[[Array], Array]:
    """What maps positions (n, 3) of the CT `now` to those of `before`; raises UserError."""
    fixed, moving = (_coarse(*pair) for pair in ((now, now_geometry), (before, before_geometry)))
    inside, start = _mask(now, now_geometry, fixed), sitk.AffineTransform(3)
    middle = _middle(now, now_geometry)
    start.SetCenter(middle.tolist())
    start.SetTranslation((_middle(before, before_geometry) - middle).tolist())
    method = _method(inside, start)
    done = [0]

    def step() -> None:
        done[0] += 1
        report(min(done[0], 2 * ROUNDS), 2 * ROUNDS)

    method.AddCommand(sitk.sitkIterationEvent, step)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError as error:
        raise UserError("These two studies could not be laid over each other.") from error
    return lambda points: np.array([found.TransformPoint(point) for point in points.tolist()])


def matched(
    now: Array, before: Array, now_mm: Sequence[float], before_mm: Sequence[float]
) -> list[tuple[int, int]]:
    """Pairs (now, before) of nodes at positions (n, 3), mm, of these short axes."""
    if not len(now) or not len(before):
        return []
    apart = np.linalg.norm(now[:, None] - before[None], axis=-1)
    change = np.abs(np.subtract.outer(np.asarray(now_mm), np.asarray(before_mm)))
    near = apart <= FARTHEST_MM
    cost = np.where(near, apart + DIFFERENCE * change, 1e6)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(a), int(b)) for a, b in pairs if near[a, b]]


def _method(inside: sitk.Image, start: sitk.Transform) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(inside)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLES, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.02, ROUNDS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, False)
    return method


def _coarse(volume: Array, geometry: Geometry) -> sitk.Image:
    """About every `GRID_MM`, clipped, float32."""
    image = to_itk(np.clip(volume, *CLIPPED_HU).astype(np.float32), geometry)
    factors = [max(1, round(GRID_MM / step)) for step in image.GetSpacing()]
    found: sitk.Image = sitk.BinShrink(image, factors)
    return found


def _mask(volume: Array, geometry: Geometry, like: sitk.Image) -> sitk.Image:
    """The box of the lungs on the grid of a coarse image."""
    mask = np.zeros(volume.shape, np.uint8)
    mask[_lungs(volume, geometry).slices] = 1
    return sitk.Resample(to_itk(mask, geometry), like, sitk.Transform(), sitk.sitkNearestNeighbor)


def _middle(volume: Array, geometry: Geometry) -> Array:
    box = _lungs(volume, geometry)
    return geometry.to_patient((np.add(box.start, box.stop) - 1) / 2)


def _lungs(volume: Array, geometry: Geometry) -> Box:
    return regions.find(volume, geometry.spacing).lungs
