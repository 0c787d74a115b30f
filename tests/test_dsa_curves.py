from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from angiograms import angiogram, bolus

from inference.series import Series
from inference.worker import JobContext
from plugins.dsa_interpolation.curves import density, measure, write_curves
from plugins.dsa_interpolation.following import follow, scatter_over
from plugins.dsa_interpolation.jobs import map_run
from plugins.dsa_interpolation.maps import flow_maps
from plugins.dsa_interpolation.regions import next_region
from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.series import Array
    from plugins.dsa_interpolation.scatter import Scatter
    from plugins.dsa_interpolation.simulator.run import Run


def irregular(step: float, until: float, seed: int = 0) -> NDArray[np.float64]:
    steps = np.random.default_rng(seed).uniform(0.6, 1.4, int(until / step)) * step
    return np.cumsum(steps) - steps[0]


def truth(arrival: float, rise: float) -> tuple[float, float, float]:
    """Arrival, peak and width, ms, of a bolus that is seen all the time."""
    fine = np.arange(0, 30000, 1.0)
    curve = bolus(fine, arrival, rise)
    over = fine[curve >= 0.5]
    return float(fine[(curve >= 0.1).argmax()]), arrival + rise, float(over[-1] - over[0])


@pytest.mark.parametrize("step", [33.0, 125.0, 250.0])
@pytest.mark.parametrize(("arrival", "rise"), [(900.0, 700.0), (2100.0, 1500.0)])
def test_figures_are_right_within_half_a_frame(step: float, arrival: float, rise: float) -> None:
    times = irregular(step, 9000)
    rng = np.random.default_rng(2)
    curve = 0.3 * bolus(times, arrival, rise) + rng.normal(0, 0.002, len(times))
    found = measure(times, curve)
    arrived, peaked, width = truth(arrival, rise)
    assert found.arrival == pytest.approx(arrived, abs=step / 2)
    assert found.time_to_peak == pytest.approx(peaked, abs=step / 2)
    assert found.width == pytest.approx(width, abs=step)
    assert found.peak == pytest.approx(0.3, rel=0.03)
    whole = 0.3 * np.trapezoid(bolus(np.arange(0, 30000.0), arrival, rise))
    assert found.area == pytest.approx(whole, rel=0.1)
    assert found.mean_transit is not None
    assert rise * 0.6 < found.mean_transit < rise * 1.6


def test_a_level_before_the_bolus_is_not_contrast() -> None:
    times = irregular(125, 8000)
    plain = measure(times, 0.2 * bolus(times, 1500, 900))
    raised = measure(times, 0.2 * bolus(times, 1500, 900) + 0.05)
    assert raised.peak == pytest.approx(plain.peak, abs=1e-3)
    assert raised.arrival == pytest.approx(plain.arrival, abs=5)
    assert raised.area == pytest.approx(plain.area, rel=0.02)


def test_what_the_run_does_not_show_is_none() -> None:
    times = np.arange(0, 3000, 100.0)
    rising = measure(times, times / 3000)
    assert (rising.time_to_peak, rising.width, rising.mean_transit) == (None, None, None)
    assert rising.arrival is not None
    falling = measure(times, 1 - times / 3000)
    assert falling.arrival is None
    assert falling.width is None
    empty = measure(times, np.zeros(30))
    assert (empty.arrival, empty.time_to_peak, empty.peak, empty.area) == (None,) * 4
    short = measure((0.0, 100.0), np.array([0.0, 1.0]))
    assert (short.arrival, short.peak) == (None, None)


def test_a_clock_that_stands_still_is_no_trouble() -> None:
    times = np.array([0, 100, 200, 200, 300, 300, 400, 500, 600, 700, 800.0])
    curve = bolus(times, 100, 300)
    with np.errstate(all="raise"):
        found = measure(times, curve)
    assert found.time_to_peak == pytest.approx(400, abs=50)


def test_the_density_of_a_region_is_positive() -> None:
    stack = np.zeros((3, 4, 4), np.float32)
    stack[1, :2] = -0.5
    inside = np.zeros((4, 4), bool)
    inside[1:3] = True
    np.testing.assert_allclose(density(stack, inside), (0, 0.25, 0))


