"""Lymph nodes, and what is easily taken for one, grown into a chest CT at plausible places."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from inference.morphology import keep_largest
from plugins.lymph_nodes.growth import Blob, Tube, grow
from plugins.lymph_nodes.sites import site, smoothed
from plugins.lymph_nodes.texture import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array
    from plugins.lymph_nodes.growth import Body, Grown
    from plugins.lymph_nodes.sites import Sites

SHORT_MM = (4.0, 32.0)
"""Short axes of nodes, mm."""
FROM_BONE = 3.0
"""Between a node's surface and bone, mm: bone does not give way."""
TRIES = 25
CORE = (0.45, 0.95)
"""Share of a body's radius that its core takes: less would stretch the tissue round it."""
FAT = -80.0
MOULDED = 0.5
"""So many nodes fill the fat between vessels and take its shape instead of pushing all aside."""
OVERLAP = 0.1
"""Of a body's place may have been an earlier body's, which gives way."""
FILLED = 0.45
"""A moulded node fills at least this share of its ellipsoid."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A CT (z, y, x), HU, and what is known of it; `kernel` of `texture`."""

    volume: Array
    spacing: tuple[float, float, float]  # mm
    mediastinum: Array  # bool
    kernel: Array
    tissue: float  # HU of muscle
    enhanced: bool  # contrast medium was given
    nodes: Array = field(repr=False, kw_only=True)  # float32, share of each voxel
    bodies: Array = field(repr=False, kw_only=True)  # … of nodes and decoys
    moving: tuple[Array, ...] = field(default=(), repr=False, kw_only=True)
    """Masks that go along with the tissue, changed in place."""


@dataclass(slots=True)
class Implanted:
    """What was put in: centre (voxels), short axis (mm)."""

    centre: tuple[float, float, float]
    short_axis: float


def implant(
    rng: np.random.Generator,
    scene: Scene,
    sites: Sites,
    count: int,
    decoys: int,
    apart: float | None = None,
) -> list[Implanted]:
    """Grow `count` nodes and `decoys` bodies that are none into a scene, in place.

    With `apart` mm between any two nodes; else they may touch.
    """
    placed: list[Implanted] = []
    for number in rng.permutation(count + decoys):
        if number >= count:
            decoy(rng, scene, sites)
        elif found := node(rng, scene, sites, placed, apart):
            placed.append(found)
    return placed


def node(
    rng: np.random.Generator,
    scene: Scene,
    sites: Sites,
    placed: Sequence[Implanted],
    apart: float | None,
) -> Implanted | None:
    """Grow one node; None if there is no room."""
    low, high = np.log(SHORT_MM)
    short = float(np.exp(low + (high - low) * rng.beta(1.3, 1.6)))
    for _ in range(TRIES):
        body = blob(rng, short)
        moulded = rng.random() < MOULDED
        found = site(rng, sites, body.radius + FROM_BONE, 0.0 if moulded else _room(body))
        if found is None:
            continue
        centre, clearance = found
        if apart is not None and not _clear_of(centre, short, placed, scene.spacing, apart):
            continue
        held = grown(scene, body, centre, clearance)
        if _overlaps(scene, held):
            continue
        if moulded:
            share = moulded_share(scene, sites, held)
            if share.sum() < FILLED * held.share.sum():
                continue
            held = replace(held, share=share)
        put(rng, scene, held, node_hu(rng, scene), is_node=True)
        return Implanted(centre, short)
    return None


def moulded_share(scene: Scene, sites: Sites, body: Grown) -> Array:
    """The part of a body that lies in fat or lung once the tissue has given way."""
    tissue = smoothed(body.moved(scene.volume), scene.spacing)
    top = scene.tissue - 10
    soft = np.clip((top - tissue) / (top - FAT), 0, 1)
    room = body.share * (1 - body.moved(sites.airway))
    share = room * soft
    piece = keep_largest(share > 0.5)
    holes = np.stack([ndimage.binary_fill_holes(cut) for cut in piece]) & ~piece
    return np.asarray(np.where(holes, room, share * ndimage.binary_dilation(piece)))


def _overlaps(scene: Scene, body: Grown) -> bool:
    """Whether a body would take the place of an earlier one rather than lie beside it."""
    taken = scene.bodies[body.box.slices] > 0.5
    return bool(taken[body.share > 0.5].mean() > OVERLAP) if (body.share > 0.5).any() else True


def _room(body: Body) -> float:
    return CORE[0] * body.radius - 1.5


def decoy(rng: np.random.Generator, scene: Scene, sites: Sites) -> None:
    """A vessel across or along, an oesophagus with or without air, a recess full of fluid."""
    kind = rng.choice(["vessel", "arch", "oesophagus", "recess"], p=[0.5, 0.2, 0.15, 0.15])
    thickness = float(rng.uniform(2.0, 9.0 if kind == "oesophagus" else 7.0))
    body = Tube(line(rng, kind, thickness), thickness)
    found = site(rng, sites, thickness + FROM_BONE, _room(body))
    if found is None:
        return
    level = {"recess": rng.uniform(0, 22), "oesophagus": scene.tissue + rng.normal(-5, 10)}
    value = float(level.get(kind, _blood(rng, scene)))
    held = grown(scene, body, *found)
    if _overlaps(scene, held):
        return
    put(rng, scene, held, value, is_node=False)
    if kind == "oesophagus" and rng.random() < 0.5:
        lumen = held.share * (held.depth < rng.uniform(0.2, 0.45))
        part = scene.volume[held.box.slices]
        part += ndimage.gaussian_filter(lumen, 0.6) * (-900 - part)


