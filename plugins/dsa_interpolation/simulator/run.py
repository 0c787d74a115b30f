"""A whole angiography run with everything that is true about it: `simulate(rng, Settings())`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.simulator import background, head, heart
from plugins.dsa_interpolation.simulator.carm import CArm, Footprint, footprint, volumes
from plugins.dsa_interpolation.simulator.detector import Detector, enlarged
from plugins.dsa_interpolation.simulator.heart import Heartbeat
from plugins.dsa_interpolation.simulator.transport import Bolus
from plugins.dsa_interpolation.simulator.vessels import Growth, Vessels, course, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.vessels import Floats

IODINE = 0.30  # absorption per mm of undiluted contrast medium
CATHETER = 0.10  # absorption per mm
MARGIN = 48  # px
TUG = (2.0, -1.5)  # mm (y, x) by which a beat moves the lungs beside the heart
COARSE = 8  # px of the picture in which capillaries are drawn
FIRST_SIGN = 0.1  # share of a pixel's peak at which contrast has arrived


@dataclass(frozen=True, slots=True)
class Motion:
    """What moves during a run, apart from the heart."""

    shake: float = 0.6  # of the patient, deviation px
    jerk: float = 0.0  # one sudden movement, px
    turn: float = 0.0  # of the patient, deviation degrees
    breath: float = 0.0  # stroke of the diaphragm, mm
    breaths: float = 0.25  # a second
    pan: tuple[float, float] = (0.0, 0.0)  # of the table in the picture, px/s (y, x)
    pan_start: float = 0.0  # s
    swing: float = 0.0  # of the C-arm, degrees/s of the primary angle


@dataclass(frozen=True, slots=True)
class Settings:
    """One run; everything that is not set here is drawn from the generator."""

    style: Literal["coronary", "cerebral"] = "cerebral"
    part: str = ""  # left or right (coronary); carotid or vertebral (cerebral)
    size: int = 384
    times: tuple[float, ...] = tuple(250.0 * i for i in range(24))  # ms
    carm: CArm = field(default_factory=CArm)
    field_mm: float = 150.0  # side of the picture at the isocentre
    bolus: Bolus = field(default_factory=Bolus)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    motion: Motion = field(default_factory=Motion)
    detector: Detector = field(default_factory=Detector)
    contrast: float = 0.35  # deviation of the background's absorption
    calibre: float = 1.0
    collimator: float = 0.97  # half side of the opening, share of half the picture
    veins: float = 1.0
    blush: float = 1.0

    def widened(self) -> Settings:
        """The same picture with a margin, from which motion brings things in."""
        size = self.size + 2 * MARGIN
        return replace(self, size=size, field_mm=self.field_mm * size / self.size)


@dataclass(frozen=True, slots=True)
class Run:
    """Frames as a system stores them, and the truth behind them."""

    frames: NDArray[Any]  # (t, y, x) uint8 or uint16, vessels dark
    times: Floats  # (t,) ms
    density: Image  # (t, y, x) absorption by contrast, natural logarithm, before blur and scatter
    background: Image  # (t, y, x) absorption by everything else
    motion: Floats  # (t, 2) px, (y, x): where the patient is, from the first frame
    arrival: Image  # (y, x) ms, NaN without contrast: first time at 10 % of the pixel's peak
    peak: Image  # (y, x) ms, NaN without contrast: time of most contrast
    settings: Settings
    exposure: Image  # (t, y, x) mean intensity without noise
    mask: Image  # (y, x) the same at the first frame's position, without contrast


def simulate(rng: np.random.Generator, settings: Settings, *, maps: bool = True) -> Run:
    """A run; without `maps`, arrival and peak stay NaN and some time is saved."""
    shape = (settings.size, settings.size)
    times = np.asarray(settings.times, float)
    scene = _scene(rng, settings)
    moves = _moves(rng, settings, times / 1000)
    density = scene.densities(moves, times / 1000)
    behind = np.stack([scene.behind(moves, i) for i in range(len(times))])
    behind = _equalised(behind, settings)
    behind += np.stack([scene.tube(moves, i) for i in range(len(times))])
    shutter = _shutter(rng, settings)
    exposure = np.stack(
        [settings.detector.exposed(c + b + shutter) for c, b in zip(density, behind, strict=True)]
    )
    seen = (settings.detector.noisy(rng, frame) for frame in exposure)
    frames = np.stack([settings.detector.stored(frame) for frame in seen])
    arrival, peak = (
        scene.maps(moves, times / 1000) if maps else np.full((2, *shape), np.nan, np.float32)
    )
    shift = moves.shift - moves.shift[0]
    mask = settings.detector.exposed(behind[0] + shutter)
    return Run(frames, times, density, behind, shift, arrival, peak, settings, exposure, mask)


@dataclass(frozen=True, slots=True)
class _Moves:
    """Per frame."""

    shift: Floats  # (t, 2) px of everything
    degrees: Floats  # (t,)
    breath: Floats  # (t,) mm towards the feet
    contraction: Floats  # (t,)
    primary: Floats  # (t,) degrees

    def none(self) -> _Moves:
        """The first frame's position with the patient at rest."""
        rest = np.zeros(1)
        return _Moves(np.zeros((1, 2)), rest, rest, rest, self.primary[:1])