def test_curves_are_written_with_their_figures(tmp_path: Path) -> None:
    times = irregular(100, 6000)
    curves = {"Artery": bolus(times, 800, 600), "Vein": 0.5 * bolus(times, 5800, 900)}
    write_curves(tmp_path / "flow.csv", times, curves)
    with (tmp_path / "flow.csv").open(encoding="utf-8", newline="") as file:
        samples = list(csv.DictReader(file))
    assert list(samples[0]) == ["frame", "time_ms", "Artery", "Vein"]
    assert len(samples) == len(times)
    with (tmp_path / "flow_figures.csv").open(encoding="utf-8", newline="") as file:
        artery, vein = csv.DictReader(file)
    assert float(artery["time_to_peak"]) == pytest.approx(1400, abs=50)
    assert vein["width"] == ""


def test_maps_follow_the_bolus_through_the_tree() -> None:
    times = irregular(200, 6000, seed=4)
    run = angiogram(times, photons=8000)
    stack = Subtractor(run.frames, None, Subtraction(mask=(0, 1))).stack()
    maps = flow_maps(stack, times)
    both = np.isfinite(maps.time_to_peak) & np.isfinite(run.peak)
    assert both.sum() > 0.9 * np.isfinite(run.peak).sum()
    wrong = np.abs(maps.time_to_peak - run.peak)[both]
    assert np.percentile(wrong, 90) < 100  # half a frame
    came = run.peak - 900 * (1 - truth(0, 900)[0] / 900)
    assert np.percentile(np.abs(maps.arrival - came)[both], 90) < 100
    nothing = run.contrast.max(axis=0) < 0.002
    assert np.isfinite(maps.peak[nothing]).mean() < 0.01
    clear = both & (run.contrast.max(axis=0) > 0)
    shares = maps.peak[clear] / run.contrast.max(axis=0)[clear]
    assert np.median(shares) == pytest.approx(1, abs=0.25)


def test_noise_behind_a_collimator_is_no_contrast() -> None:
    times = irregular(200, 5000, seed=4)
    stack = Subtractor(
        angiogram(times, photons=8000).frames, None, Subtraction(mask=(0, 1))
    ).stack()
    blade = np.s_[:, :, -40:]
    stack[blade] += np.random.default_rng(0).normal(0, 0.3, stack[blade].shape)
    maps = flow_maps(stack, times)
    assert np.isfinite(maps.peak[blade[1:]]).mean() < 0.01
    assert np.isfinite(maps.peak[:, :-40]).mean() > 0.02
    assert not maps.restless


def test_maps_of_vessels_that_move_say_so() -> None:
    times = irregular(130, 4000, seed=4)
    still = Subtractor(
        angiogram(times, photons=8000).frames, None, Subtraction(mask=(0, 1))
    ).stack()
    beats = (8 * np.sin(times / 90)).round().astype(int)
    moving = np.stack([np.roll(f, far, axis=0) for f, far in zip(still, beats, strict=True)])
    assert not flow_maps(still, times).restless
    assert flow_maps(moving, times).restless


def test_maps_are_a_job_and_as_large_as_the_frames() -> None:
    times = np.arange(0, 3000, 300.0)
    small = angiogram(times, photons=8000).frames
    frames = small.repeat(3, axis=1).repeat(3, axis=2)[:, :-1]
    notes: list[str] = []
    context = JobContext(tell=lambda done, total, note: notes.append(note))
    maps = map_run(context, frames, times, Subtraction())
    assert maps.arrival.shape == frames.shape[1:]
    assert np.isfinite(maps.arrival).any()
    assert "Making maps" in notes


def simulated(step: int, duration: float, pulse: float) -> tuple[Run, Array, Array]:
    """A still head without capillaries, its densities by subtraction, and its times."""
    from plugins.dsa_interpolation.simulator.run import simulate
    from plugins.dsa_interpolation.simulator.settings import Motion, Settings
    from plugins.dsa_interpolation.simulator.transport import Bolus

    times = irregular(step, 9000, seed=5)
    settings = Settings(
        style="cerebral",
        size=192,
        times=tuple(times),
        motion=Motion(shake=0.0),
        bolus=Bolus(duration=duration, pulse=pulse),  # a longer one has no peak but a plateau
        blush=0.0,
    )
    run = simulate(np.random.default_rng(3), settings)
    before = tuple(np.flatnonzero(run.density.max(axis=(1, 2)) < 1e-3)[:4].tolist())
    return run, Subtractor(run.frames, None, Subtraction(mask=before)).stack(), times


