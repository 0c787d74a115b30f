"""Measure clicks on labelled cases that were never trained on; writes OUT/metrics.json.

    python -m plugins.click_segmentation.evaluate --data FOLDER --out DIR [--slices 0] [--run RUN]

FOLDER holds volumes with label maps or pictures with label pictures (see cases.py); scans that
training has seen are left out. Of each structure, axial slices are played by a careful and by a
random user, 15 clicks each: by default SLICES of them, evenly spread over those where the structure
is well seen, so that a few cases end within ten minutes on two cores; `--slices 0` plays all.
Baselines are given a careful user's clicks in the same run, up to Dice 0.90: what they reached then
stands for the clicks left. Then the largest compact structures of each volume are clicked and
followed in 3D, up to 12 prompts or Dice 0.93.

NoC is the number of clicks to a Dice; 15 where it is never reached. Distances are the mean
between both outlines. A structure's figures are means over its slices, those of a group means over
its structures.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any, Optional

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from inference import device as devices
from inference import training, weights
from inference.memory import keep_freed_blocks
from plugins.click_segmentation import cases, playing, users
from plugins.click_segmentation.baselines import METHODS
from plugins.click_segmentation.model import build
from plugins.click_segmentation.pack import ALLOWED
from plugins.click_segmentation.playing import COUNTS
from plugins.click_segmentation.predict import Encodings, Outliner, ready
from plugins.click_segmentation.task import SIZES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.baselines import Segmenter
    from plugins.click_segmentation.cases import Case, Loaded
    from plugins.click_segmentation.playing import Played

    Figures = dict[str, float]
    Row = dict[str, Any]

SLICES = 3
THROUGH = 3  # structures of a volume that are followed
PARTS = 2.5  # components in a slice, on average, above which a structure is not compact
SMALL = 30.0  # mm: a structure is small if a circle of its mean area in a slice is narrower
NETWORK = "network"


def network_segmenter(outliner: Outliner) -> Segmenter:
    """The network as the window uses it."""

    def segment(image: Any, prompts: Any, previous: Any, spacing: Sequence[float]) -> Any:
        return outliner.outline(image, prompts, previous, spacing).mask

    return segment


def evaluate_case(
    loaded: Loaded, outliner: Outliner, most: int, baselines: bool, seed: int
) -> Iterator[Row]:
    """One row for each structure, segmenter and user."""
    image, spacing = _as_volume(loaded)
    for number, (name, mask) in enumerate(loaded.masks.items()):
        truth = mask if mask.ndim == 3 else mask[None]
        chosen = playing.slices(truth, most)
        if not chosen:
            continue
        about = {"structure": name, "slices": chosen, "small": is_small(truth[chosen], spacing)}
        for method, user, segmenter in _players(outliner, baselines):
            until = playing.ENOUGH if method == NETWORK else 0.9
            played = [
                playing.play(
                    segmenter, image[z], truth[z], spacing, _user(user, seed, number, z), until
                )
                for z in chosen
            ]
            yield {**about, "method": method, "user": user, **figures(played)}


def _players(outliner: Outliner, baselines: bool) -> list[tuple[str, str, Segmenter]]:
    network = network_segmenter(outliner)
    found = [(NETWORK, "careful", network), (NETWORK, "random", network)]
    others = [(name, "careful", method) for name, method in METHODS.items()]
    return found + others if baselines else found


def _user(name: str, *seed: int) -> users.User:
    return users.careful if name == "careful" else users.random(np.random.default_rng(seed))


def _as_volume(loaded: Loaded) -> tuple[NDArray[Any], tuple[float, float]]:
    """Slices along the first axis, and the spacing within one, mm."""
    flat = len(loaded.spacing) == 2
    down, right = loaded.spacing[-2:]
    return loaded.image[None] if flat else loaded.image, (down, right)


def is_small(masks: NDArray[np.bool_], spacing: Sequence[float]) -> bool:
    """Whether the structure is as small as a vessel or a node, in slices (n, down, right)."""
    area = float(masks.sum((1, 2)).mean()) * spacing[0] * spacing[1]
    return bool(2 * np.sqrt(area / np.pi) < SMALL)


def figures(played: Sequence[Played]) -> Figures:
    """Means over slices; the median and the 95th percentile of all clicks' times."""
    times = np.concatenate([game.milliseconds for game in played])
    dice = np.mean([game.dice for game in played], axis=0)
    found = {f"dice_{n}": float(dice[n - 1]) for n in COUNTS}
    for target in (0.85, 0.90):
        found[f"noc_{target:.2f}"] = float(np.mean([game.needed(target) for game in played]))
    distances = np.array([game.distance for game in played])
    for place, count in enumerate(COUNTS):
        known = distances[:, place][np.isfinite(distances[:, place])]
        found[f"mm_{count}"] = float(known.mean()) if known.size else float("nan")
    found["ms"], found["ms_95"] = (float(np.percentile(times, q)) for q in (50, 95))
    drops = np.diff(dice, prepend=0.0)
    return found | {"worst_step": float(drops[1:].min()), "slices_played": float(len(played))}


