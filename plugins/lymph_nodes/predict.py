"""From a CT to the probability of nodes, by one network or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  the worker's side

from inference.device import mixed_precision
from inference.tiling import predict_tiled
from plugins.lymph_nodes.model import SLAB
from plugins.lymph_nodes.prepare import Grid, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.box import Box
    from inference.series import Array
    from plugins.lymph_nodes.model import NodeNet

    Run = Callable[[Array], Array]

OVERLAP = 8
"""Slices that neighbouring slabs share."""
MIRRORED: tuple[tuple[int, ...], ...] = ((), (-1,))
"""Axes along which a network sees a part turned over, too: left to right, as in training."""
EDGE = 192
"""Larger volumes go through a network in parts, voxels of its grid: longer than any mediastinum.

Without lungs the whole volume is searched; a part of this size takes the full network 4.3 GiB."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: the CT, where, what anatomy is known, on which device."""

    volume: Array  # (z, y, x), HU
    spacing: tuple[float, float, float]  # mm
    box: Box
    anatomy: Array | None  # labels, whatever their numbers
    device: str
    edge: int = EDGE

    def grid(self, network: NodeNet) -> Grid:
        """The network's grid over the box."""
        return Grid(self.box, self.spacing, network.config.spacing)

    def input(self, network: NodeNet) -> Array:
        """(1 or 2, z, y, x), float32."""
        grid = self.grid(network)
        planes = [normalise(grid.forward(self.volume))]
        if network.config.priors:
            planes.append(
                np.zeros_like(planes[0]) if self.anatomy is None
                else grid.forward(self.anatomy != 0, linear=False)  # trained with 0 and 1
            )  # fmt: skip
        return np.stack(planes)


def search(
    network: NodeNet,
    what: Search,
    progress: Callable[[int, int], None] = lambda done, total: None,
    finished: Callable[[Array, int, int], None] = lambda found, start, stop: None,
) -> Array:
    """Probability over the box's voxels, float32.

    The slab-wise network tells of slices `start` to `stop` of its own grid as they are `finished`.
    """
    network = network.to(what.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    planes, run = what.input(network), _runner(network, what.device)
    multiple = network.config.multiple
    if network.config.kind == "slab":
        found = _slabs(run, planes, what.edge, multiple, progress, finished)
    else:
        edges = (what.edge,) * 3
        found = predict_tiled(run, planes, edges, multiple=multiple, progress=progress)[0]
    return what.grid(network).back(found)


def combine(maps: Sequence[Array], how: str) -> Array:
    """The ensemble: the voxelwise maximum (as published) or mean."""
    merge = np.maximum.reduce if how == "max" else lambda found: np.mean(found, axis=0)
    return np.asarray(merge(list(maps)), np.float32)


def _runner(network: NodeNet, device: str) -> Run:
    """The network as the mean of what it says of a part and of its mirror images."""
    mixed = mixed_precision(device)

    def run(part: Array) -> Array:
        tensor = torch.from_numpy(np.ascontiguousarray(part))[None].to(device)
        tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=mixed):
            views = [network(tensor.flip(axes))[0].float().flip(axes) for axes in MIRRORED]
            values = torch.sigmoid(torch.stack(views)).mean(0)
        result: Array = values[0].cpu().numpy()
        return result

    return run


def _slabs(
    run: Run,
    planes: Array,
    edge: int,
    multiple: int,
    progress: Callable[[int, int], None],
    finished: Callable[[Array, int, int], None],
) -> Array:
    """Probability (z, y, x), slab after slab from below, each fading into the next."""
    starts = slab_starts(planes.shape[1])
    total = np.zeros(planes.shape[1:], np.float32)
    weights = np.zeros(planes.shape[1], np.float32)
    done = 0
    for number, start in enumerate(starts):
        progress(number, len(starts))
        part = planes[:, start : start + SLAB]
        found = predict_tiled(run, part, (SLAB, edge, edge), multiple=multiple)[0]
        bell = _bell(len(found))
        total[start : start + SLAB] += found * bell[:, None, None]
        weights[start : start + SLAB] += bell
        last = number + 1 == len(starts)
        ready = planes.shape[1] if last else starts[number + 1]
        total[done:ready] /= weights[done:ready, None, None]
        finished(total, done, ready)
        done = ready
    progress(len(starts), len(starts))
    return total


def slab_starts(slices: int) -> list[int]:
    """First slices of slabs that cover so many, `OVERLAP` or more shared."""
    count = 1 + max(0, -(-(slices - SLAB) // (SLAB - OVERLAP)))
    return [round(float(start)) for start in np.linspace(0, max(0, slices - SLAB), count)]


def _bell(slices: int) -> Array:
    place = np.linspace(-2, 2, slices + 2, dtype=np.float32)[1:-1]
    return np.asarray(np.exp(-0.5 * place**2))
