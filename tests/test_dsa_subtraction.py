from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from angiograms import angiogram, shifted
from PIL import Image

from inference.series import Acquisition
from inference.worker import Cancelled, JobContext
from plugins.dsa_interpolation.jobs import peak_run, register_run
from plugins.dsa_interpolation.registration import register
from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor, peak
from plugins.dsa_interpolation.suggestion import completed, suggested, suggested_mask
from plugins.dsa_interpolation.warping import moved, spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

ABSORBED = np.zeros((3, 48, 64))
ABSORBED[1:, 20:28] = 0.2  # a vessel fills
ANATOMY = np.linspace(0, 1.5, 64)[None, None, :]


def stored(dtype: type, top: float) -> NDArray[np.generic]:
    return np.rint(top * np.exp(-ANATOMY - ABSORBED)).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "top", "error"),
    [(np.uint8, 250, 0.012), (np.uint16, 1023, 0.004), (np.uint16, 65000, 1e-4)],
)
def test_density_is_what_contrast_absorbs_at_any_bit_depth(
    dtype: type, top: float, error: float
) -> None:
    run = Subtractor(stored(dtype, top), None, Subtraction())
    assert run.frame(2).dtype == np.float32
    np.testing.assert_allclose(run.frame(2), -ABSORBED[2], atol=error)
    np.testing.assert_allclose(run.stack(), -ABSORBED, atol=error)


def test_stored_logarithms_are_not_logged_again() -> None:
    linear = np.rint(4095 * np.exp(-ANATOMY - ABSORBED))
    table = np.rint(4095 * np.log(np.maximum(np.arange(4096), 1)) / np.log(4095))
    voxels = table[linear.astype(int)].astype(np.uint16)
    run = Subtractor(voxels, Acquisition(intensity="logarithmic"), Subtraction())
    np.testing.assert_allclose(run.frame(1), -ABSORBED[1], atol=0.004)


@pytest.mark.parametrize("intensity", ["linear", "logarithmic"])
def test_values_that_fall_with_the_x_rays_are_turned_round(intensity: str) -> None:
    linear = np.rint(4095 * np.exp(-ANATOMY - ABSORBED)).astype(int)
    table = np.rint(4095 * np.log(np.maximum(np.arange(4096), 1)) / np.log(4095)).astype(int)
    risen = linear if intensity == "linear" else table[linear]
    risen[:, :2] = 0  # behind a collimator, which shows how many bits there are
    voxels = (4095 - risen).astype(np.uint16)
    acquisition = Acquisition(intensity, inverted=True)
    run = Subtractor(voxels, acquisition, suggested(voxels, acquisition))
    assert run.settings.mask == (0,)
    np.testing.assert_allclose(run.frame(1), -ABSORBED[1], atol=0.006)


def test_zero_pixels_stay_finite() -> None:
    voxels = np.zeros((2, 8, 8), np.uint16)
    voxels[1, 4] = 900
    run = Subtractor(voxels, None, Subtraction(edges=0.5, landmark=0.5))
    assert np.isfinite(run.frame(1)).all()
    assert (Subtractor(voxels, None, Subtraction()).frame(1)[:4] == 0).all()


@pytest.mark.parametrize("bright", [False, True])
def test_a_subtracted_run_is_passed_through(bright: bool) -> None:
    grey = 2048 + (1 if bright else -1) * 1000 * ABSORBED
    voxels = np.rint(grey).astype(np.uint16)
    acquisition = Acquisition(subtracted=True)
    run = Subtractor(voxels, acquisition, suggested(voxels, acquisition))
    assert not run.settings.on
    np.testing.assert_array_equal(run.frame(1), voxels[1])
    assert run.density(1)[24, 10] < -0.1  # vessels negative, whichever way they were stored
    np.testing.assert_allclose(run.density(1)[:20], 0)
    overruled = run.changed(replace(run.settings, on=True))
    assert (overruled.frame(1)[24] > 0.1).all() == bright


