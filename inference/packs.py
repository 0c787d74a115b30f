"""The CUDA add-on pack: the same torch built for NVIDIA cards, for the program that has the CPU's.

A pack is a folder with `pack.json` (`Manifest`) and `site/`, which goes before the program's own
modules. `installer/cuda_pack.py` builds it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import sysconfig
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from inference import graphics
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

NAME = Path("packs") / "cuda"
MANIFEST, SITE = "pack.json", "site"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a pack was built for; `files` by their path below site/: (bytes, sha256)."""

    torch: str  # such as 2.13.0
    cuda: tuple[int, int]
    python: str  # such as 3.11
    platform: str  # such as linux-x86_64
    files: dict[str, tuple[int, str]]

    def write(self, folder: Path) -> None:
        """Save it in the folder of the pack."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=1), "utf-8")


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that was found; `problem` is a sentence that says why it cannot be used, or empty."""

    folder: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def title(self) -> str:
        """What it is, for people."""
        if self.manifest is None:
            return "CUDA pack"
        return "CUDA {}.{} pack of torch {}".format(*self.manifest.cuda, self.manifest.torch)


def python_now() -> str:
    """The Python that runs, as a manifest names it."""
    return "{}.{}".format(*sys.version_info[:2])


def use() -> Pack | None:
    """Take torch from the pack if there is one that fits; call before torch is imported."""
    pack = find()
    if pack is None or "torch" in sys.modules:
        return pack
    if pack.problem:
        log.warning("the CUDA pack is left aside: %s", pack.problem)
    elif (site := str(pack.folder / SITE)) not in sys.path:
        sys.path.insert(0, site)
    return pack


def find() -> Pack | None:
    """The pack in the user's folder, else the one beside the program, looked at but not hashed."""
    for folder in (data_folder() / NAME, Path(sys.executable).parent / NAME):
        if (folder / MANIFEST).is_file():
            return _looked_at(folder)
    return None


def damaged(pack: Pack, tell: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """The files that are not as they were built; reads gigabytes, `tell` says how many files."""
    files = pack.manifest.files if pack.manifest else {}
    found = []
    for number, (name, (_, digest)) in enumerate(files.items()):
        tell(number, len(files))
        with (pack.folder / SITE / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                found.append(name)
    return found


@cache
def _looked_at(folder: Path) -> Pack:
    try:
        stored = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {str(name): (int(size), str(digest))
                 for name, (size, digest) in stored.pop("files").items()}  # fmt: skip
        major, minor = stored.pop("cuda")
        manifest = Manifest(**stored, cuda=(int(major), int(minor)), files=files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Pack(folder, None, f"Its list of files {folder / MANIFEST} cannot be read.")
    return Pack(folder, manifest, _misfit(manifest) or _incomplete(folder, manifest))


def _misfit(manifest: Manifest) -> str:
    """Why this program or this computer cannot use the pack."""
    torch, python = version("torch").partition("+")[0], python_now()
    if (manifest.torch, manifest.python) != (torch, python):
        return (
            f"It was built for torch {manifest.torch} and Python {manifest.python}, this Limn has "
            f"torch {torch} and Python {python}: install the pack of this version of Limn."
        )
    if manifest.platform != sysconfig.get_platform():
        return f"It is for {manifest.platform}, this computer is {sysconfig.get_platform()}."
    driver = graphics.driver()
    if driver is None or not driver.cards:
        return "This computer has no NVIDIA card with a working driver."
    if driver.cuda[0] < manifest.cuda[0]:  # a driver runs every minor version of its CUDA
        return (
            f"The driver {driver.version} is too old for CUDA {manifest.cuda[0]}: install a newer "
            "one from NVIDIA or from your system."
        )
    return ""


def _incomplete(folder: Path, manifest: Manifest) -> str:
    """Why its files cannot be right, by their sizes: to hash them takes long."""
    for name, (size, _) in manifest.files.items():
        path = folder / SITE / name
        if not path.is_file() or path.stat().st_size != size:
            return f"Its file {name} is missing or cut off: install the pack again."
    return ""
