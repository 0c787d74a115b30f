"""An invented CT of chest and upper abdomen after contrast: int16 HU (z, y, x), LPS, 2.5 mm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from resources.generators.trees import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SHAPE = (144, 112, 152)
SPACING = 2.5  # mm
AIR, LUNG, FAT, MUSCLE, BONE, MARROW = -1000, -860, -100, 52, 620, 210
VERTEBRA = 26.0  # mm from one to the next


class Phantom:
    """A volume that organs are painted into, later ones over earlier ones; mm from the centre."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.hu = np.full(SHAPE, float(AIR))
        axes = [(np.arange(n) - n / 2) * SPACING for n in SHAPE]
        self.z, self.y, self.x = np.meshgrid(*axes, indexing="ij", sparse=True)
        self.wobble = [4 * smooth_noise(rng, SHAPE, 9) for _ in range(3)]

    def ellipsoid(self, centre: Any, radii: Any, power: float = 2) -> Floats:
        """1 on the surface, less inside; its form a little irregular."""
        parts = zip((self.z, self.y, self.x), centre, radii, self.wobble, strict=True)
        total: Floats = sum(np.abs((axis + w - c) / r) ** power for axis, c, r, w in parts)
        return total ** (1 / power)

    def tube(self, course: Any, radii: Any) -> Mask:
        """Balls of the radii along a polyline of (z, y, x) points."""
        inside = np.zeros(SHAPE, bool)
        course = np.asarray(course, float)
        for a, b, r, s in zip(course, course[1:], radii, radii[1:], strict=False):
            for t in np.linspace(0, 1, int(np.linalg.norm(b - a) / 1.5) + 2):
                _ball(inside, a + t * (b - a), r + t * (s - r))
        return inside

    def paint(self, inside: Mask, hu: float, texture: float = 0) -> None:
        """Give the voxels a mean and a smooth variation, HU."""
        self.hu[inside] = hu
        if texture:
            self.hu[inside] += texture * smooth_noise(self.rng, SHAPE, 2)[inside]


def volume(rng: np.random.Generator) -> NDArray[np.int16]:
    """z to superior, y to posterior, x to left."""
    phantom = Phantom(rng)
    inner = _body(phantom)
    diaphragm = _abdomen(phantom, inner)
    _chest(phantom, inner, diaphragm)
    _spine(phantom)
    _ribs(phantom, inner)
    return _scan(rng, phantom.hu)


def _body(phantom: Phantom) -> Floats:
    """Skin, fat and muscle; returns the distance field of the body wall's inside."""
    z, y, x = phantom.z, phantom.y, phantom.x
    waist = 1 - 0.06 * np.exp(-(((z + 60) / 70) ** 2)) + 0.05 * np.exp(-(((z - 150) / 60) ** 2))
    bend = 0.35 * phantom.wobble[0]
    outer = (
        np.abs((y + bend) / (112 * waist)) ** 2.4 + np.abs((x + bend) / (163 * waist)) ** 2.4
    ) ** (1 / 2.4)
    outer = np.broadcast_to(outer, SHAPE)
    phantom.paint(outer < 1, FAT, 8)
    phantom.paint(outer < 0.978, FAT, 8)
    phantom.paint((outer < 0.90) & (phantom.wobble[1] + 30 * (0.9 - outer) > -14), MUSCLE, 8)
    inner = np.broadcast_to(
        (np.abs((y + 2) / (86 * waist)) ** 2.3 + np.abs(x / (132 * waist)) ** 2.3) ** (1 / 2.3),
        SHAPE,
    )
    phantom.paint((outer >= 0.985) & (outer < 1.0), 20)
    return np.asarray(inner)


