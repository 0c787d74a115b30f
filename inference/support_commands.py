"""The commands for support: the check-up of this computer, and the support bundle."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import Annotated

import typer

from inference import packs
from inference import support as bundle
from inference.checkup import Finding, checkup
from inference.errors import UserError


def check() -> None:
    """Say what this computer offers, and whether models and add-on are intact; exit 1 if not."""
    findings = [*checkup(), *_hashed()]
    width = max(len(finding.title) for finding in findings)
    for finding in findings:
        advice = "" if finding.good else f"  {finding.advice}"
        sys.stdout.write(f"{finding.title.ljust(width)}  {finding.value}{advice}\n")
    raise typer.Exit(int(not all(finding.good for finding in findings)))


def support(
    out: Annotated[Path, typer.Option(help="The zip file to write.", metavar="FILE")],
) -> None:
    """Write versions, device and logs to a zip file for who helps you; nothing of a patient."""
    try:
        sys.stdout.write(f"{bundle.write(out)}\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error


def _hashed() -> list[Finding]:
    """Whether every file of a usable add-on is as it was built, which takes a minute."""
    pack = packs.find()
    if pack is None or pack.problem:
        return []
    wrong = packs.damaged(pack)
    value = f"{len(wrong)} files damaged" if wrong else "sha256 verified"
    return [Finding("Files of the add-on", value, not wrong, "Install the pack again.")]