def test_an_averaged_mask_has_less_noise() -> None:
    rng = np.random.default_rng(0)
    voxels = rng.poisson(500, (20, 64, 64)).astype(np.uint16)
    noise = [
        Subtractor(voxels, None, Subtraction(mask=mask)).frame(19).std()
        for mask in ((0,), tuple(range(16)))
    ]
    assert noise[1] == pytest.approx(noise[0] * np.sqrt((1 + 1 / 16) / 2), rel=0.05)


def test_the_mask_moves_by_parts_of_a_pixel() -> None:
    still = angiogram(np.zeros(2), (shifted(0, 0), shifted(1.3, -0.6)), photons=60000)
    run = Subtractor(still.frames, None, Subtraction())
    right = run.changed(Subtraction(shift=(1.3, -0.6)))
    automatic = run.changed(Subtraction(shifts=np.array([(0, 0), (1.3, -0.6)], np.float32)))
    inner = np.s_[16:-16, 16:-16]
    assert right.frame(1)[inner].std() < 0.2 * run.frame(1)[inner].std()
    np.testing.assert_allclose(automatic.frame(1)[inner], right.frame(1)[inner], atol=1e-5)
    np.testing.assert_array_equal(automatic.frame(1)[:6], run.frame(1)[:6])  # collimators stay


def test_a_field_moves_parts_on_their_own() -> None:
    picture = angiogram(np.zeros(1), photons=60000).frames[0].astype(np.float32)
    field = np.zeros((3, 3, 2), np.float32)
    field[:, 2] = (0.0, 2.0)  # the right side moves to the right, the left side stays
    there = moved(picture, (0.0, 0.0), field)
    np.testing.assert_allclose(there[:, :128], picture[:, :128])
    np.testing.assert_allclose(there[:, -1], picture[:, -3], rtol=1e-4)
    assert spread(field[..., 1], (256, 256))[0, -1] == 2


def test_the_look_is_not_destructive() -> None:
    voxels = stored(np.uint16, 4000)
    plain = Subtractor(voxels, None, Subtraction())
    before = plain.frame(1).copy()
    inverted = plain.changed(Subtraction(inverted=True))
    landmark = plain.changed(Subtraction(landmark=1.0))
    sharp = plain.changed(Subtraction(edges=1.0))
    np.testing.assert_array_equal(inverted.frame(1), -before)
    anatomy = np.log(voxels[1])
    assert np.ptp(landmark.frame(1) - anatomy) < 1e-4
    assert sharp.frame(1).min() < before.min()
    np.testing.assert_array_equal(sharp.density(1), before)
    np.testing.assert_array_equal(plain.frame(1), before)
    centre, width = plain.window()
    assert centre == pytest.approx(-0.1, abs=0.02)
    assert width == pytest.approx(0.2, abs=0.02)


def test_noise_reduction_is_the_same_played_or_jumped_to() -> None:
    voxels = np.random.default_rng(0).poisson(400, (40, 32, 32)).astype(np.uint16)
    settings = Subtraction(smoothing=0.7)
    played = Subtractor(voxels, None, settings)
    for index in range(31):
        last = played.frame(index)
    jumped = Subtractor(voxels, None, settings).frame(30)
    assert np.abs(last - jumped).max() < 0.02
    calm, plain = jumped.std(), played.changed(Subtraction()).frame(30).std()
    assert calm < 0.85 * plain
    np.testing.assert_allclose(played.frame(0), 0, atol=1e-6)  # the cine starts again


def test_what_settings_do_not_touch_is_kept() -> None:
    run = Subtractor(stored(np.uint16, 4000), None, Subtraction(shift=(0.5, 0.0)))
    run.frame(1)
    assert run.changed(replace(run.settings, edges=0.4)).mask is run.mask
    assert run.changed(replace(run.settings, mask=(1,))).mask is not run.mask


def test_peak_opacity_keeps_the_darkest() -> None:
    voxels = stored(np.uint16, 4000)
    run = Subtractor(voxels, None, Subtraction())
    np.testing.assert_allclose(peak(run), -ABSORBED.max(axis=0), atol=0.003)
    inverted = peak_run(JobContext(), voxels, Subtraction(inverted=True))
    np.testing.assert_allclose(inverted, ABSORBED.max(axis=0), atol=0.003)


