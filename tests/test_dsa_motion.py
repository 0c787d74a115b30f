"""Motion carried on from the network's, and two warped frames made one."""

# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from plugins.dsa_interpolation.merging import merged
from plugins.dsa_interpolation.motion import agreed, at
from plugins.dsa_interpolation.sampling import resize, warp_both

SIZE = 128
INNER = np.s_[..., 24:-24, 24:-24]


def texture(seed: int = 0) -> np.ndarray:
    """Coarse and fine structure, as an anatomy has, values 0 to 1, (y, x)."""
    noise = np.random.default_rng(seed).normal(size=(2 * SIZE, 2 * SIZE))
    smooth = sum(s**1.5 * ndimage.gaussian_filter(noise, s) for s in (2, 5, 12, 30))
    return (smooth - smooth.min()) / np.ptp(smooth)


def seen(
    place: tuple[float, float] = (0.0, 0.0), grain: float = 0.003, seed: int = 1
) -> np.ndarray:
    """The texture moved by (y, x) px, with noise."""
    picture = ndimage.shift(texture(), place, order=3, mode="nearest")
    cut = picture[SIZE // 2 : -SIZE // 2, SIZE // 2 : -SIZE // 2]
    return cut + grain * np.random.default_rng(seed).normal(size=cut.shape)


def tensor(*frames: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.stack(frames)[:, None], dtype=torch.float32)


def nowhere() -> torch.Tensor:
    return torch.zeros(1, 2, SIZE // 2, SIZE // 2)


@pytest.mark.parametrize("way", [(0.4, -0.3), (5.3, -12.7), (-17.0, 9.0)])
def test_a_motion_is_found_to_a_tenth_of_a_pixel(way: tuple[float, float]) -> None:
    found = agreed(tensor(seen(), seen(way, seed=2)), nowhere())
    for axis in (0, 1):
        inner = found[0, axis][INNER]
        assert float((inner - way[axis]).abs().median()) < 0.1


def test_a_motion_that_explains_nothing_is_damped() -> None:
    rng = np.random.default_rng(3)
    wild = 3 * ndimage.gaussian_filter(rng.normal(size=(1, 2, SIZE // 2, SIZE // 2)), (0, 0, 4, 4))
    wild = torch.tensor(3 * wild / wild.std(), dtype=torch.float32)
    found = agreed(tensor(seen(), seen(seed=2)), wild)
    assert float(found.abs().mean()) < 0.05 * float(wild.abs().mean())


def test_light_that_grows_is_no_motion() -> None:
    first = seen(grain=0.0)
    found = agreed(tensor(first, first + 0.3), nowhere())
    assert float(found.abs().max()) < 1e-2


@pytest.mark.parametrize("way", [-11, 8])
def test_a_thin_vessel_is_followed_over_what_stands_still(way: int) -> None:
    behind, column = seen(grain=0.0), np.arange(SIZE)
    there, midway, before = (
        behind - 0.25 * np.exp(-(((column - place) / 1.5) ** 2))
        for place in (64 + way, 64 + way / 2, 64)
    )
    frames = tensor(before, there)
    found = merged(*warp_both(frames, resize(at(agreed(frames, nowhere()), 0.5), 2)).chunk(2), 0.5)
    off = (found - tensor(midway))[..., 24:-24, 40:-40].square().mean()
    blend = (frames.mean(0, keepdim=True) - tensor(midway))[..., 24:-24, 40:-40].square().mean()
    assert float(off) < 0.3 * float(blend)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_what_moves_is_met_on_its_way(share: float) -> None:
    frames = tensor(seen(grain=0.0), seen((8.0, -4.0), grain=0.0))
    flow = resize(at(agreed(frames, nowhere()), share), 2)
    first, last = warp_both(frames, flow).chunk(2)
    there = tensor(seen((8.0 * share, -4.0 * share), grain=0.0))
    for found in (first, last, merged(first, last, share)):
        assert float((found - there)[INNER].abs().max()) < 0.03


def test_what_two_frames_share_stays_as_it_is() -> None:
    frame = tensor(seen())
    torch.testing.assert_close(merged(frame, frame, 0.3), frame)
    torch.testing.assert_close(merged(frame, frame + 0.2, 0.3), frame + 0.06)


def test_noise_goes_and_a_vessel_stays() -> None:
    still = np.full((SIZE, SIZE), 0.7)
    still[:, 60:65] -= 0.3
    clean = tensor(ndimage.gaussian_filter(still, 0.7))
    torch.manual_seed(0)
    first, last = (clean + 0.02 * torch.randn_like(clean) for _ in range(2))
    found = merged(first, last, 0.5) - clean
    blend = (first + last) / 2 - clean
    vessel = np.s_[..., 58:67]
    assert float(found.square().mean()) < 0.4 * float(blend.square().mean())
    assert float(found[vessel].square().mean()) < float(blend[vessel].square().mean())


def test_contrast_that_comes_is_not_smoothed_away() -> None:
    still = np.full((SIZE, SIZE), 0.7)
    filled = still.copy()
    filled[:, 62:65] -= 0.3
    torch.manual_seed(0)
    first, last = (tensor(picture) + 0.01 * torch.randn(1, 1, SIZE, SIZE)
                   for picture in (still, filled))  # fmt: skip
    depth = 0.7 - float(merged(first, last, 0.5)[..., 63].mean())
    assert depth > 0.12  # of 0.15 in the blend
