"""The report on one page: key images, table, targets, method, versions, the research-use line.

HTML that a browser and Qt's text documents both show, with its pictures inside; no patient's name.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from inference.version import VERSION
from inference.writing import NOTICE
from plugins.lymph_nodes.review import response, sum_of_targets, targets_of
from plugins.lymph_nodes.stations import STATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array
    from plugins.lymph_nodes.review import Earlier, Row

WINDOW = (-160.0, 240.0)
"""HU shown from black to white: soft tissue."""
FIELD_MM, PIXELS = 90.0, 208  # three pictures beside each other on A4
MOST_PICTURES = 12
LONG, SHORT, EDGE = (255, 225, 77), (92, 242, 255), (230, 120, 40)
STYLE = """
body { font-family: sans-serif; font-size: 8.5pt; color: #111; }
h1 { font-size: 15pt; } h2 { font-size: 11pt; } p.quiet, td.quiet { color: #555; }
table.nodes { border-collapse: collapse; } table.nodes td, table.nodes th { padding: 3px 6px;
border: 1px solid #bbb; text-align: right; } p.notice { font-weight: bold; color: #a11; }
"""
METHOD = (
    "Short axis: the longest chord perpendicular to the longest diameter of the convex outline, in "
    "the axial slice with the most of the node, in mm. Of a node that is as the network found it, "
    "the outline runs between voxels, by the probability. Volume by voxels. Stations of the IASLC "
    "map; with ? as proposed from airway, lungs and labelled structures, not confirmed. Sum of "
    "targets as for nodes in RECIST 1.1."
)


@dataclass(frozen=True)
class Page:
    """What a report is made of; `volume` (z, y, x) HU, `labels` on its grid, spacing in mm."""

    title: str
    volume: Array
    labels: Array
    spacing: Sequence[float]
    rows: Sequence[Row]
    about: Mapping[str, Any]  # models, device, settings, warning of the search
    facts: Sequence[tuple[str, str]]  # of the input
    compared_with: str = ""
    gone: Sequence[Earlier] = ()


def html(page: Page) -> str:
    """The whole page."""
    kept = [row for row in page.rows if row.review.state != "rejected"]
    left = sum(row.review.state == "open" for row in kept)
    parts = [
        f"<h1>{escape(page.title)}</h1>",
        f'<p class="notice">{escape(NOTICE)}</p>',
        _facts(page.facts),
        f"<h2>{len(kept)} lymph node{'s' * (len(kept) != 1)}</h2>",
        f"<p>{left} of them not yet decided on.</p>" if left else "",
        _table(kept, bool(page.compared_with)),
        _targets(kept),
        _comparison(page),
        _pictures(page, kept),
        _method(page),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(page.title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><td class="quiet">{escape(name)}</td><td>{escape(text)}</td></tr>'
        for name, text in facts
    )
    return f"<table>{lines}</table>"


def _table(rows: Sequence[Row], compared: bool) -> str:
    heads = ["No", "Station", "Short mm", "Long mm", "Volume ml", "Mean HU", "Conf.", "State"]
    heads += ["Before mm", "Change"] if compared else []
    lines = ["".join(f"<th>{_unbroken(head)}</th>" for head in heads)]
    lines += [
        "".join(f"<td>{_unbroken(cell)}</td>" for cell in _cells(row, compared)) for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="nodes" cellspacing="0">{body}</table>'


def _unbroken(text: str) -> str:
    """On one line, in browsers and in Qt, which breaks words where a column is narrow."""
    return escape(text).replace(" ", "&nbsp;")


def _cells(row: Row, compared: bool) -> list[str]:
    node, confidence = row.node, row.confidence
    asked = "" if row.review.chosen or not row.station else " ?"
    cells = [
        str(row.number), (row.station or "not known") + asked, f"{node.short_axis_mm:.1f}",
        f"{node.long_axis_mm:.1f}", f"{node.volume_ml:.2f}", f"{node.mean_hu:.0f}",
        "by hand" if confidence is None else f"{confidence:.2f}",
        row.review.state + (", target" if row.review.target else ""),
    ]  # fmt: skip
    if not compared:
        return cells
    change, share = row.change_mm, row.change
    if row.earlier is None or change is None or share is None:
        return [*cells, "", "new"]
    return [*cells, f"{row.earlier.short_axis_mm:.1f}", f"{change:+.1f} mm ({share:+.0%})"]


def _targets(rows: Sequence[Row]) -> str:
    targets = targets_of(rows)
    if not targets:
        return ""
    listed = ", ".join(
        f"{row.number} ({row.station or 'station not known'}) {row.node.short_axis_mm:.1f} mm"
        for row in targets
    )
    change = response(rows)
    since = f"<p>Since the earlier study {escape(change)}.</p>" if change else ""
    total = f"<p>{escape(listed)}. Sum of short axes {sum_of_targets(targets):.1f} mm.</p>"
    return f"<h2>Target nodes</h2>{total}{since}"


def _comparison(page: Page) -> str:
    if not page.compared_with:
        return ""
    gone = ", ".join(f"{one.name} ({one.short_axis_mm:.1f} mm)" for one in page.gone)
    lost = f" Not found again: {escape(gone)}." if gone else ""
    return f"<p>Compared with {escape(page.compared_with)}.{lost}</p>"


def _pictures(page: Page, rows: Sequence[Row]) -> str:
    """The largest nodes in their slices, four beside each other."""
    largest = sorted(rows, key=lambda row: -row.node.short_axis_mm)[:MOST_PICTURES]
    cells = [
        f'<td><img src="{_uri(picture(page, row))}" width="{PIXELS}" height="{PIXELS}"><br>'
        f"Node {row.number}, {escape(row.station or 'station not known')}, "
        f"{row.node.short_axis_mm:.1f} × {row.node.long_axis_mm:.1f} mm, "
        f"slice {row.node.slice + 1}</td>"
        for row in largest
    ]
    lines = ["".join(cells[start : start + 3]) for start in range(0, len(cells), 3)]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<h2>Key images</h2><table cellpadding="4">{body}</table>' if cells else ""


def picture(page: Page, row: Row) -> Image.Image:
    """An axial cut round a node with its outline and both axes; black where the image ends."""
    _, high, wide = page.spacing
    z, (_, y, x) = row.node.slice, row.node.centroid
    half = FIELD_MM / 2
    rows = _span(y, half / high, page.volume.shape[1])
    columns = _span(x, half / wide, page.volume.shape[2])
    low, top = WINDOW
    cut = page.volume[z, rows, columns].astype(np.float32)
    grey = (np.clip((cut - low) / (top - low), 0, 1) * 255).astype(np.uint8)
    extent = np.multiply(cut.shape, (high, wide))
    down, right = np.rint(extent * (PIXELS * 2 / extent.max())).astype(int).tolist()
    size = right, down
    made = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    inside = Image.fromarray(page.labels[z, rows, columns] == row.object_id).resize(size)
    made.paste(EDGE, mask=_edge(np.asarray(inside)))
    draw = ImageDraw.Draw(made)
    scale = size[1] / grey.shape[0], size[0] / grey.shape[1]
    for ends, color in ((row.node.long_ends, LONG), (row.node.short_ends, SHORT)):
        line = [
            ((px - columns.start + 0.5) * scale[1], (py - rows.start + 0.5) * scale[0])
            for py, px in ends
        ]
        draw.line(line, fill=color, width=3)
    return ImageOps.pad(made, (PIXELS * 2, PIXELS * 2))


def _edge(inside: Array) -> Image.Image:
    inner = inside.copy()
    for axis in (0, 1):
        for step in (-2, 2):
            inner &= np.roll(inside, step, axis)
    return Image.fromarray(inside & ~inner)


def _span(place: float, half: float, size: int) -> slice:
    return slice(max(0, int(place - half)), min(size, int(place + half) + 1))


def _uri(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def _method(page: Page) -> str:
    models = [
        f"{model['name']} {model['version']} (sha256 {model['sha256'][:12]})"
        for model in page.about.get("models", ())
    ]
    found = f"Found by {', '.join(models)}" if models else "Drawn by hand"
    threshold = page.about.get("settings", {}).get("threshold")
    at = f", threshold {threshold:g}" if models and threshold is not None else ""
    kept = (row for row in page.rows if row.review.state != "rejected")
    names = {row.station for row in kept} & set(STATIONS)
    legend = "; ".join(f"{name} {STATIONS[name]}" for name in STATIONS if name in names)
    warning = page.about.get("warning") or ""
    said = " ".join(filter(None, (f"{found}{at}.", METHOD, legend and f"Stations: {legend}.")))
    doubt = f"<p><b>{escape(warning)}</b></p>" if warning else ""
    versions = f"Limn {VERSION}. {NOTICE}"
    return f'<h2>Method</h2>{doubt}<p>{escape(said)}</p><p class="quiet">{escape(versions)}</p>'
