from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: TID253  networks are built here

from inference import training
from plugins.lymph_nodes import data
from plugins.lymph_nodes.cases import Case, cut, load, pack
from plugins.lymph_nodes.implants import Scene, implant
from plugins.lymph_nodes.loss import dice, focal, loss_of
from plugins.lymph_nodes.model import CONFIGS, Config, NodeNet, build
from plugins.lymph_nodes.predict import slab_starts
from plugins.lymph_nodes.sites import Sites
from plugins.lymph_nodes.train import batches
from tests.chests import SPACING, ball, chest

ROOT = Path(__file__).parents[1]
SMALL = {name: replace(config, width=4, levels=3) for name, config in CONFIGS.items()}
PATCH = data.Patch((16, 24, 32), (4.0, 4.0, 4.0))


@pytest.fixture(scope="module")
def case() -> Case:
    volume = chest()
    return cut("phantom", volume, SPACING, np.ones(volume.shape, bool))


@pytest.mark.parametrize("name", CONFIGS)
def test_networks_give_logits_at_the_size_of_their_input(name):
    network = NodeNet(SMALL[name])
    x = torch.zeros(1, 1 + SMALL[name].priors, 16, 24, 32)
    heads = network(x)
    assert heads[0].shape == (1, 1, 16, 24, 32)
    assert len(heads) == (2 if name.startswith("full") else 1)
    if name.startswith("full"):
        assert heads[1].shape == (1, 1, 8, 12, 16)
    assert len(network.eval()(x)) == 1


def test_a_slab_is_not_pooled_below_four_slices_as_published():
    assert CONFIGS["slab"].strides == [(2, 2, 2)] * 3 + [(1, 2, 2)]
    assert CONFIGS["full"].strides == [(2, 2, 2)] * 4
    assert CONFIGS["slab"].multiple == 16


def test_a_network_is_built_from_its_own_description():
    network = NodeNet(SMALL["full_priors"])
    twin = build(json.loads(json.dumps(network.describe())))
    twin.load_state_dict(network.state_dict())
    assert twin.config == network.config == Config(**asdict(network.config))


@pytest.mark.parametrize(
    ("older", "newer"), [("slab", "slab_priors"), ("full", "full_priors"), ("slab", "slab")]
)
def test_a_network_that_inherits_says_the_same_whatever_the_priors_at_first(older, newer):
    first, second = NodeNet(SMALL[older]), NodeNet(SMALL[newer])
    for layer in first.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.uniform_(-1, 1)
    second.inherit(first)
    image = torch.randn(1, 1, 16, 16, 16)
    priors = torch.ones_like(image)[:, : second.config.priors]
    [wanted], [found] = first.eval()(image), second.eval()(torch.cat([image, priors], dim=1))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("older", "newer"), [("slab_priors", "slab"), ("full_priors", "full")])
def test_a_network_without_priors_inherits_what_one_with_them_says_of_nothing_known(older, newer):
    first, second = NodeNet(SMALL[older]), NodeNet(SMALL[newer])
    second.inherit(first)
    image = torch.randn(1, 1, 16, 16, 16)
    [wanted] = first.eval()(torch.cat([image, torch.zeros_like(image)], dim=1))
    torch.testing.assert_close(second.eval()(image)[0], wanted)


def test_the_full_volume_network_inherits_from_the_slab_wise_one():
    slab, full = NodeNet(SMALL["slab"]), NodeNet(SMALL["full"])
    torch.nn.init.constant_(slab.heads[0].bias, 3)
    full.inherit(slab)
    assert full.heads[-1].bias.item() == 3
    assert full.heads[0].bias.item() < 0
    deeper, own = slab.encoder.blocks[1][0][0].weight, full.encoder.blocks[1][0][0].weight
    torch.testing.assert_close(own[:, : deeper.shape[1]], deeper)
    assert not own[:, deeper.shape[1] :].any()


@pytest.mark.parametrize(("older", "newer"), [("full", "slab"), ("full_priors", "slab")])
def test_a_network_does_not_inherit_from_one_that_has_more(older, newer):
    with pytest.raises(ValueError, match="parts that this one lacks"):
        NodeNet(SMALL[newer]).inherit(NodeNet(SMALL[older]))
    with pytest.raises(ValueError, match="other channels"):
        NodeNet(replace(SMALL[newer], width=8)).inherit(NodeNet(SMALL[newer]))


def test_the_dice_loss_is_between_0_and_1_and_counts_the_nodes_alone():
    nodes = torch.zeros(1, 1, 8, 8, 8)
    nodes[..., 2:6, 2:6, 2:6] = 1
    known = torch.ones_like(nodes)
    right, wrong = 20 * (2 * nodes - 1), -20 * (2 * nodes - 1)
    assert dice(right, nodes, known).item() == pytest.approx(0, abs=1e-4)
    assert 0.9 < dice(wrong, nodes, known).item() <= 1
    nothing = torch.full_like(nodes, -20.0)
    assert 0.9 < dice(nothing, nodes, known).item() <= 1  # most of the background is right


def test_what_is_unknown_changes_no_loss():
    nodes = torch.zeros(1, 1, 4, 4, 4)
    nodes[..., 0, 0, 0] = 1
    known = torch.ones_like(nodes)
    known[..., 2:, :, :] = 0
    quiet, loud = torch.full((2, 1, 4, 4, 4), -5.0).split(1)
    loud = loud.clone()
    loud[..., 2:, :, :] = 9
    for loss in (dice, focal):
        assert loss(loud, nodes, known) == loss(quiet, nodes, known)


