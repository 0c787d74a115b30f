"""Cut chest CTs to their mediastinum: a pack to train on that is small enough to travel.

Without a layout: the development CTs whose licence allows weights that are shipped, for implanted
nodes. With one: a set of one's own with drawn nodes (see `datasets`).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import Annotated

import typer

from inference.errors import UserError
from plugins.lymph_nodes import cases, datasets


def main(
    data: Annotated[Path, typer.Option(help="Folder of CTs.")],
    out: Annotated[Path, typer.Option("--out")],
    layout: Annotated[str, typer.Option(help="lnq, nih, lynos or plain")] = "",
    patients: Annotated[
        str, typer.Option(help="Of the development CTs: train; unseen or bases to measure on.")
    ] = "train",
) -> None:
    """Write one file for each patient."""
    try:
        _write(data, out, layout, patients)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _write(data: Path, out: Path, layout: str, patients: str) -> None:
    if patients not in cases.PATIENTS:
        raise UserError(f"There are no patients {patients}: say {', '.join(cases.PATIENTS)}.")
    drawn = (one.case() for one in datasets.find(data, layout)) if layout else None
    out.mkdir(parents=True, exist_ok=True)
    for case in drawn or cases.sources(data, cases.PATIENTS[patients]):
        path = case.save(out)
        typer.echo(
            f"{path.name}: {case.volume.shape}, {path.stat().st_size / 2**20:.1f} MiB, muscle "
            f"{case.tissue:.0f} HU, blood {case.blood:.0f} HU"
        )


if __name__ == "__main__":
    typer.run(main)