def _moves(rng: np.random.Generator, settings: Settings, seconds: Floats) -> _Moves:
    motion = settings.motion
    grid = np.arange(0, max(seconds[-1], 1) + 1, 0.05)
    smooth = ndimage.gaussian_filter1d(rng.standard_normal((len(grid), 3)), 14, axis=0)
    smooth *= 7 * np.array((motion.shake, motion.shake, motion.turn))
    when = rng.uniform(0.25, 0.9) * grid[-1]
    jerk = 1 / (1 + np.exp(-np.clip((grid - when) / 0.12, -50, 50)))
    smooth[:, :2] += motion.jerk * jerk[:, None] * _direction(rng)
    at = np.stack([np.interp(seconds, grid, column) for column in smooth.T], axis=1)
    panned = np.maximum(seconds - motion.pan_start, 0)[:, None] * np.array(motion.pan)
    phase = rng.uniform(0, 2 * np.pi)
    breath = motion.breath * 0.5 * (1 - np.cos(2 * np.pi * motion.breaths * seconds + phase))
    return _Moves(
        at[:, :2] + panned,
        at[:, 2],
        breath,
        settings.heartbeat.contraction(seconds),
        settings.carm.primary + motion.swing * seconds,
    )


def _direction(rng: np.random.Generator) -> Floats:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array((np.sin(angle), np.cos(angle)))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What lies in the rays; vessels of the heart in its own frame."""

    settings: Settings
    carm: CArm
    vessels: Vessels
    capillaries: Vessels  # few and wide; drawn coarsely
    texture: Image
    catheter: Vessels
    still: Image
    breathing: Image | None
    beating: Image | None
    centre: Floats  # of the heart or the brain, LPS mm

    def densities(self, moves: _Moves, seconds: Floats) -> Image:
        """(t, y, x) absorption by contrast."""
        shares = IODINE * self.settings.bolus.shares(self.vessels.delays, seconds)
        blush = IODINE * self.settings.bolus.shares(self.capillaries.delays, seconds)
        if self.moves_as_one(moves):
            return self._as_one(moves, shares, blush)
        frames = []
        for i in range(len(seconds)):
            fine = self.spread(self.vessels, moves, i).image(shares[:, i])
            frames.append(fine + self._stain(moves, i, blush[:, i : i + 1])[0])
        return np.stack(frames)

    def moves_as_one(self, moves: _Moves) -> bool:
        """Tell whether all that moves is the whole picture in its plane."""
        return self.settings.style == "cerebral" and np.ptp(moves.primary) == 0

    def _as_one(self, moves: _Moves, shares: Floats, blush: Floats) -> Image:
        """The geometry is worked out once, on a canvas with a margin, and then moved."""
        still, wide = moves.none(), replace(self, settings=self.settings.widened())
        frames = wide.spread(self.vessels, still, 0).images(shares)
        frames += wide._stain(still, 0, blush)
        shape = (self.settings.size, self.settings.size)
        return np.stack(
            [
                background.placed(frame, shape, shift, -float(degrees))
                for frame, shift, degrees in zip(frames, moves.shift, moves.degrees, strict=True)
            ]
        )

    def spread(self, vessels: Vessels, moves: _Moves, index: int, coarse: int = 1) -> Footprint:
        """Absorption per px of a unit of absorption per mm."""
        size = -(-self.settings.size // coarse)
        places, scale = self.placed(vessels.points, moves, index)
        places = (places + 0.5) / coarse - 0.5
        found = footprint(places, vessels.radii * scale / coarse, (size, size))
        filled = (volumes(vessels, scale) / coarse**2).astype(np.float32)
        return replace(found, shares=found.shares * filled[found.points])

    def placed(self, points: Floats, moves: _Moves, index: int) -> tuple[Floats, Floats]:
        """Points' places (n, 2) in the picture, px, and px per mm there."""
        if self.settings.style == "coronary":
            beat = self.settings.heartbeat.moved(points, moves.contraction[index])
            points = beat @ heart.frame() - np.array((0, 0, 0.6 * moves.breath[index]))
        carm = replace(self.carm, primary=float(moves.primary[index]))
        places, scale = carm.seen(points + self.centre)
        a = np.radians(moves.degrees[index])
        turn = np.array(((np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))))
        middle = (self.settings.size - 1) / 2
        return places @ turn.T + middle + moves.shift[index], scale

    def _stain(self, moves: _Moves, index: int, shares: Floats) -> Image:
        """(t, y, x) absorption by contrast in capillaries, for one pose."""
        stain = self.spread(self.capillaries, moves, index, COARSE).images(shares)
        stain = ndimage.gaussian_filter(stain, (0, 1, 1))
        size = self.settings.size
        return enlarged(stain, (size, size)) * self.texture[:size, :size]

    def behind(self, moves: _Moves, index: int) -> Image:
        """(y, x) absorption without contrast."""
        shape = (self.settings.size, self.settings.size)
        shift, degrees = moves.shift[index], float(moves.degrees[index])
        found = background.placed(self.still, shape, shift, -degrees)
        down = np.array((moves.breath[index] / self.carm.millimetres, 0.0))
        if self.breathing is not None:
            tugged = down + moves.contraction[index] * np.array(TUG) / self.carm.millimetres
            found += background.placed(self.breathing, shape, shift + tugged, -degrees)
        if self.beating is not None:
            squeeze = 1 - 0.10 * float(moves.contraction[index])
            found += background.placed(self.beating, shape, shift + 0.6 * down, -degrees, squeeze)
        return np.asarray(found, np.float32)

    def tube(self, moves: _Moves, index: int) -> Image:
        """(y, x) absorption by the catheter's wall."""
        plastic = np.full(len(self.catheter.radii), CATHETER, np.float32)
        return self.spread(self.catheter, moves, index).image(plastic)

    def maps(self, moves: _Moves, seconds: Floats) -> tuple[Image, Image]:
        """(y, x) ms: arrival and peak, seen at 50 Hz in the pose of the first frame."""
        still = moves.none()
        fine = np.arange(seconds[0], seconds[-1] + 0.05, 0.05)
        spread = self.spread(self.vessels, still, 0).matrix
        rows = np.flatnonzero(np.diff(spread.indptr))
        shares = self.settings.bolus.shares(self.vessels.delays, fine)
        curves = spread[rows] @ (IODINE * shares)
        best = curves.max(axis=1)
        real = best > 0.01
        arrived = (curves >= FIRST_SIGN * best[:, None]).argmax(axis=1)
        found = np.full((2, self.settings.size**2), np.nan, np.float32)
        found[0, rows[real]] = 1000 * fine[arrived[real]]
        found[1, rows[real]] = 1000 * fine[curves.argmax(axis=1)[real]]
        arrival, peak = found.reshape(2, self.settings.size, self.settings.size)
        return arrival, peak


