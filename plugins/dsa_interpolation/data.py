"""Training samples from simulated runs: pairs of frames with what lies between them.

    python -m plugins.dsa_interpolation.data --out FOLDER --runs 400 --processes 2

writes a pack, one .npz a run; `Samples(seed, batch, size, pack=FOLDER)(step)` then returns the same
batch for the same step, a dict of numpy arrays:

- `first`, `last` (n, 1, y, x) float32 in [0, 1]: the two end frames, as stored, over the range of
  stored values;
- `times` (n, k) float32 in (0, 1): where the k targets lie, in order but at irregular distances;
- `targets` (n, k, y, x) float32 in [0, 1]: the frames there, with noise of their own;
- `clean` (n, k, y, x) float32 in [0, 1]: the same frames as a detector without noise sees them;
- `vessels` (n, k, y, x) bool: where contrast absorbs 5 % or more.

Packs hold exposures without noise. Noise, bit depth, the curve from X-rays to stored values and
subtraction are drawn anew for each sample, so that few runs go far.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from plugins.dsa_interpolation.simulator.run import simulate
from plugins.dsa_interpolation.simulator.variety import detector, drawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.detector import Detector, Image

VISIBLE = 0.05  # absorption from which a pixel counts as vessel
SCALE = 4095.0  # of the root of an exposure; its steps are finer than quantum noise
REACH = 8  # frames between the ends of a sample, at most


@dataclass(frozen=True, slots=True)
class Exposures:
    """What a pack keeps of a run."""

    seen: NDArray[np.uint16]  # (t, y, x) roots of the mean intensities, times SCALE
    mask: NDArray[np.uint16]  # (y, x) the same before contrast came
    vessels: NDArray[np.bool_]  # (t, y, x)
    times: NDArray[np.float64]  # (t,) ms


class Samples:
    """Batches as a function of the step: `samples(step)` is always the same batch."""

    def __init__(
        self,
        seed: int,
        batch: int,
        size: int,
        *,
        pack: Path,
        count: int = 3,
        subtracted: float = 0.25,
    ) -> None:
        """`count` targets a sample; a share `subtracted` of the samples has lost its background."""
        self.runs = [read_run(path) for path in sorted(pack.glob("run_*.npz"))]
        if not self.runs:
            raise FileNotFoundError(f"{pack} holds no run_*.npz: write a pack first.")
        self.seed, self.batch, self.size = seed, batch, size
        self.count, self.subtracted = count, subtracted

    def __call__(self, step: int) -> dict[str, NDArray[Any]]:
        """Return the batch described above."""
        rng = np.random.default_rng((self.seed, step))
        samples = [self._sample(rng) for _ in range(self.batch)]
        return {name: np.stack([s[name] for s in samples]) for name in samples[0]}

    def _sample(self, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        run = self.runs[rng.integers(len(self.runs))]
        frames = chosen(rng, len(run.times), self.count)
        y, x = self._corner(rng, run, frames)
        box = (..., slice(y, y + self.size), slice(x, x + self.size))
        mean = (run.seen[frames][box].astype(np.float32) / np.float32(SCALE)) ** 2
        mask = (run.mask[box].astype(np.float32) / np.float32(SCALE)) ** 2
        subtracted = rng.random() < self.subtracted
        noisy, clean = pictures(rng, detector(rng), mean, mask if subtracted else None)
        turned = _turned(rng, {"noisy": noisy, "clean": clean, "vessels": run.vessels[frames][box]})
        times = run.times[frames]
        between = (times[1:-1] - times[0]) / (times[-1] - times[0])
        return {
            "first": turned["noisy"][:1],
            "last": turned["noisy"][-1:],
            "times": between.astype(np.float32),
            "targets": turned["noisy"][1:-1],
            "clean": turned["clean"][1:-1],
            "vessels": turned["vessels"][1:-1],
        }

    def _corner(
        self, rng: np.random.Generator, run: Exposures, frames: NDArray[np.int_]
    ) -> tuple[int, int]:
        """Of three places, that with the most vessels in it: much of a picture shows none."""
        limit = np.array(run.mask.shape) - self.size + 1
        corners = rng.integers(0, limit, (3 if rng.random() < 0.7 else 1, 2))
        shown = run.vessels[frames[len(frames) // 2]]
        filled = [shown[y : y + self.size, x : x + self.size].sum() for y, x in corners]
        y, x = corners[int(np.argmax(filled))]
        return int(y), int(x)


def chosen(rng: np.random.Generator, length: int, count: int) -> NDArray[np.int_]:
    """Indices of two ends and `count` frames between them, sometimes backwards in time."""
    gap = int(rng.integers(count + 1, min(length - 1, max(REACH, count + 1)) + 1))
    start = int(rng.integers(length - gap))
    inner = rng.choice(np.arange(1, gap), count, replace=False)
    return start + np.concatenate(([0], np.sort(inner), [gap]))


def _turned(
    rng: np.random.Generator, planes: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """A quarter turn, a flip."""
    quarters, flip = int(rng.integers(4)), rng.random() < 0.5
    turned = {name: np.rot90(plane, quarters, (1, 2)) for name, plane in planes.items()}
    return {
        name: np.ascontiguousarray(plane[..., ::-1] if flip else plane)
        for name, plane in turned.items()
    }


def pictures(
    rng: np.random.Generator, made: Detector, mean: Image, mask: Image | None
) -> tuple[Image, Image]:
    """Frames (t, y, x) in [0, 1], with noise and without; with a `mask` they are subtracted."""
    seen = np.stack([made.noisy(rng, frame) for frame in mean])
    if mask is None:
        return _stored(made, made.shown(seen)), np.clip(made.shown(mean), 0, 1)
    averaged = replace(made, quanta=made.quanta * float(rng.choice((1, 1, 4, 8))))
    gain = np.float32(rng.uniform(0.3, 0.9))
    noisy = _difference(seen, averaged.noisy(rng, mask))
    level = np.float32(rng.uniform(0.5, 0.8))
    clean = _difference(mean, mask)
    return _stored(made, level + gain * noisy), np.clip(level + gain * clean, 0, 1)


def _difference(seen: Image, mask: Image) -> Image:
    return np.asarray(np.log(np.maximum(seen, 1e-3)) - np.log(np.maximum(mask, 1e-3)))


def _stored(made: Detector, shown: Image) -> Image:
    """Rounded as the bits demand."""
    return np.asarray(np.rint(np.clip(shown, 0, 1) * made.top) / made.top, np.float32)


def exposures(seed: int, size: int, frames: int) -> Exposures:
    """One drawn run; its frames follow each other faster than in clinics, at uneven times."""
    rng = np.random.default_rng((seed, 1))
    beating = rng.random() < 0.6
    step = np.exp(rng.uniform(*np.log((22, 70) if beating else (50, 250))))
    steps = step * np.where(rng.random() < 0.5, 1.0, rng.uniform(0.6, 1.4, frames))
    times = np.cumsum(steps) + 1000 * rng.uniform(0, 3.2 if beating else 7.5)
    settings = drawn(rng, size, tuple(times.tolist()), float(beating))
    run = simulate(rng, settings, maps=False)
    return Exposures(_coded(run.exposure), _coded(run.mask), run.density > VISIBLE, times)


def _coded(exposure: Image) -> NDArray[np.uint16]:
    return np.rint(np.sqrt(np.maximum(exposure, 0)) * SCALE).astype(np.uint16)


def write_run(path: Path, run: Exposures) -> None:
    """As differences from frame to frame, which deflate well; arithmetic modulo 2^16."""
    steps = np.diff(run.seen, axis=0, prepend=run.mask[None])
    np.savez_compressed(
        path, steps=steps, mask=run.mask, vessels=np.packbits(run.vessels, axis=-1), times=run.times
    )


def read_run(path: Path) -> Exposures:
    """What `write_run` wrote."""
    with np.load(path) as file:
        mask, width = file["mask"], file["mask"].shape[1]
        seen = np.cumsum(file["steps"], axis=0, dtype=np.uint16) + mask
        vessels = np.unpackbits(file["vessels"], axis=-1, count=width).astype(bool)
        return Exposures(seen, mask, vessels, file["times"])


def _write(task: tuple[Path, int, int, int]) -> Path:
    path, seed, size, frames = task
    if not path.exists():
        write_run(path, exposures(seed, size, frames))
    return path


def main(
    out: Annotated[Path, typer.Option(help="The pack's folder; runs that are there stay.")],
    runs: int = 200,
    size: int = 320,
    frames: int = 16,
    seed: int = 0,
    processes: int = 2,
) -> None:
    """Simulate runs and write them as a pack."""
    out.mkdir(parents=True, exist_ok=True)
    tasks = [(out / f"run_{seed + i:05d}.npz", seed + i, size, frames) for i in range(runs)]
    with ProcessPoolExecutor(processes) as pool:
        paths = list(pool.map(_write, tasks))
    megabytes = sum(path.stat().st_size for path in paths) / 2**20
    typer.echo(f"{out}: {len(paths)} runs, {megabytes:.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
