"""Makes the plugins' manifests known to npe2, as napari expects of a plugin."""

from __future__ import annotations

from inference.registry import load, manifests, tasks


def register() -> None:
    """Register every plugins/*/napari.yaml; those already known are left as they are."""
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    for path in manifests():
        manifest = PluginManifest.from_file(path)
        if manifest.name not in manager:
            manager.register(manifest)


def preload() -> None:
    """Import the widgets of the tasks ahead of their use: some bring libraries that take long."""
    for task in tasks().values():
        if task.widget:
            load(task.widget)