CORNERS = ((-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0))


def wrong(run: Run, found: Array, true: Array) -> float:
    """Median error, ms, in vessels."""
    clear = np.isfinite(found) & np.isfinite(true) & (run.density.max(axis=0) > 0.3)
    assert clear.sum() > 300
    return float(np.median(np.abs(found - true)[clear]))


@pytest.mark.parametrize("duration", [2.0, 4.0])
def test_maps_recover_the_arrival_of_long_boluses_behind_scatter(duration: float) -> None:
    run, stack, times = simulated(100, duration, 0.4)
    maps = flow_maps(stack, times)
    assert wrong(run, maps.arrival, run.arrival) < 50  # half a frame
    clear = np.isfinite(maps.peak) & (run.density.max(axis=0) > 0.3)
    shares = maps.peak[clear] / run.density.max(axis=0)[clear]
    assert 0.75 < np.median(shares) < 1.1  # 0.56 are seen


def test_curves_of_regions_are_told_as_they_are_behind_scatter() -> None:
    run, _, times = simulated(100, 2.0, 0.4)
    before = tuple(np.flatnonzero(run.density.max(axis=(1, 2)) < 1e-3)[:4].tolist())
    subtractor = Subtractor(run.frames, None, Subtraction(mask=before))
    series = Series(run.frames, "run", "XA", (Path("run"),), frame_times=tuple(times))
    strongest = run.density.max(axis=0)
    vessels = np.argwhere((strongest > 0.4) & np.isfinite(run.arrival))
    centres = vessels[np.random.default_rng(0).integers(len(vessels), size=40)]
    regions = [next_region((), tuple((float(y) + a, float(x) + b) for a, b in CORNERS))
               for y, x in centres]  # fmt: skip
    true = np.array([run.arrival[y, x] for y, x in centres])
    densest = [run.density[:, r.inside(strongest.shape)].mean(axis=1).max() for r in regions]

    def told(scatter: Scatter | None) -> tuple[float, float]:
        """Median error of arrival, ms, and share of the true peak."""
        curves = follow(subtractor, series, regions, scatter, lambda: True)
        found = [curves[region.corners].figures for region in regions]
        late = np.array([one.arrival for one in found], float) - true
        shares = np.array([one.peak for one in found], float) / densest
        return float(np.nanmedian(np.abs(late))), float(np.nanmedian(shares))

    scatter = scatter_over(subtractor, series)
    assert scatter is not None
    assert 0.4 < scatter.ratio < 0.7  # to the primary rays; 0.5 was simulated
    late, share = told(scatter)
    late_seen, share_seen = told(None)
    assert late < 50 < late_seen  # half a frame
    assert share_seen < 0.7 < 0.8 < share < 1.1
    plain = subtractor.changed(Subtraction(on=False, mask=before))
    assert scatter_over(plain, series) is None


@pytest.mark.parametrize(
    ("step", "duration", "pulse"), [(250, 0.8, 0.0), (250, 2.0, 0.4), (100, 0.8, 0.0)]
)
def test_maps_and_curves_recover_the_simulator_s_times(
    step: int, duration: float, pulse: float
) -> None:
    run, stack, times = simulated(step, duration, pulse)
    maps = flow_maps(stack, times)
    assert wrong(run, maps.arrival, run.arrival) < step / 2
    assert wrong(run, maps.time_to_peak, run.peak) < step / 2
    densest = np.where(np.isfinite(run.peak), run.density.max(axis=0), 0)
    centre = np.unravel_index(densest.argmax(), densest.shape)
    alike = [np.abs(true - true[centre]) < 60 for true in (run.arrival, run.peak)]
    region = alike[0] & alike[1] & (densest > 0.3)
    figures = measure(times, density(stack, region))
    assert figures.time_to_peak == pytest.approx(run.peak[centre], abs=step / 2)
    assert figures.arrival == pytest.approx(run.arrival[centre], abs=step / 2)
