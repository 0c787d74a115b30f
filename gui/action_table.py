"""The table of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui import registry
from gui.actions import (
    Action,
    can_recover,
    can_redo,
    can_undo,
    has_ai,
    has_dicom,
    has_document,
    has_grey,
    has_result,
    has_run,
    has_stack,
    has_volume,
)
from gui.cine_actions import CINE_ACTIONS
from gui.correct_actions import CORRECTION_ACTIONS
from gui.display import CT_PRESETS

if TYPE_CHECKING:
    from gui.window import LimnWindow


def _looks(window: LimnWindow, name: str) -> bool:
    return window.views.display is not None and getattr(window.views.display, name)


FILE = (
    Action("open", "Open image…", "File", "opening.ask_files", "Ctrl+O", "mdi6.image-plus",
           toolbar="Open", tip="Open images: DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF"),
    Action("open_folder", "Open folder…", "File", "opening.ask_folder", "Ctrl+Shift+O",
           "mdi6.folder-open", toolbar="Folder", tip="Open all series of a folder"),
    Action("browse", "Browse…", "File", "browser.open", "Ctrl+B", "mdi6.folder-search-outline",
           toolbar="Browse", tip="Find studies on this computer and on servers"),
    Action("queue", "Queue…", "File", "queue.open", "Ctrl+Shift+Q", "mdi6.playlist-play",
           tip="Run a task on many studies, one after the other"),
    Action("open_mask", "Open mask on this image…", "File", "masks.ask", "Ctrl+Shift+L",
           "mdi6.layers-plus", has_document,
           tip="Take up the objects of a file: DICOM SEG, RT structures, NIfTI, NRRD, MHA, PNG"),
    Action("open_samples", "Open sample studies", "File", "opening.open_samples", "",
           "mdi6.flask-outline"),
    Action("open_project", "Open project…", "File", "projects.ask_open", "Ctrl+Alt+O",
           "mdi6.folder-star-outline", group=1,
           tip="Open images with all that was done on them"),
    Action("save_project", "Save project", "File", "projects.save", "Ctrl+S",
           "mdi6.content-save-outline", has_document, toolbar="Save", group=1,
           tip="Save images, objects, clicks, measurements and settings to a project"),
    Action("save_project_as", "Save project as…", "File", "projects.save_as", "Ctrl+Alt+S",
           "mdi6.content-save-edit-outline", has_document, group=1),
    Action("recover", "Recover unsaved work…", "File", "projects.recovering.ask", "",
           "mdi6.backup-restore", can_recover, group=1),
    Action("close_series", "Close series", "File", "close_document", "Ctrl+W", "mdi6.close",
           has_document, group=1),
    Action("export", "Export results…", "File", "export.ask", "Ctrl+E", "mdi6.export-variant",
           has_result, toolbar="Export", group=2,
           tip="Save masks, measurements and tables to a folder"),
    Action("send", "Send to server…", "File", "browser.command", "Ctrl+Shift+B",
           "mdi6.send-outline", argument=("PACS", "send"), group=2,
           tip="Store DICOM files, such as exported results, on an archive (PACS)"),
    Action("deidentify", "Export de-identified copies…", "File", "dialogs.deidentify", "",
           "mdi6.incognito", has_dicom, group=2,
           tip="Write DICOM files without what tells the patient, after a preview"),
    Action("picture", "Save picture of the view…", "File", "export.ask_picture", "Ctrl+Shift+S",
           "mdi6.camera-outline", has_document, group=2),
    Action("save_run", "Save run…", "File", "run_export.ask", "Ctrl+Shift+E",
           "mdi6.movie-open-outline", has_run, group=2,
           tip="Save the run as MP4, GIF, DICOM or numbered pictures"),
    Action("settings", "Settings…", "File", "dialogs.settings", "Ctrl+,", "mdi6.cog-outline",
           group=3),
    Action("quit", "Quit", "File", "close", "Ctrl+Q", "mdi6.power", group=4),
)  # fmt: skip

EDIT = (
    Action("undo", "Undo", "Edit", "undo", "Ctrl+Z", "mdi6.undo", can_undo, toolbar="Undo"),
    Action("redo", "Redo", "Edit", "redo", "Ctrl+Shift+Z | Ctrl+Y", "mdi6.redo", can_redo,
           toolbar="Redo"),
)  # fmt: skip

MOUSE = (
    Action("navigate", "Navigate", "View/Left mouse button", "views.set_mode", "N",
           "mdi6.crosshairs", has_document, lambda w: w.mouse_is("navigate"), "navigate",
           toolbar="Navigate", tip="Move the crosshair in a volume, the picture elsewhere"),
    Action("window", "Window/level", "View/Left mouse button", "views.set_mode", "W",
           "mdi6.contrast-circle", has_grey, lambda w: w.mouse_is("window"), "window",
           toolbar="Window", tip="Drag right for more contrast range, down for darker"),
    Action("pan", "Pan", "View/Left mouse button", "views.set_mode", "H", "mdi6.hand-back-right",
           has_document, lambda w: w.mouse_is("pan"), "pan", toolbar="Pan"),
    Action("zoom", "Zoom", "View/Left mouse button", "views.set_mode", "Z",
           "mdi6.magnify", has_document, lambda w: w.mouse_is("zoom"), "zoom", toolbar="Zoom"),
)  # fmt: skip

VIEW = (
    Action("fit", "Fit to view", "View", "views.fit", "R", "mdi6.fit-to-screen-outline",
           has_document, toolbar="Fit", group=1),
    Action("larger", "Zoom in", "View", "views.magnify", "Ctrl++ | Ctrl+=", "mdi6.magnify-plus",
           has_document, argument=1.25, group=1),
    Action("smaller", "Zoom out", "View", "views.magnify", "Ctrl+-", "mdi6.magnify-minus",
           has_document, argument=0.8, group=1),
    Action("layout", "Four views", "View", "views.toggle_layout", "F4", "mdi6.view-grid-outline",
           has_volume, lambda w: has_volume(w) and w.views.all_shown, toolbar="Four views", group=2,
           tip="Axial, coronal, sagittal and 3D, or one of them alone"),
    Action("render", "Show in 3D", "View", "views.start_3d", "F5", "mdi6.cube-outline",
           has_volume, group=2),
    Action("cross", "Crosshair", "View", "views.toggle_cross", "C", "mdi6.crosshairs-gps",
           has_volume, lambda w: w.views.cross_shown, group=3),
    Action("texts", "Texts and scale", "View", "views.toggle_annotated", "T", "mdi6.format-text",
           has_document, lambda w: w.views.annotated, group=3),
    Action("invert", "Invert greys", "View", "views.toggle_look", "I", "mdi6.invert-colors",
           has_grey, lambda w: _looks(w, "inverted"), "inverted", group=3),
    Action("mask", "Show mask", "View", "views.toggle_look", "M", "mdi6.eye-outline",
           has_document, lambda w: _looks(w, "mask_shown"), "mask_shown", group=4),
    Action("outline", "Mask as outline", "View", "views.toggle_look", "O",
           "mdi6.vector-polygon", has_document,
           lambda w: _looks(w, "outlined"), "outlined", group=4),
    Action("ai", "Outline of the AI's version", "View", "views.toggle_look", "A",
           "mdi6.robot-outline", has_ai,
           lambda w: _looks(w, "ai_shown"), "ai_shown", group=4),
)  # fmt: skip

GREYS = (
    Action("auto_window", "From the picture", "View/Window", "views.set_window", "0",
           "mdi6.auto-fix", has_grey),
    *(
        Action(f"preset_{preset.title.lower()}", f"{preset.title}  ({preset.window[0]:g} / "
               f"{preset.window[1]:g})", "View/Window", "views.set_window", str(number),
               "", has_grey, argument=preset.window, group=1)
        for number, preset in enumerate(CT_PRESETS, 1)
    ),
)  # fmt: skip

SLICES = (
    Action("next", "Next", "View/Slice or frame", "views.step", "Down | Right | PgDown", "",
           has_stack, argument=1, where="views"),
    Action("previous", "Previous", "View/Slice or frame", "views.step", "Up | Left | PgUp", "",
           has_stack, argument=-1, where="views"),
    Action("next10", "Ten on", "View/Slice or frame", "views.step", "Shift+Down | Shift+PgDown",
           "", has_stack, argument=10, where="views"),
    Action("previous10", "Ten back", "View/Slice or frame", "views.step",
           "Shift+Up | Shift+PgUp", "", has_stack, argument=-10, where="views"),
    Action("first", "First", "View/Slice or frame", "views.step", "Home", "", has_stack,
           argument=-10**6, where="views"),
    Action("last", "Last", "View/Slice or frame", "views.step", "End", "", has_stack,
           argument=10**6, where="views"),
)  # fmt: skip

STEP = 5  # px
POINTER = (
    *(
        Action(f"pointer_{name}", f"Pointer {name}", "View/Pointer", "pointer.move",
               f"Ctrl+{name.capitalize()}", "", has_document, argument=way, where="views")
        for name, way in (("up", (0, -STEP)), ("down", (0, STEP)), ("left", (-STEP, 0)),
                          ("right", (STEP, 0)))
    ),
    Action("pointer_press", "Press, or let go", "View/Pointer", "pointer.press", "Ctrl+Return",
           "", has_document, where="views", group=1,
           tip="The left mouse button: down until this is given again"),
)  # fmt: skip

HELP = (
    Action("tour", "Tour of the window", "Help", "dialogs.tour", "", "mdi6.map-marker-path",
           tip="The parts of the window, one by one, in two minutes"),
    Action("keys", "Keys and mouse", "Help", "dialogs.keys", "F1 | ?", "mdi6.keyboard-outline"),
    Action("notices", "Notices…", "Help", "notices.show_all", "", "mdi6.message-text-outline"),
    Action("audit", "Audit trail…", "Help", "dialogs.audit", "", "mdi6.clipboard-clock-outline",
           tip="Who opened, ran and exported what, and when"),
    Action("check_up", "This computer and models…", "Help", "dialogs.check_up", "",
           "mdi6.stethoscope", tip="Memory, disk, graphics card and driver; are the models intact"),
    Action("support", "Save support bundle…", "Help", "dialogs.support", "", "mdi6.lifebuoy",
           tip="Versions, device and logs in one file for who helps you; nothing of a patient"),
    Action("logs", "Open the folder of logs", "Help", "dialogs.logs", "", "mdi6.text-box-outline"),
    Action("about", "About Limn", "Help", "dialogs.about", "", "mdi6.information-outline"),
)  # fmt: skip

ACTIONS = (
    *FILE, *EDIT, *MOUSE, *VIEW, *GREYS, *SLICES, *POINTER, *CINE_ACTIONS, *CORRECTION_ACTIONS,
    *registry.actions(), *HELP,
)  # fmt: skip

# What the mouse does, for the cheat sheet.
MOUSE_HELP = (
    ("Left drag", "the chosen tool: navigate, window, pan, zoom, or a correction tool"),
    ("Shift + move", "take the crosshair along"),
    ("Wheel", "slices of a volume, frames of a run; zoom of an image"),
    ("Ctrl + wheel", "zoom about the mouse"),
    ("Right drag", "window and level"),
    ("Right click", "background, while clicks are in use; on a dot: delete it"),
    ("N, Tab, X, Delete", "while clicks are in use: new or next object, other side, delete a dot"),
    ("Middle drag, Space + drag", "move the picture"),
    ("Double click", "one view alone, and back"),
)
