"""RT structure sets: contours where the voxels are, read by others, and those of others by us."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy import ndimage
from skimage.draw import polygon2mask

from inference.errors import UserError
from inference.label_files import read_job
from inference.object_files import Objects, header
from inference.outlines import filled, polygons
from inference.series import Geometry, Series
from inference.worker import JobContext
from inference.writing import Algorithm, Segment
from plugins.dicom.load import load_series
from plugins.dicom.read_rtstruct import wanted_image
from plugins.dicom.write_rtstruct import write_rtstruct
from plugins.dicom.write_seg import write_binary, write_labelmap
from tests import phantoms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from inference.label_files import Found
    from inference.series import Array

SEGMENTS = (
    Segment(1, "Left kidney", "#ff0000", Algorithm("Clicks fast", "1.2", by_itself=False)),
    Segment(2, "Cyst", "#00c800"),
)
SHAPE = (7, 9, 11)


def labels_of(image: Array) -> Array:
    """By the phantom's values, which tell every swap: with a hole, islands and touching corners."""
    low, high = (image > 50) & (image % 7 != 3), image > 500
    return np.where(high, 1, np.where(low, 2, 0)).astype(np.uint8)


def scanned(folder: Path, series: Series) -> Series:
    """The series as its CT files are opened."""
    slices = list(phantoms.ct_slices(series))
    (found,) = load_series(phantoms.save(folder, slices))
    return found


def objects(series: Series, labels: Array) -> Objects:
    return Objects(header(series), series.from_canonical(labels), None, SEGMENTS, ())


def opened(path: Path, image: Series) -> Found:
    grid, shape = image.canonical_geometry, image.canonical().shape
    return read_job(JobContext("cpu"), str(path), grid, shape)


def same(found: Found, labels: Array) -> None:
    names = {segment.name: segment.value for segment in found.segments}
    for segment in SEGMENTS:
        here = found.labels == names[segment.name]
        np.testing.assert_array_equal(here, labels == segment.value)


def drawn_by_others(path: Path, series: Series) -> dict[str, set[tuple[int, ...]]]:
    """Instance, row and column of the pixels in each structure, by pydicom and scikit-image."""
    slices = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, series.paths)}
    found: dict[str, set[tuple[int, ...]]] = {}
    rt = pydicom.dcmread(path)
    for about, drawn in zip(rt.StructureSetROISequence, rt.ROIContourSequence, strict=True):
        pixels = found.setdefault(about.ROIName, set())
        for contour in drawn.ContourSequence:
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            mask = polygon2mask((slices[uid].Rows, slices[uid].Columns), flat(contour, slices[uid]))
            pixels |= {(uid, *place) for place in np.argwhere(mask).tolist()}
    return found


def flat(contour: Dataset, image: Dataset) -> Array:
    """(row, column) of the points on their slice, on which they have to lie."""
    points = np.array(contour.ContourData, float).reshape(-1, 3) - image.ImagePositionPatient
    across, down = np.array(image.ImageOrientationPatient).reshape(2, 3)
    np.testing.assert_allclose(points @ np.cross(across, down), 0, atol=1e-3)
    return np.stack([points @ down, points @ across], axis=1) / image.PixelSpacing


@pytest.mark.parametrize("seed", range(40))
def test_filling_an_outline_gives_the_same_pixels_by_others_too(seed: int) -> None:
    numbers = np.random.default_rng(seed)
    shape = (int(numbers.integers(3, 60)), int(numbers.integers(3, 60)))
    noise = ndimage.gaussian_filter(numbers.standard_normal(shape), numbers.choice([0, 0.7, 2, 4]))
    mask = noise > numbers.uniform(-0.05, 0.05)
    rings = list(polygons(mask))
    np.testing.assert_array_equal(filled(rings, shape), mask)
    theirs = [polygon2mask(shape, ring) for ring in rings]
    np.testing.assert_array_equal(np.logical_or.reduce([np.zeros(shape, bool), *theirs]), mask)
    assert len(rings) == ndimage.label(mask)[1]  # holes are in the ring of what they are in


@pytest.mark.parametrize(("order", "flips"), phantoms.ORDERS)
def test_seg_and_rtstruct_land_on_the_same_voxels_in_every_axis_order(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    turn = phantoms.oblique(17 * (phantoms.ORDERS.index((order, flips)) % 5))  # the first: straight
    series = scanned(tmp_path / "ct", phantoms.stored(order, flips, tmp_path, turn))
    upright = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "upright.nii", turn)
    labels = labels_of(series.canonical())
    for write in (write_binary, write_labelmap, write_rtstruct):
        (path,) = write(objects(series, labels), tmp_path / "case")
        for image in (series, upright):
            found = opened(path, image)
            assert not found.notes
            same(found, labels_of(image.canonical()))
    others = drawn_by_others(tmp_path / "case_rtstruct.dcm", series)
    stored = series.from_canonical(labels)
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in series.paths]
    for segment in SEGMENTS:
        places = np.argwhere(stored == segment.value).tolist()
        assert others[segment.name] == {(uids[z], y, x) for z, y, x in places}


