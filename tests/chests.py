"""A chest made of ellipses, for tests: lungs, mediastinum with fat and vessels, spine, abdomen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from inference.series import Array

SPACING = (3.0, 2.5, 2.5)  # (z, y, x), mm
SHAPE = (80, 92, 128)


def chest(*, right: bool = True, left: bool = True, noise: float = 8.0) -> Array:
    """int16 HU (z, y, x), canonical; lungs lie above 70 mm, a lung that is missing is fluid."""
    z, y, x = (
        (np.arange(n) - (n - 1) / 2).reshape([-1 if i == axis else 1 for i in range(3)]) * step
        for axis, (n, step) in enumerate(zip(SHAPE, SPACING, strict=True))
    )
    body = (y / 100) ** 2 + (x / 150) ** 2 < 1
    volume = np.full(SHAPE, -1000.0)
    volume[np.broadcast_to(body, SHAPE)] = -100
    volume[np.broadcast_to((y / 90) ** 2 + (x / 140) ** 2 < 1, SHAPE)] = 45
    for side, aerated in ((-1, right), (1, left)):
        lung = ((z - 20) / 90) ** 2 + (y / 72) ** 2 + ((x - side * 75) / 50) ** 2 < 1
        volume[lung] = -820 if aerated else 5
    middle = (((y + 10) / 48) ** 2 + (x / 32) ** 2 < 1) & (np.abs(z - 20) < 85)
    volume[middle] = -95
    volume[((y + 20) / 20) ** 2 + ((x + 5) / 18) ** 2 + 0 * z < 1] = 170  # a great vessel
    volume[(((y - 5) / 8) ** 2 + (x / 9) ** 2 + 0 * z < 1) & (z > 10)] = -990  # the trachea
    volume[((y - 55) / 18) ** 2 + (x / 20) ** 2 + 0 * z < 1] = 450  # the spine
    grain = np.random.default_rng(0).normal(0, noise, SHAPE)
    return np.clip(np.rint(volume + grain), -1024, 3000).astype(np.int16)


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius: float) -> Array:
    """A mask (z, y, x): `centre` in voxels, `radius` in mm."""
    offset = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    return ((offset * np.reshape(SPACING, (3, 1, 1, 1))) ** 2).sum(0) < radius**2
