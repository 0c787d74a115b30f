"""The quick reading of usual headers finds what pydicom finds, or leaves the file to it."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from plugins.dicom.elements import usual_header
from plugins.dicom.parse import HEAD
from plugins.dicom.sniff import is_dicom
from tests import phantoms

if TYPE_CHECKING:
    from pydicom import Dataset


def _same(found: tuple[Dataset, int], start: bytes) -> bool:
    source = BytesIO(start)
    wanted = pydicom.dcmread(source, force=True, stop_before_pixels=True)
    header, end = found
    return (
        list(map(repr, header)) == list(map(repr, wanted))
        and list(map(repr, header.file_meta)) == list(map(repr, wanted.file_meta))
        and header.original_character_set == wanted.original_character_set
        and header.original_encoding == wanted.original_encoding
        and end == source.tell()
    )


def test_headers_of_the_zoo_are_as_pydicom_reads_them(shared_data: Path) -> None:
    files = [path for path in (shared_data / "dicom_zoo").rglob("*") if is_dicom(path)]
    starts = [path.open("rb").read(HEAD) for path in files]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quick = [(usual_header(start), start) for start in starts]
        read = [(found, start) for found, start in quick if found]
        assert len(read) > 100
        assert all(_same(found, start) for found, start in read)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_texts_and_nested_sequences_without_length_are_read(syntax: str) -> None:
    start = _written(syntax)
    found = usual_header(start)
    assert found is not None
    assert _same(found, start)
    assert found[0].ProcedureCodeSequence[0].CodeMeaning == "Schädel"
    assert found[0].PatientName == "Müller^Jörg"


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_unusual_encodings_are_left_to_pydicom(syntax: str) -> None:
    assert usual_header(_written(syntax)) is None


def test_a_header_that_ends_too_early_is_left_to_pydicom() -> None:
    start = _written(ExplicitVRLittleEndian)
    whole = usual_header(start)
    assert whole is not None
    assert all(usual_header(start[:size]) is None for size in range(0, whole[1], 7))


def _written(syntax: str) -> bytes:
    dataset = phantoms.dicom(Path("one.dcm"))
    phantoms.set_pixels(dataset, np.zeros((8, 8), np.uint16))
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "Müller^Jörg"
    code = pydicom.Dataset()
    code.CodeMeaning = "Schädel"
    code.is_undefined_length_sequence_item = True
    dataset.ProcedureCodeSequence = [code]
    dataset["ProcedureCodeSequence"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    target = BytesIO()
    pydicom.dcmwrite(target, dataset, implicit_vr=implicit, little_endian=little)
    return target.getvalue()
