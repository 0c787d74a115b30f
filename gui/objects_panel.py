"""The list of objects: colour, name, size, shown or hidden, locked or free; figures below."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QAction, QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.measuring import Measuring
from gui.name_editor import NameEditor
from gui.object_details import ObjectDetails, lines_of, readable
from gui.parts import row_height
from gui.studies import follow
from gui.theme import GRID, THEMES, Theme, icon

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QPoint

    from gui.document import Document
    from gui.segment_object import SegmentObject
    from gui.studies import Studies

NAME, SIZE, EYE, LOCK = range(4)
OBJECT_ID = Qt.ItemDataRole.UserRole
CELL = 3  # px above and below what stands in a row
ROWS_SHOWN = 5
SETTLED_MS = 80  # sizes follow a stroke this much later
RENAME = "Double click to rename"


class ObjectsPanel(QWidget):
    """Follows the selected document; a click in a row chooses, shows, hides, locks, unlocks."""

    def __init__(self, studies: Studies, begin: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._begin = begin  # another object; None: by the document alone
        self._theme = THEMES["dark"]
        self._document: Document | None = None
        self._settled = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settled.timeout.connect(self._show_sizes)
        self._measuring = Measuring(self)
        self._measuring.changed.connect(self._show_facts)
        self._build()
        studies.selected_changed.connect(self._follow)
        self._follow(studies.selected)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        for button, name in self._icons.items():
            button.setIcon(icon(name, theme))
        self._fill()

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        self._make_tree()
        column.addWidget(self.tree)
        self.details = ObjectDetails()
        column.addWidget(self.details)
        row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        self._icons: dict[QToolButton, str] = {}
        self.add = self._button("New", "mdi6.plus", "Start another object", self._add)
        self.delete = self._button(
            "Delete", "mdi6.delete-outline", "Delete the chosen object and its voxels", self._delete
        )
        self.more = self._button(
            "More", "mdi6.dots-horizontal", "Rename, colour, merge", self._more
        )
        for button in (self.add, self.delete, self.more):
            row.addWidget(button)
        row.addStretch()
        column.addLayout(row)

    def _make_tree(self) -> None:
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName("Objects")
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setColumnCount(4)
        self.tree.setItemDelegateForColumn(NAME, NameEditor(self.tree))
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for section in (SIZE, EYE, LOCK):
            header.setSectionResizeMode(section, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.currentItemChanged.connect(self._chosen)
        self.tree.itemClicked.connect(self._clicked)
        self.tree.itemDoubleClicked.connect(self._double_clicked)
        self.tree.itemChanged.connect(self._edited)
        self.tree.customContextMenuRequested.connect(self._show_menu)

    def _button(self, text: str, name: str, tip: str, slot: Callable[[], None]) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setToolTip(tip)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIcon(icon(name, self._theme))
        button.clicked.connect(slot)
        self._icons[button] = name
        return button

    # --- following the document ------------------------------------------------------------------

    def _follow(self, document: Document | None) -> None:
        slots: dict[str, Callable[..., None]] = {
            "objects_changed": self._fill,
            "active_changed": self._active_changed,
            "labels_changed": self._labels_changed,
        }
        follow(self._document, document, slots)
        self._document = document
        self._fill()
        self._measuring.follow(document)

    def _labels_changed(self) -> None:
        if not self._settled.isActive():
            self._settled.start()

    def _fill(self) -> None:
        objects = self._document.objects.values() if self._document else ()
        with QSignalBlocker(self.tree):
            self.tree.clear()
            for item in objects:
                self.tree.addTopLevelItem(self._row(item))
        rows = min(max(len(objects), 2), ROWS_SHOWN)
        row = row_height(self.tree) + 2 * CELL
        self.tree.setFixedHeight(rows * row + 2 * self.tree.frameWidth() + 2)
        self._show_sizes()
        self._mark_active()
        self._show_facts()
        self.add.setEnabled(self._document is not None)

    def _row(self, item: SegmentObject) -> QTreeWidgetItem:
        row = QTreeWidgetItem([item.name])
        row.setData(NAME, OBJECT_ID, item.id)
        row.setIcon(NAME, _swatch(item.color))
        row.setFlags(row.flags() | Qt.ItemFlag.ItemIsEditable)
        shown, free = item.visible, not item.locked
        row.setIcon(EYE, icon("mdi6.eye" if shown else "mdi6.eye-off-outline", self._theme))
        row.setIcon(
            LOCK,
            icon("mdi6.lock-open-variant-outline" if free else "mdi6.lock", self._theme),
        )
        row.setToolTip(NAME, RENAME)
        row.setToolTip(EYE, f"{'Hide' if shown else 'Show'} {item.name}")
        row.setToolTip(LOCK, "Lock: no tool changes it" if free else "Unlock, to change it")
        return row

    def _show_sizes(self) -> None:
        if self._document is None:
            return
        with QSignalBlocker(self.tree):
            for row in self._rows():
                size, unit = self._document.size(row.data(NAME, OBJECT_ID))
                row.setText(SIZE, f"{readable(size)} {unit}")

    def _show_facts(self) -> None:
        """The figures of the active object, and of each one where the mouse rests on it."""
        document = self._document
        if document is None:
            return self.details.show_facts(None, "volume")
        kind, facts = document.series.kind, self._measuring.facts
        self.details.show_facts(facts.get(document.active), kind)
        with QSignalBlocker(self.tree):
            for row in self._rows():
                found = facts.get(row.data(NAME, OBJECT_ID))
                lines = lines_of(found, kind) if found is not None and found.size else {}
                tip = [row.text(NAME), *(f"{name}: {text}" for name, text in lines.items()), RENAME]
                row.setToolTip(NAME, "\n".join(tip))
        return None

    def _mark_active(self) -> None:
        active = self._document.active if self._document else 0
        with QSignalBlocker(self.tree):
            for row in self._rows():
                if row.data(NAME, OBJECT_ID) == active:
                    self.tree.setCurrentItem(row)
        self.delete.setEnabled(bool(active))
        self.more.setEnabled(bool(active))

    def _active_changed(self) -> None:
        self._mark_active()
        self._show_facts()

    def _rows(self) -> list[QTreeWidgetItem]:
        found = (self.tree.topLevelItem(n) for n in range(self.tree.topLevelItemCount()))
        return [row for row in found if row is not None]

    # --- what the user does ------------------------------------------------------------------

    def _chosen(self, row: QTreeWidgetItem | None) -> None:
        if self._document is not None and row is not None:
            self._document.active = row.data(NAME, OBJECT_ID)

    def _clicked(self, row: QTreeWidgetItem, column: int) -> None:
        if self._document is None:
            return
        item = self._document.objects[row.data(NAME, OBJECT_ID)]
        if column == EYE:
            self._document.set_visible(item.id, not item.visible)
        elif column == LOCK:
            self._document.set_locked(item.id, not item.locked)

    def _double_clicked(self, row: QTreeWidgetItem, column: int) -> None:
        if column == NAME:
            self.tree.editItem(row, NAME)

    def _edited(self, row: QTreeWidgetItem, column: int) -> None:
        if self._document is not None and column == NAME:
            self._document.rename(row.data(NAME, OBJECT_ID), row.text(NAME).strip())
            QTimer.singleShot(0, self._fill)  # a refused name is put back, once editing is over

    def _edit_name(self) -> None:
        if row := self.tree.currentItem():
            self.tree.editItem(row, NAME)

    def _add(self) -> None:
        if self._document is not None:
            (self._begin or self._document.add_object)()

    def _delete(self) -> None:
        if self._document is not None and self._document.active:
            self._document.remove_object(self._document.active)

    def _more(self) -> None:
        self._menu().exec(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _show_menu(self, place: QPoint) -> None:
        if self._document is not None and self._document.active:
            self._menu().exec(self.tree.viewport().mapToGlobal(place))

    def _menu(self) -> QMenu:
        """What can be done with the chosen object."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        document = self._document
        item = document.active_object if document else None
        if document is None or item is None:
            return menu
        _add(menu, "Rename…", self._edit_name)
        _add(menu, "Colour…", partial(self._ask_color, document, item))
        merge = menu.addMenu("Merge into")
        for other in document.objects.values():
            if other.id != item.id:
                _add(merge, other.name, partial(document.merge_objects, item.id, other.id))
        merge.setEnabled(len(document.objects) > 1)
        if document.ai_labels is not None:
            _add(menu, "Reset to the AI's version", partial(document.reset_to_ai, item.id))
        return menu

    def _ask_color(self, document: Document, item: SegmentObject) -> None:
        color = QColorDialog.getColor(QColor(item.color), self, f"Colour of {item.name}")
        if color.isValid():
            document.recolor(item.id, color.name())


def _add(menu: QMenu, title: str, slot: Callable[[], object]) -> None:
    action = QAction(title, menu)
    action.triggered.connect(lambda: slot())
    menu.addAction(action)


def _swatch(color: str) -> QIcon:
    picture = QPixmap(14, 14)
    picture.fill(QColor(color))
    swatch = QIcon(picture)
    swatch.addPixmap(picture, QIcon.Mode.Selected)  # else Qt tints it in the chosen row
    return swatch
