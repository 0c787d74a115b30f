"""What the train.py of every vertical asks on its command line, notes of a run, and begins with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from inference import training
from inference.widening import widen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

Out = Annotated[Path, typer.Option("--out")]
Minutes = Annotated[float, typer.Option(help="Stop this call after so long.")]
Resume = Annotated[bool, typer.Option("--resume")]
Steps = Annotated[Optional[int], typer.Option(help="Length of the whole schedule.")]  # noqa: UP045
Start = Annotated[Optional[Path], typer.Option(help="A run to go on from.")]  # noqa: UP045

SELECTION = "averaged weights after the last step of a fixed schedule"


def note(out: Path, start: Path | None, record: Mapping[str, Any]) -> None:
    """Write run.json: `record` of a run (model, config, steps, seed …), its start, the rule."""
    out.mkdir(parents=True, exist_ok=True)
    whole = {**record, "start": start and start.name, "selection": SELECTION}
    (out / "run.json").write_text(json.dumps(whole, indent=1), "utf-8")


def begun(
    build: Callable[[Mapping[str, Any]], Network],
    config: Mapping[str, Any],
    start: Path | None,
    held_out: Sequence[str] = (),
    inherit: Callable[[Network, Network], None] = widen,
) -> Network:
    """A new network; it inherits what that of the run `start` knows, if given.

    By default it may be wider and deeper (`widen`). The run must have held out the same images.
    Raises BadParameter, also where `inherit` raises ValueError.
    """
    network = build(config)
    if start is not None:
        try:
            inherit(network, continued(build, start, held_out))
        except ValueError as error:
            raise typer.BadParameter(f"{start} is no start for this network: {error}.") from error
    return network


def continued(
    build: Callable[[Mapping[str, Any]], Network], start: Path, held_out: Sequence[str] = ()
) -> Network:
    """The network of a run, finished or not, by its averaged weights; raises BadParameter."""
    if list(held_out) != training.record_of(start).get("held_out", []):
        raise typer.BadParameter(f"{start} held out other images: its network has seen these.")
    network = build(training.record_of(start)["config"])
    network.load_state_dict(training.averaged(start)[0])
    return network


def tell(out: Path, done: bool) -> None:
    """Say how a call ended."""
    typer.echo(f"{out}: {'done' if done else 'stopped; go on with --resume'}")
