"""The first frame of a file of many, while the rest is still on its way."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from inference.arrivals import Arrived, Glimpse
from inference.reading import stream_job
from inference.worker import JobContext
from plugins.dicom import glimpse
from plugins.dicom.first_frame import first_frame
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.uid import UID

FRAMES = np.random.default_rng(0).integers(0, 4096, (5, 48, 32)).astype(np.uint16)
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless]


def run(path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    phantoms.angiogram(path, FRAMES)
    dataset = pydicom.dcmread(path)
    if syntax.is_encapsulated:
        dataset.compress(syntax)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_half_a_file_is_enough(tmp_path: Path, syntax: UID) -> None:
    whole = run(tmp_path / "run.dcm", syntax).read_bytes()
    found = first_frame(BytesIO(whole[: len(whole) // 2]))
    assert found is not None
    assert found.NumberOfFrames == 1
    np.testing.assert_array_equal(found.pixel_array, FRAMES[0])


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_less_than_a_frame_is_not(tmp_path: Path, syntax: UID) -> None:
    whole = run(tmp_path / "run.dcm", syntax).read_bytes()
    for length in range(0, len(whole) // 6, 97):
        assert first_frame(BytesIO(whole[:length])) is None


def test_what_has_one_frame_or_is_packed_as_a_whole_is_left_alone(tmp_path: Path) -> None:
    packed = run(tmp_path / "run.dcm", DeflatedExplicitVRLittleEndian)
    dataset = phantoms.dicom(tmp_path / "a.dcm")
    phantoms.set_pixels(dataset, FRAMES[0])
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    for path in (packed, tmp_path / "a.dcm"):
        assert first_frame(BytesIO(path.read_bytes())) is None


def test_a_large_file_shows_its_first_frame_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = run(tmp_path / "run.dcm"), list[object]()
    stream_job(JobContext("cpu", hand_over=told.append), str(path))
    assert not any(isinstance(arrival, Glimpse) for arrival in told)  # small: all is there at once
    monkeypatch.setattr(glimpse, "LARGE", 1000)
    told.clear()
    stream_job(JobContext("cpu", hand_over=told.append), str(path))
    order = [type(arrival) for arrival in told if isinstance(arrival, (Glimpse, Arrived))]
    assert order == [Glimpse, Arrived]
    (seen,) = [arrival for arrival in told if isinstance(arrival, Glimpse)]
    assert seen.picture.shape == FRAMES[0].shape