def mean(rows: Iterable[Row]) -> Figures:
    """Mean over structures of every figure."""
    every = list(rows)
    names = [name for name, value in every[0].items() if isinstance(value, float)]
    return {name: float(np.nanmean([row[name] for row in every])) for name in names}


def summary(rows: Sequence[Row]) -> dict[str, dict[str, Figures]]:
    """{all | large | small: {method, user: means over structures}}."""
    groups = {
        "all": rows,
        "large": [row for row in rows if not row["small"]],
        "small": [row for row in rows if row["small"]],
    }
    return {title: _by_player(chosen) for title, chosen in groups.items() if chosen}


def _by_player(rows: Sequence[Row]) -> dict[str, Figures]:
    players = dict.fromkeys((row["method"], row["user"]) for row in rows)
    return {
        f"{method}, {user}": mean(r for r in rows if (r["method"], r["user"]) == (method, user))
        for method, user in players
    }


def saving(players: Mapping[str, Figures]) -> tuple[str, float] | None:
    """The best baseline, and how much lower than its the network's NoC@0.90 is, as a part of it."""
    others = {name: row["noc_0.90"] for name, row in players.items() if NETWORK not in name}
    if not others:
        return None
    best = min(others, key=lambda name: others[name])
    return best, 1 - players[f"{NETWORK}, careful"]["noc_0.90"] / others[best]


def compact(masks: Mapping[str, NDArray[np.bool_]], most: int) -> list[str]:
    """The largest structures that have few components in a slice."""
    found = [name for name, mask in masks.items() if mask.ndim == 3 and _parts(mask) <= PARTS]
    return sorted(found, key=lambda name: -int(masks[name].sum()))[:most]


def _parts(mask: NDArray[np.bool_]) -> float:
    planes = [mask[z].astype(np.uint8) for z in playing.slices(mask, 12)]
    return float(np.mean([cv2.connectedComponents(plane)[0] - 1 for plane in planes] or [0]))


def through(loaded: Loaded, outliner: Outliner, most: int) -> Iterator[Row]:
    """One row for each structure that is followed through its volume."""
    for name in compact(loaded.masks, most):
        found = playing.play_volume(outliner, loaded.image, loaded.masks[name], loaded.spacing)
        needed = {f"prompts_{dice:.2f}": found.needed(dice) for dice in playing.WANTED}
        yield {"structure": name, **needed, "dice": list(found.dice), "seconds": found.seconds}


def in_3d(row: Row) -> str:
    """A line on a structure that was followed."""
    reached = [f"{dice:.2f} after {row[f'prompts_{dice:.2f}'] or '…'}" for dice in playing.WANTED]
    last = f"{row['dice'][-1]:.3f} after {len(row['dice'])}"
    return f"{row['structure']} in 3D, prompts to Dice: {', '.join(reached)}; {last}"


def chosen_cases(data: Path, match: Sequence[str], console: Console) -> list[Case]:
    """The cases to measure: by name if asked for, and none of those that training has seen."""
    found = [c for c in cases.find_cases(data) if not match or any(m in c.name for m in match)]
    seen = [case for case in found if case.image.as_posix().endswith(ALLOWED)]
    if seen:
        console.print(f"Left out, for training has seen them: {', '.join(c.name for c in seen)}.")
    return [case for case in found if case not in seen]


