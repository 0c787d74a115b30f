"""Three looks from one small template: dark, light and high contrast."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from string import Template
from typing import TYPE_CHECKING

from qtpy.QtGui import QColor, QIcon, QPalette

from inference.resources import resource_path

if TYPE_CHECKING:
    from qtpy.QtWidgets import QApplication

GRID = 8  # px: margins and gaps are multiples of this or its half
TEXT_SIZES = {"normal": 9, "small": 8, "big": 11, "title": 17}  # pt, at 100 %


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by what they are for, as #rrggbb."""

    canvas: str
    on_canvas: str  # texts and handles on it, outside the images
    window: str
    panel: str
    raised: str
    line: str
    text: str
    quiet: str
    disabled: str
    accent: str
    on_accent: str
    warning: str
    error: str
    selected: str
    focus: str
    check: str  # the icon of a tick on the accent colour


THEMES = {
    "dark": Theme(
        canvas="#000000",
        on_canvas="#c4cad1",
        window="#121417",
        panel="#191c20",
        raised="#262a30",
        line="#30353c",
        text="#e1e5ea",
        quiet="#99a2ad",
        disabled="#626b76",
        accent="#4cb5c3",
        on_accent="#04181b",
        warning="#e3b04b",
        error="#ee7168",
        selected="#20393f",
        focus="#4cb5c3",
        check="check_dark",
    ),
    "light": Theme(
        canvas="#16181b",
        on_canvas="#c4cad1",
        window="#e4e7ea",
        panel="#f3f5f6",
        raised="#ffffff",
        line="#c6ccd2",
        text="#1c2126",
        quiet="#56606b",
        disabled="#9aa3ac",
        accent="#0d7482",
        on_accent="#ffffff",
        warning="#8a5a00",
        error="#b3261e",
        selected="#cfe6e9",
        focus="#0d7482",
        check="check_light",
    ),
    "contrast": Theme(
        canvas="#000000",
        on_canvas="#ffffff",
        window="#000000",
        panel="#000000",
        raised="#000000",
        line="#ffffff",
        text="#ffffff",
        quiet="#ffffff",
        disabled="#8c8c8c",
        accent="#ffd60a",
        on_accent="#000000",
        warning="#ffd60a",
        error="#ff8a80",
        selected="#3a3300",
        focus="#00e5ff",
        check="check_dark",
    ),
}

