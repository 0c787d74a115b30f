# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch import nn

from inference import weights
from inference.folding import folded
from inference.metrics import confusion
from plugins.retinal_vessels import data, prepare
from plugins.retinal_vessels.model import IN_ORDER, DropBlock, FSGNet, GuidedFilter, build
from plugins.retinal_vessels.plausibility import fundus_warning
from plugins.retinal_vessels.predict import explain, predict

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def tiny() -> FSGNet:
    torch.manual_seed(0)
    return build({"width": 4, "depths": [1, 1, 1, 1]}).eval()


@pytest.fixture(scope="module")
def fast() -> FSGNet:
    state, details = weights.load("retinal_vessels", "fast")
    network = build(details["network"])
    network.load_state_dict(state)
    return network.eval()


@pytest.fixture(scope="module")
def retina(shared_data: Path) -> list[data.Sample]:
    return data.samples(shared_data / "retina")


def first(retina: list[data.Sample], name: str) -> data.Sample:
    return next(sample for sample in retina if sample.set == name)


# ---------------------------------------------------------------- network


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        network = build({"width": 64})
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters == pytest.approx(18_318_831, rel=1e-3)


@pytest.mark.parametrize("guided", [True, False])
def test_one_map_when_used_and_three_when_trained(guided: bool) -> None:
    network = build({"width": 4, "depths": [1, 1, 1, 1], "guided": guided})
    image = torch.randn(2, 4, 40, 56)
    assert [head.shape for head in network(image)] == [(2, 1, 40, 56)] * 3
    assert network.eval()(image).shape == (2, 1, 40, 56)


def test_a_result_does_not_depend_on_the_rest_of_the_batch(tiny: FSGNet) -> None:
    images = torch.randn(3, 4, 64, 64) * torch.tensor([1.0, 20.0, 0.01]).view(3, 1, 1, 1)
    with torch.inference_mode():
        together = tiny(images)
        alone = torch.cat([tiny(image[None]) for image in images])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_the_filter_does_not_depend_on_the_rest_of_the_batch() -> None:
    guide, target = torch.randn(4, 2, 32, 32), torch.randn(4, 2, 16, 16)
    weight = torch.rand(4, 1, 16, 16) * torch.tensor([1.0, 0.5, 1e-3, 0.0]).view(4, 1, 1, 1)
    parts = (guide, guide[..., ::2, ::2], target, weight)
    together = GuidedFilter()(*parts)
    alone = torch.cat([GuidedFilter()(*(x[i : i + 1] for x in parts)) for i in range(4)])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_the_filter_is_weighted_least_squares_in_every_window() -> None:
    guide, target, weight = (torch.randn(1, 1, 9, 9).double() for _ in range(3))
    weight = weight.abs() + 0.01
    slope, offset = GuidedFilter(radius=2, epsilon=1e-9).line(guide, target, weight)
    window = (0, 0, slice(2, 7), slice(2, 7))
    g, y, w = (x[window].numpy().ravel() for x in (guide, target, weight))
    expected = np.polyfit(g, y, 1, w=np.sqrt(w))
    assert slope[0, 0, 4, 4].item() == pytest.approx(expected[0], rel=1e-5)
    assert offset[0, 0, 4, 4].item() == pytest.approx(expected[1], rel=1e-5)


def test_single_precision_is_enough_for_the_filter() -> None:
    parts = [3 * torch.randn(1, 4, 32, 32).abs() for _ in range(2)]
    weight = torch.rand(1, 1, 32, 32)
    single = GuidedFilter().line(*parts, weight)
    double = GuidedFilter().line(*(x.double() for x in (*parts, weight)))
    for a, b in zip(single, double, strict=True):
        assert torch.allclose(a.double(), b, rtol=1e-3, atol=1e-3)