def test_samples_depend_on_seed_and_step_alone(case):
    first, second = (data.Samples([case], PATCH, batch=2, seed=3) for _ in range(2))
    second(0)
    one, same, other = first(5), second(5), first(6)
    for name in data.NAMES:
        assert one[name].shape == (2, 1, *PATCH.size)
        assert one[name].dtype == np.float32
        np.testing.assert_array_equal(one[name], same[name])
    assert not np.array_equal(one["image"], other["image"])
    assert np.abs(one["image"]).max() <= 1


def test_known_anatomy_is_absent_in_about_half_of_the_samples(case):
    samples = data.Samples([case], PATCH, batch=1, seed=0)
    shown = [samples(step)["priors"].any() for step in range(24)]
    assert 4 <= sum(shown) <= 20


def test_implants_displace_tissue_and_look_like_soft_tissue(case):
    volume = case.volume.astype(np.float32)
    scene = Scene(
        volume.copy(), case.spacing, case.mediastinum, case.kernel, 45.0, False,
        nodes=np.zeros(volume.shape, np.float32), bodies=np.zeros(volume.shape, np.float32),
    )  # fmt: skip
    sites = Sites.of(volume, case.mediastinum, case.spacing)
    placed = implant(np.random.default_rng(1), scene, sites, 4, 2, apart=3.0)
    inside = scene.nodes > 0.9
    assert placed
    assert 5 < np.median(scene.volume[inside]) < 80
    assert volume[inside].mean() < scene.volume[inside].mean()  # fat was there
    bone = volume > 350
    assert not (inside & bone).any()


def test_a_case_survives_its_file(case, tmp_path):
    drawn = replace(case, nodes=case.mediastinum & (case.volume > 100))
    again = load(drawn.save(tmp_path))
    assert (again.name, again.spacing, again.tissue, again.blood) == (
        "phantom", case.spacing, case.tissue, case.blood,
    )  # fmt: skip
    for name in ("volume", "mediastinum", "sure", "nodes", "vessels", "kernel"):
        np.testing.assert_array_equal(getattr(again, name), getattr(drawn, name))
    assert again.priors is None
    assert [one.name for one in pack(tmp_path)] == ["phantom"]


def test_drawn_nodes_are_shown_as_they_are_and_the_unknown_is_marked(case):
    nodes = ball(case.volume.shape, tuple(n / 2 for n in case.volume.shape), 12)
    drawn = replace(case, nodes=nodes, sure=nodes)
    batch = data.Samples([drawn], PATCH, batch=4, seed=1)(0)
    assert batch["nodes"].any()
    assert (batch["known"] >= batch["nodes"]).all()
    assert not batch["known"].all()


def test_folds_hold_every_patient_out_once(case):
    found = [replace(case, name=f"patient {i}") for i in range(7)]
    held = [one.name for fold in range(5) for one in data.split(found, fold, 5)[1]]
    assert sorted(held) == [one.name for one in found]
    trained, out = data.split(found, 2, 5)
    assert not {one.name for one in trained} & {one.name for one in out}
    assert data.split(found, None, 5)[1] == []


def test_studies_of_a_patient_are_held_out_together(case):
    found = [replace(case, name=name) for name in ("a__2019", "a__2021", "b", "c__1")]
    trained, held = data.split(found, 0, 3)
    assert [one.name for one in held] == ["a__2019", "a__2021"]
    assert [one.name for one in trained] == ["b", "c__1"]


@pytest.mark.parametrize("name", ["slab", "full_priors"])
def test_training_lowers_the_loss_and_goes_on_where_it_stopped(case, name, tmp_path):
    torch.manual_seed(0)
    samples = data.Samples([case], data.Patch((16, 16, 16), (5.0,) * 3), 1)
    fixed = samples(0)
    plan = training.Plan(steps=12, rate=1e-2, warm_up=1, log_every=1)

    def run(folder: Path, minutes: list[float]) -> list[float]:
        for number, limit in enumerate(minutes):
            torch.manual_seed(1)
            training.train(
                NodeNet(SMALL[name]), batches(lambda step: fixed), loss_of,
                replace(plan, minutes=limit), folder, resume=number > 0,
            )  # fmt: skip
        lines = (folder / "log.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    whole = run(tmp_path / "whole", [60])
    assert len(whole) == 12
    assert whole[-1] < whole[0]
    halves = run(tmp_path / "halves", [1e-4, 60])
    assert halves == pytest.approx(whole, rel=0.05)


def test_the_command_trains_and_its_weights_can_be_read(case, tmp_path):
    case.save(tmp_path)
    command = [
        sys.executable, "-m", "plugins.lymph_nodes.train", "--data", str(tmp_path),
        "--out", str(tmp_path / "run"), "--steps", "1", "--batch", "1", "--device", "cpu",
        "--size", "16", "--width", "4",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    weights, config = training.read_weights(tmp_path / "run" / "model.safetensors")
    build(config).load_state_dict(weights)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["trained"] == record["implanted"] == ["phantom"]
    done = subprocess.run(
        [*command, "--fold", "5"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "There is no fold 5: give one from 0 to 4" in done.stderr
    command[command.index(str(tmp_path / "run"))] = str(tmp_path / "next")
    further = ["--model", "full_priors", "--start", str(tmp_path / "run"), "--size", "32"]
    done = subprocess.run(
        [*command, *further], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "next" / "run.json").read_text())
    assert (record["config"]["kind"], record["start"]) == ("full", "run")


def test_slabs_cover_every_slice_and_share_some():
    for slices in (10, 32, 33, 57, 134, 400):
        starts = slab_starts(slices)
        covered = {z for start in starts for z in range(start, start + 32)}
        assert set(range(slices)) <= covered
        assert all(b - a <= 24 for a, b in pairwise(starts))
