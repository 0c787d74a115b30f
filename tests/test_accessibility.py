"""Every part of every panel and dialogue has a name, and the keyboard comes to it in order."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QAccessible
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QKeySequenceEdit,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QRadioButton,
    QScrollBar,
    QTabBar,
    QTabWidget,
    QToolBar,
    QWidget,
)

from gui import keeping
from gui.action_table import ACTIONS
from gui.cine_bar import CineBar
from gui.display import Display
from gui.learning_section import LearningSection
from gui.notices import DetailsDialog
from gui.project import Project
from gui.project_dialogs import MissingDialog, RecoveryDialog, RecoveryOffer
from gui.project_opening import Request
from gui.recovery import Left
from gui.slice_view import SliceView
from gui.tour import Tour
from tests import killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.window import LimnWindow

TASKS = {
    "retinal_vessels": "fundus.jpg",
    "click_segmentation": "ct_phantom.nii.gz",
    "lymph_nodes": "ct_phantom.nii.gz",
    "dsa_interpolation": "dsa_run.dcm",
}
USED = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit,
    QPlainTextEdit, QTabBar,
)  # fmt: skip
COMPOSED = (
    QAbstractItemView, QAbstractSpinBox, QComboBox, QKeySequenceEdit, QLineEdit, QTabBar,
)  # fmt: skip
"""What has parts that Qt makes, such as the field of a spin box."""


def visible(root: QWidget, kinds: Any) -> list[QWidget]:
    """Parts that the user sees, without those that Qt makes inside others."""
    found = [part for part in root.findChildren(QWidget) if isinstance(part, kinds)]
    return [p for p in found if p.isVisible() and not isinstance(p, QScrollBar) and not inner(p)]


def inner(part: QWidget) -> bool:
    parent = part.parentWidget()
    if isinstance(parent.parentWidget() if parent else None, QAbstractItemView):
        return False  # what a cell of a table holds
    return isinstance(parent, COMPOSED) or part.objectName().startswith("qt_")


def spoken(part: QWidget) -> str:
    """What a screen reader calls it."""
    if part.accessibleName():
        return part.accessibleName()
    interface = QAccessible.queryAccessibleInterface(part)
    return interface.text(QAccessible.Text.Name).strip() if interface is not None else ""


def described(part: QWidget) -> str:
    inside = part.parentWidget()
    return f"{type(part).__name__} {spoken(part)!r} {part.toolTip()!r} in {type(inside).__name__}"


def nameless(root: QWidget) -> list[str]:
    """What can be used, or tells how far something is, and has no name in words."""
    parts = visible(root, (*USED, QProgressBar))
    return [described(p) for p in parts if not any(letter.isalpha() for letter in spoken(p))]


def unreachable(root: QWidget) -> list[str]:
    """What can be used by the mouse alone: no Tab comes there, no command does the same."""
    return [
        described(part)
        for part in visible(root, USED)
        if part.isEnabled() and not (takes_tab(part) or by_arrows(part) or has_command(part))
    ]


def takes_tab(part: QWidget) -> bool:
    tab = Qt.FocusPolicy.TabFocus
    return bool(part.focusPolicy() & tab == tab)


def by_arrows(part: QWidget) -> bool:
    """Whether arrow keys lead there: of buttons one of which is chosen, Tab stops at that alone."""
    if not isinstance(part, QRadioButton):
        return False
    beside = part.parentWidget().findChildren(
        QRadioButton, options=Qt.FindChildOption.FindDirectChildrenOnly
    )
    return any(takes_tab(other) and other.isVisible() and other.isEnabled() for other in beside)


def has_command(part: QWidget) -> bool:
    """Whether a menu offers the same: as what is in the toolbar, below a run, beside a slice."""
    return isinstance(part.parentWidget(), (QToolBar, CineBar, SliceView))


def out_of_order(root: QWidget) -> list[str]:
    """Where Tab leads upwards without going to the right: against the order of reading."""
    stops = [part for part in chain(root) if root.isAncestorOf(part) and part.isVisible()]
    backwards = [pair for pair in pairwise(stops) if goes_back(root, *pair)]
    return [f"{described(before)} -> {described(after)}" for before, after in backwards]


def chain(root: QWidget) -> Iterator[QWidget]:
    part = root.nextInFocusChain()
    while part is not root:
        if takes_tab(part) and part.isEnabled() and not inner(part):
            yield part
        part = part.nextInFocusChain()


def goes_back(root: QWidget, before: QWidget, after: QWidget) -> bool:
    if before.visibleRegion().isEmpty():  # scrolled out of sight
        return False
    first, then = before.mapTo(root, QPoint()), after.mapTo(root, QPoint())
    return then.y() + after.height() <= first.y() and then.x() < first.x() + before.width()


def complaints(*roots: QWidget) -> list[str]:
    """All of the above."""
    QApplication.processEvents()
    found = [line for root in roots for line in nameless(root)]
    found += [f"by mouse alone: {line}" for root in roots for line in unreachable(root)]
    return found + [f"order: {line}" for root in roots for line in out_of_order(root)]


@pytest.fixture
def samples(window: LimnWindow) -> LimnWindow:
    """The window with the sample studies."""
    window.opening.open_samples()
    wait_until(lambda: len(window.studies.open) >= 3 and not window.job_bar.rows)
    return window


def choose(window: LimnWindow, name: str) -> None:
    window.studies.select(next(d for d in window.studies.open if d.series.path.name == name))


def test_the_window_without_a_study(window: LimnWindow) -> None:
    assert complaints(window.start_page, window.tabs, window.study_panel) == []
    assert nameless(window) == []


def test_every_dock_and_each_of_its_tabs(samples: LimnWindow) -> None:
    window, found = samples, []
    for task, name in TASKS.items():
        choose(window, name)
        window.task_panel.open_task(task)
        page = window.task_panel.pages[task]
        tabs = page.findChildren(QTabWidget)
        for place in range(tabs[0].count() if tabs else 1):
            if tabs:
                tabs[0].setCurrentIndex(place)
            found += complaints(page)
        found += unreachable(window) + nameless(window)
    window.studies.selected.add_object()
    window.tabs.setCurrentWidget(window.correct_panel)
    found += complaints(window.correct_panel)
    assert sorted(set(found)) == []


def test_the_places_to_browse(window: LimnWindow) -> None:
    window.browser.open()
    found = []
    for place in range(window.browser.tabs.count()):
        window.browser.tabs.setCurrentIndex(place)
        found += complaints(window.browser)
    window.browser.close()
    assert found == []


@contextmanager
def shown_dialogs(window: LimnWindow) -> Iterator[list[QDialog]]:
    """Those that are open over the window; closed at the end."""
    wait_until(lambda: any(d.isVisible() for d in window.findChildren(QDialog)), 10)
    dialogs = [d for d in window.findChildren(QDialog) if d.isVisible()]
    yield dialogs
    for dialog in dialogs:
        dialog.close()


def test_the_dialogues(samples: LimnWindow) -> None:
    window, found = samples, []
    choose(window, "fundus.jpg")
    improve = improving(window)
    choose(window, "dsa_run.dcm")
    window.studies.selected.add_object()
    window.notices.tell("Something.", "Its details.")
    names = ("settings", "keys", "audit", "deidentify", "about", "check_up")
    asking = [getattr(window.dialogs, name) for name in names]
    asking += [window.export.ask, window.notices.show_all, details(window).open]
    asking += [improve, MissingDialog(unfound(), False, window).open]
    asking += [RecoveryDialog([RecoveryOffer(left(), False)], window).open]
    for ask in asking:
        ask()
        with shown_dialogs(window) as dialogs:
            found += complaints(*dialogs)
            for tabs in dialogs[0].findChildren(QTabWidget):
                for place in range(tabs.count()):
                    tabs.setCurrentIndex(place)
                    found += complaints(*dialogs)
    assert sorted(set(found)) == []


def test_the_dialogues_of_servers(window: LimnWindow) -> None:
    window.browser.open()
    place = window.browser.pages["PACS"]
    place.edit_servers()
    with shown_dialogs(window) as dialogs:
        found = complaints(*dialogs)
    place.ask_to_send()
    with shown_dialogs(window) as dialogs:
        found += complaints(*dialogs)
    window.browser.close()
    assert found == []


def test_the_queue_and_the_tour(window: LimnWindow) -> None:
    window.queue.open()
    found = complaints(window.queue)
    window.queue.hide()
    window.dialogs.tour()
    [tour] = [tour for tour in window.findChildren(Tour) if tour.isVisible()]
    found += complaints(tour)
    tour.end()
    assert found == []


def improving(window: LimnWindow) -> Any:
    """Opens the dialogue that fine-tunes a model."""
    window.task_panel.open_task("retinal_vessels")
    [section] = window.task_panel.pages["retinal_vessels"].findChildren(LearningSection)
    return section.improve


def project() -> Project:
    """Of an image that is nowhere."""
    drawn = killed.document()
    drawn.add_object("Lesion")
    saved, _ = keeping.saved(killed.KEY, drawn, Display.of(drawn), {})
    return Project((saved,), saved="2026-01-01T00:00:00+00:00")


def unfound() -> Request:
    return Request(project(), None, None, lambda *_: None, lambda _: None)


def left() -> Left:
    return Left(None, project())


def details(window: LimnWindow) -> QDialog:
    return DetailsDialog("Something.", "Its details.", window)


def test_every_command_is_in_a_menu_that_keys_open(window: LimnWindow) -> None:
    """Alt and the letters that are underlined lead to each command, with or without a key."""
    bar = window.menuBar()
    letters = [menu.title().partition("&")[2][:1].lower() for menu in menus_of(bar)]
    assert all(letters)
    assert len(set(letters)) == len(letters)
    listed = {action for menu in menus_of(bar) for action in below(menu)}
    assert [entry.id for entry in ACTIONS if window.commands.actions[entry.id] not in listed] == []


def menus_of(bar: Any) -> list[Any]:
    return [action.menu() for action in bar.actions() if action.menu() is not None]


def below(menu: Any) -> Iterator[Any]:
    for action in menu.actions():
        if action.menu() is None:
            yield action
        else:
            yield from below(action.menu())
