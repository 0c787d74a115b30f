"""Makes the plugins' manifests known to npe2, as napari expects of a plugin."""

from __future__ import annotations

from inference.registry import manifests


def register() -> None:
    """Register every plugins/*/napari.yaml; those already known are left as they are."""
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    for path in manifests():
        manifest = PluginManifest.from_file(path)
        if manifest.name not in manager:
            manager.register(manifest)
