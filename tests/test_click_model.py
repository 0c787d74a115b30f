# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from inference.box import Box
from inference.widening import widen
from plugins.click_segmentation import teaching
from plugins.click_segmentation.doubt import absent, misjudged, overdone
from plugins.click_segmentation.encoding import BESIDE, SIGMA, encode
from plugins.click_segmentation.evaluate import outliner_of
from plugins.click_segmentation.follow import Far, follow
from plugins.click_segmentation.lessons import begin, loss_of, objective
from plugins.click_segmentation.model import FAST, LARGE, ClickNet, build, likeness
from plugins.click_segmentation.obedience import obeyed
from plugins.click_segmentation.predict import KEPT, Encodings, Outliner
from plugins.click_segmentation.prepare import Crop, crop_of, normalise
from plugins.click_segmentation.prompts import Prompt
from plugins.click_segmentation.reach import PULL, REACH, pulled
from plugins.click_segmentation.zoom import fitted, looks, middle

TINY = replace(FAST, image=(4, 8, 8, 8, 16), prompt=(8, 8, 8, 16), compared=4, heads=2, looks=1)


@pytest.fixture(autouse=True)
def fixed():
    torch.manual_seed(0)


def click(down: float, right: float, positive: bool = True) -> Prompt:
    return Prompt("click", ((float(down), float(right)),), positive)


def disc(shape=(96, 128), centre=(40, 70), radius=20) -> np.ndarray:
    return cv2.circle(np.zeros(shape, np.uint8), centre[::-1], radius, 1, -1)


def picture(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, mask.shape)
    return (40 + 90 * mask + noise).astype(np.int16)


def outliner(size: int = 64) -> Outliner:
    return Outliner(ClickNet(TINY).eval(), "cpu", size, Encodings())


# --- the network -----------------------------------------------------------------------------