_TEMPLATE = Template("""
* { font-size: $normal; color: $text; }
QMainWindow, QDialog { background: $window; }
QMainWindow::separator { background: $line; width: 2px; height: 2px; }
QMainWindow::separator:hover { background: $accent; }
QWidget#panel, QDockWidget > QWidget, QScrollArea, QScrollArea > QWidget > QWidget,
QStackedWidget#panel { background: $panel; }
QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; }
QWidget#canvas { background: $canvas; }
QWidget#canvas QLabel { color: $on_canvas; }
QMenuBar { background: $window; padding: 2px 4px; }
QMenuBar::item { background: transparent; padding: 4px 8px; border-radius: 4px; }
QMenuBar::item:selected, QMenu::item:selected { background: $selected; }
QMenu { background: $panel; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 4px 24px 4px 8px; border-radius: 4px; }
QMenu::item:disabled, QMenuBar::item:disabled { color: $disabled; }
QMenu::separator { height: 1px; background: $line; margin: 4px 8px; }
QMenu::icon { padding-left: 8px; }
QToolBar { background: $window; border: 0; padding: 4px 8px; spacing: 4px; }
QToolBar QToolButton#qt_toolbar_ext_button { qproperty-icon: url($icons/right.svg);
  min-width: 14px; padding: 4px; }
QToolBar::separator { background: $line; width: 1px; margin: 4px 4px; }
QToolButton { background: transparent; border: 1px solid transparent; border-radius: 4px;
  padding: 4px 8px; }
QToolButton:hover { background: $raised; border-color: $line; }
QToolButton:pressed, QToolButton:checked { background: $selected; border-color: $accent; }
QToolButton:disabled { color: $disabled; }
QToolButton::menu-indicator { image: none; }
QPushButton { background: $raised; border: 1px solid $line; border-radius: 4px; padding: 5px 12px;
  min-height: 16px; }
QPushButton:hover { border-color: $accent; }
QPushButton:pressed, QPushButton:checked { background: $selected; border-color: $accent; }
QPushButton:disabled { color: $disabled; border-color: $disabled; background: transparent; }
QPushButton#primary { background: $accent; color: $on_accent; border-color: $accent;
  font-weight: 600; }
QPushButton#primary:hover { border-color: $text; }
QPushButton#primary:disabled { background: transparent; color: $disabled;
  border-color: $disabled; }
QPushButton#back { text-align: left; border: 0; border-bottom: 1px solid $line; border-radius: 0;
  padding: 8px; font-weight: 600; background: $panel; }
QPushButton#recent { text-align: left; border: 0; background: transparent; padding: 4px; }
QPushButton#back:hover, QPushButton#recent:hover { background: $selected; }
QPushButton#more { padding: 3px 12px; min-height: 14px; border-radius: 10px; }
QPushButton#small { padding: 1px 8px; min-height: 14px; }
QCheckBox::indicator, QRadioButton::indicator, QTreeView::indicator { width: 13px; height: 13px;
  border: 1px solid $quiet; border-radius: 3px; background: $window; }
QRadioButton::indicator { border-radius: 7px; }
QCheckBox::indicator:checked, QRadioButton::indicator:checked, QTreeView::indicator:checked {
  background: $accent; border-color: $accent; image: url($icons/$check.svg); }
QCheckBox:disabled, QRadioButton:disabled, QLabel:disabled { color: $disabled; }
QCheckBox::indicator:disabled { border-color: $disabled; }
QPushButton:focus, QToolButton:focus, QTreeView:focus, QListView:focus, QTableView:focus {
  border: 1px solid $focus; }
QPushButton#back:focus, QPushButton#recent:focus { border: 1px solid $focus; }
QPushButton#primary:focus, QPushButton:checked:focus { border: 2px solid $text; padding: 4px 11px; }
QCheckBox, QRadioButton { border: 1px solid transparent; border-radius: 3px; padding: 1px; }
QCheckBox:focus, QRadioButton:focus { border-color: $focus; }
QLineEdit, QComboBox, QAbstractSpinBox, QPlainTextEdit, QTextEdit { background: $window;
  border: 1px solid $line; border-radius: 4px; padding: 3px 6px; min-height: 18px;
  selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus, QComboBox:focus, QAbstractSpinBox:focus, QPlainTextEdit:focus {
  border-color: $focus; }
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled { color: $disabled; }
QComboBox::drop-down, QDateEdit::drop-down { border: 0; width: 20px; }
QComboBox::down-arrow, QDateEdit::down-arrow, QAbstractSpinBox::down-arrow {
  image: url($icons/down.svg); width: 10px; height: 10px; }
QAbstractSpinBox::up-arrow { image: url($icons/up.svg); width: 10px; height: 10px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: 0; width: 16px;
  background: transparent; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $raised; }
QComboBox QAbstractItemView { background: $panel; border: 1px solid $line;
  selection-background-color: $selected; selection-color: $text; }
QScrollArea { border: 0; }
QTreeView, QListView, QTableView { background: $panel; border: 1px solid transparent; outline: 0;
  selection-background-color: $selected; selection-color: $text;
  alternate-background-color: $window; gridline-color: $line; }
QTreeView::item, QListView::item { padding: 4px; border-radius: 4px; }
QTreeView::item:hover, QListView::item:hover { background: $raised; }
QTreeView::item:selected, QListView::item:selected { background: $selected; }
QTreeView::branch { background: $panel; }
QTreeView::branch:has-children:closed { image: url($icons/right.svg); }
QTreeView::branch:has-children:open { image: url($icons/down.svg); }
QHeaderView::section { background: $window; border: 0; border-bottom: 1px solid $line;
  padding: 4px 8px; }
QTableView QHeaderView::section { padding: 4px 3px; } /* as the texts of its cells */
QTabWidget::pane { border: 0; border-top: 1px solid $line; background: $panel; }
QTabBar { background: $window; }
QTabBar::tab { background: transparent; color: $quiet; padding: 7px 16px; border: 0;
  border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:hover { color: $text; }
QTabBar:focus { border: 1px solid $focus; }
QScrollBar { background: transparent; border: 0; }
QScrollBar:vertical { width: 10px; } QScrollBar:horizontal { height: 10px; }
QScrollBar::handle { background: $line; border-radius: 4px; margin: 1px; min-height: 24px;
  min-width: 24px; }
QScrollBar::handle:hover { background: $quiet; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QProgressBar { background: $window; border: 1px solid $line; border-radius: 4px; height: 8px;
  text-align: center; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QSlider::groove:horizontal { height: 4px; background: $line; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { background: $text; width: 12px; margin: -4px 0; border-radius: 6px; }
QSlider::handle:horizontal:focus { background: $accent; border: 2px solid $text; width: 10px;
  margin: -5px 0; border-radius: 7px; }
QSlider::groove:vertical { width: 4px; background: $line; border-radius: 2px; }
QSlider::handle:vertical { background: $on_canvas; height: 12px; margin: 0 -4px;
  border-radius: 6px; }
QSlider:disabled { background: transparent; }
QGroupBox { border: 1px solid $line; border-radius: 6px; margin-top: 10px; padding: 8px; }
QGroupBox::title { subcontrol-origin: margin; left: 8px; padding: 0 4px; color: $quiet; }
QStatusBar { background: $window; min-height: 28px; } QStatusBar::item { border: 0; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px; }
QFrame#card { background: $raised; border: 1px solid $line; border-radius: 6px; }
QFrame#card:hover { border-color: $accent; }
QFrame#toast { background: $raised; border: 1px solid $line; border-left: 3px solid $accent;
  border-radius: 4px; }
QFrame#toast[level="warning"] { border-left-color: $warning; }
QFrame#toast[level="error"] { border-left-color: $error; }
QFrame#rule { background: $line; max-height: 1px; }
QLabel { background: transparent; }
QLabel#quiet { color: $quiet; } QLabel#heading { font-weight: 600; }
QLabel#section { color: $quiet; font-size: $small; font-weight: 600; letter-spacing: 1px; }
QLabel#title { font-size: $title; font-weight: 300; } QLabel#warning { color: $warning; }
QLabel#error { color: $error; } QLabel#big { font-size: $big; font-weight: 600; }
QFrame#drop { border: 2px dashed $line; border-radius: 12px; background: transparent; }
QFrame#drop[over="true"] { border-color: $accent; background: $selected; }
""")


