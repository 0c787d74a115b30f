"""Refinement: the U-Net as published, and a slim one that corrects the flow as well."""

from __future__ import annotations

import torch  # noqa: TID253  the worker's side
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: N812, TID253

from plugins.dsa_interpolation.sampling import Fields, Pair, conv, resize, warp_both


class PublishedRefinement(nn.Module):
    """U-Net of four steps, which sees the features of both frames warped at every step."""

    def __init__(self, width: int, tokens: int, channels: int) -> None:
        super().__init__()
        sides = [2 * width, 4 * width, 8 * width, 2 * tokens]
        leaving = [2 * channels, 4 * channels, 8 * channels, 16 * channels]
        entering = [17, *leaving[:3]]
        self.down = nn.ModuleList(
            _halve(e + side, leave) for e, side, leave in zip(entering, sides, leaving, strict=True)
        )
        self.bottom = _halve(tokens, leaving[2])
        up = [leaving[3] + 2 * leaving[2], 2 * leaving[2], 2 * leaving[1], 2 * leaving[0]]
        down = [leaving[2], leaving[1], leaving[0], channels]
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(e, leave, 4, 2, 1), nn.PReLU(leave))
            for e, leave in zip(up, down, strict=True)
        )
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def prepare(self, features: list[Tensor], structure: Tensor) -> list[Tensor]:
        """What will be warped."""
        return [*features, structure]

    def forward(self, pair: Pair, flow: Tensor, logit: Tensor) -> Fields:
        """Residual in -1 to 1; flow and blend as they came."""
        frames = pair.frames.repeat(1, 3, 1, 1)
        x = torch.cat([*frames.chunk(2), *warp_both(frames, flow).chunk(2), logit, flow], dim=1)
        skips: list[Tensor] = []
        for level, (step, side) in enumerate(zip(self.down, pair.sides, strict=True)):
            warped = warp_both(side, _shrink(flow, level))
            x = step(torch.cat([x, *warped.chunk(2)], dim=1))
            skips.append(x)
        x = torch.cat([x, *self.bottom(warped).chunk(2)], dim=1)
        for step, skip in zip(self.up, [*skips[2::-1], None], strict=True):
            x = step(x) if skip is None else torch.cat([step(x), skip], dim=1)
        residual = 2 * torch.sigmoid(self.last(x).mean(1, keepdim=True).float()) - 1
        return Fields([(flow, logit)], residual)


class SlimRefinement(nn.Module):
    """U-Net of two steps on the warped frames, space to depth; corrects flow, blend and residual.

    Features are reduced by 1×1 convolutions before they are warped, once for a pair: both commute.
    """

    def __init__(self, width: int, tokens: int, channels: int) -> None:
        super().__init__()
        fine, coarse = channels, 2 * channels
        self.reduce = nn.ModuleList([nn.Conv2d(2 * width, fine, 1), nn.Conv2d(tokens, coarse, 1)])
        self.enter = conv(21, channels)
        self.down = nn.ModuleList([conv(channels, coarse, 2), conv(coarse, 2 * coarse, 2)])
        self.mix = nn.ModuleList(
            [conv(coarse + 2 * fine, coarse), conv(2 * coarse + 2 * coarse, 2 * coarse)]
        )
        self.up = nn.ModuleList(
            [nn.Conv2d(2 * coarse, 4 * coarse, 1), nn.Conv2d(coarse, 4 * channels, 1)]
        )
        self.join = nn.ModuleList([conv(coarse, coarse), conv(channels, channels)])
        self.last = nn.Conv2d(channels, 9, 3, padding=1)

    def prepare(self, features: list[Tensor], structure: Tensor) -> list[Tensor]:
        """What will be warped: at 1/4 and at 1/8 size."""
        return [layer(x) for layer, x in zip(self.reduce, [features[1], structure], strict=True)]

    def forward(self, pair: Pair, flow: Tensor, logit: Tensor) -> Fields:
        """Flow and blend come at half size and leave at full size."""
        x = self.enter(self.see(pair.frames, flow, logit))
        skips = []
        for level, (down, mix) in enumerate(zip(self.down, self.mix, strict=True), start=1):
            skips.append(x)
            side = warp_both(pair.sides[level - 1], _shrink(flow, level) / 2)
            x = mix(torch.cat([down(x), *side.chunk(2)], dim=1))
        for up, join, skip in zip(self.up, self.join, reversed(skips), strict=True):
            x = join(F.pixel_shuffle(up(x), 2) + skip)
        found = self.last(x).float()
        late = flow + 2 * found[:, 4:8], logit + found[:, 8:]
        stages = [(resize(f, 2), resize(m, 2)) for f, m in ((flow, logit), late)]
        return Fields(stages, F.pixel_shuffle(found[:, :4], 2))

    def see(self, frames: Tensor, flow: Tensor, logit: Tensor) -> Tensor:
        """Both frames and both warped frames, 4 channels each, blend logit and flow."""
        warped = warp_both(frames, resize(flow, 2))
        pictures = [F.pixel_unshuffle(x, 2) for x in (*frames.chunk(2), *warped.chunk(2))]
        return torch.cat([*pictures, logit, flow / 8], dim=1)


def _halve(entering: int, leaving: int) -> nn.Sequential:
    return nn.Sequential(conv(entering, leaving, 2), conv(leaving, leaving))


def _shrink(flow: Tensor, level: int) -> Tensor:
    """A flow for maps of 1 / 2^level of its size, in their px."""
    return flow if level == 0 else resize(flow, 0.5**level) * 0.5**level