def cost(config, part: str) -> float:
    """Multiply-adds of a part of the network at 256², in 10^9."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = ClickNet(config).eval()
        encoded = network.encode(torch.empty(1, 2, 256, 256))
        image = counter.get_total_flops() / 2e9
        network.decode(encoded, torch.empty(1, 5, 256, 256))
    return image if part == "encode" else counter.get_total_flops() / 2e9 - image


def test_the_fast_network_is_light_and_a_further_click_costs_the_decoder_alone():
    assert cost(FAST, "encode") < 3
    assert 1.5 < cost(FAST, "decode") < 2.5
    assert cost(LARGE, "encode") > 1.8 * cost(FAST, "encode")
    assert cost(LARGE, "decode") < 1.1 * cost(FAST, "decode")


def test_a_deeper_network_begins_with_what_the_shallow_one_says_and_learns_in_every_part():
    shallow = ClickNet(replace(TINY, profile="disc"))
    deep = ClickNet(replace(TINY, depths=(3, 2, 3, 2), looks=3))
    widen(deep, shallow)
    image, prompts = torch.randn(2, 2, 32, 48), torch.rand(2, 5, 32, 48)
    torch.testing.assert_close(deep.eval()(image, prompts), shallow.eval()(image, prompts))
    optimiser = torch.optim.SGD(deep.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        deep.train()(image, prompts).square().mean().backward()
        optimiser.step()
    assert all(p.grad.abs().max() > 0 for p in deep.parameters())
    with pytest.raises(ValueError, match="differ in structure"):
        widen(shallow, deep)


@pytest.mark.parametrize("shape", [(32, 32), (64, 96), (160, 48)])
def test_any_multiple_of_16_gives_logits_of_full_size(shape):
    network = build(json.loads(json.dumps(asdict(TINY)))).eval()
    logits = network(torch.randn(2, 2, *shape), torch.rand(2, 5, *shape))
    assert logits.shape == (2, 1, *shape)


def test_an_image_is_answered_alone_or_in_company_alike():
    network = ClickNet(TINY).eval()
    image, prompts = torch.randn(3, 2, 64, 64), torch.rand(3, 5, 64, 64)
    with torch.no_grad():
        together = network(image, prompts)
        alone = network.decode(network.encode(image[1:2]), prompts[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_likeness_is_one_at_the_only_clicked_place_and_zero_without_clicks():
    directions = torch.nn.functional.normalize(torch.randn(1, 6, 8, 8), dim=1)
    marked = torch.zeros(1, 3, 8, 8)
    marked[0, 0, 2, 5] = 0.3
    cosines = likeness(directions, marked)
    assert cosines[0, 0, 2, 5] == pytest.approx(1, abs=1e-5)
    assert cosines[0, 0].max() <= 1 + 1e-5
    assert not cosines[0, 1:].any()


# --- what it sees ----------------------------------------------------------------------------


def test_normalising_forgets_unit_and_gain():
    image = picture(disc())
    views = normalise(image)
    np.testing.assert_allclose(normalise(image * 3.0 - 1000), views, atol=0.02)
    assert views.shape == (2, *image.shape)
    assert np.abs(views).max() <= 1.5


def test_soft_tissue_keeps_its_contrast_beside_air_and_metal():
    image = np.full((128, 128), -1000, np.float32)
    image[20:110, 20:110] = 40 + np.random.default_rng(0).normal(0, 10, (90, 90))
    image[50:80, 50:80] += 60
    image[0, :3] = 20000
    _, stretched = normalise(image)
    assert stretched[50:80, 50:80].mean() - stretched[22:48, 22:48].mean() > 0.15


@pytest.mark.parametrize("image", [np.zeros((20, 30)), np.full((20, 30, 3), 7, np.uint8)])
def test_an_image_of_one_value_is_nothing_and_no_error(image):
    assert not normalise(image).any()


def test_values_that_are_no_numbers_do_not_spread():
    image = picture(disc()).astype(np.float32)
    image[3, 3], image[4, 4] = np.nan, np.inf
    assert np.isfinite(normalise(image)).all()


@pytest.mark.parametrize("shape", [(64, 96), (32, 48), (192, 288)])
def test_a_crop_and_its_points_come_back_to_their_place(shape):
    mask = disc()
    crop = Crop(Box((10, 20), (74, 116)), shape)
    there = crop.take(mask * 100.0) / 100
    back = crop.back(there) > 0.5
    assert (back != (mask[crop.box.slices] > 0)).mean() < 0.02
    (down, right) = crop.inside([(40, 70)])[0]
    found = np.argwhere(there > 0.5).mean(0)
    np.testing.assert_allclose(found, (down, right), atol=0.6 * shape[0] / 64)


def test_thick_slices_are_seen_at_square_pixels():
    crop = crop_of(Box((0, 0), (80, 240)), (3.0, 1.0), 192)
    assert crop.shape == (192, 192)
    assert crop.scale == pytest.approx((2.4, 0.8))


def test_a_small_part_is_hardly_enlarged():
    """The grain of a slice that is drawn much larger looks like texture of the object."""
    crop = crop_of(Box((0, 0), (64, 64)), (0.7, 0.7), 192)
    assert crop.scale == pytest.approx((1.25, 1.25))


def test_looks_go_from_the_whole_slice_to_the_click():
    crops = list(looks((512, 400), [click(100, 390)], (1, 1), 192))
    sides = [max(crop.box.shape) for crop in crops]
    assert sides[0] == 512
    assert sides[-1] <= 64
    assert all(
        crop.box.start[0] <= 100 < crop.box.stop[0] and crop.box.stop[1] <= 400 for crop in crops
    )


def test_a_box_says_at_once_how_large_the_object_is():
    box = Prompt("box", ((100, 120), (160, 180)))
    assert 80 <= max(next(looks((512, 512), [box], (1, 1), 192)).box.shape) <= 140


def test_a_fitting_crop_holds_the_mask_and_the_clicks():
    crop = fitted(disc(), [click(3, 3, False)], (1, 1), 64)
    assert crop.box.start[0] <= 3
    assert crop.box.stop[0] >= 61


def test_a_click_is_a_gaussian_of_the_published_width():
    maps = encode(normalise(picture(disc())), [click(40, 70), click(5, 6, False)], disc())
    assert maps.shape == (5, 96, 128)
    assert maps[0, 40, 70] == 1
    assert maps[0, 40, 72] == pytest.approx(np.exp(-2 / SIGMA**2), abs=1e-3)
    assert maps[1, 5, 6] == 1
    assert maps[1, 40, 70] == 0
    assert (maps[2] == disc()).all()


@pytest.mark.parametrize(
    ("profile", "beside"), [("disc", (1, 0)), ("distance", (59 / 64, 58 / 64))]
)
def test_a_network_may_be_trained_with_clicks_of_another_profile(profile, beside):
    maps = encode(normalise(picture(disc())), [click(40, 70)], None, profile=profile)
    assert maps[0, 40, 70] == 1
    assert tuple(maps[0, 40, 75:77]) == pytest.approx(beside)
    assert not maps[1].any()


def test_what_resembles_the_click_is_marked():
    mask = disc()
    maps = encode(normalise(picture(mask)), [click(40, 70)], None)
    assert maps[3][mask > 0].mean() > 3 * maps[3][mask == 0].mean()
    assert not maps[4].any()
    assert not maps[2].any()


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("box", ((20, 50), (60, 90))),
        Prompt("lasso", ((20, 50), (20, 90), (60, 90), (60, 50))),
        Prompt("scribble", ((30, 60), (45, 80))),
        Prompt("scribble", ((30, 60),)),
        Prompt("click", ((400.0, 400.0),)),
    ],
)
def test_every_kind_of_prompt_has_its_side(prompt):
    image = normalise(picture(disc()))
    for positive in (True, False):
        maps = encode(image, [replace(prompt, positive=positive)], None)
        outside = prompt.points[0] == (400, 400)
        assert maps[int(not positive)].any() != outside
        assert not maps[int(positive)].any()
        assert maps.min() >= 0
        assert maps.max() <= 1


# --- what is taken of its answer --------------------------------------------------------------


def test_a_click_on_the_object_takes_nothing_and_one_on_the_background_adds_nothing():
    rng = np.random.default_rng(3)
    for _ in range(60):
        found, before, locked = rng.random((3, 24, 24)) > np.reshape((0.5, 0.6, 0.9), (3, 1, 1))
        place = rng.integers(0, 24, 2)
        for positive in (True, False):
            result = obeyed(found, [click(*place, positive)], before, 1, locked)
            assert not (before & ~result).any() if positive else not (result & ~before).any()
            assert not (result & locked & ~before).any()
            if not locked[tuple(place)]:
                assert result[tuple(place)] == positive


def test_only_the_clicked_component_changes():
    before = disc(centre=(30, 30), radius=10) | disc(centre=(30, 90), radius=10)
    found = disc(centre=(30, 30), radius=14) | disc(centre=(30, 90), radius=14)
    grown = obeyed(found, [click(30, 42)], before, 1)
    assert (grown[:, 64:] == (before[:, 64:] > 0)).all()
    assert (grown[:, :64] == (found[:, :64] > 0)).all()
    cut = obeyed(np.zeros_like(found), [click(30, 90, False)], before, 1)
    assert not cut[:, 64:].any()
    assert (cut[:, :64] == (before[:, :64] > 0)).all()


def test_several_fresh_prompts_are_each_obeyed():
    found = disc(radius=24)
    said = [click(40, 70), click(40, 60, False), click(80, 20)]
    result = obeyed(found, said)
    assert result[40, 70]
    assert not result[40, 60]
    assert result[80, 20]


def test_an_outline_keeps_to_the_prompts_whatever_the_network_says():
    mask, worker = disc(), outliner()
    image = picture(mask)
    first = worker.outline(image, [click(40, 70)])
    assert first.mask[40, 70]
    before = mask
    less = worker.outline(image, [click(40, 70), click(50, 70, False)], before)
    assert not less.mask[50, 70]
    assert not (less.mask & (before == 0)).any()
    more = worker.outline(image, [click(40, 70), click(80, 20)], before)
    assert more.mask[80, 20]
    assert not ((before > 0) & ~more.mask).any()
    assert 0 <= more.score <= 1


@pytest.mark.parametrize("before", [np.ones((96, 128), np.uint8), disc(radius=39)])
def test_a_click_deep_in_a_mistaken_mask_is_answered_without_that_mask(before):
    mask, (worker, _) = disc(), outliner_of("fast", None, "cpu")
    said = [click(40, 70), click(40, 95, False)]
    found = worker.outline(picture(mask), said, before).mask
    assert (found & (mask > 0)).sum() > 0.95 * (found | (mask > 0)).sum()


def test_a_mask_is_mistaken_where_the_background_was_clicked_deep_in_it():
    mask, known = np.ones((96, 128), bool), click(40, 20)
    assert misjudged(mask, [known, click(48, 64, False)])
    assert not misjudged(mask, [known, click(3, 64, False)])
    assert not misjudged(mask, [click(48, 64, False), known])
    assert not misjudged(mask, [click(48, 64, False)])
    assert not misjudged(mask, [])
    island = disc(centre=(40, 20)) + disc(centre=(80, 110), radius=6) > 0
    assert misjudged(island, [known, click(40, 24, False)])
    assert not misjudged(island, [known, click(80, 110, False)])


def test_an_object_has_ended_where_the_middle_of_its_followed_mask_is_background():
    mask, worker = disc(), outliner()
    assert not worker.outline(picture(mask), [click(40, 70, False)], mask).mask.any()
    assert absent(mask > 0, [click(40, 70, False)])
    assert not absent(mask > 0, [click(40, 86, False)])
    assert not absent(mask > 0, [click(40, 60), click(40, 70, False)])


def test_a_click_on_the_object_is_overdone_by_what_does_not_lie_round_it():
    before = disc(centre=(40, 30), radius=12) > 0
    island, large = disc(centre=(60, 90), radius=8) > 0, disc(centre=(50, 90), radius=30) > 0
    assert not overdone(before | island, before, [click(60, 90)])
    assert overdone(before | large, before, [click(50, 90)])
    beside = disc(centre=(40, 40), radius=30) > 0
    assert overdone(before | beside, before, [click(40, 68)])
    assert not overdone(before | beside, before, [click(40, 55)])
    assert not overdone(before | large, before, [click(50, 90, False)])
    once_cut = [click(4, 4, False), click(40, 55)]
    assert overdone(before | beside, before, once_cut)


def test_a_correction_reaches_as_far_as_the_outline_or_a_click_that_opposes():
    before = disc(centre=(40, 30), radius=12)
    assert not pulled(before, [click(40, 30), click(40, 70, False)]).any()
    far = pulled(before, [click(40, 30), click(40, 70)])
    assert far.argmax() == np.ravel_multi_index((40, 70), far.shape)
    assert far[40, 70] == pytest.approx(PULL)
    distance = 70 - 42
    expected = PULL * np.exp(-(20**2) / (2 * (REACH * distance) ** 2))
    assert far[60, 70] == pytest.approx(expected, rel=0.05)
    near = pulled(before, [click(40, 76, False), click(40, 70)])
    assert near[60, 70] < 0.01 < near[43, 70]
    assert pulled(before, [click(40, 25, False)]).min() == pytest.approx(-PULL)
    assert not pulled(before, [click(400, 700)]).any()


def test_nothing_is_outlined_by_the_background_alone():
    assert not outliner().outline(picture(disc()), [click(4, 4, False)]).mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (40, 40, 3), (700, 33)])
def test_slices_of_any_shape_are_outlined(shape):
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    found = outliner().outline(image, [click(0, 0)], spacing=(2.5, 0.7))
    assert found.mask.shape == shape[:2]
    assert found.mask[0, 0]


def test_a_crop_that_was_seen_is_not_encoded_again_and_old_ones_are_forgotten():
    worker, seen = outliner(), []
    encoder = worker.network.encoder
    encoder.register_forward_hook(lambda *_: seen.append(1))
    image, mask = picture(disc()), disc()
    one = worker.outline(image, [click(40, 70)], mask)
    count = len(seen)
    two = worker.outline(image, [click(40, 70)], mask)
    assert len(seen) == count
    assert (one.mask == two.mask).all()
    for seed in range(KEPT + 3):
        worker.outline(picture(mask, seed), [click(40, 70)], mask)
    assert len(worker.encodings.kept) == KEPT


# --- what it learns from ----------------------------------------------------------------------


def test_first_prompts_speak_of_the_object_and_corrections_of_the_larger_error():
    target = disc()
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(60):
        [prompt] = teaching.first(target, rng)
        kinds.add(prompt.kind)
        if prompt.kind in ("click", "scribble"):
            assert all(target[round(y), round(x)] for y, x in prompt.points)
        found = disc(centre=(44, 76), radius=int(rng.integers(5, 30)))
        [fix] = teaching.correction(target, found, rng)
        down, right = map(round, fix.points[0])
        missed, extra = (target > found).sum(), (found > target).sum()
        assert fix.positive == (missed > extra)
        assert target[down, right] == fix.positive
        assert found[down, right] != fix.positive
    assert kinds == {"click", "box", "scribble", "lasso"}
    assert teaching.correction(target, target, rng) == []
    assert teaching.first(np.zeros_like(target), rng) == []


def test_an_object_that_has_ended_is_known_by_the_mask_beside_it_alone():
    beside, nothing = disc(), np.zeros_like(disc())
    for seed in range(8):
        rng = np.random.default_rng(seed)
        talk = begin(normalise(picture(nothing)), nothing, beside, rng)
        maps = talk.maps("gaussian")
        assert set(np.unique(maps[2])) == {0, BESIDE}
        assert 0.4 * beside.sum() < (maps[2] > 0).sum() < 2.5 * beside.sum()
        talk.correct(beside, rng)
        assert not talk.prompts[-1].positive
        assert talk.maps("gaussian")[2].max() in (0, 1)


def test_the_middle_is_the_deepest_place():
    assert middle(disc()).points == ((40.0, 70.0),)


def test_the_loss_rewards_the_right_outline():
    target = torch.from_numpy(disc())[None]
    right = 20.0 * target[:, None] - 10
    assert objective(right, target) < 0.01
    assert objective(-right, target) > 5
    empty = torch.zeros_like(target)
    assert objective(-10 * torch.ones_like(right), empty) < 0.01


def test_a_tiny_network_learns_to_outline_a_disc():
    rng = np.random.default_rng(0)

    def batch(step: int) -> dict[str, torch.Tensor]:
        masks = [disc((64, 64), tuple(rng.integers(16, 48, 2)), 12) for _ in range(4)]
        images = [normalise(picture(mask, step)) for mask in masks]
        target = torch.from_numpy(np.stack(masks))
        return {"image": torch.from_numpy(np.stack(images)), "target": target, "neighbour": target}

    network = ClickNet(TINY).train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for step in range(40):
        torch.manual_seed(step)
        loss = loss_of(network, batch(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert all(p.grad is not None for p in network.parameters())


class Copying(torch.nn.Module):
    """Outlines what it is told of the mask before: stands in for a trained network."""

    profile = "gaussian"

    def __init__(self) -> None:
        super().__init__()
        self.steepness = torch.nn.Parameter(torch.tensor(40.0))

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def decode(self, encoded: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        return self.steepness * (maps[:, 2:3] - 0.25)


def test_the_nearest_slice_tells_how_large_an_object_is() -> None:
    mask = disc() > 0
    image, told = picture(mask), Outliner(Copying(), "cpu", 64, Encodings())
    inside = told.outline(image, [click(45, 75)], beside=mask).mask
    assert 2 * (inside & mask).sum() / (inside.sum() + mask.sum()) > 0.95
    elsewhere = told.outline(image, [click(10, 10)], beside=mask).mask
    assert elsewhere.sum() == 1
    corrected = told.outline(image, [click(45, 75)], previous=inside, beside=~mask).mask
    assert not (corrected & ~inside).any()


def test_between_like_slices_the_shape_between_them_is_the_guide() -> None:
    told = Outliner(Copying(), "cpu", 64, Encodings())
    first, alike, other = (disc(radius=radius) > 0 for radius in (24, 20, 9))
    slab = np.stack([picture(first)] * 3)

    def areas(far: np.ndarray) -> np.ndarray:
        steps = list(follow(told, slab, (1.0, 1.0), first, {}, None, Far(far, 4)))
        assert not any(step.end for step in steps)
        return np.array([step.mask.sum() for step in steps])

    radii = np.sqrt(areas(alike) / np.pi)
    np.testing.assert_allclose(radii, (23, 22, 21), atol=0.6)
    np.testing.assert_allclose(areas(other), first.sum(), rtol=0.06)
