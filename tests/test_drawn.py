"""Files of objects that are opened like images: they come as objects on the image they lie on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import wait_until
from qtpy.QtWidgets import QPushButton

from gui.export_content import Snapshot, findings
from gui.voxel_edit import VoxelEdit
from inference.arrivals import Arrived, Drawn
from inference.box import Box
from inference.errors import UserError
from inference.object_files import Objects, header
from inference.reading import read, stream_job
from inference.worker import JobContext
from inference.writing import Algorithm, Segment, to_itk
from plugins.dicom.index import Index
from plugins.dicom.load import load_series
from plugins.dicom.scan import scan_job
from plugins.dicom.write_rtstruct import write_rtstruct
from plugins.dicom.write_seg import write_binary
from tests import phantoms, scanners

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataset import FileDataset

    from gui.document import Document
    from gui.notices import Toast
    from gui.window import LimnWindow
    from inference.series import Array

MODEL = Algorithm("Clicks", "3", by_itself=True)
SEGMENTS = (Segment(1, "Liver", "#ff0000", MODEL), Segment(2, "Spleen", "#00ff00"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with a CT in one folder, its SEG and structure set in another."""
    small = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path, phantoms.oblique())
    noise = np.random.default_rng(5).integers(-1000, 2000, (9, 24, 20)).astype(np.int16)
    slices = list(phantoms.ct_slices(replace(small, voxels=noise)))
    for entry in slices:
        entry.SeriesInstanceUID, entry.FrameOfReferenceUID = "2.25.71", "2.25.72"
    phantoms.save(tmp_path / "study" / "ct", slices)
    (series,) = load_series(tmp_path / "study" / "ct")
    (tmp_path / "study" / "drawn").mkdir()
    objects = Objects(header(series), labels(), None, SEGMENTS, ())
    for write in (write_binary, write_rtstruct):
        write(objects, tmp_path / "study" / "drawn" / "case")
    return tmp_path / "study"


def labels() -> Array:
    drawn = np.zeros((9, 24, 20), np.uint8)
    drawn[1:5, 3:12, 4:15] = 1
    drawn[4:8, 13:20, 2:9] = 2
    return drawn


def open_in(window: LimnWindow, path: Path) -> Document:
    """What is shown once the objects of a file can be edited."""
    window.opening.open([path])
    wait_until(lambda: any(document.objects for document in window.studies.open))
    (document,) = window.studies.open
    assert window.studies.selected is document
    return document


def stored(document: Document) -> Array:
    return document.series.from_canonical(document.labels)


@pytest.mark.parametrize("name", ["case_seg.dcm", "case_rtstruct.dcm"])
def test_the_image_is_found_in_the_folder_beside(
    window: LimnWindow, study: Path, name: str
) -> None:
    document = open_in(window, study / "drawn" / name)
    assert document.series.modality == "CT"
    assert [item.name for item in document.objects.values()] == ["Liver", "Spleen"]
    assert [item.maker for item in document.objects.values()] == [("Clicks", "3"), ()]
    np.testing.assert_array_equal(stored(document), labels())
    document.history.undo()
    assert not document.labels.any()


@pytest.mark.parametrize("name", ["case_seg.dcm", "case_rtstruct.dcm"])
def test_an_automatic_object_stays_automatic_until_it_is_changed(
    window: LimnWindow, study: Path, name: str
) -> None:
    document = open_in(window, study / "drawn" / name)
    assert makers(document) == {"Liver": MODEL, "Spleen": None}
    document.rename(1, "Liver of the model")
    assert makers(document)["Liver of the model"] == MODEL
    everything = Box.whole(document.labels.shape)
    document.apply(VoxelEdit.painted(document.labels, everything, document.labels == 2, 1, "Fill"))
    assert makers(document)["Liver of the model"] == replace(MODEL, by_itself=False)
    document.history.undo()
    assert makers(document)["Liver of the model"] == MODEL


def makers(document: Document) -> dict[str, Algorithm | None]:
    """What an export says of who made each object."""
    segments = findings(Snapshot.of(document), {}).segments
    return {segment.name: segment.algorithm for segment in segments}


