"""The last section of the dock: the report as a page, HTML and PDF, and the export of all files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QMarginsF, QPointF, QRectF, QSizeF, Qt
from qtpy.QtGui import QFont, QPageLayout, QPageSize, QPainter, QPdfWriter, QTextDocument
from qtpy.QtWidgets import QFileDialog

from gui.parts import button
from gui.sections import Section, quiet, row
from inference.errors import UserError
from inference.headless import describe_input
from inference.writing import NOTICE, atomic, stem
from plugins.lymph_nodes import report

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.lymph_nodes.work import NodeWork

DPI = 96
MARGIN = 15  # mm
FOOTER = 28  # px


class ReportSection(Section["NodeWork"]):
    """Writes what was decided."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Report")
        self.report_button = button("Report…", self.ask, name="Save the report")
        self.report_button.setToolTip("One page with key images and table: HTML and PDF")
        self.export_button = button("Export…", session.export, name="Export results")
        self.export_button.setToolTip("Labels, table (CSV), DICOM SEG and structured report")
        self.column.addWidget(row(self.report_button, self.export_button))
        self.column.addWidget(quiet("The report names no patient; files are named after the CT."))

    def refresh(self) -> None:
        """Offer what there is."""
        some = self.work is not None and bool(self.work.rows)
        self.report_button.setEnabled(some)
        self.export_button.setEnabled(some)

    def ask(self) -> None:
        """Let the user choose where, and write the page there twice."""
        work = self.work
        if work is None or not work.rows:
            return
        folder = self.session.settings.now.export_folder or Path.home()
        start = folder / f"{stem(work.document.series.source)}_report.html"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save report", str(start), "HTML (*.html)")
        if chosen:
            self.save(work, Path(chosen).with_suffix(".html"))

    def save(self, work: NodeWork, path: Path) -> None:
        """Write `path` and the same as PDF beside it; says so, or why not."""
        made = partial(report.html, page_of(work))
        self.session.background.run(made, partial(self._write, path), self.session.notices.failed)

    def _write(self, path: Path, text: str) -> None:
        pdf = path.with_suffix(".pdf")
        try:
            with atomic(path) as part:
                part.write_text(text, "utf-8")
            with atomic(pdf) as part:
                print_pdf(text, part)
        except UserError as error:
            self.session.notices.failed(error)
        else:
            self.session.notices.tell(f"Saved {path.name} and {pdf.name} to {path.parent}.")


def page_of(work: NodeWork) -> report.Page:
    """What the report of a document says, as it stands now."""
    document = work.document
    about = describe_input(document.series)
    shape, spacing = reversed(about["shape"]), about["spacing_mm"]
    facts = [
        ("Input", f"{about['modality']}, {' × '.join(map(str, shape))} voxels"),
        ("Spacing", " × ".join(f"{mm:.3g}" for mm in reversed(spacing or ())) + " mm"),
        ("Study date", document.series.identity.study_date or "not stated"),
        ("Pixels, SHA-256", about["sha256"]),
    ]
    settings = {**work.found.get("settings", {}), "threshold": work.choices.threshold}
    return report.Page(
        "Mediastinal lymph nodes", document.image, document.labels.copy(), document.scale,
        work.rows, {**work.found, "settings": settings}, facts, work.compared_with, work.gone,
    )  # fmt: skip


def print_pdf(text: str, path: Path) -> None:
    """An HTML page on as many pages of A4 as it takes, each with its number and the notice."""
    writer = QPdfWriter(str(path))
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setResolution(DPI)
    writer.setTitle("Limn report")
    margins = QMarginsF(MARGIN, MARGIN, MARGIN, MARGIN)
    writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
    document = QTextDocument()
    document.documentLayout().setPaintDevice(writer)
    document.setDocumentMargin(0)
    document.setHtml(text)
    page = QSizeF(writer.width(), writer.height() - FOOTER)
    document.setPageSize(page)
    painter = QPainter(writer)
    painter.setFont(QFont("sans-serif", 8))
    for number in range(document.pageCount()):
        if number:
            writer.newPage()
        painter.save()
        painter.translate(0, -number * page.height())
        document.drawContents(painter, QRectF(QPointF(0, number * page.height()), page))
        painter.restore()
        foot = QRectF(0, page.height(), page.width(), FOOTER)
        painter.drawText(foot, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft, NOTICE)
        count = f"{number + 1} of {document.pageCount()}"
        painter.drawText(foot, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight, count)
    painter.end()