def _abdomen(phantom: Phantom, inner: Floats) -> Floats:
    """Organs below the diaphragm; returns its height above each voxel, mm."""
    x, y, z = phantom.x, phantom.y, phantom.z
    dome = 34 * np.exp(-(((x + 66) / 62) ** 2)) + 24 * np.exp(-(((x - 66) / 58) ** 2))
    height = dome - 0.0042 * (y - 6) ** 2 * (y > 6) - 26 + 0 * z
    below = (z < height) & (inner < 1)
    phantom.paint(below, FAT, 10)
    for _ in range(46):  # loops of bowel
        centre = phantom.rng.uniform((-175, -62, -95), (-95, 20, 95))
        loop = phantom.ellipsoid(centre, phantom.rng.uniform(11, 19, 3))
        phantom.paint(below & (loop < 1), 62, 6)
        phantom.paint(below & (loop < 0.72), phantom.rng.choice((18, 30, 24)), 8)
    organs = (
        ((-46, -6, -62), (62, 74, 66), 2.4, 112, 5),  # liver
        ((-34, -34, -8), (30, 42, 52), 2.2, 110, 5),  # its left lobe
        ((-48, 46, 92), (42, 30, 22), 2.0, 122, 6),  # spleen
        ((-112, 42, 62), (52, 25, 24), 2.0, 168, 14),  # left kidney
        ((-122, 42, -58), (52, 25, 24), 2.0, 166, 14),
        ((-46, -28, 58), (34, 30, 34), 2.0, 34, 6),  # stomach
        ((-84, 4, 16), (11, 12, 58), 2.0, 96, 8),  # pancreas
        ((-72, -44, -52), (22, 14, 14), 2.0, 8, 3),  # gall bladder
    )
    for place, radii, power, hu, texture in organs:
        organ = phantom.ellipsoid(place, radii, power)
        phantom.paint(below & (organ < 1) & (inner < 0.97), hu, texture)
    for side in (62, -58):
        pelvis = phantom.ellipsoid((-117, 42, side * 0.86), (26, 10, 9))
        phantom.paint(pelvis < 1, -60, 8)
    stomach_air = phantom.ellipsoid((-40, -40, 56), (20, 12, 20))
    phantom.paint(below & (stomach_air < 1) & (y + 0 * z < -38), AIR)
    portal = [(-88, 8, -6), (-66, 2, -26), (-52, -2, -48), (-38, 0, -76)]
    phantom.paint(phantom.tube(portal, (7, 7, 6, 3)) & below, 168)
    for _ in range(16):
        end = np.array((-44, -2, -58)) + phantom.rng.normal(0, 24, 3)
        phantom.paint(phantom.tube([(-52, -2, -48), end], (3.6, 1.4)) & below, 158)
    return np.asarray(z - height)


def _chest(phantom: Phantom, inner: Floats, above: Floats) -> None:
    """Lungs with their vessels, heart, great vessels, airways and a few large nodes."""
    chest = (above >= 0) & (inner < 1)
    phantom.paint(chest, FAT, 10)
    lungs = np.zeros(SHAPE, bool)
    for side, width in ((-1, 58), (1, 53)):
        lobe = phantom.ellipsoid((18, 4, side * 72), (158, 88, width), 2.6)
        lungs |= chest & (lobe < 1) & (inner < 0.95) & (above > 3)
    heart = phantom.ellipsoid((8, -24, 22), (54, 46, 58))
    lungs &= heart > 1.06
    phantom.paint(lungs, LUNG, 22)
    _lung_vessels(phantom, lungs)
    phantom.paint(chest & (heart < 1.04), FAT)
    phantom.paint(chest & (heart < 1), 128, 8)
    phantom.paint(phantom.ellipsoid((4, -18, 34), (34, 26, 30)) < 1, 205, 4)
    phantom.paint(phantom.ellipsoid((10, -34, -6), (34, 24, 26)) < 1, 185, 4)
    _great_vessels(phantom)
    windpipe = [(180, 22, 0), (92, 26, 0), (66, 24, 0)]
    main = [[(66, 24, 0), (44, 26, side * 30), (26, 24, side * 52)] for side in (-1, 1)]
    for course, radii in ((windpipe, (9, 9, 9)), (main[0], (8, 7, 4)), (main[1], (7, 6, 4))):
        phantom.paint(phantom.tube(course, np.add(radii, 2.2)), 40)
        phantom.paint(phantom.tube(course, radii), AIR)
    for centre, radius in (
        ((78, 8, -20), 8),
        ((58, 30, 6), 9),
        ((84, -6, 22), 6),
        ((50, 12, -32), 7),
    ):
        phantom.paint(phantom.ellipsoid(centre, (radius * 1.4, radius, radius)) < 1, 78, 4)


def _lung_vessels(phantom: Phantom, lungs: Mask) -> None:
    rng = phantom.rng
    tree = np.zeros(SHAPE, bool)
    for side in (-1, 1):
        todo = [(np.array((48.0, 10.0, side * 30.0)), np.array((0.0, 0.2, side * 1.0)), 6.5)] * 11
        while todo:
            start, heading, radius = todo.pop()
            turned = heading + rng.normal(0, 0.5, 3)
            turned /= np.linalg.norm(turned)
            end = start + turned * radius * rng.uniform(4.5, 8)
            tree |= phantom.tube([start, end], (radius, radius * 0.8))
            if radius > 1.3:
                todo += [(end, turned, radius * rng.uniform(0.66, 0.84)) for _ in range(2)]
    phantom.paint(tree & lungs, 95, 20)


