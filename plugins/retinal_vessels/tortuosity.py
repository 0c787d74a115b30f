"""How winding vessels are: three usual definitions, each a mean weighted by length."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from plugins.retinal_vessels.skeleton import smoothed, to_ends

if TYPE_CHECKING:
    from plugins.retinal_vessels.skeleton import Centrelines, Floats, Integers

SHORTEST = 25.0
"""Shorter paths, px, say more about pixels than about vessels."""
SMOOTHING = 4.0
"""Further smoothing before curvature, which pixel steps would swamp; points."""
STRAIGHT = 0.004
"""Curvature, 1/px, below which a stretch turns neither way."""


def tortuosity(lines: Centrelines) -> dict[str, float]:
    """NaN where no vessel is long enough.

    `arc_over_chord`: length over the straight distance between the ends (Lotmar et al. 1979).
    `squared_curvature`: integral of the squared curvature over the length, 1/px² (Hart et al.
    1999). `tortuosity_density`, 1/px: Grisan et al., IEEE Trans. Med. Imaging 27 (2008) 310.
    """
    long = (lines.lengths >= SHORTEST) & (lines.chords > 2)  # closed rings aside
    if not long.any():
        return dict.fromkeys(("arc_over_chord", "squared_curvature", "tortuosity_density"), nan)
    curvature, known = _curvature(lines)
    known &= long[lines.path]
    weights = lines.lengths[long]
    ratio = weights / lines.chords[long]
    density = _density(lines, curvature)[long]
    return {
        "arc_over_chord": float(np.average(ratio, weights=weights)),
        "squared_curvature": float((curvature[known] ** 2).mean()) if known.any() else nan,
        "tortuosity_density": float(np.average(density, weights=weights)),
    }


def _density(lines: Centrelines, curvature: Floats) -> Floats:
    """(paths,) sum of (arc/chord - 1) over the n turns of a path, times (n - 1)/n, over length."""
    cuts = _turns(lines, np.where(np.abs(curvature) < STRAIGHT, 0, np.sign(curvature)))
    arc = np.diff(lines.arc[cuts])
    chord = np.linalg.norm(np.diff(lines.points[cuts], axis=0), axis=1)
    path = lines.path[cuts[:-1]]
    real = (path == lines.path[cuts[1:]]) & (chord > 0)
    excess = np.bincount(path[real], arc[real] / chord[real] - 1, lines.count)
    turns = np.maximum(np.bincount(path[real], minlength=lines.count), 1)
    density: Floats = (turns - 1) / turns * excess / np.maximum(lines.lengths, 1e-9)
    return density


def _curvature(lines: Centrelines) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """(n,) signed curvature, 1/px, and where it rests on a whole smoothing window."""
    points = smoothed(lines.points, lines.starts, SMOOTHING)
    first = np.gradient(points, axis=0)
    second = np.gradient(first, axis=0)
    speed = np.maximum(np.linalg.norm(first, axis=1), 1e-9)
    curvature = (first[:, 1] * second[:, 0] - first[:, 0] * second[:, 1]) / speed**3
    usable = to_ends(lines.starts) >= round(3 * SMOOTHING)  # thinning bends the ends
    return np.where(usable, curvature, 0.0), usable


def _turns(lines: Centrelines, sign: Floats) -> Integers:
    """Indices at which a path starts, ends, or begins to turn the other way."""
    index = np.arange(len(sign))
    known = np.maximum.accumulate(np.where(sign != 0, index, -1))
    same_path = lines.path[known] == lines.path
    filled = np.where((known >= 0) & same_path, sign[known], 0)
    changed = (filled[1:] * filled[:-1] < 0) & (lines.path[1:] == lines.path[:-1])
    ends = np.concatenate([lines.starts[:-1], lines.starts[1:] - 1])
    return np.union1d(ends, np.flatnonzero(changed) + 1).astype(np.int64)