def test_the_image_that_is_open_is_taken(window: LimnWindow, study: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = (study / "drawn" / "case_seg.dcm").rename(tmp_path / "elsewhere" / "a.dcm")
    window.opening.open([study / "ct"])
    wait_until(lambda: window.studies.selected is not None and not window.job_bar.rows)
    np.testing.assert_array_equal(stored(open_in(window, moved)), labels())


@pytest.mark.parametrize("several", ["files", "frames"])
@pytest.mark.parametrize("write", [write_binary, write_rtstruct])
def test_objects_of_one_time_lie_on_the_image_of_that_time(
    window: LimnWindow, tmp_path: Path, several: str, write: Callable[..., object]
) -> None:
    """Of one DICOM series, whose volumes lie in the same place."""
    if several == "frames":
        scanners.enhanced(tmp_path / "ct.dcm", times=3)
    else:
        times = [scanners.chest(tmp_path, time, AcquisitionNumber=time) for time in (1, 2, 3)]
        phantoms.save(tmp_path, [_renamed(each) for slices in times for each in slices])
    first, second, third = load_series(tmp_path)
    box = np.zeros(second.voxels.shape, np.uint8)
    box[2:5, 2:5, 2:5] = 1
    write(Objects(header(second), box, None, SEGMENTS[:1], ()), tmp_path / "case")
    window.opening.open([tmp_path])
    wait_until(lambda: any(document.objects for document in window.studies.open))
    (chosen,) = [document for document in window.studies.open if document.objects]
    assert chosen.series.sha256 == second.sha256
    assert chosen.series.sha256 not in {first.sha256, third.sha256}
    np.testing.assert_array_equal(stored(chosen), box)


def _renamed(dataset: FileDataset) -> FileDataset:
    uid = f"{dataset.SOPInstanceUID}.{dataset.AcquisitionNumber}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    return dataset


def test_a_whole_study_comes_with_its_objects_drawn(window: LimnWindow, study: Path) -> None:
    (study / "drawn" / "case_rtstruct.dcm").unlink()
    np.testing.assert_array_equal(stored(open_in(window, study)), labels())


def test_the_image_is_found_in_the_list_of_studies(study: Path, tmp_path: Path) -> None:
    index = Index()
    scan_job(JobContext("cpu"), str(index.path), str(study))
    (tmp_path / "far" / "away").mkdir(parents=True)
    moved = (study / "drawn" / "case_seg.dcm").rename(tmp_path / "far" / "away" / "a.dcm")
    told: list[object] = []
    stream_job(JobContext("cpu", hand_over=told.append), str(moved))
    (drawn,) = [arrival for arrival in told if isinstance(arrival, Drawn)]
    assert (drawn.path, drawn.series) == (moved, ("2.25.71",))
    assert list(drawn.files) == sorted((study / "ct").iterdir())
    assert not any(isinstance(arrival, Arrived) for arrival in told)


def test_without_its_image_a_segmentation_lies_on_its_own_grid(
    window: LimnWindow, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    moved = (study / "drawn" / "case_seg.dcm").rename(tmp_path / "far" / "away" / "a.dcm")
    document = open_in(window, moved)
    assert document.series.modality == "SEG"
    drawn = stored(document)
    assert [np.count_nonzero(drawn == n) for n in (1, 2)] == [
        np.count_nonzero(labels() == n) for n in (1, 2)
    ]
    (ct,) = load_series(study / "ct")
    first = np.argwhere(drawn == 1)[0]
    there = ct.geometry.to_patient(np.argwhere(labels() == 1)[0])
    np.testing.assert_allclose(document.series.geometry.to_patient(first), there, atol=1e-3)
    told = [toast.sentence for toast in window.notices.toasts]
    assert any("neither open nor beside it" in sentence for sentence in told)


def test_without_its_image_a_structure_set_says_which_it_needs_and_waits_for_it(
    window: LimnWindow, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    moved = (study / "drawn" / "case_rtstruct.dcm").rename(tmp_path / "far" / "away" / "a.dcm")
    with pytest.raises(UserError, match=r"open the series .*2\.25\.71"):
        read(moved)
    window.opening.open([moved])
    wait_until(lambda: window.notices.toasts)
    assert not window.studies.open
    np.testing.assert_array_equal(stored(open_in(window, study / "ct")), labels())


# --- label maps without a word about their image -------------------------------------------------


@pytest.fixture(params=["one grid", "another grid"])
def label_map(request: pytest.FixtureRequest, study: Path, tmp_path: Path) -> Path:
    """The objects in a NIfTI file, as whole numbers in float, as some programs write them."""
    (ct,) = load_series(study / "ct")
    image = to_itk(labels().astype(np.float32), ct.geometry)
    if request.param == "another grid":
        size, spacing = image.GetSize(), image.GetSpacing()
        image = sitk.Resample(
            image, [n * 2 for n in size], sitk.Transform(), sitk.sitkNearestNeighbor,
            image.TransformContinuousIndexToPhysicalPoint([-0.25] * 3),
            [step / 2 for step in spacing], image.GetDirection(),
        )  # fmt: skip
    sitk.WriteImage(image, str(tmp_path / "made elsewhere.nii.gz"))
    return tmp_path / "made elsewhere.nii.gz"


@pytest.mark.parametrize("image_first", [True, False], ids=["image first", "labels first"])
def test_a_label_map_is_offered_on_the_image_that_it_fits(
    window: LimnWindow, study: Path, label_map: Path, image_first: bool
) -> None:
    paths = [study / "ct", label_map]
    for count, path in enumerate(paths if image_first else paths[::-1], 1):
        window.opening.open([path])
        wait_until(lambda: len(window.studies.open) == count and not window.job_bar.rows)  # noqa: B023
    (offer,) = offers(window)
    assert "made elsewhere.nii.gz holds labels" in offer.sentence
    (take,) = [each for each in offer.findChildren(QPushButton) if each.text() == "Edit there"]
    take.click()
    wait_until(lambda: any(document.objects for document in window.studies.open))
    (document,) = window.studies.open  # the map is no image among others any more
    assert document.series.modality == "CT"
    np.testing.assert_array_equal(stored(document), labels())
    assert not offers(window)


def test_nothing_is_offered_where_nothing_fits(
    window: LimnWindow, study: Path, label_map: Path, tmp_path: Path
) -> None:
    (ct,) = load_series(study / "ct")
    far = ct.geometry.affine.copy()
    far[:3, 3] += 500
    elsewhere = to_itk(labels(), replace(ct.geometry, affine=far))
    grey = to_itk(ct.voxels.astype(np.int32) + 2000, ct.geometry)
    for name, image in (("elsewhere.nrrd", elsewhere), ("grey.nrrd", grey)):
        sitk.WriteImage(image, str(tmp_path / name))
    window.opening.open([study / "ct", tmp_path / "elsewhere.nrrd", tmp_path / "grey.nrrd"])
    wait_until(lambda: len(window.studies.open) == 3 and not window.job_bar.rows)
    assert not offers(window)


def offers(window: LimnWindow) -> list[Toast]:
    return [toast for toast in window.notices.toasts if "holds labels" in toast.sentence]
