"""How near a made frame comes to the one that was taken, and what it has to beat."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.series import Array

    Filler = Callable[[Array, Array, list[float]], list[Array]]

THIN = 21  # px of a 512² frame: wider dark things are no vessels
DARKER = 0.05  # of the range of values, than their surroundings
NAMES = ("psnr", "ssim", "vessel_psnr", "vessel_ssim")


def scores(found: Array, truth: Array, top: float, vessels: Array) -> dict[str, float]:
    """PSNR, dB, and SSIM over the whole frame (y, x) and inside `vessels`; `top`: largest value.

    PSNR: 10 log10(top² / mean squared error). SSIM (Wang et al. 2004): Gaussian of sigma 1.5 over
    11 px, K1 = 0.01, K2 = 0.03, mean of its map; inside vessels the mean of the map there. NaN
    inside vessels where there are none.
    """
    from skimage.metrics import structural_similarity

    a, b = (np.asarray(frame, np.float64) / top for frame in (found, truth))
    _, alike = structural_similarity(  # type: ignore[no-untyped-call]
        a, b, data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    squares, some = (a - b) ** 2, bool(vessels.any())
    return {
        "psnr": _decibels(squares.mean()),
        "ssim": float(alike.mean()),
        "vessel_psnr": _decibels(squares[vessels].mean()) if some else float("nan"),
        "vessel_ssim": float(alike[vessels].mean()) if some else float("nan"),
    }


def thin_and_dark(frame: Array, width: float) -> Array:
    """Vessels of a real frame (y, x): darker than what closing makes of it; `width`: its range."""
    size = max(5, round(THIN * min(frame.shape) / 512))
    smooth = ndimage.gaussian_filter(np.asarray(frame, np.float32), size / 14)
    closed = ndimage.grey_closing(smooth, (size, size))
    return np.asarray(closed - smooth > DARKER * width)


def nearest(first: Array, last: Array, shares: list[float]) -> list[Array]:
    """The taken frame that is nearer in time."""
    return [first if share <= 0.5 else last for share in shares]


def linear(first: Array, last: Array, shares: list[float]) -> list[Array]:
    """Both frames blended by time."""
    return [_mixed(first, last, share) for share in shares]


def dis(first: Array, last: Array, shares: list[float]) -> list[Array]:
    """Dense inverse search (Kroeger et al. 2016) both ways, warped and blended by time."""
    cv2: Any = import_module("cv2")  # its stubs lack this class
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    scaled = _as_bytes(first, last)
    forth = np.moveaxis(flow.calc(*scaled, None), -1, 0)[::-1]
    back = np.moveaxis(flow.calc(*scaled[::-1], None), -1, 0)[::-1]
    return _warped(first, last, forth, back, shares)


def tv_l1(first: Array, last: Array, shares: list[float]) -> list[Array]:
    """TV-L1 flow (Zach et al. 2007) both ways, warped and blended by time."""
    from skimage.registration import optical_flow_tvl1

    a, b = (frame / 255 for frame in _as_bytes(first, last))
    flow: Any = optical_flow_tvl1
    return _warped(first, last, flow(a, b), flow(b, a), shares)


FILLERS: dict[str, Filler] = {"nearest": nearest, "linear": linear, "DIS": dis, "TV-L1": tv_l1}


def _warped(
    first: Array, last: Array, forth: Array, back: Array, shares: list[float]
) -> list[Array]:
    """`forth` leads from a place of the first frame to the last one's, (2: y, x), px."""
    return [
        _mixed(_looked_up(first, -share * forth), _looked_up(last, (share - 1) * back), share)
        for share in shares
    ]


def _looked_up(frame: Array, flow: Array) -> Array:
    places = np.indices(frame.shape) + flow
    return np.asarray(
        ndimage.map_coordinates(np.asarray(frame, np.float32), places, order=1, mode="nearest")
    )


def _mixed(first: Array, last: Array, share: float) -> Array:
    return np.asarray((1 - share) * first.astype(np.float32) + share * last.astype(np.float32))


def _as_bytes(first: Array, last: Array) -> tuple[Array, Array]:
    low, high = min(first.min(), last.min()), max(first.max(), last.max())
    scale = 255 / max(float(high) - float(low), 1e-9)
    a, b = (np.asarray((f.astype(np.float32) - low) * scale, np.uint8) for f in (first, last))
    return a, b


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, 1e-12)))
