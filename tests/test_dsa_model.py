# ruff: noqa: TID253, N812  (no window here)
from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from plugins.dsa_interpolation.context import AttentionContext, LambdaContext, other
from plugins.dsa_interpolation.loss import blur, compare, gaussian, loss_of, pyramid, similarity
from plugins.dsa_interpolation.model import FAST, PUBLISHED, MoStDSA, build
from plugins.dsa_interpolation.predict import between
from plugins.dsa_interpolation.prepare import Scale
from plugins.dsa_interpolation.sampling import compose, warp, warp_both
from plugins.dsa_interpolation.train import batches

TINY = replace(PUBLISHED, width=4, tokens=64, blocks=1, key=4, reach=3, hidden=8, refinement=4)
SLIM = replace(FAST, width=8, tokens=32, key=8, hidden=16, refinement=8)


@pytest.fixture(autouse=True)
def fixed():
    torch.manual_seed(0)


def images(n: int = 2, size: tuple[int, int] = (64, 96)) -> torch.Tensor:
    noise = np.random.default_rng(1).random((n, 1, *size))
    smooth = ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    return torch.tensor((smooth - smooth.min()) / np.ptp(smooth), dtype=torch.float32)


def shaken(config) -> MoStDSA:
    """A network whose last layers are not zero, as after training."""
    network = MoStDSA(config).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


def cost(config, size: int) -> float:
    """Multiply-adds for one frame, in 10^9."""
    with torch.device("meta"):
        network, frame = MoStDSA(config).eval(), torch.empty(1, 1, size, size)
        with FlopCounterMode(display=False) as counter:
            network(frame, frame, torch.empty(1, 1))
    return counter.get_total_flops() / 2e9


def test_the_published_network_has_the_published_weights():
    with torch.device("meta"):
        network = MoStDSA(PUBLISHED)
    assert sum(p.numel() for p in network.parameters()) == 54_117_133
    refinement = sum(p.numel() for p in network.refinement.parameters())
    assert refinement == pytest.approx(50.85e6, rel=1e-3)


def test_the_published_network_costs_what_the_published_one_does():
    assert cost(PUBLISHED, 320) == pytest.approx(87.4, rel=3e-3)
    assert cost(FAST, 320) < cost(PUBLISHED, 320) / 20


def test_three_frames_cost_less_than_one_and_a_half_times_one():
    with torch.device("meta"):
        network, frame = MoStDSA(FAST).eval(), torch.empty(1, 1, 512, 512)
        costs = []
        for count in (1, 3):
            with FlopCounterMode(display=False) as counter:
                network(frame, frame, torch.empty(1, count))
            costs.append(counter.get_total_flops())
    assert costs[1] < 1.6 * costs[0]


@pytest.mark.parametrize("config", [FAST, SLIM])
def test_untrained_it_is_the_linear_blend(config):
    first, last = images().split(1)
    times = torch.tensor([[0.1, 0.5, 0.9]])
    found, stages = MoStDSA(config).eval()(first, last, times)
    share = times[:, :, None, None]
    for blend in (found, *stages):
        torch.testing.assert_close(blend, (1 - share) * first + share * last, atol=2e-5, rtol=0)


@pytest.mark.parametrize("config", [TINY, SLIM])
def test_times_do_not_depend_on_each_other(config):
    network, (first, last) = shaken(config), images().split(1)
    times = torch.tensor([[0.2, 0.5, 0.85]])
    with torch.no_grad():
        together = network(first, last, times)[0]
        alone = [network(first, last, time[:, None])[0] for time in times.unbind(1)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))
    assert (together[:, 0] - together[:, 2]).abs().max() > 1e-3


