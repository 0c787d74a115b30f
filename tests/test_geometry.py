"""Orientation is proved: an asymmetric phantom in all 48 axis orders, through every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from inference.reading import read
from inference.writing import Segment, to_itk, write_labels
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Series

SEGMENT = (Segment(3, "Corner", "#40c0ff"),)
MARKED = (6, 1, 9)  # of the canonical grid: in the phantom's one bright corner


def assert_canonical(series: Series, rotation: Any = None) -> None:
    wanted = phantoms.geometry(rotation)
    np.testing.assert_array_equal(series.canonical(), phantoms.volume())
    np.testing.assert_allclose(series.canonical_geometry.affine, wanted.affine, atol=2e-4)
    np.testing.assert_allclose(series.scale, phantoms.SPACING, rtol=1e-5)


@pytest.mark.parametrize("rotation", [None, phantoms.oblique()], ids=["straight", "oblique"])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_48_orders_through_volume_files(tmp_path: Path, ending: str, rotation: Any) -> None:
    for number, (order, flips) in enumerate(phantoms.ORDERS):
        path = tmp_path / f"{number}{ending}"
        written = phantoms.stored(order, flips, path, rotation)
        assert_canonical(written, rotation)
        sitk.WriteImage(to_itk(written.voxels, written.geometry), str(path))
        found = read(path)[0]
        np.testing.assert_array_equal(found.voxels, written.voxels)  # never resampled
        assert_canonical(found, rotation)


@pytest.mark.parametrize("rotation", [None, phantoms.oblique()], ids=["straight", "oblique"])
def test_48_orders_through_dicom_folders(tmp_path: Path, rotation: Any) -> None:
    for number, (order, flips) in enumerate(phantoms.ORDERS):
        written = phantoms.stored(order, flips, tmp_path, rotation)
        folder = phantoms.save(tmp_path / str(number), phantoms.ct_slices(written), number)
        (found,) = read(folder)
        assert found.kind == "volume"
        assert found.warnings == ()
        assert_canonical(found, rotation)


@pytest.mark.parametrize("ending", [".nii.gz", ".seg.nrrd"])
def test_labels_land_on_the_same_voxels(tmp_path: Path, ending: str) -> None:
    drawn = np.zeros(phantoms.volume().shape, np.uint8)
    drawn[MARKED] = 3
    point = phantoms.geometry(phantoms.oblique()).to_patient(np.array(MARKED))
    for number, (order, flips) in enumerate(phantoms.ORDERS):
        series = phantoms.stored(order, flips, tmp_path, phantoms.oblique())
        path = tmp_path / f"labels_{number}{ending}"
        write_labels(path, series.from_canonical(drawn), series, SEGMENT)
        image = sitk.ReadImage(str(path))  # a library that knows nothing of canonical axes
        index = image.TransformPhysicalPointToIndex(point.tolist())
        assert image[index] == 3
        assert sitk.GetArrayFromImage(image).sum() == 3


def test_from_canonical_undoes_canonical(tmp_path: Path) -> None:
    for order, flips in phantoms.ORDERS:
        series = phantoms.stored(order, flips, tmp_path)
        np.testing.assert_array_equal(series.from_canonical(series.canonical()), series.voxels)


def test_orientation_letters(tmp_path: Path) -> None:
    straight = phantoms.stored((0, 1, 2), (False, False, False), tmp_path)
    turned = phantoms.stored((2, 0, 1), (True, False, True), tmp_path, phantoms.oblique())
    assert straight.geometry.orientation == "SPL"
    assert turned.geometry.orientation == "RSA"
    assert turned.canonical_geometry.orientation == "SPL"


def test_names_and_colours_stay_with_labels(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False, False, False), tmp_path)
    labels = np.zeros(series.voxels.shape, np.uint8)
    labels[1:3, 4, 5:8] = 3
    write_labels(tmp_path / "a.seg.nrrd", labels, series, SEGMENT)
    write_labels(tmp_path / "a.nii.gz", labels, series, SEGMENT)
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert image.GetMetaData("Segment0_Name") == "Corner"
    assert image.GetMetaData("Segment0_LabelValue") == "3"
    assert image.GetMetaData("Segment0_Extent") == "5 7 4 4 1 2"
    assert '"color": "#40c0ff"' in (tmp_path / "a.json").read_text("utf-8")
