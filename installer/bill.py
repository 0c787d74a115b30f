"""The bill of materials of a build: which parts its files came from, as CycloneDX, with licences.

The spec calls `write` with the files that PyInstaller collected.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from functools import cache
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from inference import weights
from inference.parts import LIST, Part, folder_name, of_distribution
from inference.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXTS = Path(__file__).parent / "licences"  # of packages whose wheels bring none
DEBIAN_DOCUMENTS = Path("/usr/share/doc")


def write(files: Iterable[Path], folder: Path) -> None:
    """Empty `folder`, then fill it with the list and with a folder of licence texts a part."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = sorted(parts_of(files), key=lambda part: part.name.casefold())
    for part in parts:
        _copy_texts(part, folder / folder_name(part))
    (folder / LIST).write_text(bill(parts), "utf-8")


def bill(parts: Iterable[Part]) -> str:
    """The list as CycloneDX 1.6 JSON: libraries, and the models with their hashes."""
    bom = Bom(components=[*map(_library, parts), *map(_model, weights.bundled())])
    bom.metadata.component = Component(
        name="limn", version=VERSION, type=ComponentType.APPLICATION,
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )  # fmt: skip
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def parts_of(files: Iterable[Path]) -> set[Part]:
    """The packages, Python itself and the system libraries that these files belong to."""
    owners = _owners()
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    found = {of_distribution(distribution("pyinstaller"))}  # its loader starts the program
    for path in {file.resolve() for file in files}:
        if str(path) in owners:
            found.add(owners[str(path)])
        elif path.is_relative_to(standard):
            found.add(_python(standard))
        elif (package := _debian_package(path)) is not None:
            found.add(package)
    return found


def _owners() -> dict[str, Part]:
    """The part by every file of every installed package; as texts, for there are 80 000."""
    owners: dict[str, Part] = {}
    for found in distributions():
        if found.name == "limn":
            continue
        part = _with_text(of_distribution(found))
        root = os.path.realpath(str(found.locate_file("")))
        for file in found.files or ():
            owners[os.path.normpath(f"{root}/{file}")] = part
    return owners


def _with_text(part: Part) -> Part:
    """With a text of ours, by its name or its licence, where it brought none."""
    licence = part.licence.partition(" ")[0].removesuffix("-only").removesuffix("-or-later")
    ours = (path for name in (part.name.lower(), licence) for path in (TEXTS / name).glob("*"))
    return part if part.texts else replace(part, texts=tuple(sorted(ours)))


def _python(standard: Path) -> Part:
    version = ".".join(map(str, sys.version_info[:3]))
    folders = standard, Path(sys.base_prefix)
    texts = [path for folder in folders if (path := folder / "LICENSE.txt").is_file()]
    return Part("python", version, "PSF-2.0", tuple(texts[:1]))


@cache
def _debian_package(path: Path) -> Part | None:
    """The package of a system library; None elsewhere than on Debian, and for our own files."""
    if not path.is_relative_to("/usr") or shutil.which("dpkg-query") is None:
        return None
    asked = _answer("dpkg-query", "--search", path.name)
    names = {line.split(": ")[0] for line in asked if line.endswith(f"/{path.name}")}
    if not names:
        return None
    name = min(names).partition(":")[0]
    version = _answer("dpkg-query", "--show", "--showformat=${Version}\n", name)[0]
    text = DEBIAN_DOCUMENTS / name / "copyright"
    return Part(name, version, _stated(text), (text,) if text.is_file() else ())


def _stated(text: Path) -> str:
    """The licences that a Debian copyright file names in its machine-readable form."""
    lines = text.read_text("utf-8", "replace").splitlines() if text.is_file() else []
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("License:")}
    return ", ".join(sorted(names - {""})) or "see its licence text"


def _answer(*command: str) -> list[str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.splitlines() or [""]


def _copy_texts(part: Part, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(part.texts):
        same = (folder / text.name).exists()
        shutil.copyfile(text, folder / (f"{number}_{text.name}" if same else text.name))


def _library(part: Part) -> Component:
    return Component(
        name=part.name, version=part.version, type=ComponentType.LIBRARY,
        licenses=[LicenseFactory().make_from_string(part.licence)],
    )  # fmt: skip


def _model(model: weights.WeightsInfo) -> Component:
    return Component(
        name=f"{model.plugin}.{model.name}", version=model.version,
        type=ComponentType.MACHINE_LEARNING_MODEL, description=model.summary,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=model.sha256)],
        licenses=[LicenseFactory().make_from_string(model.licence)],
    )  # fmt: skip
