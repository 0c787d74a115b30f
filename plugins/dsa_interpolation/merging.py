"""Two warped frames to one: weighed by time, without what they do not share.

Noise is what two frames of the same thing do not share, so their difference tells, in every band
of detail and around every place, how much of it their mean still holds. Its share of a band is
taken off (Wiener 1949), by half: a frame without any noise flickers between its neighbours, and
looks as if faint branches ended. A change of contrast is no noise: the noise of a place is not
taken for more than a certain multiple of the whole frame's.
"""

from __future__ import annotations

import torch  # noqa: TID253  the worker's side
from torch.nn import functional as F  # noqa: N812, TID253

from plugins.dsa_interpolation.motion import smooth
from plugins.dsa_interpolation.sampling import resize

BANDS = 3
"""Of detail, each of twice the size of the one before: a Laplacian pyramid."""
AROUND = 1.5
"""Sigma of the area in which a band's variance is taken, pairs of its px."""
TAKEN = 0.5
"""Of the noise."""
MOST = 10.0
"""Noise of a place over the frame's median, at most."""


def merged(first: torch.Tensor, last: torch.Tensor, share: float) -> torch.Tensor:
    """The frame (1, 1, y, x; sides multiples of 16) at `share` of the time from `first` to `last`.

    Raises RuntimeError for other sides.
    """
    pair = torch.cat([(1 - share) * first + share * last, first - last], dim=1)
    return _shared(pair, (share**2 + (1 - share) ** 2) / 2, BANDS)


def _shared(pair: torch.Tensor, noise_of_mean: float, bands: int) -> torch.Tensor:
    """Of mean and difference (1, 2, y, x) what is signal in this band and in the coarser ones."""
    if bands == 0:
        return pair[:, :1]
    coarse = F.avg_pool2d(pair, 2)
    band = pair - resize(coarse, 2)
    whole, noise = smooth(F.avg_pool2d(band.square(), 2), AROUND).chunk(2, dim=1)
    noise = noise_of_mean * torch.minimum(noise, MOST * noise[..., ::2, ::2].median())
    signal = 1 - TAKEN * (noise / whole.clamp_min(1e-12)).clamp(0, 1)
    rest = resize(_shared(coarse, noise_of_mean, bands - 1), 2)
    return torch.addcmul(rest, band[:, :1], resize(signal, 2))