@pytest.mark.parametrize("config", [TINY, SLIM])
def test_pairs_of_a_batch_do_not_depend_on_each_other(config):
    network, frames = shaken(config), images(4)
    times = torch.tensor([[0.3], [0.6]])
    with torch.no_grad():
        together = network(frames[:2], frames[2:], times)[0]
        alone = [
            network(frames[i : i + 1], frames[i + 2 : i + 3], times[i : i + 1])[0] for i in (0, 1)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", [TINY, SLIM])
def test_every_weight_learns(config):
    network, frames = shaken(config).train(), images(4)
    found, stages = network(frames[:2], frames[2:], torch.tensor([[0.3], [0.6]]))
    (found.square().mean() + sum(s.square().mean() for s in stages)).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_the_flow_heads_first_layer_is_linear_in_time():
    head = shaken(TINY).head
    motion, structure = torch.randn(2, 16, 8, 8), torch.randn(2, 64, 8, 8)
    frames, time = torch.rand(2, 3, 64, 64), 0.3
    first, second, fixed = head.prepare(motion, structure, frames)
    m0, m1 = (F.pixel_shuffle(m, 4) for m in motion.split(1))
    s0, s1 = (F.pixel_shuffle(s, 4) for s in structure.split(1))
    small = F.interpolate(frames, scale_factor=0.5, mode="bilinear").split(1)
    whole = head.first(torch.cat([time * m0, (1 - time) * m1, s0, s1, *small], dim=1))
    torch.testing.assert_close(time * first + (1 - time) * second + fixed, whole)


def test_lambda_layers_look_at_the_other_frame_within_reach():
    layer = LambdaContext(16, 4, 4, 3).eval()
    x = torch.randn(2, 16, 12, 12)
    changed = x.clone()
    changed[1, :, 6, 6] += 1
    with torch.no_grad():
        layer.keys.weight.zero_()  # every place then counts alike in the content lambda
        before, after = layer(x), layer(changed)
    for a, b in zip(before, after, strict=True):
        difference = (a - b)[0].abs().mean(0)  # of the first frame; the second one changed
        near = difference[5:8, 5:8]
        far = difference[:4, :4]
        assert near.min() > 3 * far.max() > 0


def test_attention_is_what_a_plain_softmax_over_the_neighbourhood_gives():
    layer = AttentionContext(8, 2, 6, 5).eval()
    x = torch.randn(2, 8, 11, 9)
    with torch.no_grad():
        structure, motion = layer(x)
        keys = F.normalize(layer.keys(x).unflatten(1, (2, 6)), dim=2)
        values = layer.values(x).unflatten(1, (2, 4))
        at = (5, 4)  # whose whole neighbourhood lies inside
        window = np.s_[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3]
        wanted, moved = [], []
        offsets = torch.stack(torch.meshgrid(*[torch.arange(-2.0, 3)] * 2, indexing="ij"))
        for head in range(2):
            score = (keys[0, head, :, *at, None, None] * keys[1, head][:, *window]).sum(0) * 12
            weights = (score - offsets.square().sum(0) / (2 * 4.0**head)).flatten().softmax(0)
            wanted.append((values[1, head][:, *window].flatten(1) * weights).sum(1))
            moved.append((offsets.flatten(1) * weights).sum(1))
        expected = layer.merge(torch.cat(wanted)[None, :, None, None])[0, :, 0, 0]
        torch.testing.assert_close(structure[0, :, *at], expected, atol=1e-5, rtol=1e-4)
        expected = layer.motion(torch.cat(moved)[None, :, None, None])[0, :, 0, 0]
        torch.testing.assert_close(motion[0, :, *at], expected, atol=1e-5, rtol=1e-4)


def test_attention_sees_how_far_tokens_moved():
    layer = AttentionContext(8, 1, 10, 9).eval()
    with torch.no_grad():
        layer.sharpness.fill_(200)
        layer.near.masked_fill_(torch.isfinite(layer.near), 0)
        layer.motion.weight.copy_(
            torch.eye(2, 2)[:, :, None, None].expand(2, 2, 1, 1).repeat(4, 1, 1, 1)
        )
        layer.motion.bias.zero_()
        first = torch.randn(1, 8, 24, 24)
        x = torch.cat([first, first.roll((2, -3), (2, 3))])
        motion = layer(x)[1]
    inside = motion[:, :2, 8:16, 8:16]
    torch.testing.assert_close(inside[0].mean((1, 2)), torch.tensor([2.0, -3.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(inside[1].mean((1, 2)), torch.tensor([-2.0, 3.0]), atol=0.1, rtol=0)


def test_other_swaps_the_halves():
    assert other(torch.arange(4.0)).tolist() == [2, 3, 0, 1]


def test_warping_looks_up_where_the_flow_points():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    ramp = (y + 100 * x)[None, None]
    flow = torch.stack([torch.full((20, 30), 1.5), torch.full((20, 30), -2.25)])[None]
    found = warp(ramp, flow)[0, 0]
    torch.testing.assert_close(found[:18, 3:], (ramp[0, 0] + 1.5 - 225)[:18, 3:], atol=2e-3, rtol=0)
    torch.testing.assert_close(found[:18, 0], (y + 1.5)[:18, 0], atol=2e-3, rtol=0)  # the border


def test_composing_weighs_the_first_frame_by_the_logit():
    frames, still = images(2), torch.zeros(1, 4, 64, 96)
    found = compose(frames, still, torch.full((1, 1, 64, 96), np.log(3.0)))
    torch.testing.assert_close(found, 0.75 * frames[:1] + 0.25 * frames[1:], atol=1e-5, rtol=0)
    assert warp_both(frames, still).shape == frames.shape


def test_the_loss_sees_an_offset_that_band_passes_do_not():
    truth = torch.rand(1, 2, 64, 64)
    nothing = torch.zeros_like(truth)
    assert compare(truth, truth, nothing) == 0
    assert pyramid(torch.full((1, 1, 64, 64), 0.25)).item() == pytest.approx(0.25, abs=1e-5)
    vessels = nothing.clone()
    vessels[..., :8] = 1
    wrong = truth.clone()
    wrong[..., :8] += 0.1
    elsewhere = truth.clone()
    elsewhere[..., -8:] += 0.1
    assert compare(wrong, truth, vessels) > compare(elsewhere, truth, vessels) + 0.04


def test_similarity_is_the_usual_one():
    from skimage.metrics import structural_similarity

    a = images(1)[0, 0]
    b = (a + 0.05 * torch.randn_like(a)).clamp(0, 1)
    ours = similarity(a[None, None], b[None, None])[0, 0, 8:-8, 8:-8].mean()
    theirs = structural_similarity(
        a.numpy(), b.numpy(), data_range=1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )[1][8:-8, 8:-8].mean()  # fmt: skip
    assert float(ours) == pytest.approx(float(theirs), abs=2e-3)
    torch.testing.assert_close(blur(torch.ones(1, 3, 16, 16), gaussian()), torch.ones(1, 3, 16, 16))


class MovingBars:
    """A dark bar that moves evenly over a faint texture."""

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(step)
        texture = ndimage.gaussian_filter(rng.random((64, 64)), 2) * 0.3
        speed, start, times = rng.uniform(4, 12), rng.uniform(16, 40), np.array([0.25, 0.5, 0.75])
        frames = [self.frame(texture, start + speed * t) for t in (0, *times, 1)]
        vessels = np.stack([frame < texture + 0.3 for frame in frames[1:-1]])
        return {
            "first": np.float32(frames[0])[None, None], "last": np.float32(frames[-1])[None, None],
            "times": np.float32(times)[None], "targets": np.float32(frames[1:-1])[None],
            "vessels": vessels[None],
        }  # fmt: skip

    def frame(self, texture: np.ndarray, place: float) -> np.ndarray:
        bar = np.exp(-(((np.arange(64) - place) / 2.5) ** 2))
        return texture + 0.6 - 0.5 * bar


def test_batches_are_a_function_of_the_step():
    at = batches(MovingBars(), 3)
    one, again, next_one = at(5), at(5), at(6)
    assert set(one) == {"first", "last", "times", "targets", "vessels"}
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["first"], next_one["first"])
    assert all(value.dtype == torch.float32 for value in one.values())


def test_a_few_steps_of_training_beat_the_blend():
    at, network = batches(MovingBars(), 0), build(asdict(SLIM))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    unseen = [at(10_000 + i) for i in range(8)]

    def loss() -> float:
        with torch.no_grad():
            return float(np.mean([float(loss_of(network, batch)) for batch in unseen]))

    before = loss()
    for step in range(20):
        optimiser.zero_grad()
        loss_of(network, at(step)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    assert loss() < 0.75 * before


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("shape", [(64, 64), (37, 81), (5, 9)])
def test_any_size_and_depth(dtype, shape):
    rng, network = np.random.default_rng(0), MoStDSA(SLIM).eval()
    first = rng.integers(0, 200, shape).astype(dtype)
    last = first + dtype(50)  # light that grows is no motion, and no noise
    scale = Scale.of(np.stack([first, last]))
    [made] = between(network, (first, last), [0.5], scale)
    assert made.frame.shape == shape
    assert made.frame.dtype == dtype
    blend = (first.astype(float) + last) / 2
    assert np.abs(made.frame - blend).max() <= (0.51 if np.issubdtype(dtype, np.integer) else 0.01)


def test_large_frames_are_warped_at_their_own_size():
    network, rng = shaken(SLIM), np.random.default_rng(0)
    small = ndimage.gaussian_filter(rng.random((2, 64, 64)), (0, 2, 2))
    large = ndimage.zoom(small, (1, 3, 3), order=1).astype(np.float32)
    large += 0.01 * (np.indices((192, 192)).sum(0) % 2)  # finer than any reduced size shows
    scale = Scale.of(large)
    [made] = between(network, (large[0], large[1]), [0.5], scale, edge=64)
    assert made.frame.shape == (192, 192)
    lit = large[0] + np.float32(0.2)
    [plain] = between(MoStDSA(SLIM).eval(), (large[0], lit), [0.5], scale, edge=64)
    np.testing.assert_allclose(plain.frame, large[0] + 0.1, atol=1e-4)