def line(rng: np.random.Generator, kind: str, thickness: float) -> Array:
    """(n, 3), mm: mostly along the body; an arch runs forward; a recess lies round a vessel."""
    length = float(rng.uniform(3.5, 8.0)) * thickness
    along = np.linspace(-1, 1, max(5, int(length / thickness * 2)))
    bend = {"arch": rng.uniform(0.6, 1.2), "recess": rng.uniform(0.5, 0.9)}.get(kind, 0.15)
    curve = np.stack([along, bend * (along**2 - 0.5), 0.15 * np.sin(3 * along + 1)], 1) * length / 2
    upright = kind in {"vessel", "oesophagus"}
    spread = 0.35 if upright else 1.6
    turned: Array = Rotation.from_rotvec(rng.normal(0, spread, 3)).apply(curve)
    return turned.astype(np.float32)


def blob(rng: np.random.Generator, short: float) -> Blob:
    """A node of this short axis, mm: oval, often longest along the body, sometimes lobed."""
    middle = short * rng.uniform(1.0, 1.35)
    longest = middle * rng.uniform(1.0, 1.6)
    turn = Rotation.from_rotvec(rng.normal(0, 0.5, 3)).as_matrix()
    if rng.random() < 0.3:
        turn = Rotation.random(rng=rng).as_matrix()
    axes = (longest / 2, *rng.permutation([short / 2, middle / 2]))
    directions = rng.normal(size=(int(rng.integers(3, 9)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    heights = rng.uniform(-0.35, 0.15, len(directions))
    return Blob(axes, turn.astype(np.float32), np.column_stack([directions, heights]))


def grown(scene: Scene, body: Body, centre: Sequence[float], clearance: float) -> Grown:
    """The body in place; its core takes the fat that is free there."""
    core = float(np.clip(clearance / body.radius, *CORE))
    return grow(body, centre, core, scene.spacing, scene.volume.shape)


def node_hu(rng: np.random.Generator, scene: Scene) -> float:
    """Attenuation: about muscle, more with contrast medium."""
    extra = rng.normal(22, 18) if scene.enhanced else rng.normal(-12, 9)
    return float(np.clip(scene.tissue + extra, 12, 150))


def put(
    rng: np.random.Generator, scene: Scene, body: Grown, value: float, *, is_node: bool
) -> None:
    """Displace the tissue and fill the body: its own slow variation, the scan's noise."""
    here = body.box.slices
    tissue = body.moved(scene.volume, order=3)
    inside = value + slow(rng, body.share.shape, scene.spacing)
    if is_node:
        inside += inner(rng, body, value)
    inside += noise(rng, body.share.shape, scene.kernel)
    scene.volume[here] = tissue + body.share * (inside - tissue)
    for shares, is_new in ((scene.nodes, is_node), (scene.bodies, True)):
        shares[here] = body.moved(shares) * (1 - body.share) + body.share * is_new
    for mask in scene.moving:
        mask[here] = (body.moved(mask) > 0.5) & (body.share < 0.5)


def slow(rng: np.random.Generator, shape: tuple[int, ...], spacing: Sequence[float]) -> Array:
    """Variation of tissue over some mm, HU."""
    rough = ndimage.gaussian_filter(
        rng.standard_normal(shape).astype(np.float32), [3.0 / s for s in spacing]
    )
    return np.asarray(rough * (rng.uniform(0, 6) / (rough.std() + 1e-6)))


def inner(rng: np.random.Generator, body: Grown, value: float) -> Array:
    """What some nodes have: a fatty hilum, a necrotic centre, calcification; HU to add."""
    chance = rng.random()
    middle = np.reshape(body.share.shape, (3, 1, 1, 1)) / 2
    shape, radius = body.share.shape, np.clip(1 - body.depth, 0, 1)
    if chance < 0.12:  # hilum: fat enters from one side
        side = np.tensordot(rng.normal(size=3), np.indices(shape) - middle, 1)
        hilum = (radius > rng.uniform(0.35, 0.6)) & (side > 0)
        return np.asarray(ndimage.gaussian_filter(hilum.astype(np.float32), 0.7) * (-60 - value))
    if chance < 0.19:
        core = np.clip((radius - rng.uniform(0.1, 0.4)) * 3, 0, 1)
        return np.asarray(core * rng.uniform(-40, -10))
    if chance < 0.23:
        spots = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), 1.0)
        return np.asarray(np.clip(spots / spots.std() - 1.6, 0, 2) * rng.uniform(100, 400))
    return np.zeros(shape, np.float32)


def _blood(rng: np.random.Generator, scene: Scene) -> float:
    if scene.enhanced and rng.random() < 0.5:
        return scene.tissue + float(rng.uniform(40, 200))
    return node_hu(rng, scene)


def _clear_of(
    centre: Sequence[float],
    short: float,
    placed: Sequence[Implanted],
    spacing: Sequence[float],
    apart: float,
) -> bool:
    for other in placed:
        offset = (np.subtract(centre, other.centre)) * np.asarray(spacing)
        if np.linalg.norm(offset) < (short + other.short_axis) * 0.75 + apart:
            return False
    return True