def _scene(rng: np.random.Generator, settings: Settings) -> _Scene:
    pixel = settings.field_mm / settings.size
    carm = replace(
        settings.carm, pixel=pixel * settings.carm.to_detector / settings.carm.to_patient
    )
    shape = (settings.widened().size,) * 2
    growth = Growth(step=max(0.12, 0.6 * pixel), thinnest=max(0.2, 0.5 * pixel))
    quick = replace(growth, speed=480.0, slowing=0.55)
    texture = np.maximum(1 + 0.3 * background.fractal(rng, shape, 1.0, 1.5), 0)
    if settings.style == "coronary":
        side = settings.part or str(rng.choice(["left", "right"]))
        tree = heart.coronary(rng, side, growth, settings.calibre)
        root = tree.points[0]
        centre = rng.normal(0, 8, 3)
        stain = _capillaries(rng, tree, 0.10 * settings.blush, 1.6, 5.0)
        catheter = _coronary_catheter(rng, root)
        vessels = join([tree, heart.reflux(rng, root, growth), _lumen(catheter)])
        still, breathing = background.thorax(rng, carm, shape)
        beating = background.heart_shadow(rng, carm, shape)
        return _Scene(
            settings, carm, vessels, stain, texture, catheter, still, breathing, beating, centre
        )
    kind = settings.part or str(rng.choice(["carotid", "carotid", "vertebral"]))
    make = head.anterior_circulation if kind == "carotid" else head.posterior_circulation
    arteries = make(rng, int(rng.choice((-1, 1))), quick, settings.calibre)
    through = float(np.quantile(arteries.delays, 0.8)) + rng.uniform(1.2, 2.2)
    drain = head.veins(rng, growth, settings.calibre)
    drain = replace(
        drain, delays=drain.delays + through, radii=drain.radii * np.sqrt(settings.veins)
    )
    stain = _capillaries(rng, arteries, 0.5 * settings.blush, 0.9, 7.0)
    still = background.skull(rng, carm, shape)
    catheter = _carotid_catheter(rng, arteries)
    arteries = join([arteries, _lumen(catheter)])
    centre = rng.normal(0, 6, 3) + np.array((0, 0, 8.0))
    return _Scene(
        settings, carm, join([arteries, drain]), stain, texture, catheter, still, None, None, centre
    )


