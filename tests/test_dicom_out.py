"""Every kind of DICOM file that leaves Limn: valid for dciodvfy, and what others read in it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import trimesh
from PIL import Image
from pydicom.uid import UID

from gui.document import Document
from gui.export_content import Snapshot, write
from gui.voxel_edit import VoxelEdit
from inference import further_files, object_files
from inference.box import Box
from inference.errors import UserError
from inference.label_files import read_job
from inference.measured import (
    ATTENUATION,
    BLOOD_VESSEL,
    HOUNSFIELD,
    LONG_AXIS,
    LYMPH_NODE,
    MEAN,
    RETINA,
    RIGHT,
    SHORT_AXIS,
    STATIONS,
    VOLUME,
    Code,
    Measured,
    Quantity,
)
from inference.object_files import FORMATS, Objects, header
from inference.registry import tasks
from inference.worker import JobContext
from inference.writing import NOTICE, Algorithm, Segment
from plugins.dicom.load import load_series
from plugins.dicom.terminology import term
from plugins.dicom.write_report import write_measurements
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array, Series

STUDY = {"StudyDate": "20260102", "StudyTime": "101112", "StudyID": "1", "Laterality": "L"}
PHOTOGRAPH = UID("1.2.840.10008.5.1.4.1.1.77.1.5.1")
MODEL = Algorithm("Lymph nodes fast", "1.2", by_itself=True)
SEGMENTS = (
    Segment(3, "Node 1", "#ff0000", MODEL, "Lymph node"),
    Segment(7, "Retinal vessels", "#00ff00", Algorithm("Clicks fast", "0.2", by_itself=False)),
)
IN_A_SLICE = ((5.0, 1.0, 2.5), (5.0, 6.0, 2.5))
ACROSS = ((4.0, 1.0, 2.0), (6.0, 6.0, 8.0))
NODE = Measured(
    "Node 1",
    (
        Quantity(SHORT_AXIS, 9.5, "mm", ends=IN_A_SLICE),
        Quantity(LONG_AXIS, 14.25, "mm", ends=ACROSS),
        Quantity(VOLUME, 1.2, "ml"), Quantity(ATTENUATION, 45.5, HOUNSFIELD, MEAN),
    ),
    LYMPH_NODE, STATIONS["4"], RIGHT, label=3, place=(5.0, 1.0, 8.0), algorithm=MODEL,
)  # fmt: skip
ZONE = Measured(
    "Zone B", (Quantity(Code("CRAE", "99LIMN", "CRAE"), 150.25, "um"),), BLOOD_VESSEL, RETINA
)
# Words of dciodvfy that stand for no fault of ours, and why.
KNOWN = (
    "Unrecognized defined term = <99LIMN>",  # our own codes, identified in the file as it has to be
    "Information Object Not found",  # label maps came in 2024, dicom3tools are of 2022
    "SegmentNumber of 0",  # of the background, as label maps have it
    "only permitted to be empty when actually unknown",  # the source does not say which side
)


def ct(folder: Path) -> Series:
    made = phantoms.stored((0, 1, 2), (False,) * 3, folder, phantoms.oblique())
    slices = list(phantoms.ct_slices(made))
    for dataset in slices:
        for keyword, value in STUDY.items():
            setattr(dataset, keyword, value)
    (found,) = load_series(phantoms.save(folder / "ct", slices))
    return found


def enhanced_ct(folder: Path) -> Series:
    slices = [pydicom.dcmread(path) for path in ct(folder).paths]
    for dataset in slices:
        dataset.FrameOfReferenceUID = "2.25.9"
    made = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices, highdicom.UID(), 9, highdicom.UID(), 1
    )
    made.save_as(folder / "enhanced.dcm")
    (found,) = load_series(folder / "enhanced.dcm")
    return found


def run(folder: Path) -> Series:
    (found,) = load_series(phantoms.angiogram(folder / "xa.dcm", phantoms.run(), **STUDY))
    return found


def photograph(folder: Path) -> Series:
    dataset = phantoms.dicom(folder / "op.dcm", PHOTOGRAPH, Modality="OP", **STUDY)
    phantoms.set_pixels(dataset, np.arange(1200, dtype=np.uint8).reshape(30, 40))
    dataset.NumberOfFrames = 1
    dataset.save_as(folder / "op.dcm", enforce_file_format=True)
    (found,) = load_series(folder / "op.dcm")
    return found


SOURCES = {"ct": ct, "enhanced": enhanced_ct, "run": run, "photograph": photograph}


def labelled(series: Series) -> Array:
    shape = series.voxels.shape
    labels = np.zeros(shape, np.uint8)
    labels[..., shape[-2] // 2 :, : shape[-1] // 3] = 3
    labels[..., :3, -4:] = 7
    if len(shape) == 3:
        labels[1] = 0
    return labels


def objects(series: Series) -> Objects:
    picture = np.zeros((50, 70, 3), np.uint8)
    picture[10:20, 30:60] = (200, 30, 60)
    rows = ({"label": 3, "name": "Node 1"}, {"label": 7, "name": "Retinal vessels"})
    return Objects(header(series), labelled(series), None, SEGMENTS, rows, (NODE, ZONE), picture)


def exported(series: Series, folder: Path) -> dict[str, Path]:
    """Every kind of file for this series, by what stands behind the name of the case."""
    wanted = [entry for entry in FORMATS if not entry.refusal(series)]
    files = object_files.write(objects(series), folder / "case", wanted)
    return {path.name.removeprefix("case_"): path for path in files}


def validated(path: Path) -> list[str]:
    """What dciodvfy complains of, but for what is known."""
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    lines = [line for line in said if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(words in line for words in KNOWN)]


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools are not installed")
@pytest.mark.parametrize("kind", SOURCES)
def test_every_dicom_file_is_valid(tmp_path: Path, kind: str) -> None:
    files = [path for path in exported(SOURCES[kind](tmp_path), tmp_path).values()
             if path.suffix == ".dcm"]  # fmt: skip
    assert len(files) == (5 if kind in {"ct", "enhanced"} else 4)
    assert {path.name: validated(path) for path in files} == {path.name: [] for path in files}


def shown_by(series: Series, frame_number: int) -> int:
    """The stored slice that a frame of an enhanced file shows, by its place."""
    groups = pydicom.dcmread(series.path).PerFrameFunctionalGroupsSequence
    position = groups[frame_number - 1].PlanePositionSequence[0].ImagePositionPatient
    return round(float((np.linalg.inv(series.geometry.affine) @ [*position, 1])[0]))


@pytest.mark.parametrize("kind", SOURCES)
def test_segments_refer_to_the_frames_they_lie_on(tmp_path: Path, kind: str) -> None:
    """Read by pydicom alone."""
    series = SOURCES[kind](tmp_path)
    seg = pydicom.dcmread(exported(series, tmp_path)["seg.dcm"])
    stored = labelled(series).reshape(-1, seg.Rows, seg.Columns)
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in series.paths]
    found = np.zeros_like(stored)
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for group, frame in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        index = uids.index(source.ReferencedSOPInstanceUID)
        frame_number = int(source.get("ReferencedFrameNumber", index + 1))
        index = shown_by(series, frame_number) if kind == "enhanced" else frame_number - 1
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[index][frame != 0] = (3, 7)[number - 1]
    np.testing.assert_array_equal(found, stored)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("name", ["seg.dcm", "labelmap_seg.dcm"])
def test_segmentations_open_on_their_image_again(tmp_path: Path, kind: str, name: str) -> None:
    series = SOURCES[kind](tmp_path)
    path = exported(series, tmp_path)[name]
    shape = series.canonical().shape
    found = read_job(JobContext("cpu"), str(path), series.canonical_geometry, shape)
    canonical = replace(series, voxels=labelled(series)).canonical()
    values = {segment.name: segment.value for segment in found.segments}
    for value, segment in ((3, "Node 1"), (7, "Retinal vessels")):
        np.testing.assert_array_equal(found.labels == values[segment], canonical == value)
    assert not found.notes


def test_each_origin_is_coded_and_names_its_model(tmp_path: Path) -> None:
    seg = pydicom.dcmread(exported(ct(tmp_path), tmp_path)["seg.dcm"])
    node, vessels = seg.SegmentSequence
    assert node.SegmentedPropertyTypeCodeSequence[0].CodeValue == "59441001"
    assert (node.SegmentAlgorithmType, vessels.SegmentAlgorithmType) == (
        "AUTOMATIC", "SEMIAUTOMATIC",
    )  # fmt: skip
    (by,) = node.SegmentationAlgorithmIdentificationSequence
    assert (by.AlgorithmName, by.AlgorithmVersion) == ("Lymph nodes fast", "1.2")
    (family,) = by.AlgorithmFamilyCodeSequence
    assert (family.CodeValue, family.CodeMeaning) == ("123110", "Artificial Intelligence")
    (region,) = vessels.AnatomicRegionSequence
    assert (region.CodeValue, region.CodeMeaning) == ("5665001", "Retina")
    assert seg.ContentDescription == NOTICE


def test_numbers_at_the_end_of_a_name_do_not_hide_what_it_is() -> None:
    assert term("Lymph node 12") == term("node 3") == term("lymph node")
    assert term("Optic disc").code[0] == "81016008"
    assert term("C7").code == term("something else").code


def items(container: pydicom.Dataset, meaning: str) -> list[pydicom.Dataset]:
    return [item for item in container.ContentSequence
            if item.ConceptNameCodeSequence[0].CodeMeaning == meaning]  # fmt: skip


def test_a_report_holds_every_measurement_and_the_segment_it_is_of(tmp_path: Path) -> None:
    files = exported(ct(tmp_path), tmp_path)
    report, seg = pydicom.dcmread(files["report.dcm"]), pydicom.dcmread(files["seg.dcm"])
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert items(report, "Comment")[0].TextValue == NOTICE
    (measurements,) = items(report, "Imaging Measurements")
    node, lengths, zone = measurements.ContentSequence
    for group in (node, lengths):  # of one thing
        uid = items(group, "Tracking Unique Identifier")[0].UID
        assert uid == seg.SegmentSequence[0].TrackingUID
        assert items(group, "Tracking Identifier")[0].TextValue == "Node 1"
        assert items(group, "Finding")[0].ConceptCodeSequence[0].CodeValue == "59441001"
        (site,) = items(group, "Finding Site")
        assert site.ConceptCodeSequence[0].CodeValue == "127932007"
        assert items(site, "Laterality")[0].ConceptCodeSequence[0].CodeMeaning == "Right"
        assert items(group, "Algorithm Name")[0].TextValue == "Lymph nodes fast"
        assert items(group, "Algorithm Version")[0].TextValue == "1.2"
    (segment,) = items(node, "Referenced Segment")
    assert segment.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert segment.ReferencedSOPSequence[0].ReferencedSegmentNumber == 1
    for group, meaning, value, unit in (
        (lengths, "Short axis", 9.5, "mm"), (lengths, "Long axis", 14.25, "mm"),
        (node, "Volume", 1.2, "ml"), (node, "Attenuation Coefficient", 45.5, "[hnsf'U]"),
    ):  # fmt: skip
        (item,) = items(group, meaning)
        (number,) = item.MeasuredValueSequence
        assert float(number.NumericValue) == value
        assert number.MeasurementUnitsCodeSequence[0].CodeValue == unit
    (mean,) = items(items(node, "Attenuation Coefficient")[0], "Derivation")
    assert mean.ConceptCodeSequence[0].CodeMeaning == "Mean"
    assert items(zone, "CRAE")[0].MeasuredValueSequence[0].NumericValue == 150.25
    assert items(zone, "Finding Site")[0].ConceptCodeSequence[0].CodeMeaning == "Retina"


@pytest.mark.parametrize("kind", SOURCES)
def test_a_length_says_from_where_to_where_it_was_measured(tmp_path: Path, kind: str) -> None:
    series = SOURCES[kind](tmp_path)
    report = pydicom.dcmread(exported(series, tmp_path)["report.dcm"])
    lengths = items(report, "Imaging Measurements")[0].ContentSequence[1]
    short, long = (
        next(part for part in items(lengths, meaning)[0].ContentSequence if "GraphicData" in part)
        for meaning in ("Short axis", "Long axis")
    )
    assert (short.ValueType, short.GraphicType) == ("SCOORD", "POLYLINE")
    assert short.RelationshipType == long.RelationshipType == "INFERRED FROM"
    # columns and rows, from the corner of the first pixel, whose middle is at 0.5
    np.testing.assert_allclose(short.GraphicData, [3, 1.5, 3, 6.5])
    (image,) = short.ContentSequence
    assert (image.ValueType, image.RelationshipType) == ("IMAGE", "SELECTED FROM")
    (source,) = image.ReferencedSOPSequence
    frame = source.get("ReferencedFrameNumber")
    found = source.ReferencedSOPInstanceUID, frame and int(frame)
    assert found == shown_at(series, 5)
    if series.kind == "volume":
        assert long.ValueType == "SCOORD3D"
        patient = series.canonical_geometry.to_patient(np.array(ACROSS))
        np.testing.assert_allclose(np.reshape(long.GraphicData, (2, 3)), patient, atol=1e-3)
        source_file = pydicom.dcmread(series.path)
        known = source_file.get("FrameOfReferenceUID", long.ReferencedFrameOfReferenceUID)
        assert long.ReferencedFrameOfReferenceUID == known


def shown_at(series: Series, index: int) -> tuple[str, int | None]:
    """The instance and frame that hold a slice or frame of a series."""
    files = [pydicom.dcmread(path) for path in series.paths]
    if len(files) > 1:
        return files[index].SOPInstanceUID, None
    if series.kind != "volume":
        last = 0 if series.kind == "image" else len(series.voxels) - 1  # beyond it: the nearest
        return files[0].SOPInstanceUID, min(index, last) + 1
    groups = files[0].PerFrameFunctionalGroupsSequence
    places = np.array([group.PlanePositionSequence[0].ImagePositionPatient for group in groups])
    corner = series.canonical_geometry.to_patient(np.array((index, 0, 0)))
    return files[0].SOPInstanceUID, int(np.linalg.norm(places - corner, axis=1).argmin()) + 1


def test_a_single_object_of_a_photograph_is_referred_to_as_well(tmp_path: Path) -> None:
    series = photograph(tmp_path)
    one = np.where(labelled(series) == 3, np.uint8(3), np.uint8(0))
    alone = replace(objects(series), labels=one, segments=SEGMENTS[:1], measured=(NODE,))
    wanted = object_files.named("seg,report")
    seg, report = map(pydicom.dcmread, object_files.write(alone, tmp_path / "one", wanted))
    node, _ = items(report, "Imaging Measurements")[0].ContentSequence
    (segment,) = items(node, "Referenced Segment")
    assert segment.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.SOPInstanceUID


def test_without_a_segmentation_a_report_refers_to_the_slice(tmp_path: Path) -> None:
    series = ct(tmp_path)
    write_measurements(series, [NODE], tmp_path / "report.dcm")
    report = pydicom.dcmread(tmp_path / "report.dcm")
    (node,) = items(report, "Imaging Measurements")[0].ContentSequence
    (image,) = [item for item in node.ContentSequence if item.ValueType == "IMAGE"]
    uid = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    where = series.canonical_geometry.to_patient(np.array(NODE.place))
    slices = [pydicom.dcmread(path) for path in series.paths]
    normal = np.cross(*np.array(slices[0].ImageOrientationPatient).reshape(2, 3))
    apart = {ds.SOPInstanceUID: abs((ds.ImagePositionPatient - where) @ normal) for ds in slices}
    assert uid == min(apart, key=apart.__getitem__)
    with pytest.raises(UserError, match="Nothing was measured"):
        write_measurements(series, [], tmp_path / "none.dcm")


def test_a_capture_is_the_picture_in_the_same_study(tmp_path: Path) -> None:
    series = ct(tmp_path)
    path = exported(series, tmp_path)["capture.dcm"]
    read = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read)[0], objects(series).picture)
    capture = pydicom.dcmread(path)
    assert capture.StudyInstanceUID == series.identity.study_uid
    assert capture.SeriesInstanceUID != series.identity.series_uid
    assert capture.BurnedInAnnotation == "NO"
    assert NOTICE in capture.DerivationDescription
    assert len(capture.SourceImageSequence) == len(series.paths)
    named = replace(objects(series), shows_name=True)
    (capture_format,) = object_files.named("capture")
    (path,) = object_files.write(named, tmp_path / "named", [capture_format])
    assert pydicom.dcmread(path).BurnedInAnnotation == "YES"


def test_other_files_carry_the_research_line_and_say_their_space(tmp_path: Path) -> None:
    series = ct(tmp_path)
    files = exported(series, tmp_path)
    nifti, nrrd = sitk.ImageFileReader(), sitk.ImageFileReader()
    for reader, name in ((nifti, "labels.nii.gz"), (nrrd, "labels.seg.nrrd")):
        reader.SetFileName(str(files[name]))
        reader.ReadImageInformation()
    assert nifti.GetMetaData("descrip") == nrrd.GetMetaData("notice") == NOTICE
    stl = files["3_node_1.stl"].read_bytes()
    assert stl[:80].decode().rstrip() == f"SPACE=LPS UNIT=mm {NOTICE}"
    scene = trimesh.load_scene(files["surfaces.glb"])
    assert (scene.metadata["space"], scene.metadata["unit"]) == ("LPS", "mm")
    assert scene.metadata["notice"] == NOTICE
    alone, named = trimesh.load_mesh(files["3_node_1.stl"]), scene.geometry["3 Node 1"]
    np.testing.assert_allclose(named.bounds, alone.bounds, atol=1e-3)
    assert named.visual.material.baseColorFactor.tolist() == [255, 0, 0, 255]
    assert NOTICE in files["objects.csv"].read_text("utf-8")
    picture = Image.open(exported(photograph(tmp_path), tmp_path / "out")["labels.png"])
    assert picture.text["Comment"] == NOTICE
    np.testing.assert_array_equal(np.array(picture), labelled(photograph(tmp_path)))


def test_the_command_line_writes_what_a_task_found(tmp_path: Path) -> None:
    """As `run retinal_vessels … --set files=seg,report,capture` does with its result."""
    task = tasks()["retinal_vessels"]
    settings = task.parse({"files": "seg,report,capture"})
    series = photograph(tmp_path)
    vessels = np.zeros(series.voxels.shape, np.uint8)
    vessels[14:17, 3:37] = 1
    further_files.write(task, settings, None, series, {"labels": vessels}, tmp_path / "op")
    seg = pydicom.dcmread(tmp_path / "op_seg.dcm")
    (segment,) = seg.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Blood vessel"
    assert segment.AnatomicRegionSequence[0].CodeMeaning == "Retina"
    report = pydicom.dcmread(tmp_path / "op_report.dcm")
    (vessels_measured,) = items(report, "Imaging Measurements")[0].ContentSequence
    (density,) = items(vessels_measured, "Vessel density")
    (value,) = density.MeasuredValueSequence
    assert value.NumericValue == pytest.approx(100 * 102 / 1200, rel=1e-3)
    assert value.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    for meaning in ("Fractal Dimension", "Tortuosity, arc/chord", "Mean calibre"):
        assert items(vessels_measured, meaning)
    assert pydicom.dcmread(tmp_path / "op_capture.dcm").pixel_array.shape == (30, 40, 3)
    if shutil.which("dciodvfy"):
        assert validated(tmp_path / "op_report.dcm") == []
    with pytest.raises(UserError, match="no kind of file jpg"):
        task.parse({"files": "jpg"})
    stl = task.parse({"files": "stl"})
    with pytest.raises(UserError, match=r"cannot be saved as Surfaces, STL\. Not for pictures"):
        further_files.write(task, stl, None, series, {"labels": vessels}, tmp_path / "op")


def test_kinds_of_files_are_named_or_refused(tmp_path: Path) -> None:
    assert [entry.id for entry in object_files.named(" report, seg,")] == ["seg", "report"]
    with pytest.raises(UserError, match=r"no kind of file doc: choose from nifti"):
        object_files.named("seg,doc")
    nifti = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path / "a.nii.gz")
    refused = {entry.id for entry in FORMATS if entry.refusal(nifti)}
    assert refused == {"png", "seg", "seg_labelmap", "rtstruct", "report", "capture"}


def test_a_clicked_object_names_its_model_in_what_is_exported(tmp_path: Path) -> None:
    series = ct(tmp_path)
    document = Document(series)
    clicked, drawn = document.add_object("Lymph node 1"), document.add_object("Rib")
    document.credit(clicked.id, ("Clicks fast", "0.2"))
    labels = np.zeros(document.shape, np.uint8)
    labels[2:4, 3:6, 3:6], labels[0, :2, :2] = clicked.id, drawn.id
    document.apply(VoxelEdit.of(document.labels, Box.whole(document.shape), labels, "Drawn"))
    (tmp_path / "out").mkdir()
    found = write(Snapshot.of(document), tmp_path / "out").findings
    one, other = found.segments
    assert one.algorithm == Algorithm("Clicks fast", "0.2", by_itself=False)
    assert other.algorithm is None
    node, _ = found.measured
    assert (node.name, node.label, node.algorithm) == ("Lymph node 1", clicked.id, one.algorithm)
    volume, mean, _ = node.quantities
    assert (volume.name, volume.unit) == (VOLUME, "ml")
    assert volume.value == pytest.approx(18 * np.prod(phantoms.SPACING) / 1000)
    assert mean.value == pytest.approx(float(document.image[labels == clicked.id].mean()))
    document.history.undo()
    document.history.undo()
    assert document.objects[clicked.id].maker == ()
