"""MoSt-DSA: direct interpolation at any number of times (arXiv 2407.07078), and a slim relative.

`MoStDSA.observe` does what does not depend on time, once for a pair: encoder, fusion to tokens,
motion and structure context. `MoStDSA.fields` gives flow, blend and residual at one time.

`PUBLISHED` is the network to the layer. `FAST` is the same plan on space-to-depth frames with
local attention in the context module, and with a refinement net that also corrects the flow. Its
last layers start at zero: before it has learned anything it returns the linear blend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugins.dsa_interpolation.context import (
    AttentionContext,
    ChannelNorm,
    Context,
    ContextBlock,
    LambdaContext,
)
from plugins.dsa_interpolation.refine import PublishedRefinement, SlimRefinement
from plugins.dsa_interpolation.sampling import Fields, Pair, compose, conv, resize

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIDE = 32
"""Height and width of the input must be multiples of this many pixels."""


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of a network."""

    slim: bool
    width: int  # channels of the finest level
    levels: int  # of the encoder, each half the size and twice the channels of the one before
    tokens: int  # channels of the context module, which works at 1/8 size
    blocks: int
    heads: int
    key: int  # channels of a query
    reach: int  # context range, tokens of 8 pixels
    ratio: int  # of the MLP
    hidden: int  # channels of the flow head
    refinement: int  # channels of the refinement's finest level


PUBLISHED = Config(False, 32, 3, 256, 4, 4, 16, 15, 4, 128, 64)
FAST = Config(True, 24, 2, 96, 2, 4, 24, 13, 2, 48, 16)
CONFIGS = {"published": PUBLISHED, "fast": FAST}


