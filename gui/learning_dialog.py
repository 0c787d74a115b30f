"""Fine-tune a task's model on kept cases, compare the versions, choose one, go back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QHeaderView,
    QMessageBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from gui.parts import button, column, label
from gui.running_jobs import RunningJobs
from gui.sections import heading, quiet, row, silent
from gui.theme import GRID
from inference import own_models, registry, weights
from inference.corrections import Corrections
from inference.errors import UserError
from inference.learning import missing
from inference.messages import Priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.session import Session
    from inference.corrections import Entry
    from inference.own_models import Card
    from inference.tasks import Task
    from inference.weights import WeightsInfo

FINE_TUNE = "inference.learning:fine_tune"
COLUMNS = ("Version", "Made from", "On", "Learned from", "Score", "Score before")
SOURCE, IN_USE, DASH = "installed", "in use", "\N{EN DASH}"
EXPLAINED = (
    "A copy of the version in use learns from the kept cases, some minutes on this computer, while "
    "you go on working. Then both are measured on cases that were set aside, and you choose. A "
    "version that learned one kind of image may do worse on others: each stays here to go back to."
)


class LearningDialog(QDialog):
    """What is kept, one button to learn, and a table of versions; stays alive while hidden."""

    emptied = Signal()
    chosen = Signal()  # another version is in use

    def __init__(self, session: Session, task: Task, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Improve the model: {task.title}")
        self.setMinimumWidth(620)
        self._session, self._task = session, task
        self._measure = registry.learnings()[task.name].measure
        self._corrections = Corrections(task.name)
        self._versions: list[WeightsInfo] = []
        self.network = QComboBox()
        self.network.setAccessibleName("Network")
        self.kept, self.place = label("", wrap=True), quiet()
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.empty_button = button("Delete all cases…", self._empty)
        self.tune_button = button("Fine-tune", self.fine_tune, "primary")
        self.running = RunningJobs(session.jobs, "fine-tuning")
        self.running.changed.connect(self.show_state)
        self.outcome = label("", "big", wrap=True)
        self.table = _table()
        self.use_button = button("Use this version", self._use)
        self.delete_button = button("Delete this version", self._delete)
        self._build()

    def _build(self) -> None:
        page = column(self, (2 * GRID, GRID, 2 * GRID, 2 * GRID), GRID)
        close = button("Close", self.close)
        for part in (
            heading("Kept cases"), self.kept, self.place, row(self.empty_button, QWidget()),
            heading("Learn"), quiet(EXPLAINED), row(self.tune_button, self.network, QWidget()),
            self.running, self.outcome,
            heading("Versions"), self.table,
            quiet(f"Score: {self._measure}, 0 to 1, mean of the cases set aside; higher is better. "
                  "“Score before” is that of the version it was made from, on the same cases."),
            row(self.use_button, self.delete_button, QWidget(), close),
        ):  # fmt: skip
            page.addWidget(part)
        for info in weights.bundled():
            if info.plugin == self._task.name:
                self.network.addItem(_title(info.name), info)
                self.network.setItemData(
                    self.network.count() - 1, info.summary, Qt.ItemDataRole.ToolTipRole
                )
        self.network.setVisible(self.network.count() > 1)
        self.network.currentIndexChanged.connect(self.show_state)
        self.table.itemSelectionChanged.connect(self._selected)

    # --- state -------------------------------------------------------------------------------

    @property
    def bundled(self) -> WeightsInfo | None:
        """The network whose versions are shown, as it was installed."""
        info: WeightsInfo | None = self.network.currentData()
        return info

    def show_state(self) -> None:
        """Show what is kept, what runs and what there is to choose."""
        entries = self._corrections.entries()
        self.kept.setText(counted(entries) or "No cases are kept yet.")
        self.place.setText(f"In {self._corrections.folder}" if entries else "")
        self.empty_button.setEnabled(bool(entries))
        lack = missing(entries)
        self.running.show_key(self._task.name)
        self.tune_button.setEnabled(
            not lack and self.bundled is not None and self._task.name not in self.running
        )
        self.tune_button.setToolTip(lack)
        self._list_versions()

    def _list_versions(self) -> None:
        bundled = self.bundled
        if bundled is None:
            return
        before = self.version
        self._versions = own_models.versions(bundled)
        cards = {card.version: card for card in own_models.cards(bundled)}
        used = own_models.in_force(bundled).version
        with silent(self.table):
            self.table.setRowCount(len(self._versions))
            for number, info in enumerate(self._versions):
                cells = _cells(info.version, cards.get(info.version), info.version == used)
                for place, text in enumerate(cells):
                    item = QTableWidgetItem(text)
                    item.setToolTip(info.summary)
                    self.table.setItem(number, place, item)
        self._mark(before if before in self._numbers else used)

    @property
    def _numbers(self) -> list[str]:
        return [info.version for info in self._versions]

    @property
    def version(self) -> str:
        """The version that is marked in the table."""
        number = self.table.currentRow()
        return self._versions[number].version if 0 <= number < len(self._versions) else ""

    def _mark(self, version: str) -> None:
        if version in self._numbers:
            self.table.selectRow(self._numbers.index(version))
        self._selected()

    def _selected(self) -> None:
        bundled = self.bundled
        used = own_models.in_force(bundled).version if bundled else ""
        self.use_button.setEnabled(self.version not in ("", used))
        own = bundled is not None and self.version not in ("", bundled.version)
        self.delete_button.setEnabled(own and self.version != used)

    # --- commands ----------------------------------------------------------------------------

    def fine_tune(self) -> None:
        """Ask the worker; whatever else is asked of it goes first."""
        bundled = self.bundled
        if bundled is None or self._task.name in self.running:
            return
        self.outcome.setText("")
        job = self._session.jobs.submit(
            FINE_TUNE,
            done=partial(self._done, bundled.name),
            failed=self._session.notices.failed,
            priority=Priority.BACKGROUND,
            device=self._session.settings.now.device,
            title=f"Fine-tuning: {self._task.title}",
            plugin=self._task.name,
            name=bundled.name,
        )
        self.running.begin(self._task.name, job)

    def _done(self, name: str, card: dict[str, Any]) -> None:
        sentence = compared(card, self._measure)
        self.outcome.setText(sentence)
        self.network.setCurrentIndex(max(self.network.findText(_title(name)), 0))
        self.show_state()
        self._mark(card["version"])
        if not self.isVisible():
            self._session.notices.tell(f"{sentence} Choose under Learning, Improve.")

    def _use(self) -> None:
        if self.bundled is not None:
            self._try(partial(own_models.choose, self.bundled, self.version))
            self.chosen.emit()

    def _delete(self) -> None:
        if self.bundled is not None:
            self._try(partial(own_models.remove, self.bundled, self.version))

    def _empty(self) -> None:
        many = len(self._corrections.entries())
        answer = QMessageBox.question(
            self, "Delete all cases",
            f"Delete {many} kept case{'s' * (many != 1)}? Versions that learned from them stay.",
        )  # fmt: skip
        if answer == QMessageBox.StandardButton.Yes:
            self._try(self._corrections.empty)
            self.emptied.emit()

    def _try(self, what: Any) -> None:
        try:
            what()
        except UserError as error:
            self._session.notices.failed(error)
        self.show_state()


def counted(entries: Sequence[Entry]) -> str:
    """How many cases are kept, how much room they take, and what they are for; "" for none."""
    if not entries:
        return ""
    many, aside = len(entries), sum(one.aside for one in entries)
    size = sum(one.nbytes for one in entries) / 1e6
    said = f"{many} case{'s' * (many != 1)} kept ({size:.1f} MB)"
    lack = missing(entries)
    return f"{said}. {lack}" if lack else f"{said}: {many - aside} to learn from, {aside} to check."


def compared(card: dict[str, Any], measure: str) -> str:
    """What a fine-tuning brought, in a sentence or two."""
    before, after = _mean(card["before"]), _mean(card["after"])
    better = "better" if after > before else "not better"
    many = len(card["after"])
    return (
        f"On {many} case{'s' * (many != 1)} set aside the new version is {better}: {measure} "
        f"{after:.2f}, {before:.2f} before. Nothing changes until you use it."
    )


def _title(name: str) -> str:
    """How a network is called where one is chosen."""
    return name.replace("_", " with ").capitalize()


def _cells(version: str, card: Card | None, used: bool) -> tuple[str, ...]:
    name = f"{version} ({IN_USE})" if used else version
    if card is None:
        return name, SOURCE, DASH, DASH, DASH, DASH
    many = card.learned_from
    return (
        name, card.parent, card.made[:16].replace("T", " "), f"{many} case{'s' * (many != 1)}",
        f"{_mean(card.after):.2f}", f"{_mean(card.before):.2f}",
    )  # fmt: skip


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores) if scores else float("nan")


def _table() -> QTableWidget:
    made = QTableWidget(0, len(COLUMNS))
    made.setAccessibleName("Versions of the model")
    made.setHorizontalHeaderLabels(COLUMNS)
    made.verticalHeader().hide()
    made.setShowGrid(False)
    made.setTabKeyNavigation(False)
    made.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    header = made.horizontalHeader()
    header.setHighlightSections(False)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    made.setMinimumHeight(160)
    return made
