"""What only this user of this computer has: it turns identifiers into others nobody can undo."""

from __future__ import annotations

import hmac
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING

from filelock import FileLock

from inference.errors import UserError
from inference.resources import data_folder

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 32
NAME = "secret.key"


def key(purpose: str) -> bytes:
    """32 bytes, others for each purpose, the same ones every time; raises UserError."""
    return hmac.digest(_root(data_folder() / NAME), purpose.encode(), "sha256")


def digest(key: bytes, text: str) -> bytes:
    """32 bytes that stand for a text and cannot be found by trying texts without the key."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")


@cache
def _root(path: Path) -> bytes:
    try:
        return _read_or_make(path)
    except OSError as error:
        raise UserError(
            f"The secret key {path} can be neither read nor made "
            f"({error.strerror or 'the disk refused'}): make its folder writable."
        ) from error


def _read_or_make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _make(path)
    found = path.read_bytes()
    if len(found) != BYTES:
        raise UserError(
            f"The secret key {path} is damaged: restore it from a backup. A new one would give "
            "every patient another pseudonym."
        )
    return found


def _make(path: Path) -> None:
    """Complete or not at all, and readable by its owner alone."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(BYTES))
    draft.replace(path)