def test_folded_batch_norms_leave_the_result(fast: FSGNet) -> None:
    quick = folded(fast, IN_ORDER)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (fast, quick)]
    assert norms[1] < norms[0] / 2
    image = torch.randn(1, 4, 96, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(quick(image).sigmoid(), fast(image).sigmoid(), atol=1e-4)


def test_drop_block_keeps_the_mean_and_only_acts_in_training() -> None:
    torch.manual_seed(0)
    x = torch.ones(8, 2, 64, 64)
    layer = DropBlock(0.3)
    assert layer(x).mean().item() == pytest.approx(1, abs=1e-3)
    assert 0.1 < (layer(x) == 0).float().mean().item() < 0.4
    assert torch.equal(layer.eval()(x), x)


# ---------------------------------------------------------------- preparation


def test_the_field_of_view_agrees_with_the_drawn_ones(retina: list[data.Sample]) -> None:
    for sample in retina[::8]:
        found = prepare.find_field_of_view(data.read_image(sample.image))
        drawn = data.read_mask(sample.field_of_view)
        assert confusion(found, drawn).dice > 0.98, sample.image.name


def test_the_field_of_view_of_other_kinds_of_image(retina: list[data.Sample]) -> None:
    image = data.read_image(first(retina, "drive").image)
    wanted = prepare.find_field_of_view(image)
    for other in (image[..., 1], image.astype(np.uint16) * 257, image / 255):
        assert confusion(prepare.find_field_of_view(other), wanted).dice > 0.98
    assert prepare.find_field_of_view(image[150:450, 150:450]).all()
    assert prepare.find_field_of_view(np.zeros((50, 70), np.uint8)).all()


def test_photographs_raise_no_doubt(retina: list[data.Sample]) -> None:
    for sample in retina[::8]:
        image = data.read_image(sample.image)
        for other in (image, image.mean(axis=2).astype(np.uint8)):
            field_of_view = prepare.find_field_of_view(other)
            assert fundus_warning(other, field_of_view) is None, sample.image.name


def text() -> NDArray[np.uint8]:
    page = np.full((600, 600), 255, np.uint8)
    for row in range(10, 590, 12):
        page[row : row + 6] = np.where(RNG.random((6, 600)) < 0.4, 0, 255)
    return page


@pytest.mark.parametrize(
    "image",
    [
        RNG.integers(0, 255, (500, 500, 3), dtype=np.uint8),
        np.full((400, 500, 3), 128, np.uint8),
        np.tile(np.linspace(0, 255, 600).astype(np.uint8), (500, 1)),
        np.zeros((300, 300), np.uint8),
        text(),
    ],
    ids=["noise", "flat", "ramp", "black", "text"],
)
def test_what_is_no_fundus_gets_a_warning(image: NDArray[np.uint8]) -> None:
    warning = fundus_warning(image, prepare.find_field_of_view(image))
    assert warning is not None
    assert warning.startswith("This may not be a fundus photograph (")


def test_an_angiogram_gets_a_warning(shared_data: Path) -> None:
    for path in sorted((shared_data / "xa").glob("angiodata_*/frame_000.png")):
        image = data.read_image(path)
        assert fundus_warning(image, prepare.find_field_of_view(image)), path


def test_a_ct_slice_gets_a_warning(shared_data: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    volume = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "ct/crlm_1004/ct.nii.gz")))
    image = np.clip((volume[len(volume) // 2] + 160.0) / 400 * 255, 0, 255).astype(np.uint8)
    assert fundus_warning(image, prepare.find_field_of_view(image))


def test_normalised_planes_hardly_depend_on_the_exposure(retina: list[data.Sample]) -> None:
    image = data.read_image(first(retina, "drive").image) / 255
    field_of_view = prepare.find_field_of_view(image)
    bright = prepare.normalise(image, field_of_view)
    dark = prepare.normalise(0.6 * image, field_of_view)
    assert bright.shape == (3, *image.shape[:2])
    assert not bright[:, ~field_of_view].any()
    assert np.abs(bright).max() <= 4
    for a, b in zip(bright, dark, strict=True):
        assert np.corrcoef(a[field_of_view], b[field_of_view])[0, 1] > 0.99


@pytest.mark.parametrize(("factor", "working"), [(4, 1400), (1.6, 862), (1, 700), (0.5, 700)])
def test_the_network_sees_a_scale_that_it_knows(
    retina: list[data.Sample], factor: float, working: int
) -> None:
    image = data.read_image(first(retina, "drive").image)
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    image = np.asarray(Picture.fromarray(image).resize(size))
    field_of_view = prepare.find_field_of_view(image)
    planes = prepare.planes(image, field_of_view)
    assert max(planes.values.shape[1:]) == pytest.approx(working, abs=4)
    told = prepare.USUAL * 2 ** planes.values[3].astype(float)
    assert told[planes.forward(field_of_view) > 0.9] == pytest.approx(working, abs=4)
    back = planes.back(planes.forward(field_of_view))
    assert back.shape == image.shape[:2]
    assert confusion(back > 0.5, field_of_view).dice > 0.99


# ---------------------------------------------------------------- prediction


def test_the_bundled_network_finds_vessels_and_nothing_outside(
    fast: FSGNet, retina: list[data.Sample]
) -> None:
    sample = first(retina, "drive")
    steps: list[tuple[int, int]] = []
    found = predict(
        fast,
        data.read_image(sample.image),
        progress=lambda done, total: steps.append((done, total)),
    )
    truth, inside = data.read_mask(sample.vessels), data.read_mask(sample.field_of_view)
    assert found.probability.shape == truth.shape
    assert found.probability.dtype == np.float32
    assert found.warning is None
    assert steps == [(1, 1)]
    assert not found.probability[~found.field_of_view].any()
    assert confusion(found.probability >= 0.5, truth, inside).dice > 0.7


def test_tiles_leave_no_seams(fast: FSGNet, retina: list[data.Sample]) -> None:
    image = data.read_image(first(retina, "drive").image)
    whole, tiled = (predict(fast, image, tile=tile).probability for tile in (1024, 320))
    assert np.abs(whole - tiled).mean() < 0.01
    assert confusion(whole >= 0.5, tiled >= 0.5).dice > 0.95


def test_the_large_model_answers_a_mirrored_photograph_alike(tiny: FSGNet) -> None:
    image = RNG.integers(60, 255, (704, 736, 3)).astype(np.uint8)
    fast, large = (predict(tiny, image, model=model).probability for model in ("fast", "large"))
    assert np.abs(fast - large).max() > 1e-3
    for axes in (0, 1, (0, 1)):
        turned = np.ascontiguousarray(np.flip(image, axes))
        found = predict(tiny, turned, model="large").probability
        np.testing.assert_allclose(np.flip(found, axes), large, atol=1e-4)


@pytest.mark.parametrize("shape", [(61, 83), (61, 83, 3), (200, 40, 4), (9, 7)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_any_size_and_kind_of_image(tiny: FSGNet, shape: tuple[int, ...], kind: type) -> None:
    image = RNG.integers(0, 255, shape).astype(kind)
    found = predict(tiny, image)
    assert found.probability.shape == found.field_of_view.shape == shape[:2]
    assert np.isfinite(found.probability).all()
    assert found.warning


def test_an_explanation_lies_near_its_region(fast: FSGNet, retina: list[data.Sample]) -> None:
    image = data.read_image(first(retina, "drive").image)
    region = np.zeros(image.shape[:2], bool)
    region[250:330, 200:300] = True
    saliency = explain(fast, image, region)
    assert saliency.shape == region.shape
    assert saliency.min() >= 0
    assert 0.5 < saliency.max() <= 1
    assert saliency[region].mean() > 5 * saliency[~region].mean()


# ---------------------------------------------------------------- training


def test_folds_share_no_patient_and_cover_every_image(retina: list[data.Sample]) -> None:
    held = [data.split(retina, fold, 4, None)[1] for fold in range(4)]
    assert sorted(s.image for fold in held for s in fold) == sorted(s.image for s in retina)
    eyes = {s.name: fold for fold, samples in enumerate(held) for s in samples if s.set == "chase"}
    assert all(eyes[name] == eyes[f"{name[:2]}R"] for name in eyes)
    trained, left_out = data.split(retina, None, 4, "hrf")
    assert {s.set for s in trained} == {"drive", "chase"}
    assert {s.set for s in left_out} == {"hrf"}


def test_crops_are_a_function_of_the_step(retina: list[data.Sample]) -> None:
    crops = data.Crops([data.load(first(retina, "drive"))], batch=2, size=64, seed=3)
    one, again, other = crops(5), crops(5), crops(6)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["image"], other["image"])
    assert one["image"].shape == (2, 4, 64, 64)
    assert set(one["field_of_view"].unique().tolist()) <= {0.0, 1.0}


def test_a_crop_without_strength_keeps_the_pixels() -> None:
    planes = torch.arange(60.0 * 80).view(60, 80).repeat(6, 1, 1)
    crops = data.Crops([planes], batch=1, size=16, seed=0)
    for seed in range(5):
        crop = crops._crop(0, 0.0, np.random.default_rng(seed))
        assert torch.allclose(crop, crop.round(), atol=0.05)
        assert torch.equal(crop[0].round(), crop[4])
        seen = crop[4][crop[4] > 0]
        assert seen.unique().numel() == seen.numel() > 0


def test_a_zoomed_crop_tells_the_network_so() -> None:
    planes = torch.ones(6, 80, 80)
    crops = data.Crops([planes], batch=1, size=16, seed=0)
    told = [crops._crop(0, 1.0, np.random.default_rng(seed))[3] for seed in range(8)]
    zooms = [2 ** np.random.default_rng(seed).uniform(-1, 1) for seed in range(8)]
    for size, zoom in zip(told, zooms, strict=True):
        assert size.max().item() == pytest.approx(1 + np.log2(zoom), abs=1e-4)


def test_augmented_vessels_stay_on_their_pixels(retina: list[data.Sample]) -> None:
    """Vessels are darker than what surrounds them, whatever was turned, cut or recoloured."""
    crops = data.Crops([data.load(first(retina, "drive"))], batch=4, size=128, seed=0)
    for step in range(4):
        batch = crops(step)
        green, vessels = batch["image"][:, 1], batch["vessels"][:, 0] > 0.5
        inside = batch["field_of_view"][:, 0] > 0
        assert green[vessels & inside].mean() < green[~vessels & inside].mean() - 0.1


def test_train_and_evaluate_from_the_command_line(
    retina: list[data.Sample], tmp_path: Path
) -> None:
    from typer import Typer
    from typer.testing import CliRunner

    from plugins.retinal_vessels import evaluate, train

    folder = tmp_path / "data" / "drive_train"
    folder.mkdir(parents=True)
    for sample in retina[:2]:
        for path in (sample.image, sample.vessels, sample.field_of_view):
            (folder / path.name).symlink_to(path)
    training, evaluating = Typer(), Typer()
    training.command()(train.main)
    evaluating.command()(evaluate.main)
    run = tmp_path / "runs" / "short"
    arguments = ["--data", str(tmp_path / "data"), "--device", "cpu"]
    settings = ["--fold", "0", "--folds", "2", "--steps", "2", "--batch", "1", "--size", "64"]
    for flags in (["--minutes", "0"], ["--resume"]):
        done = CliRunner().invoke(training, [*arguments, "--out", str(run), *settings, *flags])
        assert done.exit_code == 0, done.output
    assert "done" in done.output
    record = json.loads((run / "run.json").read_text())
    assert record["held_out"] == ["drive/21"]
    other = ["--out", str(tmp_path / "other"), "--fold", "1", "--folds", "2", "--start", str(run)]
    refused = CliRunner().invoke(training, [*arguments, *other])
    assert refused.exit_code == 2
    assert "its network has seen these" in refused.output.replace("\n", " ")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        evaluating, [*arguments, "--out", str(out), "--runs", str(run.parent)]
    )
    assert done.exit_code == 0, done.output
    metrics = json.loads((out / "metrics.json").read_text())
    row = metrics["summary"]["fast: images held out by fold"]["drive"]
    assert row["images"] == 1
    assert 0 <= row["f1"] <= 1
    assert 0.3 < row["auc"] < 1
