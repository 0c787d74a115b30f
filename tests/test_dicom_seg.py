"""DICOM segmentations: written over every kind of grid, read by others in the right place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from inference.errors import UserError
from inference.label_files import read_job
from inference.object_files import FORMATS, Objects, header, write_job
from inference.worker import JobContext
from inference.writing import Algorithm, Segment
from plugins.dicom.load import load_series
from plugins.dicom.write_seg import write_binary, write_labelmap
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from inference.label_files import Found
    from inference.series import Array, Series

FRAME = "1.2.826.0.1.3680043.8.498.1"
SEGMENTS = (
    Segment(3, "Left kidney", "#ff0000", Algorithm("Clicks fast", "1.2", by_itself=False)),
    Segment(7, "Segment IVb", "#00ff00"),
    Segment(9, "Never drawn", "#0000ff"),
)
WRITERS = {"binary": write_binary, "labelmap": write_labelmap}


def scanned(folder: Path, rotation: Array | None = None, **elements: object) -> Series:
    """A CT of the phantom, as it is opened from its files."""
    series = phantoms.stored((0, 1, 2), (False,) * 3, folder, rotation)
    slices = []
    for dataset in phantoms.ct_slices(series):
        dataset.FrameOfReferenceUID = FRAME
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        slices.append(dataset)
    (found,) = load_series(phantoms.save(folder / "ct", slices))
    return found


def labelled(series: Series) -> Array:
    """Stored labels: a corner that no swap or flip hides, and a ball-like middle."""
    labels = np.zeros(series.voxels.shape, np.uint8)
    labels[5:, :3, 7:] = 3
    labels[2:4, 3:6, 1:5] = 7
    return labels


def objects(series: Series) -> Objects:
    return Objects(header(series), labelled(series), None, SEGMENTS, ())


def found_in(path: Path) -> dict[int, set[tuple[float, ...]]]:
    """Patient positions (LPS, mm) of the voxels of each segment, by highdicom's own reader."""
    seg = highdicom.seg.segread(path)
    volume = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    return {
        number: positions(volume.map_indices_to_reference(np.argwhere(volume.array == number)))
        for number in sorted(seg.segment_numbers)
        if number
    }


def positions(places: Array) -> set[tuple[float, ...]]:
    return {tuple(place) for place in np.round(places, 2) + 0.0}


def expected(series: Series, value: int) -> set[tuple[float, ...]]:
    return positions(series.geometry.to_patient(np.argwhere(labelled(series) == value)))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("rotation", [None, phantoms.oblique()], ids=["straight", "oblique"])
def test_voxels_lie_where_they_were_drawn(
    tmp_path: Path, kind: str, rotation: Array | None
) -> None:
    series = scanned(tmp_path, rotation)
    (path,) = WRITERS[kind](objects(series), tmp_path / "case")
    found = found_in(path)
    assert found == {1: expected(series, 3), 2: expected(series, 7)}


def test_it_says_what_who_and_of_which_slices(tmp_path: Path) -> None:
    series = scanned(tmp_path)
    (path,) = write_binary(objects(series), tmp_path / "case")
    seg = pydicom.dcmread(path)
    kidney, other = seg.SegmentSequence
    (kind,) = kidney.SegmentedPropertyTypeCodeSequence
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    (algorithm,) = kidney.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Clicks fast", "1.2")
    assert kidney.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert (other.SegmentLabel, other.SegmentAlgorithmType) == ("Segment IVb", "MANUAL")
    assert seg.FrameOfReferenceUID == FRAME
    assert (seg.PatientID, seg.StudyInstanceUID) == ("SECRET-7", "2.25.7")
    sources = [pydicom.dcmread(file) for file in series.paths]
    for group in seg.PerFrameFunctionalGroupsSequence:
        (item,) = group.DerivationImageSequence[0].SourceImageSequence
        (source,) = [s for s in sources if s.SOPInstanceUID == item.ReferencedSOPInstanceUID]
        place = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(place, source.ImagePositionPatient)


def test_a_gap_in_the_series_and_missing_headers_are_no_hindrance(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    slices = [dataset for i, dataset in enumerate(phantoms.ct_slices(series)) if i != 3]
    (found,) = load_series(phantoms.save(tmp_path / "ct", slices))
    assert len(found.voxels) == 7
    (path,) = write_binary(objects(found), tmp_path / "case")
    filled = positions(found.geometry.to_patient(np.argwhere(labelled(found) == 7)))
    missing = {place for place in filled if place[2] == pytest.approx(phantoms.ORIGIN[2] + 9)}
    assert found_in(path)[2] == filled - missing
    assert missing


def test_a_tilted_gantry_keeps_each_slice_in_its_place(tmp_path: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    affine = series.geometry.affine.copy()
    affine[1, 0] = 0.9  # each slice lies further back
    tilted = replace(series, geometry=replace(series.geometry, affine=affine))
    slices = phantoms.ct_slices(tilted)
    (found,) = load_series(phantoms.save(tmp_path / "ct", slices))
    labels = np.zeros(found.voxels.shape, np.uint8)
    labels[found.voxels > 50] = 7  # a voxel of it for each bright pixel of the files
    (path,) = write_binary(replace(objects(found), labels=labels), tmp_path / "case")
    seg = pydicom.dcmread(path)
    to_index = np.linalg.inv(found.geometry.affine)
    assert (seg.Rows, seg.Columns) == (9, 11)
    for group, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        z, y, x = np.rint(to_index[:3, :3] @ corner + to_index[:3, 3]).astype(int)
        np.testing.assert_array_equal(pixels, labels[z, y : y + 9, x : x + 11] == 7)
    shape = found.canonical().shape
    again = read_job(JobContext("cpu"), str(path), found.canonical_geometry, shape)
    assert np.count_nonzero((again.labels != 0) != (labels != 0)) == 0


def test_a_multi_frame_source_is_referred_to_by_frame(tmp_path: Path) -> None:
    series = scanned(tmp_path)
    slices = [pydicom.dcmread(path) for path in series.paths]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices, highdicom.UID(), 9, highdicom.UID(), 1
    )
    enhanced.save_as(tmp_path / "enhanced.dcm")
    (found,) = load_series(tmp_path / "enhanced.dcm")
    assert found.kind == "volume"
    (path,) = write_binary(objects(found), tmp_path / "case")
    assert found_in(path) == {1: expected(found, 3), 2: expected(found, 7)}


def test_other_sources_and_empty_objects_are_refused_in_a_sentence(tmp_path: Path) -> None:
    nifti = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "a.nii.gz")
    with pytest.raises(
        UserError, match=r"^a\.nii\.gz is no DICOM series.*NIfTI or NRRD instead\.$"
    ):
        write_binary(objects(nifti), tmp_path / "case")
    assert "DICOM" in next(f for f in FORMATS if f.id == "seg").refusal(nifti)
    series = scanned(tmp_path)
    empty = Objects(header(series), np.zeros(series.voxels.shape, np.uint8), None, SEGMENTS, ())
    with pytest.raises(UserError, match="No object has voxels"):
        write_binary(empty, tmp_path / "case")
    for path in series.paths:
        path.unlink()
    with pytest.raises(UserError, match="cannot be read any more"):
        write_binary(objects(series), tmp_path / "case")
    assert not list(tmp_path.glob("case*"))


