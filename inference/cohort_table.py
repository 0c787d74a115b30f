"""What came of every case of a cohort, as rows of a table: CSV, and Parquet for statistics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.writing import atomic, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from inference.cases import Case
    from inference.lane import Outcome, State

CSV, PARQUET = "summary.csv", "summary.parquet"
FIRST = (
    "case", "result", "state", "flags", "modality", "shape", "spacing_z_mm", "spacing_y_mm",
    "spacing_x_mm", "seconds", "device", "model", "model_version", "sha256",
)  # fmt: skip
"""The columns that every table has; a measurement each follows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One result, or a case without one; `measured` by name."""

    case: str
    result: str  # the name of its outputs, "" without any
    state: State
    flags: tuple[str, ...] = ()  # what is to be looked at
    facts: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, float | str] = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, Any]:
        """By column."""
        known = {"case": self.case, "result": self.result, "state": self.state, **self.facts}
        known["flags"] = " | ".join(self.flags)
        return {name: known.get(name) for name in FIRST} | self.measured


@dataclass
class Ledger:
    """Collects rows, and counts cases by their state; "before" for those of an earlier run."""

    rows: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Note what came of a case."""
        self.counts[outcome.state] += 1
        name = outcome.case.name
        self.rows += [row_of(name, result.name, result.record) for result in outcome.results]
        if outcome.problems:
            self.rows.append(Row(name, "", outcome.state, outcome.problems))

    def add_earlier(self, case: Case, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Note a case of an earlier run, by the names of its results."""
        self.counts["before"] += 1
        self.rows += [row_of(case.name, name, record) for name, record in records.items()]


def row_of(case: str, result: str, record: Mapping[str, Any]) -> Row:
    """From the JSON beside a result."""
    about, model = record["input"], record.get("model") or {}
    spacing = about.get("spacing_mm") or (None, None, None)
    facts = {
        "modality": about["modality"],
        "shape": " x ".join(map(str, about["shape"])),
        **dict(zip(("spacing_z_mm", "spacing_y_mm", "spacing_x_mm"), spacing, strict=True)),
        "seconds": record["seconds"],
        "device": record["device"],
        "model": model.get("name"),
        "model_version": model.get("version"),
        "sha256": about["sha256"],
    }
    measured = dict(_flat(record["measurements"]))
    return Row(case, result, "done", tuple(record["warnings"]), facts, measured)


def write_tables(rows: Sequence[Row], out: Path) -> None:
    """`summary.csv` and `summary.parquet`; raises UserError."""
    ordered = sorted(rows, key=lambda row: (row.case, row.result))
    table = [row.cells for row in ordered] or [dict.fromkeys(FIRST)]
    write_csv(out / CSV, table if rows else [])
    _write_parquet(out / PARQUET, table)


def _write_parquet(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    import fastparquet
    import pandas

    frame = pandas.DataFrame(table)
    for name in frame.columns:  # one type a column: some tasks measure numbers or say why not
        if frame[name].dtype == object:
            frame[name] = frame[name].astype("string").astype(object)
    with atomic(path) as part:
        fastparquet.write(str(part), frame, object_encoding="utf8")


def _flat(measured: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float | str]]:
    """Numbers and texts by their place; of a quantity with a unit its value."""
    for key, found in measured.items():
        value = found.get("value", found) if isinstance(found, dict) else found
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, bool | int | float | str):
            yield f"{before}{key}", value
