"""Multi-frame files: parts of one image, gamma cameras, and objects on some of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RTDoseStorage

from inference.label_files import read_job
from inference.object_files import Objects, header
from inference.worker import JobContext
from inference.writing import Segment
from plugins.dicom.load import load_series
from plugins.dicom.write_rtstruct import write_rtstruct
from plugins.dicom.write_seg import write_binary, write_labelmap
from tests import phantoms, scanners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import FileDataset

    from inference.series import Array, Series

WRITERS = {"binary": write_binary, "labelmap": write_labelmap, "rtstruct": write_rtstruct}
SEGMENTS = (Segment(1, "Liver", "#ff0000"), Segment(2, "Spleen", "#00ff00"))


def drawn(series: Series) -> Array:
    """Two boxes on the stored grid that no swap or flip hides."""
    labels = np.zeros(series.voxels.shape, np.uint8)
    labels[..., 2:6, 1:5], labels[..., 7:, 5:] = 1, 2
    if labels.ndim == 3:
        labels[:2] = 0
    return labels


def written(series: Series, kind: str, folder: Path) -> FileDataset:
    labelled = Objects(header(series), drawn(series), None, SEGMENTS, ())
    (path,) = WRITERS[kind](labelled, folder / "case")
    return pydicom.dcmread(path)


def named(made: Dataset) -> set[tuple[str, int]]:
    """The files and frames that its frames or contours refer to."""
    return set(_named(made))


def _named(made: Dataset) -> Iterator[tuple[str, int]]:
    for frame in made.get("PerFrameFunctionalGroupsSequence", ()):
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        yield source.ReferencedSOPInstanceUID, int(source.ReferencedFrameNumber)
    for contours in made.get("ROIContourSequence", ()):
        for contour in contours.ContourSequence:
            (source,) = contour.ContourImageSequence
            yield source.ReferencedSOPInstanceUID, int(source.ReferencedFrameNumber)


def place(source: Dataset, number: int) -> tuple[float, ...]:
    frame = source.PerFrameFunctionalGroupsSequence[number - 1]
    return tuple(map(float, frame.PlanePositionSequence[0].ImagePositionPatient))


def corners(series: Series) -> set[tuple[float, ...]]:
    """Where the slices with the box begin, mm."""
    rows = np.arange(2, len(series.voxels))
    places = series.geometry.to_patient(np.stack([rows, rows * 0, rows * 0], 1))
    return {tuple(corner) for corner in np.round(places, 3) + 0.0}


def test_a_concatenation_is_one_volume(tmp_path: Path) -> None:
    (whole,) = load_series(scanners.enhanced(tmp_path / "whole.dcm"))
    files = scanners.concatenated(tmp_path / "whole.dcm", (3, 1, 3))
    (found,) = load_series(tmp_path)
    np.testing.assert_array_equal(found.voxels, whole.voxels)
    np.testing.assert_allclose(found.geometry.affine, whole.geometry.affine)
    assert (found.sha256, found.warnings) == (whole.sha256, whole.warnings)
    assert found.paths == tuple(files)


def test_a_missing_part_of_a_concatenation_is_told(tmp_path: Path) -> None:
    whole = scanners.enhanced(tmp_path / "whole.dcm")
    scanners.concatenated(whole, (2, 1, 4))[1].unlink()
    (found,) = load_series(tmp_path)
    assert "Of the 3 files that make up this image, number 2 is not there" in found.warnings[0]
    assert any("1 of 7 slices are missing" in warning for warning in found.warnings)


@pytest.mark.parametrize("kind", WRITERS)
def test_objects_on_a_concatenation_refer_to_its_files(tmp_path: Path, kind: str) -> None:
    whole = scanners.enhanced(tmp_path / "whole.dcm")
    files = scanners.concatenated(whole, (3, 4))
    (found,) = load_series(tmp_path)
    sources = {part.SOPInstanceUID: part for part in map(pydicom.dcmread, files)}
    shown = [place(sources[uid], number) for uid, number in named(written(found, kind, tmp_path))]
    assert len(shown) == 5
    assert {tuple(np.round(corner, 3) + 0.0) for corner in shown} == corners(found)


@pytest.mark.parametrize("kind", WRITERS)
def test_objects_on_one_of_several_stacks_refer_to_its_frames(tmp_path: Path, kind: str) -> None:
    """Two orientations at two times, orientation and spacing stated for each frame."""
    path = scanners.enhanced(tmp_path / "whole.dcm", stacks=2, times=2, turned=True)
    source, taken = pydicom.dcmread(path), set[int]()
    for series in load_series(path):
        made = written(series, kind, tmp_path)
        numbers = [number for _, number in named(made)]
        assert len(numbers) == 5
        shown = {tuple(np.round(place(source, number), 3) + 0.0) for number in numbers}
        assert shown == corners(series)
        assert taken.isdisjoint(numbers)
        taken.update(numbers)
        again = read_job(
            JobContext("cpu"), str(made.filename), series.canonical_geometry,
            series.canonical().shape,
        )  # fmt: skip
        np.testing.assert_array_equal(series.from_canonical(again.labels), drawn(series))


@pytest.mark.parametrize("kind", WRITERS)
def test_objects_on_enhanced_files_with_a_frame_each_refer_to_them(
    tmp_path: Path, kind: str
) -> None:
    """Parts with one frame each are as well enhanced files of their own."""
    whole = scanners.enhanced(tmp_path / "whole.dcm")
    for path in scanners.concatenated(whole, (1,) * 7):
        dataset = pydicom.dcmread(path)
        del dataset.ConcatenationUID
        dataset.save_as(path)
    (found,) = load_series(tmp_path)
    assert found.kind == "volume"
    sources = {part.SOPInstanceUID: part for part in map(pydicom.dcmread, found.paths)}
    shown = [place(sources[uid], number) for uid, number in named(written(found, kind, tmp_path))]
    assert {tuple(np.round(corner, 3) + 0.0) for corner in shown} == corners(found)


@pytest.mark.parametrize("kind", WRITERS)
def test_objects_on_a_dose_lie_where_its_offsets_say(tmp_path: Path, kind: str) -> None:
    dose = phantoms.dicom(tmp_path / "dose.dcm", RTDoseStorage, Modality="RTDOSE")
    phantoms.set_pixels(dose, np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9))
    dose.ImagePositionPatient, dose.ImageOrientationPatient = [10, 20, 30], [1, 0, 0, 0, 1, 0]
    dose.PixelSpacing, dose.FrameOfReferenceUID = [2, 3], "2.25.7"
    dose.GridFrameOffsetVector, dose.DoseGridScaling = [0, 4, 8, 12, 16], "0.001"
    dose.save_as(tmp_path / "dose.dcm", enforce_file_format=True)
    (series,) = load_series(tmp_path / "dose.dcm")
    made = written(series, kind, tmp_path)
    assert sorted(number for _, number in named(made)) == [3, 4, 5]
    again = read_job(
        JobContext("cpu"), str(made.filename), series.canonical_geometry, series.canonical().shape
    )
    np.testing.assert_array_equal(series.from_canonical(again.labels), drawn(series))


def test_a_whole_body_scan_is_a_picture_from_each_side(tmp_path: Path) -> None:
    found = load_series(scanners.camera(tmp_path / "body.dcm", "WHOLE BODY"))
    assert [series.kind for series in found] == ["image"] * 6
    assert [series.identity.series_description for series in found] == [
        f"{side} · {n} of 3" for side in ("Anterior", "Posterior") for n in (1, 2, 3)
    ]
    assert not any("frames a second" in warning for s in found for warning in s.warnings)
    pixels = pydicom.dcmread(tmp_path / "body.dcm").pixel_array
    np.testing.assert_array_equal(found[4].voxels, pixels[3])
    ((_, number),) = named(written(found[4], "binary", tmp_path))
    assert number == 4


def test_a_dynamic_scan_has_the_times_of_its_phases(tmp_path: Path) -> None:
    phases = []
    for count, duration in ((2, 1000), (1, 15_000)):
        phase = Dataset()
        phase.NumberOfFramesInPhase, phase.ActualFrameDuration = count, duration
        phase.PhaseDelay, phase.PauseBetweenFrames = 0, 0
        phases.append(phase)
    path = scanners.camera(
        tmp_path / "renal.dcm", "DYNAMIC", PhaseInformationSequence=phases,
        PhaseVector=[1, 1, 1, 1, 2, 2],
    )  # fmt: skip
    found = load_series(path)
    assert [series.identity.series_description for series in found] == ["Anterior", "Posterior"]
    assert [series.frame_times for series in found] == [(0, 1000, 2000)] * 2
    np.testing.assert_array_equal(found[1].voxels, pydicom.dcmread(path).pixel_array[1::2])
    assert all("several detectors or energy windows" in s.warnings[0] for s in found)