def test_the_mask_is_before_the_bolus() -> None:
    times = np.linspace(0, 4000, 20)
    motions = tuple(shifted(0.2 * i, 0.1 * i) for i in range(20))
    run = angiogram(times, motions, start=1500.0)
    mask = suggested_mask(run.frames)
    assert 1000 < times[max(mask)] < 2000
    assert len(mask) == 3


@pytest.mark.parametrize("style", ["cerebral", "coronary"])
def test_the_first_contrast_is_not_in_the_mask(style: Literal["cerebral", "coronary"]) -> None:
    from plugins.dsa_interpolation.simulator.run import simulate
    from plugins.dsa_interpolation.simulator.settings import Settings

    times = tuple(333.0 * i for i in range(9))
    settings = Settings(style=style, size=256, times=times)
    run = simulate(np.random.default_rng(1), settings, maps=False)
    densest = np.sort(run.density.reshape(len(times), -1))[:, -60:].mean(axis=1)
    assert densest[-1] > 1
    mask = list(suggested_mask(run.frames))
    assert len(mask) >= 2
    assert densest[mask].max() < 0.02


def test_a_mask_named_by_the_file_is_used() -> None:
    voxels = stored(np.uint16, 4000)
    acquisition = Acquisition(mask_frames=(1, 9), mask_shift=(0.25, -1.0))
    start = suggested(voxels, acquisition)
    assert (start.mask, start.shift, start.on) == ((1,), (0.25, -1.0), True)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shift_named_by_the_file_is_taken_as_it_fits(sign: int) -> None:
    motions = (shifted(0, 0), *(shifted(0.8, -1.6) for _ in range(4)))
    voxels = angiogram(np.linspace(0, 1500, 5), motions, photons=4000).frames
    acquisition = Acquisition("linear", mask_frames=(0,), mask_shift=(sign * 0.8, -sign * 1.6))
    start = suggested(voxels, acquisition)
    assert start.shift == pytest.approx((0.8, -1.6))  # the mask moves down and to the left
    shown = Subtractor(voxels, acquisition, start)
    unmoved = shown.changed(replace(start, shift=(0.0, 0.0)))
    inner = np.s_[16:-16, 16:-16]
    assert shown.frame(1)[inner].std() < 0.7 * unmoved.frame(1)[inner].std()


def test_a_subtracted_run_shows_that_it_is() -> None:
    run = angiogram(np.linspace(0, 4000, 16), photons=8000)
    assert completed(run.frames, None) is None
    density = Subtractor(run.frames, None, suggested(run.frames, None)).stack()
    for pictures in (2048 + 1000 * density, 128 - 100 * density):  # vessels dark, vessels bright
        voxels = np.clip(np.rint(pictures), 0, 4095).astype(np.uint16)
        known = completed(voxels, None)
        assert known == Acquisition(subtracted=True)
        shown = Subtractor(voxels, known, suggested(voxels, known))
        assert not shown.settings.on
        vessel = run.contrast[10] > 0.5 * run.contrast[10].max()
        assert shown.density(10)[vessel].mean() < 0
        said = Acquisition("linear")
        assert completed(voxels, said) is said


@pytest.mark.parametrize("photons", [400.0, 4000.0])
def test_registration_finds_the_shift_through_vessels_and_noise(photons: float) -> None:
    rng = np.random.default_rng(1)
    lengths, angles = (0, 0.3, 0.8, 1.6, 2.9, 4.1, 5.0), rng.uniform(0, 2 * np.pi, 7)
    truth = np.array([(r * np.sin(a), r * np.cos(a)) for r, a in zip(lengths, angles, strict=True)])
    run = angiogram(np.linspace(0, 3500, 7), tuple(shifted(*s) for s in truth), photons)
    found = register(run.frames, (0,))
    assert np.hypot(*(found.shifts - truth).T).max() < 0.1
    assert found.fields is None
    raw = Subtractor(run.frames, None, Subtraction())
    aligned = raw.changed(Subtraction(shifts=found.shifts))
    beside = (run.contrast[4] < 0.005) & (np.pad(np.ones((216, 216), bool), 20))
    assert aligned.frame(4)[beside].std() < raw.frame(4)[beside].std()


