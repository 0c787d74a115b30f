"""Files that are replaced as a whole: after a crash there is the old one or the new one."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
BARRED = (errno.EACCES, errno.EPERM, errno.EROFS)
IN_USE = (errno.EBUSY, errno.ETXTBSY)
SHARING = (32, 33)  # of Windows: another program has the file open
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EISDIR)  # some network folders cannot be flushed


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to in the folder of `path`, then flushed and put in its place; UserError."""
    part = path.with_name(f".{uuid4().hex[:12]}.part")
    try:
        yield part
        sync(part)
        os.replace(part, path)  # noqa: PTH105 (one name for tests to make fail)
        sync_folder(path.parent)
    except OSError as error:
        raise refusal(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the system bring a file onto the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder brought onto the disk; Windows does so by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


def refusal(path: Path, error: OSError) -> UserError:
    """Why a file could not be written, and what to do."""
    intact = "What was saved before is intact."
    if error.errno in FULL:
        reason = f"there is no room left in {path.parent}. Free some, or save it elsewhere"
    elif getattr(error, "winerror", None) in SHARING or error.errno in IN_USE:
        reason = "another program is using it. Close it there, or save under another name"
    elif error.errno in BARRED:
        reason = f"nothing may be written to {path.parent}. Save it elsewhere"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR):
        reason = f"{path.parent} is not there any more. Save it elsewhere"
    else:
        reason = f"the disk refused ({error.strerror or 'no reason given'}). Save it elsewhere"
    return UserError(f"{path.name} could not be saved: {reason}. {intact}")
