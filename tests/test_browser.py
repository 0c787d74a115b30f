from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import wait_until
from qtpy.QtWidgets import QApplication, QLabel

from gui.browser import Browser, BrowserContext
from gui.theme import THEMES
from inference import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.theme import Theme
    from gui.window import LimnWindow


class Place(QLabel):
    """A tab of the browser."""

    def __init__(self, context: BrowserContext) -> None:
        super().__init__("Nothing here")
        self.context = context
        self.theme = THEMES["light"]

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme


@pytest.fixture
def browser(window: LimnWindow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser of the window with two places of our own, not the plugins'."""
    places = {"Here": f"{__name__}:Place", "There": f"{__name__}:Place"}
    monkeypatch.setattr(registry, "titled", lambda ending: places if ending == ".browser" else {})
    made = Browser(window, window.browser._context)
    made.setObjectName("another browser")
    yield made
    made.close()
    window.removeDockWidget(made)
    made.deleteLater()


def test_places_are_made_when_the_browser_is_first_seen(browser: Browser) -> None:
    assert not browser.isVisible()
    assert not browser.pages
    browser.open()
    assert [browser.tabs.tabText(n) for n in range(browser.tabs.count())] == ["Here", "There"]
    assert browser.pages["Here"].context.studies is browser._context.studies
    browser.open("There")
    assert browser.pages["There"].isVisible()
    browser.apply_theme(THEMES["contrast"])
    assert {page.theme.accent for page in browser.pages.values()} == {"#ffd60a"}


def test_it_has_a_window_of_its_own_if_wanted_and_closes(browser: Browser) -> None:
    browser.open()
    browser.apart.click()
    assert browser.isFloating()
    wait_until(lambda: not browser.leave.isVisible())  # the desktop's frame has such a button
    browser.setFloating(False)
    wait_until(browser.leave.isVisible)
    browser.leave.click()
    assert not browser.isVisible()


def test_the_plugins_places_come_with_the_menu(window: LimnWindow) -> None:
    window.commands.actions["browse"].trigger()
    assert window.browser.isVisible()
    assert set(window.browser.pages) == set(registry.titled(".browser"))
    QApplication.processEvents()
    window.browser.close()
