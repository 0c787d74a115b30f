"""What the plugins bring to the window: manifests for napari, commands, widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference.registry import contributed, load, manifests, tasks

if TYPE_CHECKING:
    from gui.actions import Action


def register() -> None:
    """Register every plugins/*/napari.yaml with npe2; those already known are left as they are."""
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    for path in manifests():
        manifest = PluginManifest.from_file(path)
        if manifest.name not in manager:
            manager.register(manifest)


def actions() -> tuple[Action, ...]:
    """What the plugins add to the table of commands, in the order of their folders."""
    return tuple(action for added in contributed(".actions") for action in added)


def preload() -> None:
    """Import the widgets of the tasks ahead of their use: some bring libraries that take long."""
    for task in tasks().values():
        if task.widget:
            load(task.widget)
