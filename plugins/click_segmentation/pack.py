"""Build the pack that training draws from:

    python -m plugins.click_segmentation.pack --data ../shared/data/ct --out DIR [--runs FOLDER]

Only scans whose licence allows trained weights to be given away go in, by name. A pack holds each
scan with what was labelled or grown from points set by hand, what its tissues and lungs tell
without drawing, and regions that stand out; projections of the labelled ones as X-ray pictures;
invented vessels; and, with --runs, frames that `python -m plugins.dsa_interpolation.data`
simulated.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from scipy import ndimage

from inference.reading import read
from plugins.click_segmentation import cases
from plugins.click_segmentation.samples import names, projection, seeds, tissue, volumes
from plugins.click_segmentation.samples.pictures import write_pictures
from plugins.click_segmentation.samples.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array

# Nothing else may be learnt from: see the README of the data.
ALLOWED = (
    "totalseg_example/whole_3mm_ct.nii.gz",
    "totalseg_example/crop30_3mm_ct.nii.gz",
    "totalseg_example/aorta_1p5mm_ct.nii.gz",
    "r01_001/ct.nii.gz",
    "crlm_1004/ct.nii.gz",
    "fnndsc_chest/ct.nii.gz",
    "elastix_lung/ct.nii.gz",
    "cip_chest/ct.nii.gz",
    "cip_chest/second_ct.nii.gz",
)
FINEST = 1.4  # mm: scans are stored no finer
COARSEST = 2.0  # mm: label maps of coarser scans are made finer, with smooth outlines


def volume(path: Path, name: str) -> Volume:
    """A scan with its labels and what can be told without any."""
    image, labels, table, spacing = _with_labels(path)
    shape = image.shape
    image, labels, spacing = _regrided(image, labels, spacing)
    inside = tissue.body(image, spacing)
    codes = volumes.encode(image)
    regions = tissue.watersheds(codes, inside, spacing)
    filled = np.where(labels > 0, labels, tissue.tissues(image, inside, spacing)).astype(np.uint8)
    if not any(label.startswith("lung") for label in table):
        found = tissue.lungs(image, inside, spacing)
        filled = np.where((found > 0) & (labels == 0), found, filled)
    bare = Volume(name, codes, filled, regions, spacing, ())
    return with_organs(bare, labels > 0, table, shape)


def with_organs(
    volume: Volume, drawn: Array, table: Mapping[str, int], shape: Sequence[int]
) -> Volume:
    """Add what grows from points set by hand, except where something was drawn."""
    labels, names_of = volume.labels.copy(), dict(table)
    for value, organ in enumerate(seeds.ORGANS.get(volume.name, ()), start=len(table) + 1):
        mask = seeds.grown(organ, volume.codes, volume.regions, volume.spacing, shape)
        labels[mask & ~drawn] = value
        names_of[organ.name] = value
    return replace(
        volume, labels=labels, targets=names.targets(names_of, np.unique(labels).tolist())
    )


def _with_labels(path: Path) -> tuple[Array, Array, dict[str, int], tuple[float, float, float]]:
    """HU, labels, their names, spacing."""
    series = read(path)[0]
    image = series.canonical()
    labels = np.zeros(image.shape, np.uint8)
    table: dict[str, int] = {}
    labelled = [case for case in _cases(path.parent) if case.image == path]
    for case in labelled:
        masks = cases.load(case).masks
        for value, (name, mask) in enumerate(masks.items(), start=1):
            labels[mask] = value
            table[name] = value
    z, y, x = series.scale
    return image, labels, table, (z, y, x)


def _cases(folder: Path) -> list[cases.Case]:
    has_labels = any(folder.glob(f"*{cases.LABELS}"))
    return cases.find_cases(folder) if has_labels else []


def _regrided(
    image: Array, labels: Array, spacing: tuple[float, float, float]
) -> tuple[Array, Array, tuple[float, float, float]]:
    """Coarse scans finer, so that outlines are smooth, and fine ones coarser."""
    zoom = [_zoom(step) for step in spacing]
    if all(factor == 1 for factor in zoom):
        return image, labels, spacing
    larger = ndimage.zoom(image.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest")
    z, y, x = (s * n / m for s, n, m in zip(spacing, image.shape, larger.shape, strict=True))
    return np.rint(larger).astype(np.int16), labels_at(labels, larger.shape), (z, y, x)


def _zoom(step: float) -> float:
    if step < FINEST:
        return step / FINEST if step < 0.75 * FINEST else 1.0
    return 2.0 if COARSEST < step < 4.5 else 1.0


def labels_at(labels: Array, shape: tuple[int, ...]) -> Array:
    """Each label enlarged by itself as a smooth field; the strongest wins, if it is half there."""
    zoom = [n / m for n, m in zip(shape, labels.shape, strict=True)]
    best, found = np.full(shape, 0.5, np.float32), np.zeros(shape, np.uint8)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        wide = tuple(
            slice(max(0, part.start - 3), min(n, part.stop + 3))
            for part, n in zip(box, labels.shape, strict=True)
        )
        low = [round(part.start * z) for part, z in zip(wide, zoom, strict=True)]
        soft = ndimage.gaussian_filter((labels[wide] == index).astype(np.float32), 0.6)
        share = ndimage.zoom(soft, zoom, order=1, grid_mode=True, mode="nearest")
        fine = tuple(slice(a, a + n) for a, n in zip(low, share.shape, strict=True))
        share = share[tuple(slice(0, n) for n in best[fine].shape)]
        stronger = share > best[fine]
        found[fine][stronger] = index
        best[fine][stronger] = share[stronger]
    return found


def main(
    data: Annotated[Path, typer.Option(help="Folder of scans.")],
    out: Annotated[Path, typer.Option(help="The pack's folder; volumes that are there stay.")],
    runs: Annotated[Path | None, typer.Option(help="Simulated angiographic runs.")] = None,
    seed: int = 0,
) -> None:
    """Write the pack."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in ALLOWED:
        stem = name.removesuffix("ct.nii.gz").replace("/", "_").rstrip("_")
        path = out / f"volume_{stem}.npz"
        if not (data / name).exists():
            typer.echo(f"{data / name} is absent: left out.")
        elif not path.exists():
            volumes.write_volume(path, volume(data / name, stem))
            typer.echo(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")
    made = [volumes.read_volume(path) for path in sorted(out.glob("volume_*.npz"))]
    write_pictures(out / "pictures_projections.npz", projection.projections(made, rng))
    write_pictures(out / "pictures_trees.npz", projection.trees(rng))
    if runs is not None:
        write_pictures(out / "pictures_runs.npz", projection.frames(runs, rng))
    total = sum(path.stat().st_size for path in out.glob("*.npz")) / 2**20
    typer.echo(f"{out}: {len(made)} volumes, {total:.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
