"""Leave out frames, make them again, compare; prints one table, writes OUT/metrics.json.

    python -m plugins.dsa_interpolation.evaluate --data ../shared/data/xa --out out/dsa

Of every run 1, 2 or 3 frames in a row are left out between kept ones: in `--gaps` places spread
over the run, or throughout it. The made frames go through what a user's do (stored type, whole
run's scale). Vessels are what is thin and dark in the frame that was left out; in simulated runs
they are known. Several models, such as the published width beside the slim one, are lines of the
same table. Real runs are measured alone: none was trained on, none chose weights. Simulated
runs are those of `--pack`, or are made here from seeds that no training has drawn from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from inference import device as devices
from inference.errors import UserError
from inference.memory import keep_freed_blocks
from inference.reading import read
from inference.training import averaged
from inference.writing import write_png
from plugins.dsa_interpolation import data
from plugins.dsa_interpolation.model import build
from plugins.dsa_interpolation.predict import between
from plugins.dsa_interpolation.prepare import Scale
from plugins.dsa_interpolation.scores import FILLERS, NAMES, scores, thin_and_dark
from plugins.dsa_interpolation.simulator.variety import detector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inference.series import Array
    from plugins.dsa_interpolation.model import MoStDSA
    from plugins.dsa_interpolation.scores import Filler

LEFT_OUT = (1, 2, 3)
OURS = "Limn"
UNSEEN_SEED = 90000
UNSEEN_SIZE = 320, 16  # px, frames


@dataclass(frozen=True, slots=True)
class Run:
    """A run to measure: frames (t, y, x), ms, largest possible value, vessels if they are known."""

    name: str
    frames: Array
    times: tuple[float, ...]
    top: float
    vessels: Array | None = None


def real_runs(folder: Path) -> Iterator[Run]:
    """Every run in a folder's files and folders, each once."""
    seen: set[str] = set()
    places = [*folder.iterdir(), *folder.glob("dicom/*.dcm")]
    for path in sorted(places, key=lambda path: path.suffix == ".dcm"):
        try:
            found = read(path)
        except UserError:
            continue
        for series in found:
            if series.kind != "run" or series.sha256 in seen or len(series.voxels) < 3:
                continue
            seen.add(series.sha256)
            top = float(np.iinfo(series.voxels.dtype).max)
            times = series.frame_times or tuple(100.0 * i for i in range(len(series.voxels)))
            yield Run(path.stem, series.voxels, times, top)


def simulated_runs(pack: Path, most: int) -> Iterator[Run]:
    """Runs of a pack that was not trained on, with noise, in 12 bit."""
    for index, path in enumerate(sorted(pack.glob("run_*.npz"))[:most]):
        yield _noisy(path.stem, data.read_run(path), index)


def unseen_runs(count: int) -> Iterator[Run]:
    """Runs from seeds that no training has drawn from, as `simulated_runs` gives them."""
    for index in range(count):
        seed = UNSEEN_SEED + index
        yield _noisy(f"run_{seed}", data.exposures(seed, *UNSEEN_SIZE), index)


def _noisy(name: str, run: data.Exposures, index: int) -> Run:
    rng = np.random.default_rng((index, 2))
    mean = (run.seen.astype(np.float32) / np.float32(data.SCALE)) ** 2
    noisy, _ = data.pictures(rng, detector(rng), mean, None)
    frames = np.rint(noisy * 4095).astype(np.uint16)
    return Run(name, frames, tuple(run.times.tolist()), 4095.0, run.vessels)


def ours(network: MoStDSA, run: Run, device: str) -> Filler:
    """The network as one of the ways to fill a gap."""
    scale = Scale.of(run.frames)

    def fill(first: Array, last: Array, shares: list[float]) -> list[Array]:
        made = between(network, (first, last), shares, scale, device)
        return [one.frame for one in made]

    return fill


def starts(frames: int, count: int, most: int) -> list[int]:
    """First frames of the gaps to measure: of all that follow each other `most`, spread; 0: all."""
    every = list(range(0, frames - count - 1, count + 1))
    if not most or most >= len(every):
        return every
    return [every[i] for i in np.linspace(0, len(every) - 1, most).round().astype(int)]


def measure(
    run: Run, count: int, fillers: dict[str, Filler], most: int = 0, pictures: Path | None = None
) -> dict[str, Any]:
    """{way: {score: mean over the run's made frames}}, and how many there are."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in fillers}
    width = Scale.of(run.frames).width
    chosen = starts(len(run.frames), count, most)
    for start in chosen:
        end, inner = start + count + 1, range(start + 1, start + count + 1)
        span = run.times[end] - run.times[start]
        shares = [(run.times[i] - run.times[start]) / span for i in inner]
        masks = [_vessels(run, i, width) for i in inner]
        truth = run.frames[start + 1 : end]
        for name, fill in fillers.items():
            made = fill(run.frames[start], run.frames[end], shares)
            found[name] += [
                scores(m, t, run.top, v) for m, t, v in zip(made, truth, masks, strict=True)
            ]
            if pictures is not None and start == chosen[len(chosen) // 2]:
                path = pictures / f"{run.name}_{count}_{name}.png"
                _show(path, made[count // 2], truth[count // 2], width)
    frames = count * len(chosen)
    return {"frames": frames} | {name: mean(rows) for name, rows in found.items()}


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each score over those that have it, and its deviation."""
    result = {}
    for name in NAMES:
        values = [row[name] for row in rows if not np.isnan(row[name])]
        result[name] = float(np.mean(values)) if values else float("nan")
        result[f"{name}_sd"] = float(np.std(values)) if values else float("nan")
    return result


