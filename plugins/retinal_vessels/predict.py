"""From a photograph of any size to vessel probabilities, and what drove them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  the worker's side
from torch.nn import functional as F  # noqa: N812, TID253

from inference.device import mixed_precision
from inference.fullgrad import full_gradient
from inference.tiling import predict_tiled
from plugins.retinal_vessels import prepare
from plugins.retinal_vessels.model import STRIDE
from plugins.retinal_vessels.plausibility import fundus_warning

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from plugins.retinal_vessels.model import FSGNet

EXPLAINED = 700
"""Largest field of view that is explained at its own scale, px: every feature map is kept."""

VIEWS: dict[str, tuple[tuple[int, ...], ...]] = {
    "fast": ((),),
    "large": ((), (-1,), (-2,), (-2, -1)),
}
"""Axes along which a model sees a tile turned over, too: the mean of its answers is taken."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Vessel probability (y, x) in [0, 1], 0 outside the field of view; what to doubt, or None."""

    probability: NDArray[np.float32]
    field_of_view: NDArray[np.bool_]
    warning: str | None


def predict(
    network: FSGNet,
    image: NDArray[np.generic],
    device: str = "cpu",
    tile: int = 1024,
    progress: Callable[[int, int], None] = lambda done, total: None,
    model: str = "fast",
) -> Prediction:
    """Find the vessels of an image (y, x) or (y, x, 3 or more) in tiles of `tile` pixels.

    `model` says in which `VIEWS` the network sees each of them.
    """
    image = prepare.finite(image)
    field_of_view = prepare.find_field_of_view(image)
    warning = fundus_warning(image, field_of_view)
    planes = prepare.planes(image, field_of_view)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mixed = mixed_precision(device)

    def run(part: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=mixed):
            seen = _to_device(part, device)
            found = [network(seen.flip(axes))[0].float().flip(axes) for axes in VIEWS[model]]
            values = torch.sigmoid(torch.stack(found)).mean(0)
        result: NDArray[np.float32] = values.cpu().numpy()
        return result

    found = predict_tiled(
        run, planes.values, (tile, tile), multiple=STRIDE, overlap=0.125, progress=progress
    )[0]
    return Prediction(planes.back(found) * field_of_view, field_of_view, warning)


def explain(
    network: FSGNet,
    image: NDArray[np.generic],
    region: NDArray[np.generic],
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return what drove the vessel logits of `region` (y, x): FullGrad in [0, 1], (y, x)."""
    image = prepare.finite(image)
    planes = prepare.planes(image, prepare.find_field_of_view(image), EXPLAINED)
    chosen = planes.forward(region != 0) > 0
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    picture, mask = (_padded(_to_device(x, device)) for x in (planes.values, chosen[None]))
    saliency = full_gradient(network, picture, mask).cpu().numpy()
    height, width = chosen.shape
    return planes.back(saliency[:height, :width])


def _to_device(part: NDArray[np.generic], device: str) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(part))[None].to(device)
    return tensor.contiguous(memory_format=torch.channels_last)


def _padded(x: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))
