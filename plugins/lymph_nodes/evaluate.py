"""Measure networks on patients they never saw; prints tables, writes OUT/metrics.json.

Slab-wise and full-volume network, each alone and as ensembles by maximum and by mean, without and
with known anatomy: given to the networks that take it, and taken out of what any of them finds, as
the program does. See `scoring` for what counts and `spread` for the intervals. Real scans with
drawn tumours are searched without implants as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from inference import device as devices
from inference import training, weights
from inference.box import Box
from inference.errors import UserError
from inference.memory import keep_freed_blocks
from plugins.lymph_nodes import data, regions, spread
from plugins.lymph_nodes.model import build
from plugins.lymph_nodes.predict import Search, combine, search
from plugins.lymph_nodes.prepare import THRESHOLD
from plugins.lymph_nodes.scoring import BANDS, real, score, truth_of
from plugins.lymph_nodes.task import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from inference.series import Array
    from plugins.lymph_nodes.model import NodeNet
    from plugins.lymph_nodes.scoring import Truth

    Maps = dict[str, Array]

ENSEMBLES = {"ensemble": ("slab", "full"), "ensemble_priors": ("slab_priors", "full_priors")}
ANATOMY = " + anatomy"
WIDTH = 165


def maps(
    truth: Truth, networks: Mapping[str, NodeNet], device: str, threshold: float = THRESHOLD
) -> Maps:
    """Probability of each network and ensemble, without and with known anatomy.

    Where a patient has none, the latter is the former.
    """
    case, known = truth.case, truth.anatomy

    def searched(network: NodeNet, anatomy: Array | None) -> Array:
        whole = Box.whole(case.volume.shape)
        return search(network, Search(truth.volume, case.spacing, whole, anatomy, device))

    without = {name: searched(network, None) for name, network in networks.items()}
    told = {
        name: searched(network, known) if network.config.priors and known is not None
        else without[name]
        for name, network in networks.items()
    }  # fmt: skip
    found = {
        name: regions.within(probability, case.mediastinum, threshold)
        for name, probability in (_all(without) | _all(told, ANATOMY)).items()
    }
    return {
        name: np.where(known, np.float32(0), probability)
        if known is not None and name.endswith(ANATOMY) else probability
        for name, probability in found.items()
    }  # fmt: skip


def _all(single: Maps, ending: str = "") -> Maps:
    """Networks and their ensembles, with an ending to their names."""
    found = dict(single)
    for name, both in ENSEMBLES.items():
        if set(both) <= set(single):
            pair = [single[one] for one in both]
            found |= {f"{name} by {how}": combine(pair, how) for how in ("max", "mean")}
    return {name + ending: probability for name, probability in found.items()}


@dataclass(frozen=True, slots=True)
class Trained:
    """A network and the patients that it was trained on, as far as its run tells."""

    name: str
    network: NodeNet
    patients: frozenset[str] = frozenset()


def bundled() -> list[Trained]:
    """Every network that is installed."""
    found = []
    for info in weights.bundled():
        if info.plugin == NAME:
            network = build(info.details["network"])
            network.load_state_dict(weights.read(info))
            found.append(Trained(info.name, network.eval(), _patients(info.log)))
    return found


def _patients(log: Path) -> frozenset[str]:
    """Whom the runs of a log were trained on."""
    lines = map(json.loads, log.read_text("utf-8").splitlines())
    return frozenset(name for line in lines for name in line.get("trained", ()))


def load(run: Path) -> Trained:
    """The averaged weights of a run, finished or not; raises UserError."""
    if not (run / "run.json").is_file():
        raise UserError(f"{run} is no training run: give a folder that train.py wrote.")
    record = training.record_of(run)
    network = build(record["config"])
    network.load_state_dict(training.averaged(run)[0])
    return Trained(record["model"], network.eval(), frozenset(record.get("trained", ())))


def unseen_by(networks: Sequence[Trained], patient: str) -> dict[str, NodeNet]:
    """The networks, by name, that were not trained on a patient; raises UserError for two of one.

    Of the runs of all folds it is the one that held the patient out.
    """
    found: dict[str, NodeNet] = {}
    for one in networks:
        if patient not in one.patients:
            if one.name in found:
                raise UserError(f"Two runs of {one.name} never saw {patient}: give one of them.")
            found[one.name] = one.network
    return found


def measured(
    pack: Path, trained: Sequence[Trained], device: str, seeds: Sequence[int], threshold: float
) -> Iterator[tuple[bool, str, dict[str, Any]]]:
    """For each volume and way: whether the scan is as it was, the way, its figures.

    A network is measured on patients alone that it was not trained on.
    """
    cases = data.read(pack)
    by_patient = {case.name: unseen_by(trained, case.name) for case in cases}
    if not any(by_patient.values()):
        raise UserError(
            f"The networks were trained on every patient of {pack}: give other patients, or runs "
            "of folds that held them out."
        )
    for case in cases:
        networks = by_patient[case.name]
        unchanged = [None] if case.nodes is not None or case.tumour is not None else []
        for seed in [*unchanged, *(seeds if case.nodes is None else ())]:
            truth = truth_of(case, seed)
            for name, found in maps(truth, networks, device, threshold).items():
                if case.nodes is None and seed is None:
                    yield True, name, real(truth, found, threshold)
                else:
                    about = {"patient": case.name, "implants": seed}
                    yield False, name, about | score(truth, found, threshold)


def main(
    pack: Annotated[
        Path, typer.Option("--data", help="A pack; patients a run was trained on are left out.")
    ],
    out: Annotated[Path, typer.Option("--out")],
    runs: Annotated[
        list[Path], typer.Option("--run", help="Training runs, such as all folds of one network.")
    ] = [],  # noqa: B006
    device: str = "auto",
    seed: Annotated[int, typer.Option(help="Of the first set of implanted nodes.")] = 0,
    repeats: Annotated[int, typer.Option(help="Sets of implants for each patient.")] = 10,
    threshold: float = THRESHOLD,
) -> None:
    """Measure networks and their ensembles on patients that they never saw."""
    keep_freed_blocks()
    results: dict[str, list[dict[str, Any]]] = {}
    tumours: dict[str, list[dict[str, Any]]] = {}
    try:
        networks = [load(run) for run in runs] if runs else bundled()
        seeds = range(seed, seed + repeats)
        for untouched, name, figures in measured(
            pack, networks, devices.choose(device), seeds, threshold
        ):
            (tumours if untouched else results).setdefault(name, []).append(figures)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    _tell(out, results, tumours, threshold)


def _tell(
    out: Path,
    results: dict[str, list[dict[str, Any]]],
    tumours: dict[str, list[dict[str, Any]]],
    threshold: float,
) -> None:
    """Print the tables and write the figures."""
    summaries, console = spread.by_patient(results), Console(width=WIDTH)
    patients = len({volume["patient"] for volumes in results.values() for volume in volumes})
    for band in BANDS:
        console.print(spread.table(summaries, patients, band))
    if tumours:
        console.print(spread.table_of_real(tumours))
    out.mkdir(parents=True, exist_ok=True)
    told = {"threshold": threshold, "mean": summaries, "patients": results, "tumours": tumours}
    (out / "metrics.json").write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    typer.run(main)
