"""A report on a cohort for people: pictures, figures, and first what is to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from inference.cohort_files import thumbnail_of
from inference.cohort_table import CSV, PARQUET
from inference.headless import model_of
from inference.resources import resource_path
from inference.version import VERSION
from inference.writing import NOTICE, atomic

if TYPE_CHECKING:
    from pathlib import Path

    from inference.cohort_table import Ledger, Row
    from inference.headless import Request

A_PAGE = 200  # rows
FIGURES = 8  # of a row: the tables have them all
WORDS = {
    "done": "done",
    "before": "done before",
    "failed": "failed",
    "skipped": "not for this task",
}
ORDER = {"failed": 0, "done": 1, "skipped": 3}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the report as it is shown."""

    name: str
    state: str
    words: str
    facts: str
    flags: tuple[str, ...]
    measured: tuple[tuple[str, str], ...]
    picture: str  # its address, "" without one


def write_report(request: Request, ledger: Ledger) -> Path:
    """`report.html` in the folder of results, and report_2.html …; the first; raises UserError."""
    from jinja2 import Environment

    source = resource_path("templates", "cohort.html").read_text("utf-8")
    template = Environment(autoescape=True).from_string(source)
    rows = sorted(ledger.rows, key=_urgency)
    count = max(1, -(-len(rows) // A_PAGE))
    pages = ["report.html", *(f"report_{number}.html" for number in range(2, count + 1))]
    for number, page in enumerate(pages):
        lines = [_line(row, request.out) for row in rows[number * A_PAGE : (number + 1) * A_PAGE]]
        with atomic(request.out / page) as part:
            text = template.render(_head(request, ledger), pages=pages, here=page, rows=lines)
            part.write_text(text, "utf-8")
    return request.out / pages[0]


def _head(request: Request, ledger: Ledger) -> dict[str, Any]:
    model = model_of(request.task, request.settings) or {}
    flagged = sum(row.state == "done" and bool(row.flags) for row in ledger.rows)
    counts = [(words, ledger.counts[state]) for state, words in WORDS.items()]
    return {
        "title": f"{request.task.title}: {sum(ledger.counts.values())} cases",
        "made": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "model": " ".join(filter(None, (model.get("name"), model.get("version")))),
        "program": f"Limn {VERSION}",
        "notice": NOTICE,
        "counts": [*((words, count) for words, count in counts if count), ("to look at", flagged)],
        "tables": (CSV, PARQUET),
    }


def _urgency(row: Row) -> tuple[int, str]:
    flagged = row.state == "done" and not row.flags
    return ORDER[row.state] + flagged, row.case


def _line(row: Row, out: Path) -> Line:
    facts = row.facts
    said = [facts.get("modality"), facts.get("shape")]
    said += [f"{facts['seconds']:.1f} s"] if "seconds" in facts else []
    picture = thumbnail_of(row.result) if row.result else ""
    shown = bool(picture) and (out / picture).is_file()
    measured = tuple((name, _figure(value)) for name, value in row.measured.items())
    return Line(
        row.result or row.case,
        row.state,
        WORDS[row.state],
        " · ".join(filter(None, said)),
        row.flags,
        measured[:FIGURES],
        quote(picture) if shown else "",
    )


def _figure(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
