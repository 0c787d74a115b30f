from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch  # noqa: TID253  networks are built here

from inference import weights
from inference.box import Box
from inference.errors import UserError
from inference.reading import read
from inference.series import Geometry, Series
from inference.worker import Cancelled, JobContext
from plugins.lymph_nodes import datasets, predict, regions
from plugins.lymph_nodes.model import CONFIGS, Config, NodeNet
from plugins.lymph_nodes.predict import combine
from plugins.lymph_nodes.prepare import Grid, doubts, is_tilted, known_anatomy, refuse
from plugins.lymph_nodes.task import TASK, UNTRAINED, read_anatomy, segment
from plugins.lymph_nodes.task import installed as chosen_networks
from tests import phantoms
from tests.bright_nodes import BRIGHT, CENTRE, NODE, RADIUS, bright_finder, chest_with_node
from tests.chests import SHAPE, SPACING, chest


def geometry() -> Geometry:
    return Geometry(np.diag((*SPACING, 1.0))[[2, 1, 0, 3]], known=True)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Networks in a folder of weights that was empty."""
    monkeypatch.setattr("inference.weights.resource_path", lambda *parts: folder.joinpath(*parts))
    for kind in kinds:
        details = {"version": "1", "licence": "Apache-2.0", "summary": f"{kind} by hand."}
        network = bright_finder(kind)
        details["network"] = asdict(network.config)
        weights.save("lymph_nodes", kind, network.state_dict(), details)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Both networks."""
    install(tmp_path, monkeypatch, "slab", "full")


def main_node(result):
    return min(
        result["nodes"], key=lambda node: np.abs(np.subtract(node["centroid"], CENTRE)).sum()
    )


def test_a_node_is_found_measured_and_told_as_it_is_found(installed):
    notes, partial = [], []
    context = JobContext(
        "cpu", tell=lambda done, total, note: notes.append(note), hand_over=partial.append
    )
    result = segment(context, chest_with_node(), SPACING, model="ensemble")
    node = main_node(result)
    assert node["centroid"] == pytest.approx(CENTRE, abs=0.3)
    assert node["short_axis_mm"] == pytest.approx(2 * RADIUS, abs=1.5)
    assert node["volume_ml"] == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.1)
    assert node["mean_hu"] == pytest.approx(BRIGHT, abs=5)
    assert node["confidence"] > 0.9
    z, y, x = CENTRE
    assert result["labels"][z, y, x] == node["id"]
    assert result["labels"].shape == SHAPE
    assert result["warning"] is None
    early = [one for told in partial for one in told["nodes"]]
    assert any(one["centroid"] == pytest.approx(CENTRE, abs=1) for one in early)
    assert [*dict.fromkeys(notes)] == [
        "Finding the lungs", "Loading the model", "Searching slab by slab",
        "Searching the whole chest", "Measuring",
    ]  # fmt: skip


def test_it_can_be_cancelled(installed):
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segment(JobContext("cpu", give_way=stop), chest(), SPACING)


def test_a_network_that_is_not_installed_is_told_and_those_there_are_offered(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "slab")
    for model in ("full", "ensemble"):
        with pytest.raises(UserError) as error:
            segment(JobContext("cpu"), chest(), SPACING, model=model)
        assert str(error.value) == "The network full is not installed: choose of slab."
    (only,) = chosen_networks("slab", with_anatomy=True)
    assert only.name == "slab"


def test_networks_with_anatomy_serve_where_it_is_known_or_where_there_are_no_others(
    tmp_path, monkeypatch
):
    install(tmp_path, monkeypatch, "slab", "slab_priors", "full_priors")
    for known, names in ((True, ["slab_priors", "full_priors"]), (False, ["slab", "full_priors"])):
        found = chosen_networks("ensemble", with_anatomy=known)
        assert [info.name for info in found] == names


