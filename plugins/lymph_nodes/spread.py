"""Scores of many volumes in figures with their spread, and the tables that show them.

The sets of implants of one patient are pooled; a figure is the mean over patients. Its deviation is
that between volumes. Intervals hold the patients fixed: 95 % of 4000 draws, of recall from each
patient's Jeffreys posterior (a bootstrap over implants has no width where all were found), of Dice
by a bootstrap over the found nodes, of false finds by one over each patient's volumes. What another
patient would give, few patients cannot tell: each has a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from plugins.lymph_nodes.scoring import BANDS, COUNTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array

    Volume = Mapping[str, Any]

DRAWS = 4000
CENTRAL = (2.5, 97.5)
FEW = 8
"""So many patients have a line each in the printed tables."""


def summarise(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Figures of each size band; whole-case Dice and ASSD over all volumes."""
    means = {name: _mean([volume[name] for volume in volumes]) for name in ("dice", "assd_mm")}
    return means | {name: _band(volumes, name) for name in BANDS}


def by_patient(results: Mapping[str, Sequence[Volume]]) -> dict[str, dict[str, Any]]:
    """A summary for each way and, of few, for each patient."""
    found: dict[str, dict[str, Any]] = {}
    for name, volumes in results.items():
        found[name] = summarise(volumes)
        patients = _patients(volumes)
        for patient, own in patients.items() if 1 < len(patients) <= FEW else ():
            found[f"{name}, {patient}"] = summarise(own)
    return found


def _patients(volumes: Sequence[Volume]) -> dict[str, list[Volume]]:
    found: dict[str, list[Volume]] = {}
    for volume in volumes:
        found.setdefault(volume["patient"], []).append(volume)
    return found


def _band(volumes: Sequence[Volume], name: str) -> dict[str, Any]:
    patients = [[volume["bands"][name] for volume in own] for own in _patients(volumes).values()]
    bands = [band for own in patients for band in own]
    rng = np.random.default_rng(0)
    return {
        **_recall(rng, patients),
        **_count(rng, patients),
        "f1": _mean([band["f1"] for band in bands]),
        **_dice(rng, [value for band in bands for value in band["dice"]]),
        "nodes": sum(band["truth"] for band in bands),
    }


def _recall(rng: np.random.Generator, patients: Sequence[Sequence[Volume]]) -> dict[str, Any]:
    pooled = [(sum(b["hit"] for b in own), sum(b["truth"] for b in own)) for own in patients]
    counts = [(hit, truth) for hit, truth in pooled if truth]
    drawn = [rng.beta(hit + 0.5, truth - hit + 0.5, DRAWS) for hit, truth in counts]
    return {
        "recall": _mean([hit / truth for hit, truth in counts]),
        "recall_deviation": _deviation([band["recall"] for own in patients for band in own]),
        "recall_interval": _interval(np.mean(drawn, axis=0) if drawn else np.empty(0)),
    }


def _count(rng: np.random.Generator, patients: Sequence[Sequence[Volume]]) -> dict[str, Any]:
    """False finds a volume; the first kind with its spread."""
    first = [np.array([band[COUNTS[0]] for band in own]) for own in patients]
    drawn = [rng.choice(own, (DRAWS, len(own))).mean(axis=1) for own in first]
    means = {
        count: _mean([_mean([band[count] for band in own]) for own in patients]) for count in COUNTS
    }
    return means | {
        "false_positives_deviation": _deviation(np.concatenate(first).tolist()),
        "false_positives_interval": _interval(np.mean(drawn, axis=0)),
    }


def _dice(rng: np.random.Generator, values: Sequence[float]) -> dict[str, Any]:
    many = len(values)
    drawn = rng.choice(values, (DRAWS, many)).mean(axis=1) if many else np.empty(0)
    return {
        "dice_of_found": _mean(values),
        "dice_deviation": _deviation(values),
        "dice_interval": _interval(drawn),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _deviation(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _interval(drawn: Array) -> list[float]:
    if not drawn.size:
        return [float("nan")] * 2
    return [float(end) for end in np.percentile(drawn, CENTRAL)]


def table(summaries: Mapping[str, Mapping[str, Any]], patients: int, band: str) -> Table:
    """One line for each way and patient: figure ± deviation (95 %)."""
    columns = ("nodes", "recall", "FP", "FP (a)", "of size", "F1", "Dice of found", "Dice", "ASSD")
    shown = Table("", *columns, title=f"{patients} patients, short axis {band}")
    shown.caption = (
        "FP: false finds a volume; (a): outside drawn tumours; of size: whose own short axis is. "
        "± deviation between volumes, of Dice between nodes; (95 %), patients held fixed"
    )
    for name, summary in summaries.items():
        own = summary[band]
        shown.add_row(
            name, str(own["nodes"]), _told(own, "recall", "recall", 2),
            _told(own, "false_positives", "false_positives", 1),
            _figure(own["outside_tumours"], 1), _figure(own["of_size"], 1), _figure(own["f1"], 2),
            _told(own, "dice_of_found", "dice", 2), _figure(summary["dice"], 2),
            _figure(summary["assd_mm"], 1),
        )  # fmt: skip
    return shown


def _told(figures: Mapping[str, Any], name: str, spread: str, places: int) -> str:
    deviation = figures[f"{spread}_deviation"]
    low, high = (_figure(end, places) for end in figures[f"{spread}_interval"])
    return f"{_figure(figures[name], places)} ± {_figure(deviation, places)} ({low}, {high})"


def _figure(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else "-"


def table_of_real(rows: Mapping[str, Sequence[Volume]]) -> Table:
    """One line for each way and real scan with a drawn tumour."""
    columns = ("tumour ml", "marked", "finds in it", "best Dice", "finds beside", "of 10 mm")
    shown = Table("", "", *columns, title="Real tumours, without implants")
    for name, found in rows.items():
        for row in found:
            patient, volume, *values = row.values()
            cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
            shown.add_row(name, patient, f"{volume:.0f}", *cells)
    return shown
