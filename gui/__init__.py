"""The window: Qt and napari, never torch."""