def test_a_network_is_shown_where_anatomy_is_not_under_which_numbers(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = NodeNet(Config("slab", 1, 2, SPACING, priors=True))
    monkeypatch.setattr("inference.weights.resource_path", lambda *parts: tmp_path.joinpath(*parts))
    about = {"version": "1", "licence": "Apache-2.0", "summary": "", "network": network.describe()}
    weights.save("lymph_nodes", "slab_priors", network.state_dict(), about)
    found = [
        segment(JobContext("cpu"), chest(), SPACING, NODE * value)["probability"]
        for value in (np.uint8(1), np.uint8(9))
    ]
    np.testing.assert_array_equal(*found)


def test_without_networks_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("inference.weights.resource_path", lambda *parts: tmp_path.joinpath(*parts))
    with pytest.raises(UserError) as error:
        segment(JobContext("cpu"), chest(), SPACING)
    assert str(error.value) == UNTRAINED


def test_files_hold_instances_and_a_row_for_each_node(installed, tmp_path):
    stored = chest_with_node()[::-1, :, ::-1]
    placed = geometry().reordered((0, 1, 2), (True, False, True), SHAPE)
    series = Series(np.ascontiguousarray(stored), "volume", "CT", (tmp_path / "a.nrrd",), placed)
    arrays, params = TASK.request(series, TASK.defaults())
    result = segment(JobContext("cpu"), **arrays, **params)
    measurements = TASK.write(series, result, tmp_path / "a")
    labels = read(tmp_path / "a_nodes.nii.gz")[0].canonical()
    np.testing.assert_array_equal(labels, result["labels"])
    rows = list(csv.DictReader((tmp_path / "a_nodes.csv").open()))
    assert len(rows) == measurements["nodes"] == len(result["nodes"])
    row = rows[main_node(result)["id"] - 1]
    expected = geometry().to_patient(np.array(CENTRE))
    assert [float(row[f"{axis}_mm"]) for axis in "xyz"] == pytest.approx(expected, abs=1)
    assert TASK.estimate_bytes(series, TASK.defaults()) > 1e9
    json.dumps(measurements)


def test_an_answer_without_nodes_is_a_table_without_rows(tmp_path):
    series = Series(chest(), "volume", "CT", (tmp_path / "a.nrrd",), geometry())
    result = {"nodes": [], "labels": np.zeros(SHAPE, np.uint8), "models": []}
    assert TASK.write(series, result, tmp_path / "a")["nodes"] == 0
    assert (tmp_path / "a_nodes.csv").read_text().startswith("id,x_mm,y_mm,z_mm,short_axis_mm")


@pytest.mark.parametrize(
    ("volume", "spacing", "modality", "words"),
    [
        (chest()[:3], SPACING, "CT", "3 slices"),
        (chest(), (10.0, 2.5, 2.5), "CT", "10 mm apart"),
        (chest(), (10.0, 2.0, 2.0), "CT", "10 mm apart"),
        (chest(), SPACING, "MR", "is MR, not CT"),
        (np.abs(chest()).astype(np.int16), SPACING, "OT", "Hounsfield"),
        (chest()[:, :8], SPACING, "CT", "centimetres"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(volume, spacing, modality, words):
    with pytest.raises(UserError, match=words):
        refuse(volume, spacing, modality)


def test_what_makes_the_result_less_sure_is_said():
    assert doubts((2.0, 0.7, 0.7), tilted=False) == []
    assert "7 mm apart" in doubts((7.0, 0.7, 0.7), tilted=False)[0]
    tilted = geometry().affine.copy()
    tilted[:3, 0] += tilted[:3, 1] * 0.4
    assert is_tilted(tilted)
    assert not is_tilted(phantoms.geometry(phantoms.oblique()).affine)
    assert "gantry" in doubts(SPACING, tilted=True)[0]


@pytest.mark.parametrize("missing", ["none", "right", "left"])
def test_the_mediastinum_is_found_even_beside_a_missing_lung(missing):
    volume = chest(right=missing != "right", left=missing != "left")
    found = regions.find(volume, SPACING)
    mask = found.mask(SHAPE)
    z, y, x = CENTRE
    assert mask[z, y, x]
    assert mask[z, 35, 50]
    assert mask[z, 35, 78]
    assert not mask[z, 5, 64]  # the chest wall
    assert not mask[z, 80, 64]  # the back
    assert not mask[:, :, :20].any()
    assert (found.warning == regions.ONE_LUNG) == (missing != "none")


def test_the_fat_before_the_great_vessels_is_searched_as_far_as_the_sternum():
    volume = chest()
    top, middle = 72, 64  # where the lungs do not reach as far forward as the mediastinum
    volume[:, 18:21, 54:74] = 400
    found = regions.find(volume, SPACING).mask(SHAPE)
    bare = regions.find(chest(), SPACING).mask(SHAPE)
    assert not bare[top, 24, middle]
    assert found[top, 24, middle]
    assert not found[top, :18].any()  # the sternum and what lies before it
    assert not (found & ~bare)[:, :, :40].any()  # it grows near the midline alone
    np.testing.assert_array_equal(found[:40], bare[:40])


def test_a_lung_that_lacks_a_part_does_not_take_the_mediastinum_with_it():
    volume, z = chest(), np.arange(SHAPE[0])[:, None, None]
    right = (volume < -700) & (np.arange(SHAPE[2]) < 58) & (z > 45)
    volume[right & (np.arange(SHAPE[1])[:, None] > 10)] = 30
    found = regions.find(volume, SPACING)
    mask = found.mask(SHAPE)
    assert found.warning is None
    assert mask[60, 35, 56]
    assert mask[60, 50, 56]


def test_a_find_across_the_border_of_the_mediastinum_is_not_cut():
    found, mask = np.zeros((8, 20, 24), np.float32), np.zeros((8, 20, 24), bool)
    mask[:, :, :12] = True
    found[2:5, 3:8, 6:15] = 0.9  # mostly inside
    found[2:5, 12:17, 10:20] = 0.9  # mostly outside
    found[:, 0, :] = 0.2
    kept = regions.within(found, mask, 0.4)
    np.testing.assert_array_equal(kept[:, 2:9], found[:, 2:9])
    assert not kept[:, 12:17, 12:].any()
    assert (kept[2:5, 12:17, 10:12] > 0).all()
    assert not kept[:, 0, 12:].any()


def head() -> np.ndarray:
    """Skull, brain, and the air of nose and sinuses, 4 mm; int16 HU (z, y, x)."""
    z, y, x = (np.indices((50, 60, 50)).T - (25, 30, 25)).T * 4.0
    volume = np.full(z.shape, -1000.0)
    for size, hu in ((1.0, 30), (0.93, 1000), (0.86, 35)):
        volume[(z / 90) ** 2 + (y / 100) ** 2 + (x / 75) ** 2 < size] = hu
    volume[((z + 40) / 30) ** 2 + ((y + 55) / 30) ** 2 + (x / 25) ** 2 < 1] = -950
    return np.rint(volume).astype(np.int16)


def test_a_head_is_searched_with_the_warning_that_there_are_no_lungs(installed):
    volume = head()
    refuse(volume, (4.0, 4.0, 4.0))
    assert regions.find(volume, (4.0, 4.0, 4.0)).warning == regions.NO_LUNGS
    result = segment(JobContext("cpu"), volume, (4.0, 4.0, 4.0))
    assert result["warning"] == regions.NO_LUNGS


def test_a_tilted_ct_is_searched_with_a_warning(installed):
    result = segment(JobContext("cpu"), chest_with_node(), SPACING, model="slab", tilted=True)
    assert "gantry tilt" in result["warning"]
    assert result["nodes"]


def test_without_lungs_the_whole_volume_is_searched_and_that_is_said():
    found = regions.find(chest(right=False, left=False), SPACING)
    assert found.warning == regions.NO_LUNGS
    assert found.mediastinum == Box.whole(SHAPE)
    assert found.mask(SHAPE).all()


@pytest.mark.parametrize("name", ["whole_3mm_ct", "crop30_3mm_ct"])
def test_gas_in_the_bowel_of_an_abdomen_is_no_lung(shared_data, name):
    series = read(shared_data / "ct" / "totalseg_example" / f"{name}.nii.gz")[0]
    found = regions.find(series.canonical(), series.canonical_geometry.spacing)
    assert found.warning == regions.NO_LUNGS


@pytest.mark.parametrize("name", ["r01_001/ct", "fnndsc_chest/ct", "lung1_001/ct", "lung1_002/ct"])
def test_the_mediastinum_of_real_chests(shared_data, name):
    series = read(shared_data / "ct" / f"{name}.nii.gz")[0]
    found = regions.find(series.canonical(), series.canonical_geometry.spacing)
    z, y, x = (n * s for n, s in zip(
        found.mediastinum.shape, series.canonical_geometry.spacing, strict=True))  # fmt: skip
    assert found.warning is None
    assert 180 < z < 320
    assert 120 < y < 250
    assert 150 < x < 250


def test_a_grid_keeps_what_lies_where():
    volume = np.zeros((40, 60, 70), np.float32)
    volume[18:24, 25:35, 30:42] = 1
    box = Box((4, 6, 8), (38, 56, 66))
    grid = Grid(box, (2.0, 0.8, 0.8), (1.5, 1.5, 1.5))
    back = grid.back(grid.forward(volume))
    assert grid.forward(volume).shape == grid.shape
    assert back.shape == box.shape
    inside = volume[box.slices] > 0.5
    overlap = 2 * ((back > 0.5) & inside).sum() / ((back > 0.5).sum() + inside.sum())
    assert overlap > 0.85
    centre = [np.average(axis, weights=back) for axis in np.indices(box.shape)]
    assert centre == pytest.approx(np.argwhere(inside).mean(0), abs=0.2)


def test_known_anatomy_goes_by_name(tmp_path):
    labels = np.arange(4).reshape(1, 2, 2)
    names = {1: "Esophagus", 2: "liver", 3: "Aorta thoracica"}
    np.testing.assert_array_equal(known_anatomy(labels, names), [[[0, 1], [0, 1]]])
    assert known_anatomy(labels, {2: "liver"}) is None
    write_volume(tmp_path / "a.nii.gz", np.ones((9, 8, 7), np.uint8))
    grid = read(tmp_path / "a.nii.gz")[0].canonical_geometry
    assert read_anatomy(tmp_path / "a.nii.gz", (9, 8, 7), grid).all()
    with pytest.raises(UserError, match="another grid"):
        read_anatomy(tmp_path / "a.nii.gz", (9, 8, 6), grid)


def test_known_anatomy_from_elsewhere_is_refused_though_it_has_as_many_voxels(tmp_path):
    write_volume(tmp_path / "ct.nii.gz", chest())
    image = sitk.GetImageFromArray(NODE)
    image.SetSpacing((1.0, 1.0, 5.0))
    sitk.WriteImage(image, str(tmp_path / "other.nii.gz"))
    write_volume(tmp_path / "same.nii.gz", NODE)
    series = read(tmp_path / "ct.nii.gz")[0]
    arrays, _ = TASK.request(series, {"anatomy": str(tmp_path / "same.nii.gz")})
    assert arrays["anatomy"].sum() == NODE.sum()
    with pytest.raises(UserError, match="another grid"):
        TASK.request(series, {"anatomy": str(tmp_path / "other.nii.gz")})


def test_however_large_a_volume_its_parts_fit_into_memory(monkeypatch):
    sizes = []

    def runner(network, device):
        return lambda part: sizes.append(part.shape) or np.zeros(part.shape, np.float32)

    monkeypatch.setattr(predict, "_runner", runner)
    volume = np.zeros((150, 150, 150), np.int16)
    search = predict.Search(volume, (3.0, 3.0, 3.0), Box.whole(volume.shape), None, "cpu")
    network = NodeNet(CONFIGS["full"])
    assert predict.search(network, search).shape == volume.shape
    assert max(int(np.prod(size)) for size in sizes) <= 192**3  # 4.3 GiB with the full network


def test_a_volume_that_does_not_tell_its_voxel_size_is_refused(installed):
    unknown = Geometry(geometry().affine, known=False)
    series = Series(chest(), "volume", "OT", (Path("a.tif"),), unknown)
    arrays, params = TASK.request(series, TASK.defaults())
    with pytest.raises(UserError, match="how large its voxels are"):
        segment(JobContext("cpu"), **arrays, **params)


def test_an_ensemble_is_a_maximum_or_a_mean():
    maps = [np.array([0.2, 0.8], np.float32), np.array([0.6, 0.4], np.float32)]
    assert combine(maps, "max") == pytest.approx([0.6, 0.8])
    assert combine(maps, "mean") == pytest.approx([0.4, 0.6])


def write_volume(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(path))


def write_dicom(folder: Path, volume: np.ndarray) -> None:
    series = Series(volume, "volume", "CT", (folder / "x",), geometry())
    phantoms.save(folder, list(phantoms.ct_slices(series)))


LAYOUTS = {
    "lnq": ("train/lnq2023-train-case_0001-ct.nrrd", "train/lnq2023-train-case_0001-seg.nrrd"),
    "nih": ("", "MED_LYMPH_MASKS/MED_LYMPH_001/MED_LYMPH_001_mask.nii.gz"),
    "lynos": ("Pat1/pat1_data.nii.gz", "Pat1/pat1_labels_LymphNodes.nii.gz"),
    "plain": ("a_ct.nii.gz", "a_nodes.nii.gz"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sets_of_others_are_read_in_their_layouts(layout, tmp_path):
    ct, nodes = LAYOUTS[layout]
    if ct:
        write_volume(tmp_path / ct, chest())
    else:
        write_dicom(tmp_path / "CT Lymph Nodes" / "MED_LYMPH_001" / "study" / "series", chest())
    write_volume(tmp_path / nodes, NODE)
    if layout == "lynos":
        write_volume(tmp_path / "Pat1" / "pat1_labels_Esophagus.nii.gz", NODE)
        write_volume(tmp_path / "Pat1" / "pat1_labels_Stations.nii.gz", np.ones_like(NODE))
    (drawn,) = datasets.find(tmp_path, layout)
    case = drawn.case()
    assert case.nodes is not None
    assert case.nodes.sum() == NODE.sum()
    assert np.isin(case.volume[case.nodes], chest()[NODE > 0]).all()
    assert drawn.partial == (layout == "lnq")
    if layout == "lnq":  # soft tissue that nobody drew may be a node, air and bone are none
        assert case.sure[case.nodes].all()
        assert not case.sure[(case.volume > 20) & (case.volume < 90) & ~case.nodes].any()
        assert case.sure[case.volume < -100].all()
    else:
        assert case.sure.all()
    if layout == "lynos":
        assert case.priors is not None
        assert case.priors.sum() == NODE.sum()


def test_an_empty_folder_and_an_unknown_layout_are_refused(tmp_path):
    with pytest.raises(UserError, match="no CT with drawn nodes"):
        datasets.find(tmp_path, "lnq")
    with pytest.raises(UserError, match="not known"):
        datasets.find(tmp_path, "unheard")


def test_cases_of_one_name_are_refused_for_one_would_replace_the_other(tmp_path):
    for patient in ("first", "second"):
        write_volume(tmp_path / patient / "scan_ct.nii.gz", chest())
        write_volume(tmp_path / patient / "scan_nodes.nii.gz", NODE)
    with pytest.raises(UserError, match="are called scan"):
        datasets.find(tmp_path, "plain")


def test_a_drawing_on_another_grid_is_refused(tmp_path):
    write_volume(tmp_path / "a_ct.nii.gz", chest())
    write_volume(tmp_path / "a_nodes.nii.gz", NODE[1:])
    with pytest.raises(UserError, match="another grid"):
        datasets.find(tmp_path, "plain")[0].case()