def test_the_job_writes_what_was_chosen_from_canonical_labels(tmp_path: Path) -> None:
    series = scanned(tmp_path, phantoms.oblique(160))
    labels = canonical_labels(series)
    paths = write_job(
        JobContext("cpu"), labels, header(series), SEGMENTS, ({"name": "Left kidney"},),
        str(tmp_path / "case"), ["seg", "csv", "nrrd"],
    )  # fmt: skip
    names = {path.rpartition("/")[2] for path in paths}
    assert names == {"case_seg.dcm", "case_objects.csv", "case_labels.seg.nrrd"}
    assert found_in(tmp_path / "case_seg.dcm")[1] == expected(series, 3)


def canonical_labels(series: Series) -> Array:
    return np.ascontiguousarray(replace(series, voxels=labelled(series)).canonical())


# --- of other programs ---------------------------------------------------------------------------


def made_elsewhere(series: Series, path: Path, kind: str, masks: Array, **more: object) -> Path:
    """Masks (z, y, x, segments), 0 to 1, as highdicom writes them for others."""
    described = [
        highdicom.seg.SegmentDescription(
            number, f"Organ {number}", codes.SCT.Organ, codes.SCT.Liver, "MANUAL"
        )
        for number in range(1, masks.shape[-1] + 1)
    ]
    sources = [pydicom.dcmread(file) for file in series.paths]
    for source in sources:
        for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
                        "AccessionNumber", "ReferringPhysicianName"):  # fmt: skip
            setattr(source, keyword, None)
    uids = highdicom.UID(), highdicom.UID()
    seg = highdicom.seg.Segmentation(
        sources, masks, kind, described, uids[0], 5, uids[1], 1, "Others", "Program", "1", "2",
        omit_empty_frames=True, **more,
    )  # fmt: skip
    seg.save_as(path)
    return path


def opened(path: Path, series: Series) -> Found:
    shape = series.canonical().shape
    return read_job(JobContext("cpu"), str(path), series.canonical_geometry, shape)


def test_overlapping_segments_show_the_smaller_one_and_say_so(tmp_path: Path) -> None:
    series = scanned(tmp_path)
    masks = np.zeros((*series.voxels.shape, 2), np.uint8)
    masks[1:6, 2:8, 2:9, 0] = 1
    masks[3:5, 4:6, 4:6, 1] = 1
    found = opened(made_elsewhere(series, tmp_path / "o.dcm", "BINARY", masks), series)
    first, second = (segment.value for segment in found.segments)
    np.testing.assert_array_equal(found.labels == second, masks[..., 1] == 1)
    np.testing.assert_array_equal(
        found.labels == first, (masks[..., 0] == 1) & (masks[..., 1] == 0)
    )
    assert found.notes == ("Objects of o.dcm overlap: there, the smaller one is shown.",)


def test_fractions_count_from_one_half(tmp_path: Path) -> None:
    series = scanned(tmp_path)
    masks = np.random.default_rng(0).random((*series.voxels.shape, 1))
    path = made_elsewhere(series, tmp_path / "f.dcm", "FRACTIONAL", masks, max_fractional_value=200)
    found = opened(path, series)
    sure = np.abs(masks[..., 0] - 0.5) > 0.01
    np.testing.assert_array_equal((found.labels != 0)[sure], (masks[..., 0] > 0.5)[sure])
    assert "one half and more" in found.notes[0]


def test_slices_that_lie_unevenly_open_each_in_its_place(tmp_path: Path) -> None:
    series = scanned(tmp_path)
    masks = np.zeros((*series.voxels.shape, 1), np.uint8)
    masks[1:6, 2:8, 2:9, 0] = 1
    path = made_elsewhere(series, tmp_path / "u.dcm", "BINARY", masks)
    seg = pydicom.dcmread(path)
    groups = seg.PerFrameFunctionalGroupsSequence
    (place,) = groups[-1].PlanePositionSequence
    place.ImagePositionPatient[2] += 0.4 * phantoms.SPACING[0]
    seg.save_as(path)
    found = opened(path, series)
    drawn = np.flatnonzero(found.labels.any(axis=(1, 2)))
    assert drawn.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(found.labels[3] != 0, masks[3, ..., 0] == 1)
