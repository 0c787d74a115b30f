"""What Limn is made of besides its own code: name, version, licence and licence texts.

In the built program the list is a CycloneDX file that was written with it; in a checkout it is
read from the installed Python packages.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from inference.resources import ROOT

FOLDER = ROOT / "licences"
LIST = "parts.cdx.json"
TEXT = re.compile(r"(licen[sc]e|copying|notice|authors|copyright)", re.IGNORECASE)
CODE = {".py", ".pyc", ".so", ".pyd"}
UNKNOWN = "see its licence text"
LONGEST = 60  # characters; some packages put a whole text where its name belongs


@dataclass(frozen=True, slots=True)
class Part:
    """A library, a system library or a model; `texts` are the files that hold its licence."""

    name: str
    version: str
    licence: str
    texts: tuple[Path, ...] = ()


def parts() -> tuple[Part, ...]:
    """Every part, by name."""
    table = FOLDER / LIST
    found = _of_bundle(table) if table.is_file() else map(of_distribution, distributions())
    return tuple(sorted(set(found), key=lambda part: part.name.casefold()))


def of_distribution(distribution: Distribution) -> Part:
    """An installed Python package, with the licence files it brought."""
    texts = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()
             if TEXT.search(file.name) and file.suffix not in CODE]  # fmt: skip
    present = tuple(sorted({path.resolve() for path in texts if path.is_file()}))
    return Part(distribution.name, distribution.version, _licence(distribution), present)


def folder_name(part: Part) -> str:
    """The folder of a part's texts."""
    return f"{part.name}-{part.version}".replace("/", "_")


def _licence(distribution: Distribution) -> str:
    """By the three ways in which packages have said it, the newest first."""
    said: Any = distribution.metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or ()
                   if line.startswith("License :: ")]  # fmt: skip
    plain = str(said.get("License") or "").strip()
    if plain and "\n" not in plain and len(plain) <= LONGEST:
        return plain
    return ", ".join(classifiers) or UNKNOWN


def _of_bundle(table: Path) -> list[Part]:
    components = json.loads(table.read_text("utf-8")).get("components", ())
    return [_of_component(component) for component in components]


def _of_component(component: dict[str, Any]) -> Part:
    licences = [entry.get("expression") or _named(entry["license"])
                for entry in component.get("licenses", ())]  # fmt: skip
    part = Part(component["name"], component.get("version", ""), ", ".join(licences) or UNKNOWN)
    texts = tuple(sorted((FOLDER / folder_name(part)).glob("*")))
    return Part(part.name, part.version, part.licence, texts)


def _named(licence: dict[str, str]) -> str:
    return licence.get("id") or licence.get("name", UNKNOWN)
