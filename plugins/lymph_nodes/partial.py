"""Nodes that are complete before a search is: told in the volume's voxels, measured coarsely."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.lymph_nodes import measure

if TYPE_CHECKING:
    from inference.series import Array
    from plugins.lymph_nodes.measure import Line, Node
    from plugins.lymph_nodes.prepare import Grid

LONGEST_MM = 80.0


def complete(found: Array, start: int, stop: int, grid: Grid, threshold: float) -> list[Node]:
    """Nodes of a network's grid that end in its slices `start` to `stop`, not beyond."""
    back = max(0, start - int(LONGEST_MM / grid.wanted[0]))
    part = found[back:stop]
    labels = measure.finds(part, grid.wanted, threshold)
    last = stop == len(found)
    ending = [
        number
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None and start - back <= box[0].stop and (last or box[0].stop < len(part))
    ]
    kept = np.where(np.isin(labels, ending), labels, 0)
    nodes = measure.nodes(kept, grid.wanted, None, part, (back, 0, 0), threshold)
    return [_placed(node, grid) for node in nodes]


def _placed(node: Node, grid: Grid) -> Node:
    """In voxels of the volume."""
    step = np.divide(grid.box.shape, grid.shape)
    first = np.asarray(grid.box.start) + 0.5 * step - 0.5

    def line(ends: Line) -> Line:
        (a, b), (c, d) = (np.asarray(ends) * step[1:] + first[1:]).tolist()
        return (a, b), (c, d)

    z, y, x = (np.asarray(node.centroid) * step + first).tolist()
    return replace(
        node,
        centroid=(z, y, x),
        slice=round(float(node.slice * step[0] + first[0])),
        long_ends=line(node.long_ends),
        short_ends=line(node.short_ends),
    )