def test_registration_follows_parts_that_move_on_their_own() -> None:
    size, count = 256, 4

    def turned(share: float) -> Callable[..., tuple[object, object]]:
        def motion(
            y: NDArray[np.float64], x: NDArray[np.float64]
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            bump = 1.2 * np.exp(-((y - 77) ** 2 + (x - 154) ** 2) / 64**2)
            return (
                share * (2.0 + 0.02 * (x - 128) + bump),
                share * (-1.0 - 0.02 * (y - 128)),
            )

        return motion

    motions = tuple(turned(i / (count - 1)) for i in range(count))
    run = angiogram(np.linspace(0, 2500, count), motions, 8000)
    found = register(run.frames, (0,), piecewise=True)
    assert found.fields is not None
    truth = motions[-1](*np.mgrid[:size, :size].astype(float))
    inner = np.s_[24:-24, 24:-24]
    errors = [
        (spread(found.fields[-1, ..., i], (size, size)) + found.shifts[-1, i] - truth[i])[inner]
        for i in (0, 1)
    ]
    wrong = np.hypot(*errors)
    assert np.sqrt((wrong**2).mean()) < 0.1
    raw = Subtractor(run.frames, None, Subtraction())
    whole = raw.changed(Subtraction(shifts=found.shifts))
    parts = raw.changed(Subtraction(shifts=found.shifts, fields=found.fields))
    beside = run.contrast[-1][inner] < 0.005
    spreads = [r.frame(count - 1)[inner][beside].std() for r in (raw, whole, parts)]
    assert spreads[0] > spreads[1] > spreads[2]


def test_registration_finds_the_simulator_s_motion() -> None:
    from plugins.dsa_interpolation.simulator.run import simulate
    from plugins.dsa_interpolation.simulator.settings import Motion, Settings

    times = tuple(250.0 * i for i in range(12))
    settings = Settings(style="cerebral", size=256, times=times, motion=Motion(shake=1.5))
    run = simulate(np.random.default_rng(3), settings, maps=False)
    far = np.hypot(*run.motion.T)
    assert far.max() > 1
    errors = np.hypot(*(register(run.frames, (0,)).shifts - run.motion).T)[far <= 5]
    assert np.sqrt((errors**2).mean()) < 0.1


def test_aligning_is_a_job_that_reports_and_can_be_stopped() -> None:
    run = angiogram(np.linspace(0, 1000, 3))
    told: list[tuple[int, int]] = []
    context = JobContext(tell=lambda done, total, note: told.append((done, total)))
    assert register_run(context, run.frames, (0,)).shifts.shape == (3, 2)
    assert told[-1] == (3, 3)

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        register_run(JobContext(give_way=stop), run.frames, (0,))


def test_a_large_frame_is_subtracted_in_time_for_the_cine() -> None:
    voxels = np.random.default_rng(0).integers(0, 4096, (4, 1024, 1024)).astype(np.uint16)
    run = Subtractor(voxels, None, Subtraction(shift=(0.3, -1.2)))
    run.frame(0)
    seconds = []
    for index in range(8):
        start = time.thread_time()
        run.frame(index % 4)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.015


def test_real_runs_show_their_vessels(shared_data: Path) -> None:
    for name, first in (("angiodata_p2_r4", 6), ("angiodata_p3_r6", 3)):
        files = sorted((shared_data / "xa" / name).glob("*.png"))
        voxels = np.stack([np.array(Image.open(file)) for file in files])
        run = Subtractor(voxels, None, suggested(voxels, None))
        assert max(run.settings.mask) < first
        assert completed(voxels, None) is None
        full, empty = run.frame(len(voxels) // 2), run.frame(max(run.settings.mask))
        inner = np.s_[40:-40, 40:-40]
        assert np.percentile(full[inner], 1) < -0.15
        assert np.percentile(full[inner], 1) < 2 * np.percentile(empty[inner], 1)
