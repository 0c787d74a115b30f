"""Cut the chest CTs that may be trained on to their mediastinum: a pack small enough to travel."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import Annotated

import typer

from plugins.lymph_nodes import cases


def main(
    data: Annotated[Path, typer.Option(help="Folder of CTs.")],
    out: Annotated[Path, typer.Option("--out")],
    unseen: Annotated[bool, typer.Option("--unseen", help="The patients to measure on.")] = False,
) -> None:
    """Write one file for each patient."""
    out.mkdir(parents=True, exist_ok=True)
    for case in cases.sources(data, cases.UNSEEN if unseen else cases.SOURCES):
        path = case.save(out)
        typer.echo(
            f"{path.name}: {case.volume.shape}, {path.stat().st_size / 2**20:.1f} MiB, muscle "
            f"{case.tissue:.0f} HU, blood {case.blood:.0f} HU"
        )


if __name__ == "__main__":
    typer.run(main)
