"""How large the network sees a photograph."""

from __future__ import annotations

DIAMETERS = (700, 1400)
"""The network sees fields of view between these diameters, in pixels; others are resized."""


def factor(diameter: int, largest: int = DIAMETERS[1]) -> float:
    """By what a photograph is enlarged whose field of view is so wide, in pixels."""
    return min(max(diameter, DIAMETERS[0]), largest) / diameter


def most_pixels(height: int, width: int) -> int:
    """Of what the network sees, if the field of view is the whole photograph."""
    return round(height * width * factor(max(height, width)) ** 2)
