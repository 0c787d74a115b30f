"""What can be set about a simulated run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from plugins.dsa_interpolation.simulator.carm import CArm
from plugins.dsa_interpolation.simulator.detector import Detector
from plugins.dsa_interpolation.simulator.heart import Heartbeat
from plugins.dsa_interpolation.simulator.transport import Bolus

MARGIN = 48  # px beside the picture from which motion brings things in


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
    part: str = ""  # left or right (coronary); carotid or vertebral (cerebral); else drawn
    size: int = 384  # px, side of the picture
    times: tuple[float, ...] = tuple(250.0 * i for i in range(24))  # ms
    carm: CArm = field(default_factory=CArm)  # `field_mm` decides on its pixels
    field_mm: float = 150.0  # side of the picture at the isocentre
    bolus: Bolus = field(default_factory=Bolus)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    motion: Motion = field(default_factory=Motion)
    detector: Detector = field(default_factory=Detector)
    contrast: float = 0.35  # deviation of the background's absorption
    calibre: float = 1.0  # of the vessels
    collimator: float = 0.97  # half side of the opening, share of half the picture
    veins: float = 1.0  # how much the veins show
    blush: float = 1.0  # how much the capillaries show

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) px."""
        return self.size, self.size

    def widened(self) -> Settings:
        """The same picture with a margin."""
        size = self.size + 2 * MARGIN
        return replace(self, size=size, field_mm=self.field_mm * size / self.size)

    def geometry(self) -> CArm:
        """The C-arm with pixels of the right size."""
        magnified = self.carm.to_detector / self.carm.to_patient
        return replace(self.carm, pixel=self.field_mm / self.size * magnified)
