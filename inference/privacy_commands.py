"""The commands for privacy: de-identified copies, and the audit trail."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 (typer reads it)
from typing import Annotated

import typer

from inference import registry
from inference.audit import Record, Trail
from inference.errors import UserError

DEIDENTIFY = "limn-dicom.deidentify"


def deidentify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH ...", help="Files or folders.")],
    out: Annotated[Path, typer.Option(help="Folder for the copies.", metavar="DIR")],
    keep: Annotated[
        list[str] | None,
        typer.Option(help="dates, patient, texts, device, uids or private.", metavar="NAME"),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(help="Black out this part of all pictures.", metavar="TOP,LEFT,BOTTOM,RIGHT"),
    ] = None,
    looked: Annotated[
        bool, typer.Option("--looked", help="You looked for text in the pictures.")
    ] = False,
) -> None:
    """Write copies of DICOM files without what tells the patient (PS3.15 basic profile)."""
    work = registry.command(DEIDENTIFY)
    try:
        well = work(paths, out, keep or [], mask or [], looked, _say, _complain)
    except UserError as error:
        _complain(str(error))
        raise typer.Exit(1) from error
    raise typer.Exit(int(not well))


def audit(
    export: Annotated[
        Path | None, typer.Option(help="Write all records as a table.", metavar="FILE.csv")
    ] = None,
) -> None:
    """Show the audit trail and whether it was changed; exit 1 if it was."""
    trail = Trail()
    try:
        verdict = trail.verify()
        if export is None:
            for record in trail.records():
                _say(line(record))
        else:
            count = trail.export(export)
            _say(f"{count} records were written to {export}.")
    except UserError as error:
        _complain(str(error))
        raise typer.Exit(1) from error
    _say(verdict.sentence)
    raise typer.Exit(int(bool(verdict.problems)))


def line(record: Record) -> str:
    """A record to read."""
    facts = "  ".join(f"{name}={value}" for name, value in record.facts.items() if value)
    study = f"study {record.study}" if record.study else ""
    parts = (record.time, record.user, record.event, study, facts)
    return "  ".join(filter(None, parts))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
