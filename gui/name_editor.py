"""Renaming in a list, with names of a standard terminology to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCompleter, QLineEdit, QStyledItemDelegate

from inference.registry import command

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex, QPersistentModelIndex
    from qtpy.QtWidgets import QStyleOptionViewItem, QWidget

NAMES = "limn-dicom.names"
SHOWN = 8  # suggestions at a time
WIDTH = 240  # px, of the longest name


class NameEditor(QStyledItemDelegate):
    """Any name may be typed; those with a code for DICOM files are suggested."""

    def createEditor(
        self,
        parent: QWidget,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> QWidget:
        """A line that completes what is typed."""
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            editor.setAccessibleName("Name of the object")
            editor.setCompleter(self._completer(editor))
        return editor

    def _completer(self, editor: QLineEdit) -> QCompleter:
        completer = QCompleter(list(command(NAMES)()), editor)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setMaxVisibleItems(SHOWN)
        if popup := completer.popup():
            popup.setMinimumWidth(WIDTH)

        def choose(name: str) -> None:
            editor.setText(name)
            self.commitData.emit(editor)
            self.closeEditor.emit(editor)

        completer.activated.connect(choose)
        return completer
