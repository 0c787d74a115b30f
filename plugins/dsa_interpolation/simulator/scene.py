"""The rays through a patient, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.simulator import heart
from plugins.dsa_interpolation.simulator.background import placed
from plugins.dsa_interpolation.simulator.carm import footprint, volumes
from plugins.dsa_interpolation.simulator.detector import enlarged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.anatomy import Layers, Patient
    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.carm import Footprint
    from plugins.dsa_interpolation.simulator.moves import Moves
    from plugins.dsa_interpolation.simulator.settings import Settings
    from plugins.dsa_interpolation.simulator.vessels import Floats, Vessels

IODINE = 0.30  # absorption per mm of undiluted contrast medium
CATHETER = 0.10  # absorption per mm
LUNG_TUG = (2.0, -1.5)  # mm (y, x) by which a beat moves the lungs beside the heart
HEART_RIDE = 0.6  # share of the diaphragm's stroke that the heart follows
SQUEEZE = 0.10  # share by which a beat narrows the heart's shadow
COARSE = 8  # px of the picture in which capillaries are drawn
ARRIVED = 0.1  # share of a pixel's peak at which contrast has come
SEEN = 0.01  # absorption below which a pixel has no contrast
FINE = 0.05  # s between the samples of the maps


@dataclass(frozen=True, slots=True)
class Scene:
    """A patient under the C-arm, and how everything moves."""

    settings: Settings
    patient: Patient
    texture: Image  # of the capillaries' stain, with the margin
    moves: Moves

    def densities(self, seconds: Floats) -> Image:
        """(t, y, x) absorption by contrast."""
        if self.settings.style == "cerebral" and np.ptp(self.moves.primary) == 0:
            return self._moved_as_one(seconds)
        vessels, stains = self._shares(seconds)
        frames = [
            self.spread(self.patient.vessels, i).image(vessels[:, i])
            + self.stain(stains[:, i : i + 1], i)[0]
            for i in range(len(seconds))
        ]
        return np.stack(frames)

    def _shares(self, seconds: Floats) -> tuple[Image, Image]:
        """Absorption per mm in vessels and in capillaries (n, t)."""
        bolus, patient = self.settings.bolus, self.patient
        kinds = (patient.vessels, patient.capillaries)
        vessels, stains = (np.float32(IODINE) * bolus.shares(k.delays, seconds) for k in kinds)
        return vessels, stains

    def _moved_as_one(self, seconds: Floats) -> Image:
        """What only shifts and turns in the picture is worked out once, with a margin."""
        still = replace(self, settings=self.settings.widened(), moves=self.moves.none())
        vessels, stains = self._shares(seconds)
        frames = still.spread(self.patient.vessels, 0).images(vessels)
        frames += still.stain(stains, 0)
        return np.stack([self._placed(frame, i) for i, frame in enumerate(frames)])

    def _placed(
        self, layer: Image, index: int, further: Floats | float = 0.0, scale: float = 1
    ) -> Image:
        """A layer as the patient lies in a frame, moved `further`, px."""
        shift, degrees = self.moves.shift[index] + further, float(self.moves.degrees[index])
        return placed(layer, self.settings.shape, shift, degrees, scale)

    def spread(self, vessels: Vessels, index: int, coarse: int = 1) -> Footprint:
        """Absorption per px of a unit of absorption per mm in each of the vessels' points."""
        size = -(-self.settings.size // coarse)
        places, scale = self.seen(vessels.points, index)
        places = (places + 0.5) / coarse - 0.5
        found = footprint(places, vessels.radii * scale / coarse, (size, size))
        filled = (volumes(vessels, scale) / coarse**2).astype(np.float32)
        return replace(found, shares=found.shares * filled[found.points])

    def seen(self, points: Floats, index: int) -> tuple[Floats, Floats]:
        """Points' places (n, 2) in a frame, px (y, x), and px per mm there (n,)."""
        if self.settings.style == "coronary":
            beating = self.settings.heartbeat.moved(points, float(self.moves.contraction[index]))
            down = np.array((0, 0, HEART_RIDE * self.moves.breath[index]))
            points = beating @ heart.frame() - down
        carm = replace(self.settings.geometry(), primary=float(self.moves.primary[index]))
        places, scale = carm.seen(points + self.patient.centre)
        a = np.radians(self.moves.degrees[index])
        turn = np.array(((np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a))))
        middle = (self.settings.size - 1) / 2
        return places @ turn.T + middle + self.moves.shift[index], scale

    def stain(self, shares: Image, index: int) -> Image:
        """(t, y, x) absorption by contrast in capillaries (n, t), as they lie in one frame."""
        coarse = self.spread(self.patient.capillaries, index, COARSE).images(shares)
        soft = ndimage.gaussian_filter(coarse, (0, 1, 1))
        return enlarged(soft, self.settings.shape) * self._texture()

    def _texture(self) -> Image:
        """The middle that the picture shows."""
        beside = (len(self.texture) - self.settings.size) // 2
        inner = slice(beside, beside + self.settings.size)
        return self.texture[inner, inner]

    def behind(self) -> Image:
        """(t, y, x) absorption without contrast and catheter."""
        layers = self.patient.layers(self.settings.geometry())
        count, swinging = len(self.moves.primary), np.ptp(self.moves.primary) > 0
        frames = []
        for i in range(count):
            if swinging:
                primary = float(self.moves.primary[i])
                layers = self.patient.layers(replace(self.settings.geometry(), primary=primary))
            frames.append(self._behind(layers, i))
        return np.stack(frames)

    def _behind(self, layers: Layers, index: int) -> Image:
        pixel = self.settings.geometry().millimetres
        contraction = float(self.moves.contraction[index])
        down = np.array((self.moves.breath[index], 0.0)) / pixel
        found = self._placed(layers.still, index)
        if layers.breathing is not None:
            tugged = down + contraction * np.array(LUNG_TUG) / pixel
            found += self._placed(layers.breathing, index, tugged)
        if layers.beating is not None:
            squeezed = 1 - SQUEEZE * contraction
            found += self._placed(layers.beating, index, HEART_RIDE * down, squeezed)
        return found

    def catheters(self) -> Image:
        """(t, y, x) absorption by the catheter's wall."""
        wall = self.patient.catheter
        plastic = np.full(len(wall.radii), CATHETER, np.float32)
        frames = [self.spread(wall, i).image(plastic) for i in range(len(self.moves.primary))]
        return np.stack(frames)

    def maps(self, seconds: Floats) -> tuple[Image, Image]:
        """(y, x) ms: arrival and peak of contrast in the first frame's view of a patient at rest.

        Arrival is where the curve, on its way to the peak, passes a tenth of it.
        """
        still = replace(self, moves=self.moves.none())
        fine = np.arange(seconds[0], seconds[-1] + FINE, FINE)
        vessels, stains = self._shares(fine)
        spread = still.spread(self.patient.vessels, 0).matrix
        coarse = still.spread(self.patient.capillaries, 0, COARSE).images(stains)
        soft = ndimage.gaussian_filter(coarse, (0, 1, 1))
        size = self.settings.size
        found = np.full((2, size * size), np.nan, np.float32)
        for row in range(0, size, COARSE):  # not all at once: curves of all pixels are large
            block = slice(row * size, min(row + COARSE, size) * size)
            rows = slice(row, row + COARSE)
            stain = enlarged(soft, (size, size), rows) * self._texture()[rows]
            curves = spread[block] @ vessels + stain.reshape(len(fine), -1).T
            found[:, block] = _timed(curves, fine)
        arrival, peak = found.reshape(2, size, size)
        return arrival, peak