class Encoder(nn.Module):
    """Levels at full, half, quarter … size of its input, each two convolutions (+ 1 to halve)."""

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        stages = [nn.Sequential(conv(channels, width), conv(width, width))]
        stages += [
            nn.Sequential(conv(w // 2, w, stride=2), conv(w, w), conv(w, w)) for w in widths[1:]
        ]
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features from fine to coarse."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Fusion(nn.Module):
    """All levels to tokens of half the coarsest level's size: more dilations for finer levels."""

    def __init__(self, width: int, levels: int, tokens: int) -> None:
        super().__init__()
        self.sources = [levels - 1 - i for i in range(levels) for _ in range(2**i)]
        self.branches = nn.ModuleList(
            nn.Conv2d(width * 2 ** (levels - 1 - i), width, 3, 2 ** (i + 1), d, dilation=d)
            for i in range(levels)
            for d in range(1, 2**i + 1)
        )
        self.merge = nn.Conv2d(width * (2**levels - 1), tokens, 1)
        self.norm = ChannelNorm(tokens)

    def forward(self, features: list[Tensor]) -> Tensor:
        """(2n, tokens, y / 8, x / 8)."""
        maps = [
            branch(features[level])
            for branch, level in zip(self.branches, self.sources, strict=True)
        ]
        result: Tensor = self.norm(self.merge(torch.cat(maps, dim=1)))
        return result


class FlowHead(nn.Module):
    """Flow from time t to both frames, px, and the blend logit, from linear functions of time.

    Its first convolution is linear in t as well, so that its parts are computed once for a pair.
    """

    def __init__(self, config: Config, motion: int, channels: int) -> None:
        super().__init__()
        self.scale = 4 if config.slim else 2  # px of the frame for one px of this head
        self.shuffle = 8 // self.scale
        entering = 2 * (motion + config.tokens) // self.shuffle**2 + 2 * channels
        self.first = nn.Conv2d(entering, config.hidden, 3, padding=1)
        self.act = nn.PReLU(config.hidden)
        self.second = conv(config.hidden, config.hidden)
        self.last = nn.Conv2d(config.hidden, 5, 3, padding=1)
        self.last_act = nn.Identity() if config.slim else nn.PReLU(5)
        self.drift = nn.Conv2d(motion, 2, 1, bias=False) if config.slim else None

    def prepare(self, motion: Tensor, structure: Tensor, frames: Tensor) -> tuple[Tensor, ...]:
        """The first convolution's answers to M₀, to M₁ and to all that does not depend on time."""
        small = F.avg_pool2d(frames, self.scale)
        moving = F.pixel_shuffle(motion, self.shuffle).chunk(2)
        still = torch.cat([*F.pixel_shuffle(structure, self.shuffle).chunk(2), *small.chunk(2)], 1)
        channels = moving[0].shape[1]
        weight = self.first.weight
        weights = weight[:, :channels], weight[:, channels : 2 * channels]
        parts = [F.conv2d(m, w, padding=1) for m, w in zip(moving, weights, strict=True)]
        parts.append(F.conv2d(still, weight[:, 2 * channels :], self.first.bias, padding=1))
        if self.drift is not None:
            parts += resize(8 * self.drift(motion).float(), 4).chunk(2)
        return tuple(parts)

    def forward(self, parts: tuple[Tensor, ...], time: Tensor) -> tuple[Tensor, Tensor]:
        """Flow (n, 4, y, x) and logit (n, 1, y, x) at full (published) or half size (slim)."""
        first, second, fixed, *drift = parts
        x = self.second(self.act(time * first + (1 - time) * second + fixed))
        found = resize(self.last_act(self.last(x)).float(), 2)
        flow, logit = self.scale * found[:, :4], found[:, 4:]
        if drift:
            flow = flow + torch.cat([time * drift[0], (1 - time) * drift[1]], dim=1)
            logit = logit + torch.logit(1 - time, eps=1e-3)
        return flow, logit


class MoStDSA(nn.Module):
    """Two frames (n, 1, y, x), values about 0 to 1, to frames at any times between 0 and 1."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels, head_channels = (4, 1) if config.slim else (3, 3)
        self.encoder = Encoder(channels, config.width, config.levels)
        self.fusion = Fusion(config.width, config.levels, config.tokens)
        blocks = [
            ContextBlock(_cross(config), config.tokens, config.ratio) for _ in range(config.blocks)
        ]
        self.context = Context(blocks, config.tokens)
        motion = config.blocks * config.tokens // config.heads
        self.head = FlowHead(config, motion, head_channels)
        refinement = SlimRefinement if config.slim else PublishedRefinement
        self.refinement = refinement(config.width, config.tokens, config.refinement)
        _start_as_blend(self)

    def observe(self, first: Tensor, last: Tensor) -> Pair:
        """All that does not depend on time."""
        frames = torch.cat([first, last])
        slim = self.config.slim
        features = self.encoder(F.pixel_unshuffle(frames, 2) if slim else frames.repeat(1, 3, 1, 1))
        structure, motion = self.context(self.fusion(features))
        parts = self.head.prepare(motion, structure, frames if slim else frames.repeat(1, 3, 1, 1))
        return Pair(frames, parts, self.refinement.prepare(features, structure))

    def way(self, pair: Pair) -> Tensor:
        """From the first to the last frame, of what is halfway: (n, 2, y / 2, x / 2), px."""
        flow, _ = self.head(pair.parts, pair.frames.new_full((1, 1, 1, 1), 0.5))
        back, forth = flow.chunk(2, dim=1)
        return forth - back if self.config.slim else F.avg_pool2d(forth - back, 2)

    def fields(self, pair: Pair, time: Tensor) -> Fields:
        """Flow, blend and residual at `time` (n, 1, 1, 1), and the flow and blend before that."""
        flow, logit = self.head(pair.parts, time)
        fields: Fields = self.refinement(pair, flow, logit)
        return fields

    def forward(self, first: Tensor, last: Tensor, times: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Predictions (n, k, y, x) at `times` (n, k), and their stages before the residual."""
        pair = self.observe(first, last)
        found = [self.fields(pair, time[:, None, None, None]) for time in times.unbind(1)]
        stages = [[compose(pair.frames, *stage) for stage in fields.stages] for fields in found]
        merged = [torch.cat(stage, dim=1) for stage in zip(*stages, strict=True)]
        residual = torch.cat([fields.residual for fields in found], dim=1)
        return merged[-1] + residual, merged


def build(config: Mapping[str, Any]) -> MoStDSA:
    """The network of a configuration as the weights' file keeps it."""
    return MoStDSA(Config(**config))


def _cross(config: Config) -> LambdaContext | AttentionContext:
    kind = AttentionContext if config.slim else LambdaContext
    return kind(config.tokens, config.heads, config.key, config.reach)


def _start_as_blend(network: MoStDSA) -> None:
    """No flow, no residual; in the slim network the blend then follows time."""
    for layer in (network.head.last, network.head.drift, network.refinement.last):
        for parameter in layer.parameters() if layer is not None else ():
            nn.init.zeros_(parameter)
