"""Listens to a file while it arrives, until its first frame can be seen."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pynetdicom import evt

from plugins.dicom.first_frame import first_frame

if TYPE_CHECKING:
    from pydicom import Dataset
    from pynetdicom.events import Event

COMMAND = 1  # bit of the header of a piece: it tells about the file that follows
AT_FIRST = 1 << 18  # bytes, after which it is worth to look for the first time


class Beginning:
    """What has come of one file; `found` once its first of several frames is whole."""

    def __init__(self) -> None:
        self.found: Dataset | None = None
        self._come = BytesIO()
        self._look_at = AT_FIRST

    @property
    def come(self) -> bytes:
        """All of the file that has come."""
        return self._come.getvalue()

    def begin(self, head: bytes = b"") -> None:
        """Another file comes, of which `head` goes before all."""
        self._come, self._look_at = BytesIO(), AT_FIRST
        self._come.write(head)

    def hear(self, piece: bytes) -> None:
        """The next bytes of the file; seldom looked at, as each look reads all of the header."""
        self._come.seek(0, 2)
        self._come.write(piece)
        if self.found is None and self._come.tell() >= self._look_at:
            self._look_at *= 2
            self._come.seek(0)
            self.found = first_frame(self._come)


def overhear(event: Event, beginning: Beginning) -> None:
    """Of each message over DICOM the pieces that are a file."""
    for item in getattr(event.pdu, "presentation_data_value_items", ()):
        control, piece = item.data[0], item.data[1:]
        if control & COMMAND:
            beginning.begin(_head(event, item.context_id))
        else:
            beginning.hear(piece)


def overhearing(beginning: Beginning | None) -> list[Any]:
    """The handler for an association, where somebody listens."""
    return [] if beginning is None else [(evt.EVT_PDU_RECV, overhear, [beginning])]


def _head(event: Event, context_id: int) -> bytes:
    """What a file has before that which is sent: the form that both sides agreed on."""
    (syntax,) = [
        context.transfer_syntax[0]
        for context in event.assoc.accepted_contexts
        if context.context_id == context_id
    ]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_file_meta_info(stream, meta, enforce_standard=False)
    return b"\0" * 128 + b"DICM" + stream.getvalue()