def _timed(curves: Image, seconds: Floats) -> Image:
    """(2, n) ms: arrival and peak of curves (n, t), NaN without contrast; between samples too."""
    best = curves.max(axis=1)
    top = curves.argmax(axis=1)
    before = np.arange(len(seconds)) <= top[:, None]
    low = before & (curves < ARRIVED * best[:, None])
    after = np.where(low.any(axis=1), len(seconds) - low[:, ::-1].argmax(axis=1), 0)
    first, second = (_of(curves, np.maximum(after - n, 0)) for n in (1, 0))
    short = (second - ARRIVED * best) / np.maximum(second - first, 1e-9)
    middle = top.clip(1, len(seconds) - 2)
    left, here, right = (_of(curves, middle + n) for n in (-1, 0, 1))
    ahead = (right - left) / np.maximum(2 * (2 * here - left - right), 1e-9)
    ahead = np.where(middle == top, ahead.clip(-0.5, 0.5), 0)
    arrival = seconds[after] - FINE * np.where(after > 0, short.clip(0, 1), 0)
    found = 1000 * np.stack([arrival, seconds[top] + FINE * ahead])
    return np.where(best > SEEN, found, np.nan).astype(np.float32)


def _of(curves: Image, index: NDArray[np.int_]) -> Image:
    """The sample of each curve (n, t) at its own index (n,)."""
    return np.take_along_axis(curves, index[:, None], axis=1)[:, 0]