def _capillaries(
    rng: np.random.Generator, arteries: Vessels, filled: float, delay: float, radius: float
) -> Vessels:
    """Tissue about the finest arteries, as wide soft balls, filled a little and late."""
    fine = np.flatnonzero(arteries.radii < np.quantile(arteries.radii, 0.5))
    chosen = rng.choice(fine, min(900, len(fine)), replace=False)
    points = arteries.points[chosen] + rng.normal(0, 0.4 * radius, (len(chosen), 3))
    radii = rng.uniform(0.7, 1.4, len(chosen)) * radius
    lengths = filled * 0.02 * rng.uniform(0.3, 1.7, len(chosen)) * 25 / radius
    delays = arteries.delays[chosen] + delay * rng.uniform(0.6, 1.5, len(chosen))
    return Vessels(points, radii, lengths, delays)


def _coronary_catheter(rng: np.random.Generator, root: Floats) -> Vessels:
    """From the aortic arch down to the ostium, in the heart's frame."""
    up = heart.frame() @ np.array((0, 0, 1.0))
    away = heart.frame() @ np.array((-0.6, 0.5, 0.2))
    way = [root, root + 6 * away, root + 16 * away + 8 * up, root + 14 * away + 45 * up,
           root + 6 * away + 130 * up]  # fmt: skip
    return course(rng, way, (0.9, 0.9), Growth(step=0.3), 0, 0.6)


def _lumen(catheter: Vessels) -> Vessels:
    """What flows inside a catheter, undiluted and ahead of the blood."""
    delays = np.zeros(len(catheter.radii))
    return replace(catheter, radii=0.72 * catheter.radii, delays=delays)


def _carotid_catheter(rng: np.random.Generator, arteries: Vessels) -> Vessels:
    start = arteries.points[0]
    way = [
        start + np.array((0, 0, 3.0)),
        start - np.array((2, -2, 12)),
        start - np.array((4, -2, 40)),
    ]
    return course(rng, way, (0.8, 0.8), Growth(step=0.4), 0, 0.3)


def _equalised(behind: Image, settings: Settings) -> Image:
    """Exposure control: mean absorption 0, and the contrast of a prepared picture."""
    inner = behind[0, ::4, ::4]
    inner = inner[inner > 0.6 * np.median(inner)]  # not the air beside the patient
    squeezed = (behind - inner.mean()) * np.float32(min(1.0, settings.contrast / inner.std()))
    return np.asarray(squeezed - np.log(np.mean(np.exp(-squeezed[0, ::4, ::4]))) * -1, np.float32)


def _shutter(rng: np.random.Generator, settings: Settings) -> Image:
    """Absorption of the collimator's blades."""
    place = (np.arange(settings.size, dtype=np.float32) * 2 + 1) / settings.size - 1
    y, x = (np.abs(place - offset) for offset in rng.normal(0, 0.03, 2))
    power = rng.choice((8, 24, 40))
    edge = (y[:, None] ** power + x[None] ** power) ** (1 / power)
    depth, sharp = rng.uniform(0.8, 2.5), rng.uniform(50, 150)
    return np.asarray(depth / (1 + np.exp((settings.collimator - edge) * sharp)), np.float32)