def _vessels(run: Run, index: int, width: float) -> Array:
    if run.vessels is not None:
        return np.asarray(run.vessels[index])
    return thin_and_dark(run.frames[index], width)


def _show(path: Path, made: Array, truth: Array, width: float) -> None:
    """The made frame, and its difference from the truth, 5 times as strong, side by side."""
    difference = 128 + 5 * 255 * (made.astype(np.float32) - truth) / width
    low = float(truth.min())
    shown = 255 * (made.astype(np.float32) - low) / max(float(truth.max()) - low, 1.0)
    both = np.concatenate([shown, difference], axis=1)
    write_png(path, np.clip(both, 0, 255).astype(np.uint8))


def summary(results: list[dict[str, Any]], ways: list[str]) -> dict[str, Any]:
    """Mean over runs and its deviation between runs."""
    return {
        way: mean([{name: result[way][name] for name in NAMES} for result in results])
        for way in ways
    }


def table(report: dict[str, Any], ways: list[str]) -> Table:
    """A line for each run and way, mean ± deviation over frames; then all runs, ± between runs."""
    shown = Table("left out", "run", "", "PSNR", "SSIM", "PSNR in vessels", "SSIM in vessels")
    for title, part in report.items():
        for result in part["runs"]:
            _add(shown, title, result["run"], result, ways)
    for title, part in report.items():
        _add(shown, title, f"all {len(part['runs'])}", part["mean"], ways)
    return shown


def _add(
    shown: Table, title: str, run: str, rows: dict[str, dict[str, float]], ways: list[str]
) -> None:
    for way in ways:
        row, first = rows[way], way == ways[0]
        digits = {name: 2 if "psnr" in name else 4 for name in NAMES}
        cells = [f"{row[n]:.{d}f} ± {row[n + '_sd']:.{d}f}" for n, d in digits.items()]
        names = (title, run) if first else ("", "")
        shown.add_row(*names, way, *cells, end_section=way == ways[-1])


def load(model: str) -> MoStDSA:
    """A bundled model by name, or the weights of a training run's folder, finished or not."""
    from pathlib import Path

    from inference import weights

    if not (Path(model) / "run.json").exists():
        state, details = weights.load("dsa_interpolation", model)
        network = build(details["network"])
    else:
        state = averaged(Path(model))[0]
        network = build(json.loads((Path(model) / "run.json").read_text("utf-8"))["config"])
    network.load_state_dict(state)
    return network.eval()


def main(  # noqa: PLR0913  one argument for each option of the command
    data_folder: Annotated[Path, typer.Option("--data", help="Real runs.")],
    out: Annotated[Path, typer.Option("--out")],
    model: Annotated[str, typer.Option(help="Bundled models or training runs: fast,RUN")] = "fast",
    pack: Annotated[Optional[Path], typer.Option(help="Unseen simulated runs.")] = None,  # noqa: UP045
    most: Annotated[int, typer.Option(help="Simulated runs to measure.")] = 10,
    gaps: Annotated[int, typer.Option(help="Places in each run; 0: throughout it.")] = 4,
    ways: Annotated[str, typer.Option(help="What to compare with.")] = "nearest,linear,DIS,TV-L1",
    device: str = "auto",
    pictures: Annotated[bool, typer.Option(help="Write differences to look at.")] = False,
) -> None:
    """Measure a model beside nearest frame, linear blend and optical flow."""
    keep_freed_blocks()
    networks, chosen = {name: load(name) for name in model.split(",")}, devices.choose(device)
    fillers = {name: FILLERS[name] for name in ways.split(",") if name}
    simulated = simulated_runs(pack, most) if pack is not None else unseen_runs(most)
    kinds = {"real": list(real_runs(data_folder)), "simulated": list(simulated)}
    titles = {name: OURS if len(networks) == 1 else f"{OURS} {name}" for name in networks}
    names, report = [*fillers, *titles.values()], dict[str, Any]()
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "pictures" if pictures else None
    for kind, count in product(kinds, LEFT_OUT):
        results = []
        for run in kinds[kind]:
            typer.echo(f"{count} left out of {run.name}", err=True)
            made = {titles[name]: ours(network, run, chosen) for name, network in networks.items()}
            results.append({"run": run.name} | measure(run, count, fillers | made, gaps, folder))
        if results:
            report[f"{count}, {kind}"] = {"mean": summary(results, names), "runs": results}
        found = {"model": model, "gaps": gaps, "results": report}
        (out / "metrics.json").write_text(json.dumps(found, indent=1))
    Console(width=130).print(table(report, names))


if __name__ == "__main__":
    typer.run(main)
