"""Tells the user in one sentence; details on request, the whole story in the log, never a crash."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from psygnal import EmitLoopError
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal, qInstallMessageHandler
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, label
from gui.theme import GRID
from inference import logs
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from qtpy.QtCore import QMessageLogContext, QtMsgType

    Offer = tuple[str, Callable[[], object]]  # the title of a button, and what it does

log = logging.getLogger(__name__)

Level = Literal["info", "warning", "error"]
SHOWN_MS = {"info": 6_000, "warning": 12_000, "error": 0}  # 0: until dismissed
LEVELS: tuple[Level, ...] = ("info", "warning", "error")
LIMIT = 4  # toasts at a time
KEPT = 200  # notices on the list


@dataclass(frozen=True, slots=True)
class Told:
    """A notice, and how often it was given."""

    sentence: str
    details: str
    level: Level
    times: int = 1

    @property
    def title(self) -> str:
        """The sentence, and how often it was said."""
        return self.sentence if self.times == 1 else f"{self.sentence}  ({self.times} times)"


class Notices(QObject):
    """Shows toasts in a corner of `host`; `tell` may be called from any thread."""

    _told = Signal(str, str, str)

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self.all: list[Told] = []  # the latest last
        self.toasts: list[Toast] = []
        self._unseen = 0  # notices whose toasts made room for others
        self.veil: Callable[[str], str] = str  # hides what is not to be read in a sentence
        self.more = button("", self.show_all, "more", tip="All notices since the start")
        self.more.setParent(host)
        self.more.hide()
        self._told.connect(self._show)
        host.installEventFilter(self)

    def tell(self, sentence: str, details: str = "", level: Level = "info") -> None:
        """Show one sentence, with what is behind it."""
        self._told.emit(sentence, details, level)

    def offer(self, sentence: str, title: str, act: Callable[[], object]) -> None:
        """Show one sentence with a button that does something, until it is taken or dismissed."""
        self._show(sentence, "", "info", (title, act))

    def failed(self, error: BaseException, doing: str = "") -> None:
        """Tell of an exception: its own sentence if it has one for the user."""
        if isinstance(error, EmitLoopError) and error.__cause__ is not None:
            error = error.__cause__  # what a listener of a psygnal signal raised
        if isinstance(error, UserError):
            return self.tell(str(error), level="error")
        log.error("unexpected %s", logs.stack(error))
        details = getattr(error, "details", "") or "".join(traceback.format_exception(error))
        sentence = doing or "Something went wrong; your work is still open."
        return self.tell(sentence, details, "error")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the toasts in the corner."""
        if event.type() == QEvent.Type.Resize:
            self._arrange()
        return super().eventFilter(watched, event)

    def show_all(self) -> None:
        """List every notice since the start."""
        from gui.notice_list import NoticeList

        self._unseen = 0
        self._arrange()
        NoticeList(self.all, self._host).open()

    def forget(self) -> None:
        """Take all notices away, for they may say what is to be hidden from now on."""
        for toast in list(self.toasts):
            toast.dismiss()
        self.all.clear()

    def _show(self, sentence: str, details: str, level: Level, offer: Offer | None = None) -> None:
        sentence, details = self.veil(sentence), self.veil(details)
        told = self._kept(Told(sentence, details, level))
        for same in [t for t in self.toasts if t.told.sentence == sentence]:
            same.dismiss()
        while len(self.toasts) >= LIMIT:
            least = min(self.toasts, key=lambda toast: toast.importance)
            least.dismiss()  # the oldest of the least important
            self._unseen += 1
        toast = Toast(told, self._host, offer)
        toast.dismissed.connect(self._gone)
        self.toasts.append(toast)
        self._arrange()

    def _kept(self, told: Told) -> Told:
        """Put a notice on the list; one that is given again goes to its end and is counted."""
        for before in self.all:
            if (before.sentence, before.level) == (told.sentence, told.level):
                told = replace(told, times=before.times + 1)
                self.all.remove(before)
                break
        self.all = [*self.all, told][-KEPT:]
        return told

    def _gone(self, toast: Toast) -> None:
        self.toasts.remove(toast)
        if not self.toasts:
            self._unseen = 0
        self._arrange()

    def _arrange(self) -> None:
        bottom = self._host.height() - 6 * GRID
        for toast in reversed(self.toasts):
            toast.resize(toast.width(), toast.heightForWidth(toast.width()))
            bottom -= toast.height() + GRID
            _raise(toast, self._host, bottom)
        self.more.setVisible(bool(self._unseen))
        if self._unseen:
            plural = "s" if self._unseen > 1 else ""
            self.more.setText(f"{self._unseen} earlier notice{plural}…")
            self.more.adjustSize()
            _raise(self.more, self._host, bottom - self.more.height() - GRID)


