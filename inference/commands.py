"""The command line: what goes to stdout and stderr, and the exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from inference import logs, packs, privacy_commands, registry, support_commands, weights
from inference.audit import Notebook
from inference.batch import Batch, run_batch
from inference.cohort import run_all
from inference.cohort_progress import on_terminal
from inference.device import KNOWN, choose
from inference.errors import UserError
from inference.headless import Reader, Request
from inference.servers import Cluster
from inference.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.series import Series

INTERRUPTED = 130
EPILOG = "Without a command, Limn opens its window with the paths given. Research use only."

program = typer.Typer(
    help="Limn, a workstation for medical images.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Paths = Annotated[list[Path], typer.Argument(metavar="PATH ...", help="Files or folders.")]
TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A name that `tasks` lists.")]
Out = Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the task.")
]


def run_command(arguments: list[str]) -> int:
    """The exit code of a command."""
    logs.start("cli")
    packs.use()
    try:
        program(arguments, prog_name="limn")
    except SystemExit as end:  # typer's way to end, also for wrong usage (2)
        return int(end.code or 0)
    return 0


@program.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        _say(f"Limn {VERSION}")
        raise typer.Exit


@program.command("tasks")
def list_tasks() -> None:
    """List the tasks with their models, versions, licences, and the device they would use."""
    device = choose("auto")
    rows = [("TASK", "TITLE", "MODEL", "VERSION", "LICENCE", "DEVICE")]
    for task in registry.tasks().values():
        models = [info for info in weights.describe() if info.plugin == task.name]
        parts = [(info.name, info.version, info.licence) for info in models]
        rows += [
            (task.name, task.title, *part, device) for part in parts or [("-", task.version, "-")]
        ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@program.command()
def info(
    paths: Paths,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line each.")] = False,
) -> None:
    """Say what a reader makes of these: one line for each series."""
    failed = False
    with closing(Reader()) as reader:
        for path in paths:
            lines = _describe(reader, path)
            failed |= "error" in lines[0]
            for line in lines:
                _say(json.dumps(line, ensure_ascii=False) if as_json else _readable(line))
    raise typer.Exit(int(failed))


@program.command()
def run(
    task: TaskName,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT ...", help="Files or folders.")],
    out: Out,
    device: Device = "auto",
    settings: Assignments = None,
) -> None:
    """Run a task on each input; exit 1 if any gave no result."""
    request = _request(task, out, device, settings)
    _end(lambda: _run_all(request, inputs))


@program.command()
def batch(  # noqa: PLR0913 (options of a command)
    task: TaskName,
    source: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="The cases: a folder, or a search by DICOMweb."),
    ],
    out: Out,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Cases at a time.")] = 1,
    device: Device = "auto",
    settings: Assignments = None,
    scheduler: Annotated[str, typer.Option(help="Of a cluster, tcp:// or tls://.")] = "",
    tls_ca: Annotated[str, typer.Option(help="Authority of the cluster, PEM.")] = "",
    tls_certificate: Annotated[str, typer.Option(help="Ours for the cluster, PEM.")] = "",
    tls_key: Annotated[str, typer.Option(help="Of our certificate, PEM.")] = "",
    resource: Annotated[str, typer.Option(help="Only workers that state it, such as GPU.")] = "",
) -> None:
    """Run a task on every case of a cohort; run again, it goes on where it was stopped."""
    request = _request(task, out, device, settings)
    known = Cluster(scheduler, tls_ca, tls_certificate, tls_key, resource)
    cluster = known if scheduler else None
    _end(lambda: run_batch(Batch(request, source, workers, cluster), _complain))


program.command()(privacy_commands.deidentify)
program.command()(privacy_commands.audit)
program.command()(support_commands.check)
program.command()(support_commands.support)


def _run_all(request: Request, inputs: list[Path]) -> bool:
    """Whether every input gave its outputs."""
    with on_terminal(lambda line: None) as watch:
        return run_all(request, inputs, _complain, watch=watch)


def _end(work: Callable[[], bool]) -> NoReturn:
    """Ends the program: 0 if all went well."""
    try:
        well = work()
    except UserError as error:
        _complain(str(error))
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stopped:
        _complain("Stopped: finished results were kept.")
        raise typer.Exit(INTERRUPTED) from stopped
    raise typer.Exit(int(not well))


def _request(name: str, out: Path, device: str, settings: list[str] | None) -> Request:
    """What the words on the command line mean; wrong ones are wrong usage."""
    tasks = registry.tasks()
    if name not in tasks:
        raise typer.BadParameter(f"there is no task {name}: choose from {', '.join(tasks)}.")
    pairs = [text.partition("=") for text in settings or ()]
    if unequal := next((key for key, sign, _ in pairs if not sign), None):
        raise typer.BadParameter(f"--set {unequal} gives no value: write NAME=VALUE.")
    try:
        values = tasks[name].parse({key: value for key, _, value in pairs})
    except UserError as error:
        raise typer.BadParameter(str(error)) from error
    if device not in KNOWN:
        raise typer.BadParameter(f"there is no device {device}: choose from {', '.join(KNOWN)}.")
    return Request(tasks[name], values, out, device, Notebook(_complain))


def _describe(reader: Reader, path: Path) -> list[dict[str, Any]]:
    try:
        return [{"path": str(path), **_facts(series)} for series in reader.read(path)]
    except UserError as error:
        return [{"path": str(path), "error": str(error)}]


def _facts(series: Series) -> dict[str, Any]:
    """`frames` counts the pictures: slices of a volume, frames of a run."""
    geometry = series.geometry
    return {
        "modality": series.modality,
        "shape": list(series.voxels.shape),
        "spacing_mm": list(geometry.spacing) if geometry.known else None,
        "orientation": geometry.orientation if geometry.known else None,
        "frames": 1 if series.kind == "image" else len(series.voxels),
        "frame_times_ms": list(series.frame_times) if series.frame_times else None,
        "synthetic": list(series.synthetic) if series.synthetic else None,
        "confidence": list(series.confidence) if series.confidence else None,
        "acquisition": asdict(series.acquisition) if series.acquisition else None,
        "sha256": series.sha256,
        "warnings": list(series.warnings),
    }


def _readable(facts: dict[str, Any]) -> str:
    if "error" in facts:
        return f"{facts['path']}: {facts['error']}"
    shape = " x ".join(map(str, facts["shape"]))
    spacing = facts["spacing_mm"]
    size = " x ".join(f"{step:.3g}" for step in spacing) + " mm" if spacing else "spacing unknown"
    notes = "".join(f"\n  {note}" for note in facts["warnings"])
    what = ", ".join([facts["modality"], shape, size, *_readable_run(facts)])
    return f"{facts['path']}: {what}{notes}"


def _readable_run(facts: dict[str, Any]) -> list[str]:
    """How long a run lasts, how it was taken and what in it is synthetic."""
    times, synthetic, taken = facts["frame_times_ms"], facts["synthetic"], facts["acquisition"]
    said = [f"{len(times)} frames in {times[-1] / 1000:.2f} s"] if times else []
    if taken and taken["angles"]:
        said.append("primary {:+.1f} and secondary {:+.1f} degrees".format(*taken["angles"]))
    said += ["subtracted"] if taken and taken["subtracted"] else []
    return [*said, f"{sum(synthetic)} frames interpolated"] if synthetic else said


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