def test_it_says_what_who_and_of_which_slices(tmp_path: Path) -> None:
    series = scanned(tmp_path / "ct", phantoms.stored((0, 1, 2), (False,) * 3, tmp_path))
    (path,) = write_rtstruct(objects(series, labels_of(series.canonical())), tmp_path / "case")
    rt = pydicom.dcmread(path)
    assert (rt.PatientID, rt.StudyInstanceUID, rt.Modality) == ("SECRET-7", "2.25.7", "RTSTRUCT")
    assert rt.StructureSetDescription == "Research use only. Not for diagnosis."
    assert rt.ApprovalStatus == "UNAPPROVED"
    (frame,) = rt.ReferencedFrameOfReferenceSequence
    (referred,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert referred.SeriesInstanceUID == "2.25.7"
    assert len(referred.ContourImageSequence) == len(series.paths)
    kidney, cyst = rt.StructureSetROISequence
    assert (kidney.ROIName, kidney.ROIGenerationAlgorithm) == ("Left kidney", "SEMIAUTOMATIC")
    assert kidney.ROIGenerationDescription == "Clicks fast 1.2"
    assert cyst.ROIGenerationAlgorithm == "MANUAL"
    code = rt.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("64033007", "SCT")
    assert list(rt.ROIContourSequence[1].ROIDisplayColor) == [0, 200, 0]


def test_a_tilted_gantry_and_frames_of_one_file(tmp_path: Path) -> None:
    straight = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    affine = straight.geometry.affine.copy()
    affine[1, 0] = 0.9  # each slice lies further back
    series = scanned(tmp_path / "tilted", replace(straight, geometry=Geometry(affine, known=True)))
    labels = labels_of(series.canonical())
    (path,) = write_rtstruct(objects(series, labels), tmp_path / "case")
    same(opened(path, series), labels)
    slices = [pydicom.dcmread(file) for file in scanned(tmp_path / "ct", straight).paths]
    for dataset in slices:
        dataset.FrameOfReferenceUID = "2.25.9"
    uids = highdicom.UID(), highdicom.UID()
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(slices, uids[0], 9, uids[1], 1)
    enhanced.save_as(tmp_path / "enhanced.dcm")
    (frames,) = load_series(tmp_path / "enhanced.dcm")
    labels = labels_of(frames.canonical())
    (path,) = write_rtstruct(objects(frames, labels), tmp_path / "frames")
    same(opened(path, frames), labels)
    (item, *_) = pydicom.dcmread(path).ROIContourSequence[0].ContourSequence
    assert item.ContourImageSequence[0].ReferencedFrameNumber >= 1


# --- of other programs ---------------------------------------------------------------------------


def made_elsewhere(path: Path, structures: Iterable[tuple[str, list[Array], str]]) -> Path:
    """Names, contours (n, 3) LPS mm and their kind, as another program writes them."""
    rt = phantoms.dicom(path, pydicom.uid.RTStructureSetStorage, Modality="RTSTRUCT")
    rt.StructureSetROISequence, rt.ROIContourSequence = [], []
    for number, (name, rings, kind) in enumerate(structures, 11):
        about, drawn = Dataset(), Dataset()
        about.ROINumber, about.ROIName = number, name
        drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, [0, 0, 255]
        drawn.ContourSequence = []
        for ring in rings:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(ring)
            contour.ContourData = [f"{value:.3f}" for value in ring.ravel()]
            drawn.ContourSequence.append(contour)
        rt.StructureSetROISequence.append(about)
        rt.ROIContourSequence.append(drawn)
    rt.save_as(path, enforce_file_format=True)
    return path


def image(tmp_path: Path, step: float = 1.0) -> Series:
    """40 mm to each side, its corner at (0, 0, 0)."""
    shape = (round(40 / step), 40, 40)
    affine = np.eye(4)[[2, 1, 0, 3]] @ np.diag((step, 1.0, 1.0, 1.0))
    where = Geometry(affine, known=True)
    return Series(np.zeros(shape, np.int16), "volume", "CT", (tmp_path / "ct",), where)


def circle(radius: float, z: float, turn: Array | None = None) -> Array:
    """Round (20, 20, z), turned about (20, 20, 20)."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    flat = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(90, z - 20)], axis=1)
    return (flat if turn is None else flat @ turn.T) + 20


def dice(one: Array, other: Array) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def distances(series: Series) -> Array:
    """From (20, 20, 20), mm."""
    places = series.geometry.to_patient(np.stack(np.indices(series.voxels.shape), axis=-1))
    return np.linalg.norm(places - 20, axis=-1)


@pytest.mark.parametrize(("gap", "least"), [(0.7, 0.98), (1.0, 0.96), (3.0, 0.94)])
def test_contours_between_slices_and_further_apart_fill_the_same_ball(
    tmp_path: Path, gap: float, least: float
) -> None:
    """No contour lies on a slice; those of 3 mm stand for steps of 3 mm, whatever the slices."""
    heights = np.arange(20 - 12 + gap / 2, 32, gap)
    rings = [circle(np.sqrt(144 - (z - 20) ** 2), z) for z in heights]
    path = made_elsewhere(tmp_path / "rt.dcm", [("Ball", rings, "CLOSED_PLANAR")])
    target = image(tmp_path)
    found = opened(path, target)
    assert [(s.name, s.color) for s in found.segments] == [("Ball", "#0000ff")]
    ball = distances(target) <= 12
    assert dice(found.labels > 0, ball) > least
    filled_slices = np.flatnonzero(found.labels.any(axis=(1, 2)))
    assert np.diff(filled_slices).max() == 1  # no slice is left out between contours


def test_contours_in_planes_across_the_slices(tmp_path: Path) -> None:
    """As drawn in a sagittal view, and on an oblique one."""
    target = image(tmp_path)
    ball = distances(target) <= 12
    for turn in (np.eye(3)[[2, 0, 1]], phantoms.oblique(35.0)):
        rings = [circle(np.sqrt(144 - (z - 20) ** 2), z, turn) for z in np.arange(9.0, 31.5)]
        path = made_elsewhere(tmp_path / "rt.dcm", [("Ball", rings, "CLOSED_PLANAR")])
        found = opened(path, target)
        assert dice(found.labels > 0, ball) > 0.97
        edge = distances(target)[(found.labels > 0) != ball]
        assert np.abs(edge - 12).max() < 1.1  # mm: never off by more than a voxel


def test_holes_overlaps_and_what_is_left_out_are_told(tmp_path: Path) -> None:
    tube = [ring for z in np.arange(10.0, 31.0) for ring in (circle(12, z), circle(6, z))]
    core = [circle(8, z) for z in np.arange(15.0, 26.0)]
    body = [circle(18, z) for z in np.arange(5.0, 36.0)]
    far = [circle(3, 300.0)]
    point = [np.array([[20.0, 20.0, 20.0]])]
    path = made_elsewhere(
        tmp_path / "rt.dcm",
        [("Tube", tube, "CLOSED_PLANAR"), ("Core", core, "CLOSEDPLANAR_XOR"),
         ("Body", body, "CLOSED_PLANAR"), ("Far", far, "CLOSED_PLANAR"), ("Mark", point, "POINT")],
    )  # fmt: skip
    found = opened(path, image(tmp_path))
    names = {segment.name: segment.value for segment in found.segments}
    assert set(names) == {"Tube", "Core", "Body"}
    line = found.labels[12, 20]
    assert line[20] == names["Body"]  # in the hole of the tube
    assert line[10] == names["Tube"]
    assert found.labels[20, 20, 20] == found.labels[20, 20, 13] == names["Core"]  # over the others
    assert found.labels[20, 20, 9] == names["Tube"]
    assert found.labels[7, 20, 20] == names["Body"]
    assert any("overlap" in note and "smaller" in note for note in found.notes)
    assert any(note.startswith("Far, Mark of rt.dcm left no voxel") for note in found.notes)


def test_what_has_no_contours_or_no_image_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = made_elsewhere(tmp_path / "a.dcm", [("Mark", [np.zeros((1, 3))], "POINT")])
    with pytest.raises(UserError, match=r"a\.dcm holds no closed contours"):
        opened(path, image(tmp_path))
    path = made_elsewhere(tmp_path / "b.dcm", [("Ball", [circle(5, 20.0)], "CLOSED_PLANAR")])
    unknown = replace(image(tmp_path), geometry=Geometry())
    with pytest.raises(UserError, match="does not say where it lies"):
        opened(path, unknown)
    away = replace(image(tmp_path), geometry=phantoms.geometry())
    moved = away.geometry.affine.copy()
    moved[:3, 3] += 4000
    with pytest.raises(UserError, match="belongs to another one"):
        opened(path, replace(away, geometry=Geometry(moved, known=True)))
    series = scanned(tmp_path / "ct", phantoms.stored((0, 1, 2), (False,) * 3, tmp_path))
    (path,) = write_rtstruct(objects(series, labels_of(series.canonical())), tmp_path / "case")
    said = wanted_image(path, pydicom.dcmread(path))
    assert said.startswith(
        "case_rtstruct.dcm holds outlines, no image: open the series of 7 slices"
    )
    assert "2.25.7" in said
    with pytest.raises(UserError) as refused:
        load_series(path)
    assert str(refused.value) == said
    with pytest.raises(UserError, match="no contours to save"):
        write_rtstruct(objects(series, np.zeros(SHAPE, np.uint8)), tmp_path / "empty")
