"""The two networks of Bouget et al. for nodes: a slab-wise 3D U-Net and an attention-gated one.

Slab-wise (UNet-SW32): axial slabs of 32 slices, a plain 3D U-Net. Full-volume (AGUNet): the whole
cropped volume at once, average-pooled copies of the input join every level, additive attention
gates on the skips, a head at every level of the decoder. Each may take a second channel, the mask
of known anatomy ("priors"). All tensors are (batch, channel, z, y, x).
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLAB = 32
"""Axial slices that the slab-wise network sees at once."""
SMALLEST = 4
"""Axes that have come down to so many voxels are not pooled further."""
RARE = 0.01
"""What an untrained head takes the share of node voxels for."""
OPEN = 2.0
"""Attention gates begin open, at a sigmoid of this."""
_HEAD = re.compile(r"^heads\.(\d+)\.")
_SEES = re.compile(r"^encoder\.(blocks\.0\.0|copies\.\d+)\.0\.weight$")
"""Convolutions that take the image and, beside it, the priors."""


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of one network; `spacing` (z, y, x) in mm is that of the grid it works on."""

    kind: str  # "slab" or "full"
    width: int
    levels: int
    spacing: tuple[float, float, float]
    priors: bool = False

    @property
    def strides(self) -> list[tuple[int, int, int]]:
        """Of the pooling after each level but the last."""
        slices, found = SLAB, []
        for _ in range(self.levels - 1):
            pooled = self.kind == "full" or slices > SMALLEST
            found.append((2 if pooled else 1, 2, 2))
            slices //= found[-1][0]
        return found

    @property
    def multiple(self) -> int:
        """Every axis of an input must be a multiple of this."""
        return 1 << (self.levels - 1)

    @property
    def channels(self) -> list[int]:
        """Of each level, the finest first."""
        return [self.width << min(level, 3) for level in range(self.levels)]


CONFIGS = {
    "slab": Config("slab", 16, 5, (1.5, 1.5, 1.5)),
    "full": Config("full", 16, 5, (2.0, 2.0, 2.0)),
    "slab_priors": Config("slab", 16, 5, (1.5, 1.5, 1.5), priors=True),
    "full_priors": Config("full", 16, 5, (2.0, 2.0, 2.0), priors=True),
}


def build(config: Mapping[str, Any]) -> NodeNet:
    """The network that a table of sizes describes."""
    return NodeNet(Config(**{**config, "spacing": tuple(config["spacing"])}))


class NodeNet(nn.Module):
    """Logits of lymph nodes: in training one for each level of supervision, the finest first."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        attentive, channels = config.kind == "full", config.channels
        self.encoder = Encoder(config, multi_scale=attentive)
        self.steps = nn.ModuleList(
            Up(below, here, stride, gated=attentive)
            for below, here, stride in zip(
                channels[:0:-1], channels[-2::-1], config.strides[::-1], strict=True
            )
        )
        supervised = channels[-2::-1] if attentive else channels[:1]
        self.heads = nn.ModuleList(_head(width) for width in supervised)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(b, 1 or 2, z, y, x) to [(b, 1, z, y, x), then ever coarser ones while training]."""
        *skips, deep = self.encoder(x)
        decoded: list[Tensor] = []
        for step, skip in zip(self.steps, reversed(skips), strict=True):
            deep = step(deep, skip)
            decoded.append(deep)
        if not self.training:
            return [self.heads[-1](deep)]
        pairs = zip(self.heads, decoded[-len(self.heads) :], strict=True)
        return [head(features) for head, features in pairs][::-1]

    def describe(self) -> dict[str, Any]:
        """What `build` needs."""
        return asdict(self.config)

    def inherit(self, older: NodeNet) -> None:
        """Begin with what a network of either kind and the same channels has learned.

        An input that it did not have, the priors or pooled copies, has no effect at first. Its
        priors are left out where this one has none, as if nothing were known. Raises ValueError
        if it has other parts that this one lacks.
        """
        own, behind = self.state_dict(), len(self.heads) - len(older.heads)
        blind = older.config.priors and not self.config.priors
        for name, learned in older.state_dict().items():
            place = _HEAD.sub(lambda found: f"heads.{int(found[1]) + behind}.", name)
            value = learned[:, :1] if blind and _SEES.search(name) else learned
            if place not in own or not _fits(value.shape, own[place].shape):
                raise ValueError("it has parts that this one lacks, or other channels")
            same = tuple(slice(size) for size in value.shape)
            own[place].zero_()[same].copy_(value)


class Encoder(nn.Module):
    """Blocks with pooling between them; `multi_scale` adds the pooled input to each level."""

    def __init__(self, config: Config, *, multi_scale: bool) -> None:
        super().__init__()
        inputs, channels = 1 + config.priors, config.channels
        self.strides = config.strides
        extra = [config.width] * (len(channels) - 1) if multi_scale else []
        self.copies = nn.ModuleList(_convolution(inputs, width) for width in extra)
        before = [inputs, *channels[:-1]]
        added = [0, *(extra or [0] * (len(channels) - 1))]
        self.blocks = nn.ModuleList(
            _block(a + b, c) for a, b, c in zip(before, added, channels, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of each level, the finest first."""
        features, copy = [self.blocks[0](x)], x
        for level, stride in enumerate(self.strides):
            deeper = F.max_pool3d(features[-1], stride)
            if self.copies:
                copy = F.avg_pool3d(copy, stride)
                deeper = torch.cat([deeper, self.copies[level](copy)], dim=1)
            features.append(self.blocks[level + 1](deeper))
        return features


class Up(nn.Module):
    """One level up: transposed convolution, the skip (gated if asked for), a block."""

    def __init__(self, below: int, here: int, stride: tuple[int, int, int], *, gated: bool) -> None:
        super().__init__()
        rest = (stride[0] - 1, stride[1] - 1, stride[2] - 1)
        self.enlarge = nn.ConvTranspose3d(below, here, 3, stride, 1, rest)
        self.gate = Gate(here) if gated else None
        self.block = _block(2 * here, here)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Features at the skip's size."""
        deep = self.enlarge(deep)
        if self.gate is not None:
            skip = self.gate(skip, deep)
        out: Tensor = self.block(torch.cat([deep, skip], dim=1))
        return out


class Gate(nn.Module):
    """Additive attention (Oktay et al. 2018): lets through of a skip what the deeper level asks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(4, width // 2)
        self.signal, self.gating = _pointwise(width, inner), _pointwise(width, inner)
        self.share = _pointwise(inner, 1)
        nn.init.constant_(self.share[1].bias, OPEN)  # type: ignore[arg-type]

    def forward(self, signal: Tensor, gating: Tensor) -> Tensor:
        """The signal, each voxel weighted from 0 to 1."""
        asked = F.relu(self.signal(signal) + self.gating(gating))
        return signal * torch.sigmoid(self.share(asked))


def _fits(known: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a tensor differs from another at most by inputs that it lacks."""
    same = (*known[:1], *known[2:]) == (*wanted[:1], *wanted[2:])
    return same and tuple(known[1:2]) <= tuple(wanted[1:2])


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs), _convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 1, bias=False), nn.BatchNorm3d(outputs))


def _head(inputs: int) -> nn.Conv3d:
    head = nn.Conv3d(inputs, 1, 1)
    nn.init.constant_(head.bias, math.log(RARE / (1 - RARE)))  # type: ignore[arg-type]
    return head
