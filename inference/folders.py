"""What lies in a folder: links are not followed out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def below(folder: Path) -> Iterator[Path]:
    """Every file in a folder and its subfolders, in order; links to folders are not followed."""
    for place, inner, names in os.walk(folder):
        inner.sort()
        yield from (Path(place, name) for name in sorted(names))


def leads_out(file: Path, root: Path) -> bool:
    """Whether a link leads out of the resolved folder `root`."""
    return file.is_symlink() and not file.resolve().is_relative_to(root)
