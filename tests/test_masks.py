"""Masks from files: on the image they belong to, whatever order, grid and format they have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from conftest import wait_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from gui.document import Document
from gui.export_dialog import ExportDialog
from gui.mask_opening import plan
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError
from inference.label_files import Found, read_job
from inference.object_files import Objects, header, write_job
from inference.series import Series
from inference.worker import JobContext
from inference.writing import Segment, to_itk, write_labels, write_png
from plugins.dicom.load import load_series
from plugins.dicom.write_seg import write_binary, write_labelmap
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow
    from inference.series import Array

SEGMENTS = (Segment(3, "Left kidney", "#ff0000"), Segment(7, "Cyst", "#00ff00"))


def labels_of(series: Series) -> Array:
    """Canonical labels by the values of the phantom, which tell every swap and flip."""
    image = series.canonical()
    return np.where(image > 500, 3, np.where((image > 50) & (image < 130), 7, 0)).astype(np.uint8)


def opened(path: Path, series: Series) -> Found:
    grid, shape = series.canonical_geometry, series.canonical().shape
    return read_job(JobContext("cpu"), str(path), grid, shape)


def same(found: Found, labels: Array) -> None:
    """The same voxels, under numbers of their own."""
    names = {segment.name: segment.value for segment in found.segments}
    np.testing.assert_array_equal(found.labels == names["Left kidney"], labels == 3)
    np.testing.assert_array_equal(found.labels == names["Cyst"], labels == 7)


@pytest.mark.parametrize(("order", "flips"), phantoms.ORDERS)
def test_what_is_exported_opens_in_the_same_place_in_every_axis_order(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    series = phantoms.stored(order, flips, tmp_path / "case.nii.gz")
    labels, upright = labels_of(series), phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    paths = write_job(
        JobContext("cpu"), labels, header(series), SEGMENTS, (), str(tmp_path / "case"),
        ["nifti", "nrrd"],
    )  # fmt: skip
    for path in paths:
        for image in (series, upright):
            found = opened(tmp_path / path, image)
            assert not found.notes
            same(found, labels_of(image))
        back = sitk.ReadImage(path)  # and where another program sees it
        centre = [np.argwhere(sitk.GetArrayFromImage(back) == v)[:, ::-1].mean(0) for v in (3, 7)]
        for value, place in zip((3, 7), centre, strict=True):
            there = back.TransformContinuousIndexToPhysicalPoint(place.tolist())
            here = series.canonical_geometry.to_patient(np.argwhere(labels == value)).mean(0)
            np.testing.assert_allclose(there, here, atol=1e-3)


def test_names_and_colours_come_back(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "case.nii.gz")
    stored = series.from_canonical(labels_of(series))
    for name in ("a_labels.nii.gz", "a.seg.nrrd", "a.mha"):
        write_labels(tmp_path / name, stored, series, SEGMENTS)
        found = opened(tmp_path / name, series)
        assert {(s.name, s.color) for s in found.segments} == {
            ("Left kidney", "#ff0000"), ("Cyst", "#00ff00"),
        }  # fmt: skip


@pytest.mark.parametrize("write", [write_binary, write_labelmap])
@pytest.mark.parametrize("rotation", [None, phantoms.oblique()], ids=["straight", "oblique"])
def test_a_dicom_seg_opens_on_its_series_and_on_others(
    tmp_path: Path, write: object, rotation: Array | None
) -> None:
    made = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path, rotation)
    (series,) = load_series(phantoms.save(tmp_path / "ct", list(phantoms.ct_slices(made))))
    labels = labels_of(series)
    objects = Objects(header(series), series.from_canonical(labels), None, SEGMENTS, ())
    (path,) = write(objects, tmp_path / "case")
    found = opened(path, series)
    assert not found.notes
    same(found, labels)
    assert {s.name for s in found.segments} == {"Left kidney", "Cyst"}
    reds = [int(s.color[1:3], 16) for s in found.segments if s.name == "Left kidney"]
    assert reds[0] > 250
    finer = Series(np.zeros((21, 30, 22), np.int16), "volume", "MR", (tmp_path / "mr",),
                   _finer(series))  # fmt: skip
    other = opened(path, finer)
    assert "resampled" in other.notes[0]
    kidney = next(s.value for s in other.segments if s.name == "Left kidney")
    here = finer.canonical_geometry.to_patient(np.argwhere(other.labels == kidney))
    there = series.canonical_geometry.to_patient(np.argwhere(labels == 3))
    np.testing.assert_allclose(here.mean(0), there.mean(0), atol=0.8)


def _finer(series: Series) -> object:
    """A grid of about half the step over the same room."""
    from inference.series import Geometry

    affine = series.geometry.affine.copy()
    affine[:3, :3] *= 0.5
    return Geometry(affine, known=True)


def test_what_is_no_mask_is_refused_in_a_sentence(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "case.nii.gz")
    sitk.WriteImage(to_itk(series.voxels.astype(np.float32) + 0.5, series.geometry),
                    str(tmp_path / "image.nii.gz"))  # fmt: skip
    with pytest.raises(UserError, match=r"image\.nii\.gz is an image, not a mask"):
        opened(tmp_path / "image.nii.gz", series)
    many = np.arange(series.voxels.size).reshape(series.voxels.shape).astype(np.int16)
    sitk.WriteImage(to_itk(many, series.geometry), str(tmp_path / "many.nii.gz"))
    with pytest.raises(UserError, match="255 objects at most"):
        opened(tmp_path / "many.nii.gz", series)
    far = series.geometry.affine.copy()
    far[:3, 3] += 5000
    image = to_itk((series.voxels > 0).astype(np.uint8), series.geometry)
    image.SetOrigin(far[:3, 3].tolist())
    sitk.WriteImage(image, str(tmp_path / "far.nii.gz"))
    with pytest.raises(UserError, match="belongs to another one"):
        opened(tmp_path / "far.nii.gz", series)
    with pytest.raises(UserError, match="is no DICOM segmentation"):
        opened(phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run()), series)


def test_a_picture_takes_a_mask_of_its_size(tmp_path: Path) -> None:
    picture = Series(np.zeros((20, 30), np.uint8), "image", "OP", (tmp_path / "a.png",))
    mask = np.zeros((20, 30), np.uint8)
    mask[3:6, 4:9] = 255
    write_png(tmp_path / "mask.png", mask)
    found = opened(tmp_path / "mask.png", picture)
    np.testing.assert_array_equal(found.labels, mask // 255)
    write_png(tmp_path / "small.png", mask[:9])
    with pytest.raises(UserError, match="another size"):
        opened(tmp_path / "small.png", picture)


def test_what_was_drawn_before_stays_and_one_undo_takes_the_mask_back(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "case.nii.gz")
    document = Document(series)
    drawn = document.add_object("Liver")
    whole = Box.whole(document.shape)
    first = np.zeros(document.shape, np.uint8)
    first[5:, :2] = drawn.id
    document.apply(VoxelEdit.of(document.labels, whole, first, "Drawn"))
    labels = labels_of(series)
    planned = plan(document, Found(labels, SEGMENTS, ()))
    assert planned.covered == np.count_nonzero(labels & (first > 0))
    with document.history.group("Open mask"):
        for item in planned.objects:
            document.add_object(item.name, item.color)
        document.apply(planned.edit)
    assert [item.name for item in document.objects.values()] == ["Liver", "Left kidney", "Cyst"]
    np.testing.assert_array_equal(document.labels == 1, first > 0)
    np.testing.assert_array_equal(document.labels == 3, (labels == 7) & (first == 0))
    document.history.undo()
    np.testing.assert_array_equal(document.labels, first)


def test_json_of_another_program_is_no_hindrance(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "case.nii.gz")
    sitk.WriteImage(to_itk(labels_of(series), series.geometry), str(tmp_path / "m.nii.gz"))
    (tmp_path / "m.json").write_text(json.dumps(["something", "else"]))
    assert {s.name for s in opened(tmp_path / "m.nii.gz", series).segments} == {
        "Object 3", "Object 7",
    }  # fmt: skip


def test_from_the_window_and_back_into_it(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+E, the dialog, files; Ctrl+Shift+L takes one of them up on the bare image."""
    made = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    window.opening.open([phantoms.save(tmp_path / "ct", list(phantoms.ct_slices(made)))])
    wait_until(lambda: window.studies.open)
    (document,) = window.studies.open
    labels = labels_of(document.series)
    for segment in SEGMENTS:
        item = document.add_object(segment.name, segment.color)
        whole = Box.whole(document.shape)
        values = np.where(labels == segment.value, np.uint8(item.id), document.labels)
        document.apply(VoxelEdit.of(document.labels, whole, values, "Drawn"))
    drawn = document.labels.copy()
    QTest.keyClick(window, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(ExportDialog)
    assert dialog.boxes["seg"].isEnabled()
    dialog.folder.setText(str(tmp_path / "out"))
    for box in dialog.boxes.values():
        box.setChecked(True)
    saved: list[Path] = []
    window.export.saved.connect(lambda _, paths: saved.extend(paths))
    QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    wait_until(lambda: saved)
    assert {path.stem.partition("_")[0] for path in saved} == {"ct"}  # the folder of the slices
    kinds = {path.name.partition("_")[2] for path in saved}
    assert {"seg.dcm", "labelmap_seg.dcm", "labels.nii.gz", "labels.seg.nrrd", "objects.csv",
            "1_left_kidney.stl", "2_cyst.stl", "surfaces.glb", "rtstruct.dcm", "report.dcm",
            "capture.dcm"} <= kinds  # fmt: skip
    (capture,) = (path for path in saved if path.name.endswith("capture.dcm"))
    picture = pydicom.dcmread(capture)
    assert picture.BurnedInAnnotation == "YES"  # the corner says who the patient is
    assert picture.pixel_array.std() > 10
    assert not window.export.unsaved(document)
    (seg,) = (path for path in saved if path.name.endswith("labelmap_seg.dcm"))
    for item in list(document.objects):
        document.remove_object(item)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(seg), ""))
    QTest.keyClick(
        window, Qt.Key.Key_L,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )  # fmt: skip
    wait_until(lambda: document.labels.any())
    np.testing.assert_array_equal(document.labels, drawn)
    assert [item.name for item in document.objects.values()] == ["Left kidney", "Cyst"]
    assert "2 objects" in window.notices.toasts[-1].sentence
    window.undo()
    assert not document.labels.any()
    assert not document.objects
