"""Learn from unseen simulated runs how far made frames can be trusted; writes OUT/trust.json.

Frames are made over gaps of 2 to 15 frames. A made frame is right if no 8×8 px of it are off by
more than `TOLERANCE` of the run's range. Logistic regression on the signs that a user's run shows
as well gives the chance of that: the confidence. Every second run fits, the others measure it.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from scipy.optimize import minimize

from inference import device as devices
from inference.memory import keep_freed_blocks
from inference.metrics import area_under_curve
from plugins.dsa_interpolation.evaluate import load, simulated_runs
from plugins.dsa_interpolation.predict import between
from plugins.dsa_interpolation.prepare import TOLERANCE, Scale, features, reduced, worst

if TYPE_CHECKING:
    from inference.series import Array
    from plugins.dsa_interpolation.evaluate import Run
    from plugins.dsa_interpolation.model import MoStDSA

TRIES = 12  # pairs of frames of each run
RIDGE = 1e-2  # keeps weights small where runs are few


def observations(network: MoStDSA, run: Run, device: str, seed: int) -> tuple[Array, Array]:
    """Signs (n, 3) of made frames, and whether they are right (n,)."""
    rng, scale = np.random.default_rng(seed), Scale.of(run.frames)
    signs, right = [], []
    for _ in range(TRIES):
        gap = int(rng.integers(2, min(16, len(run.frames))))
        start = int(rng.integers(len(run.frames) - gap))
        middle = start + int(rng.integers(1, gap))
        span = run.times[start + gap] - run.times[start]
        share = (run.times[middle] - run.times[start]) / span
        pair = run.frames[start], run.frames[start + gap]
        [made] = between(network, pair, [share], scale, device)
        signs.append(features(made.signs))
        right.append(error(made.frame, run.frames[middle], scale) <= TOLERANCE)
    return np.array(signs), np.array(right)


def error(made: Array, truth: Array, scale: Scale) -> float:
    """Of the worst 8×8 px, in shares of the run's range."""
    return worst(np.abs(reduced(scale.forward(made) - scale.forward(truth))))


def fitted(signs: Array, right: Array) -> dict[str, float]:
    """The logistic regression, as `Trust` takes it; no sign of error may raise the confidence."""

    def loss(weights: Array) -> float:
        score = weights[0] + signs @ weights[1:]
        likely = np.logaddexp(0, np.where(right, -score, score)).mean()
        return float(likely + RIDGE * (weights[1:] ** 2).sum())

    limits = [(None, None), *[(None, 0.0)] * 3]
    found = minimize(loss, np.array([0.0, -0.5, -0.5, -0.5]), bounds=limits).x
    names = ("offset", "difference", "change", "way")
    return {name: round(float(w), 4) for name, w in zip(names, found, strict=True)}


def judged(trust: dict[str, float], signs: Array, right: Array) -> dict[str, Any]:
    """How well confidences fit what happened; AUC, mean confidence and share of right ones."""
    weights = np.array(list(trust.values()))
    sure = 1 / (1 + np.exp(-(weights[0] + signs @ weights[1:])))
    return {
        "frames": len(right),
        "right": float(right.mean()),
        "mean_confidence": float(sure.mean()),
        "brier": float(((sure - right) ** 2).mean()),
        "auc": area_under_curve(sure, right),
    }


def main(
    pack: Annotated[Path, typer.Option("--data", help="Simulated runs not trained on.")],
    out: Annotated[Path, typer.Option("--out")],
    model: Annotated[str, typer.Option(help="A bundled model or a training run.")] = "fast",
    device: str = "auto",
    most: int = 40,
) -> None:
    """Fit on every second run, measure on the others."""
    keep_freed_blocks()
    network, chosen = load(model), devices.choose(device)
    runs = list(simulated_runs(pack, most))
    found = [observations(network, run, chosen, seed) for seed, run in enumerate(runs)]
    fit, test = (
        tuple(np.concatenate(part) for part in zip(*found[start::2], strict=True))
        for start in (0, 1)
    )
    trust = fitted(*fit)
    out.mkdir(parents=True, exist_ok=True)
    (out / "trust.json").write_text(json.dumps(trust))
    typer.echo(json.dumps({"trust": trust, "unseen": judged(trust, *test)}, indent=1))


if __name__ == "__main__":
    typer.run(main)
