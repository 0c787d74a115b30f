"""Simulated runs: what they promise as truth is true, and samples made of them are as told."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from plugins.dsa_interpolation import data
from plugins.dsa_interpolation.simulator.background import Body, fractal, placed, shadows
from plugins.dsa_interpolation.simulator.carm import CArm, Solid, footprint, volumes
from plugins.dsa_interpolation.simulator.detector import Detector
from plugins.dsa_interpolation.simulator.heart import Heartbeat
from plugins.dsa_interpolation.simulator.run import Run, simulate
from plugins.dsa_interpolation.simulator.settings import Motion, Settings
from plugins.dsa_interpolation.simulator.transport import Bolus
from plugins.dsa_interpolation.simulator.variety import drawn
from plugins.dsa_interpolation.simulator.vessels import Growth, course

if TYPE_CHECKING:
    from pathlib import Path

STILL = Motion(shake=0)
HEAD = Settings(
    part="carotid", size=192, field_mm=190, motion=STILL, detector=Detector(quanta=5000)
)
HEART = Settings(
    style="coronary", part="left", size=192, field_mm=130, motion=STILL,
    times=tuple(1500 + 60.0 * i for i in range(20)),
)  # fmt: skip


def made(settings: Settings, seed: int = 0, *, maps: bool = False) -> Run:
    return simulate(np.random.default_rng(seed), settings, maps=maps)


@pytest.fixture(scope="module")
def head() -> Run:
    return made(HEAD, maps=True)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    for seed in range(3):
        data.write_run(folder / f"run_{seed}.npz", data.exposures(seed, 128, 8))
    return folder


def test_a_ball_casts_the_shadow_of_its_chords() -> None:
    carm = CArm(30, 20, to_patient=750, to_detector=1100, pixel=1.0)
    ball = Body((10, -20, 15), (30, 30, 30), 0.5, (40, 10, 70))
    shadow = shadows([ball], carm, (201, 201))
    assert shadow.max() == pytest.approx(0.5 * 60, rel=1e-3)
    place, scale = carm.seen(np.array([ball.centre]))
    y, x = np.rint(place[0] + 100).astype(int)
    assert np.unravel_index(shadow.argmax(), shadow.shape) == pytest.approx((y, x), abs=1.5)
    area = float((shadow > 0).sum())
    assert area == pytest.approx(np.pi * (30 * scale[0]) ** 2, rel=0.05)


def test_a_drum_is_as_long_as_it_is() -> None:
    carm = CArm(pixel=0.5)
    drum = Solid(np.zeros(3), np.array((20.0, 15, 8)), np.eye(3), drum=True)
    box, chords = carm.chords(drum, (301, 301))
    shadow = np.zeros((301, 301))
    shadow[box] = chords
    assert shadow[150, 150] == pytest.approx(30, rel=0.01)  # seen from the front: its depth
    high = (shadow[:, 150] > 15).sum() * carm.millimetres
    assert high == pytest.approx(16, abs=0.6)


def test_angles_turn_the_view_as_in_a_laboratory() -> None:
    left, back, head_ = np.eye(3) * 50
    for primary, secondary, point, expected in (
        (0, 0, left, (0, 1)), (0, 0, head_, (-1, 0)), (90, 0, back, (0, 1)),
        (-90, 0, back, (0, -1)),
        (0, 90, back, (-1, 0)),
    ):  # fmt: skip
        place, _ = CArm(primary, secondary).seen(point[None])
        assert np.sign(np.round(place[0], 6)).tolist() == list(expected)


def test_a_vessel_absorbs_by_its_thickness() -> None:
    growth = Growth(step=0.2)
    rng = np.random.default_rng(0)
    vessel = course(rng, [(-30, 0, 0), (0, 0, 0), (30, 0, 0)], (3, 3), growth, wobble=0)
    carm = CArm(pixel=0.4)
    places, scale = carm.seen(vessel.points)
    spread = footprint(places + 63.5, vessel.radii * scale, (128, 128))
    shadow = spread.image(volumes(vessel, scale))
    across = shadow[:, 64]
    distance = (np.arange(128) - 63.5) / scale[0]
    chord = 2 * np.sqrt(np.maximum(9 - distance**2, 0))
    assert np.abs(across - chord).max() < 0.35
    assert across.sum() == pytest.approx(chord.sum(), rel=0.01)


def test_contrast_comes_later_and_more_spread_the_further_it_has_to_go() -> None:
    bolus = Bolus(start=0.5, duration=1.0, strength=0.8, pulse=0)
    times = np.arange(0, 14, 0.02)
    near, far = bolus.shares(np.array((0.2, 4.0)), times)
    arrivals = [times[(curve > 0.1 * curve.max()).argmax()] for curve in (near, far)]
    assert arrivals[1] - arrivals[0] > 2.5
    widths = [0.02 * (curve > 0.5 * curve.max()).sum() for curve in (near, far)]
    assert widths[1] > 1.15 * widths[0]
    assert far.sum() == pytest.approx(near.sum(), rel=0.05)  # nothing is lost on the way
    assert 0.6 < near.max() <= 1


def test_a_run_goes_from_arteries_to_veins(head: Run) -> None:
    density = head.density.sum(axis=(1, 2))
    assert density[0] == 0
    assert density.max() > 1000
    known = np.isfinite(head.arrival)
    assert (known == np.isfinite(head.peak)).all()
    assert 0.2 < known.mean() < 0.95
    assert (head.peak[known] >= head.arrival[known]).all()
    neck = head.arrival[-20:][known[-20:]]
    assert np.percentile(neck, 5) < 1300 < 3000 < np.percentile(head.peak[known], 90)


def test_maps_tell_when_contrast_comes_and_is_most(head: Run) -> None:
    often = replace(HEAD, times=tuple(125.0 * i for i in range(47)))
    density, times = made(often).density, np.array(often.times)
    clear = np.isfinite(head.peak) & (density.max(axis=0) > 0.15)
    best = density.max(axis=0)
    arrival = times[(density >= 0.1 * best).argmax(axis=0)]
    assert np.quantile(np.abs(arrival - head.arrival)[clear], 0.9) <= 125
    at_peak = density[np.rint(head.peak[clear] / 125).astype(int), *np.nonzero(clear)]
    assert np.quantile(at_peak / best[clear], 0.1) > 0.97


def test_exposure_is_what_beer_and_lambert_say() -> None:
    bare = replace(HEAD, detector=Detector(scatter=0, blur=0.01), times=(0.0, 2500.0))
    run = made(bare)
    assert run.exposure == pytest.approx(np.exp(-run.density - run.background), rel=1e-4)


def test_noise_is_that_of_counted_quanta() -> None:
    mean = np.full((256, 256), 0.5, np.float32)
    detector = Detector(quanta=1000, electronic=0, blur=0.01)
    noise = detector.noisy(np.random.default_rng(0), mean) - mean
    assert noise.std() == pytest.approx(np.sqrt(0.5 / 1000), rel=0.02)


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (10, np.uint16), (14, np.uint16)])
def test_values_are_stored_in_their_bits(bits: int, kind: type) -> None:
    detector = Detector(bits=bits)
    stored = detector.stored(np.linspace(0, 9, 50, dtype=np.float32)[None])
    assert stored.dtype == kind
    assert (stored.min(), stored.max()) == (0, 2**bits - 1)


def test_logarithmic_values_fall_evenly_with_absorption() -> None:
    detector = Detector(bits=14, intensity="logarithmic", level=0.6)
    stored = detector.stored(np.exp(-np.arange(0, 2, 0.25, dtype=np.float32))[None])[0]
    assert np.ptp(np.diff(stored.astype(int))) <= 1


def test_the_patient_moves_as_told() -> None:
    moving = replace(HEAD, motion=Motion(shake=1.5, jerk=3), times=(0.0, 400.0, 800.0))
    run = made(moving, 4)
    still, *moved = (_edges(frame) for frame in run.background)
    for index, seen in enumerate(moved, start=1):
        shift, *_ = phase_cross_correlation(seen, still, upsample_factor=20, normalization=None)
        assert shift == pytest.approx(run.motion[index], abs=0.2)
    assert np.abs(run.motion[1:]).max() > 0.5


def _edges(picture: np.ndarray) -> np.ndarray:
    """The fine part of the middle of a picture, fading to its border."""
    fine = ndimage.gaussian_filter(picture, 1) - ndimage.gaussian_filter(picture, 4)
    return fine[24:-24, 24:-24] * np.hanning(144)[:, None] * np.hanning(144)


def test_a_moved_layer_keeps_its_detail() -> None:
    layer = fractal(np.random.default_rng(0), (96, 96), 1.0, 1.2)
    middle = layer[16:-16, 16:-16]
    assert placed(layer, (64, 64), np.zeros(2)) == pytest.approx(middle, abs=1e-5)
    moved = placed(layer, (64, 64), np.array((3.0, -2.0)))
    assert moved == pytest.approx(layer[13:-19, 18:-14], abs=1e-5)
    half = placed(layer, (64, 64), np.array((0.5, 0.0)))
    assert half.std() == pytest.approx(middle.std(), rel=0.05)


def test_vessels_beat_with_the_heart() -> None:
    beating = made(HEART)
    resting = made(replace(HEART, heartbeat=Heartbeat(strength=0), bolus=HEART.bolus))
    changes = [np.abs(np.diff(run.background, axis=0)).mean() for run in (beating, resting)]
    assert changes[0] > 3 * changes[1]
    contraction = HEART.heartbeat.contraction(np.arange(0, 3, 0.02))
    assert (contraction.min(), contraction.max()) == pytest.approx((0, 1), abs=0.02)


def test_a_turning_arm_turns_bone_and_vessels() -> None:
    times = (2600.0, 2900.0)
    turning = made(replace(HEAD, motion=Motion(shake=0, swing=25), times=times))
    fixed = made(replace(HEAD, times=times))
    for name in ("density", "background"):
        moved, stood = (np.abs(np.diff(getattr(r, name), axis=0)).mean() for r in (turning, fixed))
        assert moved > 1.5 * stood


def test_drawn_runs_are_finite_and_the_same_for_a_seed() -> None:
    for seed in range(2):
        runs = []
        for _ in range(2):
            rng = np.random.default_rng(seed)
            settings = drawn(rng, 96, (1200.0, 1300.0, 1475.0), beating=0.5)
            runs.append(simulate(rng, settings, maps=False))
        assert (runs[0].frames == runs[1].frames).all()
        assert np.isfinite(runs[0].exposure).all()
        assert runs[0].frames.std() > 0


def test_a_pack_gives_back_what_went_in(tmp_path: Path) -> None:
    run = data.exposures(5, 96, 5)
    data.write_run(tmp_path / "run_0.npz", run)
    again = data.read_run(tmp_path / "run_0.npz")
    for name in ("seen", "mask", "vessels", "times"):
        assert (getattr(run, name) == getattr(again, name)).all()


def test_samples_are_a_function_of_the_step(pack: Path) -> None:
    first, second = (data.Samples(1, 4, 64, pack=pack) for _ in range(2))
    for step in (0, 7):
        one, two = first(step), second(step)
        assert all((one[name] == two[name]).all() for name in one)
    assert (first(0)["first"] != first(1)["first"]).any()


def test_samples_are_as_told(pack: Path) -> None:
    batch = data.Samples(0, 6, 64, pack=pack, count=2, subtracted=0.5)(3)
    shapes = {name: value.shape for name, value in batch.items()}
    wide = (6, 2, 64, 64)
    assert shapes == {
        "first": (6, 1, 64, 64), "last": (6, 1, 64, 64), "times": (6, 2),
        "targets": wide, "clean": wide, "vessels": wide,
    }  # fmt: skip
    for name in ("first", "last", "targets", "clean"):
        assert batch[name].dtype == np.float32
        assert 0 <= batch[name].min() < batch[name].max() <= 1
    assert batch["vessels"].dtype == np.bool_
    times = batch["times"]
    assert ((times > 0) & (times < 1)).all()
    assert (np.diff(times, axis=1) > 0).all()
    noise = np.abs(batch["targets"] - batch["clean"]).mean(axis=(2, 3))
    assert ((noise > 0) & (noise < 0.1)).all()


def test_a_pack_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no run"):
        data.Samples(0, 1, 64, pack=tmp_path)


def test_packs_are_written_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "plugins.dsa_interpolation.data", "--out", str(tmp_path),
               "--runs", "2", "--size", "96", "--frames", "5", "--processes", "1"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 runs" in done.stdout
    assert len(list(tmp_path.glob("run_*.npz"))) == 2


def test_the_simulator_needs_no_torch() -> None:
    code = "import sys, plugins.dsa_interpolation.data; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
