"""The napari layers of one 2D viewer, kept for the next document: making one takes 0.1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils import Colormap
from napari.utils.colormaps import AVAILABLE_COLORMAPS

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

ORDER = ("image", "heat", "mask", "difference", "ai")  # the last lies on top
BLANK = (2, 2)
HEAT_COLORS = "inferno"


class LayerShelf:
    """Hands out layers, made when first asked for."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, str], Layer] = {}

    def image(self, dtype: np.dtype[Any], rgb: bool) -> Image:
        """One for each kind of pixels, as a texture keeps its format."""
        shape = (*BLANK, 3) if rgb else BLANK
        highest = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
        return self._get(
            "image", f"{dtype} {rgb}", Image, np.zeros(shape, dtype), rgb=rgb,
            contrast_limits=(0, highest), interpolation2d="linear",
        )  # fmt: skip

    def heat(self) -> Image:
        """A map over the image, 0 to 1; clear where there is little, in its true colours else."""
        colors = AVAILABLE_COLORMAPS[HEAT_COLORS].map(np.linspace(0, 1, 256))
        colors[:, 3] = np.minimum(2 * np.linspace(0, 1, 256), 1)
        return self._get(
            "heat", "", Image, np.zeros(BLANK, np.float32), colormap=Colormap(colors),
            contrast_limits=(0, 1), blending="translucent_no_depth",
        )  # fmt: skip

    def labels(self, place: str) -> Labels:
        """The "mask", the "difference" from the AI's version, or the "ai"'s version itself."""
        return self._get(place, "", Labels, np.zeros(BLANK, np.uint8))

    def park(self) -> None:
        """Hide all and let go of the pixels."""
        for layer in self._layers.values():
            layer.visible = False
            shape = (*BLANK, 3) if getattr(layer, "rgb", False) else BLANK
            layer.data = np.zeros(shape, layer.data.dtype)

    def _get(self, place: str, kind: str, make: Any, data: Any, **options: Any) -> Any:
        if (place, kind) not in self._layers:
            layer = make(data, visible=False, **options)
            below = ORDER[: ORDER.index(place) + 1]
            self._viewer.layers.insert(sum(key[0] in below for key in self._layers), layer)
            self._layers[place, kind] = layer
            self._viewer.layers.selection.clear()
        return self._layers[place, kind]
