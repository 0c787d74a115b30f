"""C-STORE of files, each in the form in which it lies on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import UID
from pynetdicom import build_context

from inference.errors import UserError
from plugins.dicom.network.association import MOST_CONTEXTS, NATIVE
from plugins.dicom.parse import read_header, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

    from plugins.dicom.network.association import Line

WARNINGS = range(0xB000, 0xC000)  # stored, with remarks
NO_ROOM = range(0xA700, 0xA800)


def store_all(line: Line, paths: Sequence[Path], sent: Callable[[Path], None]) -> None:
    """Raises UserError at the first file that is not taken; tells each that is."""
    with line.associated(_contexts(paths)) as association:
        for path in paths:
            _store(line, association, path)
            sent(path)


def _contexts(paths: Sequence[Path]) -> list[PresentationContext]:
    kinds = dict.fromkeys(_kind(path) for path in paths)
    if len(kinds) > MOST_CONTEXTS:
        raise UserError("These files are of too many kinds to be sent at once: send fewer.")
    return [build_context(uid, list(syntaxes)) for uid, syntaxes in kinds]


def _kind(path: Path) -> tuple[str, tuple[str, ...]]:
    """The class of a file and the forms in which it may be sent."""
    header = read_header(path)
    uid, syntax = header.get("SOPClassUID"), UID(header.file_meta.TransferSyntaxUID)
    if not uid or not header.get("SOPInstanceUID"):
        raise UserError(f"{path.name} is no DICOM file that an archive could keep.")
    return str(uid), tuple(map(str, NATIVE)) if syntax in NATIVE else (str(syntax),)


def _store(line: Line, association: Association, path: Path) -> None:
    dataset = read_whole(path)
    try:
        status = association.send_c_store(dataset).get("Status")
    except (ValueError, AttributeError) as error:  # no context was accepted, or no whole file
        syntax = UID(dataset.file_meta.TransferSyntaxUID).name
        raise UserError(
            f"{line.server.name} does not accept {path.name} ({dataset.SOPClassUID.name}, "
            f"{syntax}): ask its administrator to allow it."
        ) from error
    except RuntimeError as error:
        raise line.lost() from error
    if status is None:
        raise line.lost()
    if status in NO_ROOM:
        raise UserError(f"{line.server.name} has no room for {path.name}.")
    if status and status not in WARNINGS:
        raise UserError(f"{line.server.name} refused {path.name} (status {status:04X}).")