def _great_vessels(phantom: Phantom) -> None:
    arch = [
        (22, -14, 6),
        (52, -24, -8),
        (84, -14, -8),
        (96, 4, 4),
        (88, 26, 18),
        (60, 42, 24),
        (0, 40, 22),
        (-90, 24, 10),
        (-180, 20, 8),
    ]
    lung_trunk = [(30, -32, 26), (52, -22, 24), (60, -6, 14), (56, 8, -20), (48, 10, -34)]
    left_lung = [(60, -6, 18), (60, 14, 34)]
    upper = [(30, -10, -32), (70, -12, -32), (110, -10, -34), (132, -8, -44)]
    lower = [(0, 4, -26), (-30, 18, -22), (-90, 18, -16), (-180, 20, -16)]
    for side, top in ((-1, -34), (1, 30)):
        phantom.paint(
            phantom.tube([(94, 0, 2 * side), (130, -2, top * 0.7), (180, 4, top)], (6, 5, 4)), 232
        )
    for inferior in ((-108, 36, 40), (-114, 36, -36)):
        phantom.paint(phantom.tube([(-108, 23, 8), inferior], (4, 3.4)), 225)
    for course, radii, hu in (
        (lower, (11, 11, 10, 10), 138), (upper, (9, 9, 8, 7), 210),
        (lung_trunk, (12, 12, 11, 9, 8), 222),
        (left_lung, (10, 8), 222), (arch, (15, 15, 14, 13, 12.5, 12, 11, 10, 9), 240),
    ):  # fmt: skip
        phantom.paint(phantom.tube(course, radii), hu, 4)


def _spine(phantom: Phantom) -> None:
    z, y, x = phantom.z, phantom.y, phantom.x
    curve = 5 * np.sin(z / 85)
    body = np.hypot((y - 54 + curve) / 0.86, x) / (17 - 0.025 * z)
    phase = np.abs((z % VERTEBRA) / VERTEBRA - 0.5)
    body, phase = np.broadcast_arrays(body + 0 * z, phase + 0 * body)
    disc = phase > 0.40
    phantom.paint((body < 1) & disc, 88, 8)
    phantom.paint((body < 1) & ~disc, BONE * 0.75, 40)
    phantom.paint((body < 0.88) & (phase < 0.36), MARROW, 40)
    back = np.broadcast_to(np.hypot((y - 80 + curve) / 0.8, x / 1.25), SHAPE)
    spines = (np.abs(x) < 4) & (y - 90 + curve > 0) & (y - 103 + curve < 0) & (phase < 0.34)
    wings = (np.abs(y - 82 + curve) < 5) & (np.abs(x) < 34) & (phase < 0.2)
    phantom.paint((back < 15) | spines | wings, BONE * 0.7, 50)
    phantom.paint(back < 10, 28, 4)


def _ribs(phantom: Phantom, inner: Floats) -> None:
    """Obliquely lying rings in the chest's wall, the breastbone and the collar bones' ends."""
    z, y, x = phantom.z, phantom.y, phantom.x
    slope = z + 0.52 * (y - 70) * -1 * (y < 70)
    phase = np.abs(((slope + 8) % VERTEBRA) / VERTEBRA - 0.5) * VERTEBRA
    phase = np.broadcast_to(phase, SHAPE)
    shell = (inner > 0.985) & (inner < 1.065) & (z > -78 - 0.6 * y) & (np.abs(x) > 16)
    cartilage = np.broadcast_to((y < -62) & (np.abs(x) < 62), SHAPE)
    rib = shell & (phase < 5.2)
    phantom.paint(rib, BONE, 60)
    phantom.paint(rib & (phase < 2.6) & (inner > 1.01) & (inner < 1.04), MARROW, 40)
    phantom.paint(rib & cartilage, 95, 15)
    breastbone = np.broadcast_to((np.abs(x) < 17) & (z > -8) & (z < 128), SHAPE)
    plate = breastbone & (inner > 0.985) & (inner < 1.10) & (y < 0)
    phantom.paint(plate, BONE * 0.7, 50)
    phantom.paint(plate & (inner > 1.015) & (inner < 1.07), MARROW, 30)


def _scan(rng: np.random.Generator, hu: Floats) -> NDArray[np.int16]:
    """Partial volume, correlated noise, the table, and the scanner's floor."""
    blurred = ndimage.gaussian_filter(hu, 0.65)
    noise = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (0.3, 0.6, 0.6))
    noisy = blurred + noise / noise.std() * np.where(blurred < -950, 4, 11)
    return np.asarray(np.maximum(noisy, -1024).round(), np.int16)


def _ball(inside: Mask, centre: Floats, radius: float) -> None:
    middle = np.asarray(centre) / SPACING + np.array(SHAPE) / 2
    reach = radius / SPACING
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, SHAPE)
    if (low >= high).any():
        return
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    grid = np.ogrid[part]
    inside[part] |= sum((g - m) ** 2 for g, m in zip(grid, middle, strict=True)) <= reach**2