def _raise(part: QWidget, host: QWidget, top: int) -> None:
    """Show a part over the middle of the window."""
    part.move((host.width() - part.width()) // 2, top)
    part.show()
    part.raise_()


class Toast(QFrame):
    """One sentence over the window, with Details or what is offered, and a cross."""

    dismissed = Signal(object)

    def __init__(self, told: Told, host: QWidget, offer: Offer | None = None) -> None:
        super().__init__(host)
        self.told, self.sentence, self.details = told, told.sentence, told.details
        self.setObjectName("toast")
        self.setProperty("level", told.level)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(min(560, max(host.width() - 4 * GRID, 200)))
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        text = label(told.title, wrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(text, 1)
        if told.details:
            row.addWidget(button("Details…", self._show_details))
        self._act = None if offer is None else offer[1]
        if offer is not None:
            row.addWidget(button(offer[0], self._take, "primary"))
        cross = QToolButton()
        cross.setText("✕")
        cross.setAccessibleName("Dismiss")
        cross.clicked.connect(self.dismiss)
        row.addWidget(cross)
        if SHOWN_MS[told.level] and offer is None:
            QTimer.singleShot(SHOWN_MS[told.level], self, self.dismiss)

    @property
    def importance(self) -> tuple[bool, int]:
        """To tell which makes room for others: what waits for an answer stays longest."""
        return self._act is not None, LEVELS.index(self.told.level)

    def dismiss(self) -> None:
        """Take the toast away."""
        if self.isVisible() or not self.isHidden():
            self.hide()
            self.dismissed.emit(self)
            self.deleteLater()

    def _take(self) -> None:
        self.dismiss()
        if self._act is not None:
            self._act()

    def _show_details(self) -> None:
        DetailsDialog(self.sentence, self.details, self.window()).open()


class DetailsDialog(QDialog):
    """The technical text behind a notice, to copy into a report."""

    def __init__(self, sentence: str, details: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Details")
        self.resize(720, 400)
        column = QVBoxLayout(self)
        column.addWidget(label(sentence, wrap=True))
        text = QPlainTextEdit(details)
        text.setReadOnly(True)
        text.setAccessibleName("Details")
        column.addWidget(text)
        buttons = QHBoxLayout()
        buttons.addStretch()
        whole = f"{sentence}\n\n{details}"
        buttons.addWidget(button("Copy", lambda: QGuiApplication.clipboard().setText(whole)))
        buttons.addWidget(button("Close", self.close))
        column.addLayout(buttons)


def install(notices: Notices) -> None:
    """Send every uncaught exception and Qt warning here instead of ending the program."""

    def uncaught(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return sys.__excepthook__(kind, error or kind(), trace)
        return notices.failed((error or kind()).with_traceback(trace))

    sys.excepthook = uncaught
    threading.excepthook = lambda args: uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    qInstallMessageHandler(_log_qt_message)


def _log_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Not the message itself: it may quote the path of a file."""
    log.warning("Qt %s in %s", kind.name, context.category)
