"""Files appear complete or not at all; manifests are sound; napari gets layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
import SimpleITK as sitk
from npe2 import PluginManifest

from inference import registry, writing
from inference.errors import UserError
from inference.layers import to_layers
from inference.reading import Reader
from inference.tasks import Task
from plugins.dicom.read import layer_reader as dicom_layers
from plugins.images.read import layer_reader as image_layers
from plugins.images.write import write_labels_layer
from tests import phantoms

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
RED = writing.Segment(1, "Red", "#ff0000")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    writing.write_json(path, {"sound": np.float32(0.5), "many": np.arange(2)})
    with pytest.raises(TypeError):
        writing.write_json(path, {"unsound": object()})
    assert json.loads(path.read_text("utf-8")) == {"sound": 0.5, "many": [0, 1]}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.png", "a.json", "a.csv", "a.nii.gz", "a.seg.nrrd"])
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("not a folder", "utf-8")
    path = tmp_path / "file" / name
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    write = {
        ".png": lambda: writing.write_png(path, GREY),
        ".json": lambda: writing.write_json(path, {}),
        ".csv": lambda: writing.write_csv(path, [{"a": 1}]),
    }.get(path.suffix, lambda: writing.write_labels(path, series.voxels > 0, series, [RED]))
    with pytest.raises(UserError, match=rf"{name} could not be written .*choose another folder\.$"):
        write()


@pytest.mark.parametrize(
    "pixels", [GREY, GREY > 9, GREY.astype(np.uint16) * 900, np.dstack([GREY] * 3)]
)
def test_png_comes_back(tmp_path: Path, pixels: np.ndarray) -> None:
    writing.write_png(tmp_path / "a.png", pixels)
    found = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "a.png"))  # Pillow wrote it
    np.testing.assert_array_equal(found, pixels * np.uint8(255) if pixels.dtype == bool else pixels)


def test_csv_comes_back(tmp_path: Path) -> None:
    rows = [{"name": "a, b", "mm": 1.5}, {"name": "c", "mm": 2}]
    writing.write_csv(tmp_path / "a.csv", rows)
    assert pandas.read_csv(tmp_path / "a.csv").to_dict("records") == rows


def test_overlay_colours_the_labels_alone() -> None:
    picture = np.dstack([GREY] * 3)
    labels = (GREY == 20).astype(np.uint8)
    shown = writing.overlay(picture, labels, [RED], 0.5)
    np.testing.assert_array_equal(shown[labels == 0], picture[labels == 0])
    np.testing.assert_array_equal(shown[labels == 1], [[138, 10, 10]])
    assert writing.overlay(GREY.astype(np.uint16) * 900, labels, [RED], 1).dtype == np.uint8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gaps", [np.s_[:2], np.s_[:]])
def test_overlay_shows_values_that_are_none_in_black(gaps: slice) -> None:
    picture = GREY.astype(np.float32)
    picture[gaps] = np.nan
    shown = writing.overlay(picture, np.zeros(GREY.shape, np.uint8), [RED], 1)
    assert not shown[gaps].any()
    assert shown[2:].any() == (gaps != np.s_[:])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.nii.gz", "a"), ("A.NII.GZ", "A"), ("a.b.png", "a.b"), ("a.seg.nrrd", "a"), ("a", "a")],
)
def test_stem(name: str, expected: str) -> None:
    assert writing.stem(Path(name)) == expected


@pytest.mark.parametrize("path", registry.manifests(), ids=lambda path: path.parent.name)
def test_manifest_is_what_npe2_expects(path: Path) -> None:
    manifest = PluginManifest.from_file(path)
    for command in manifest.contributions.commands or ():
        assert command.python_name is not None
        assert registry.load(command.python_name) is not None


def test_registry() -> None:
    assert isinstance(registry.tasks()["retinal_vessels"], Task)
    assert [reader.name for reader in registry.readers()] == ["dicom", "images"]
    assert all(isinstance(reader, Reader) for reader in registry.readers())


def test_napari_gets_layers_with_scale_and_series(tmp_path: Path) -> None:
    path = phantoms.angiogram(
        tmp_path / "xa.dcm", phantoms.run(), PixelSpacing=["0.5", "0.25"],
        WindowCenter="1500", WindowWidth="3000",
    )  # fmt: skip
    read_layers = dicom_layers(str(path))
    assert read_layers is not None
    ((data, options, kind),) = read_layers(str(path))
    assert (kind, data.shape, options["scale"]) == ("image", (5, 24, 32), (1.0, 0.5, 0.25))
    assert options["contrast_limits"] == (0, 3000)
    assert to_layers(options["metadata"]["series"])[0][1]["name"] == "xa.dcm"
    assert image_layers(str(path)) is None


def test_a_labels_layer_is_written_on_the_stored_grid(tmp_path: Path) -> None:
    series = phantoms.stored((2, 0, 1), (True, False, False), tmp_path)
    labels = (series.canonical() > 300).astype(np.uint8)
    attributes = {"metadata": {"series": series}}
    write_labels_layer(str(tmp_path / "a.nrrd"), labels, attributes)
    (found,) = image_layers(str(tmp_path / "a.nrrd"))(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(found[0], labels)
    with pytest.raises(UserError, match="belongs to no open series"):
        write_labels_layer(str(tmp_path / "b.nrrd"), labels, {})
