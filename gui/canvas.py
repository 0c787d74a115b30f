"""A bare napari canvas: no layer list, no buttons, no sliders, no keys, no mouse of its own."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from inference.scratch import scratch_folder

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


GL_RENDERER = 0x1F01
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software", "gdi generic", "basic render")

_canvases: list[Any] = []  # any of them can be asked about the graphics card
_lent = ExitStack()  # what goes with the process


def isolate_napari() -> None:
    """Keep napari's own settings out of the user's other napari; call before importing it."""
    from inference.resources import config_folder

    _lend_cache()
    os.environ.setdefault("NAPARI_CONFIG", str(config_folder() / "napari.yaml"))
    os.environ["NAPARI_ASYNC"] = "0"  # its experimental asynchronous slicing loses slices
    # numba, where a plugin brings it, would compile at the first stroke: the window stood still
    os.environ["NAPARI_COLORMAP_BACKEND"] = "pure_python"


def _lend_cache() -> None:
    """A folder for the icons that napari draws as it is imported, if the user's takes nothing."""
    cache = user_cache_path("napari", appauthor=False)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path("nowhere")
    if not os.access(cache, os.W_OK):
        os.environ["XDG_CACHE_HOME"] = str(_lent.enter_context(scratch_folder()))


def make_canvas(parent: QWidget) -> tuple[Any, QWidget, QWidget]:
    """A napari viewer model, the widget that shows it, and the surface that gets the mouse."""
    from napari.components import ViewerModel
    from napari.qt import QtViewer
    from qtpy.QtCore import Qt

    viewer = ViewerModel()
    widget = QtViewer(viewer)
    _canvases.append(widget)
    widget.setParent(parent)
    widget.dims.setMaximumHeight(0)
    main = widget.widget(0)
    main.layout().setContentsMargins(0, 0, 0, 0)
    widget.setAcceptDrops(False)
    widget.canvas.native.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return viewer, widget, widget.canvas.native


def renders_in_software() -> bool:
    """Whether OpenGL has no graphics card; True before the first canvas, to be careful."""
    from vispy.gloo import gl

    if not _canvases:
        return True
    _canvases[-1].canvas.native.makeCurrent()
    name = gl.glGetParameter(GL_RENDERER) or ""
    return any(word in name.lower() for word in SOFTWARE)


def preload_napari() -> None:
    """Import what the canvases need; may run in a thread."""
    import napari.components
    import napari.layers
    import napari.qt  # noqa: F401 (loaded for later)