def stylesheet(theme: Theme, text_size: int = 100) -> str:
    """The Qt style sheet of a theme; `text_size` in percent."""
    icons = resource_path("icons").as_posix()
    sizes = {name: f"{points * text_size / 100:g}pt" for name, points in TEXT_SIZES.items()}
    sheet = _TEMPLATE.substitute(asdict(theme), icons=icons, **sizes)
    return re.sub(  # what holds a line of text grows with it
        r"min-height: (\d+)px",
        lambda found: f"min-height: {int(found[1]) * text_size // 100}px",
        sheet,
    )


def palette(theme: Theme) -> QPalette:
    """Colours for what the style sheet does not reach, such as item views and links."""
    colors = QPalette()
    role = QPalette.ColorRole
    for roles, color in (
        ((role.Window, role.Button, role.AlternateBase), theme.window),
        ((role.Base, role.ToolTipBase), theme.panel),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), theme.text),
        ((role.Highlight, role.Link), theme.accent),
        ((role.HighlightedText,), theme.on_accent),
        ((role.PlaceholderText,), theme.quiet),
    ):
        for one in roles:
            colors.setColor(one, QColor(color))
    disabled = QPalette.ColorGroup.Disabled
    for one in (role.WindowText, role.Text, role.ButtonText):
        colors.setColor(disabled, one, QColor(theme.disabled))
    return colors


def apply(app: QApplication, name: str, text_size: int = 100) -> Theme:
    """Dress the whole application, with text of so many percent; returns the colours."""
    theme = THEMES[name]
    app.setPalette(palette(theme))
    app.setStyleSheet(stylesheet(theme, text_size))
    return theme


def icon(name: str, theme: Theme, color: str = "") -> QIcon:
    """A Material Design icon such as "mdi6.brush" in the theme's colours."""
    import qtawesome

    return qtawesome.icon(name, color=color or theme.text, color_disabled=theme.disabled)  # type: ignore[no-any-return]