def outliner_of(model: str, run: Path | None, device: str) -> tuple[Outliner, dict[str, Any]]:
    """The bundled network, or that of a training run, finished or not; and what it is."""
    if run is None:
        state, details = weights.load("click_segmentation", model)
        network, size = build(details["network"]), SIZES[model]
        about: dict[str, Any] = weights.find("click_segmentation", model).identity
    else:
        record = training.record_of(run)
        state, steps = training.averaged(run)
        network, size = build(record["config"]), SIZES[record["model"]]
        about = {"run": run.name, "steps": steps}
    network.load_state_dict(state)
    return Outliner(ready(network, device), device, size, Encodings()), about


def table(title: str, rows: Mapping[str, Figures]) -> Table:
    """A line for each row."""
    heads = [f"Dice {n}" for n in COUNTS] + ["NoC .85", "NoC .90", "mm 1", "mm 5", "mm 15", "ms"]
    names = [f"dice_{n}" for n in COUNTS]
    names += ["noc_0.85", "noc_0.90", "mm_1", "mm_5", "mm_15", "ms"]
    found = Table("", *heads, title=title)
    for name, row in rows.items():
        found.add_row(
            name, *(_shown(head, row[key]) for head, key in zip(heads, names, strict=True))
        )
    return found


def _shown(head: str, value: float) -> str:
    return f"{value:.3f}" if head.startswith("Dice") else f"{value:.{0 if head == 'ms' else 1}f}"


def _of_case(rows: Sequence[Row], method: str, user: str) -> dict[str, Figures]:
    return {
        f"{row['structure']} ({len(row['slices'])})": row
        for row in rows
        if (row["method"], row["user"]) == (method, user)
    }


def main(  # noqa: PLR0913  one argument for each option of the command
    data: Annotated[Path, typer.Option(help="Folder of labelled cases.")],
    out: Annotated[Path, typer.Option()],
    device: str = "auto",
    model: Annotated[str, typer.Option(help="fast or large")] = "fast",
    run: Annotated[Optional[Path], typer.Option(help="A training run instead.")] = None,  # noqa: UP045
    slices: Annotated[int, typer.Option(help="Of each structure; 0: all.")] = SLICES,
    baselines: Annotated[bool, typer.Option(help="Play the baselines too.")] = True,
    volumes: Annotated[int, typer.Option(help="Structures of a case followed in 3D.")] = THROUGH,
    match: Annotated[list[str], typer.Option(help="Cases whose name has this.")] = [],  # noqa: B006
    seed: int = 0,
) -> None:
    """Measure a network on labelled cases."""
    keep_freed_blocks()
    cv2.setNumThreads(1)
    console = Console(width=130)
    outliner, about = outliner_of(model, run, devices.choose(device))
    rows: list[Row] = []
    followed: list[Row] = []
    for case in chosen_cases(data, match, console):
        loaded = cases.load(case)
        found = list(evaluate_case(loaded, outliner, slices, baselines, seed))
        console.print(table(f"{case.name}, careful user", _of_case(found, NETWORK, "careful")))
        rows += [{"case": case.name, **row} for row in found]
        for row in through(loaded, outliner, volumes):
            followed.append({"case": case.name, **row})
            console.print(in_3d(row))
    totals = summary(rows)
    for title, players in totals.items():
        console.print(table(f"Mean over structures: {title}", players))
        if found_best := saving(players):
            best, part = found_best
            console.print(
                f"Clicks to 0.90: {100 * part:.0f} % fewer than {best}, the best baseline."
            )
    out.mkdir(parents=True, exist_ok=True)
    report = {
        "model": about, "seed": seed, "slices": slices, "summary": totals,
        "structures": rows, "volumes": followed,
    }  # fmt: skip
    (out / "metrics.json").write_text(json.dumps(report, indent=1), "utf-8")


if __name__ == "__main__":
    typer.run(main)
