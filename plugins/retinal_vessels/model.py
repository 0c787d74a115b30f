"""FSG-Net: full-scale guided network for retinal vessels (arXiv 2501.18921).

Encoder, decoder, head: the encoder halves the image three times, the decoder goes back up through
three guided blocks, and each decoder level has a head of its own (deep supervision).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS = 4
"""Red, green, blue, and how large the photograph's field of view is (`prepare.network_input`)."""

STRIDE = 8
"""Height and width of the input must be multiples of this many pixels."""


class ConvBR(nn.Sequential):
    """3×3 convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        )


class DropBlock(nn.Module):
    """Drops square blocks of all channels while training (Ghiasi et al. 2018)."""

    def __init__(self, probability: float, size: int = 7) -> None:
        super().__init__()
        self.probability = probability
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the kept positions scaled up."""
        if not self.training or self.probability == 0:
            return x
        shape = (x.shape[0], 1, *x.shape[2:])
        seeds = torch.rand(shape, device=x.device) < self.probability / self.size**2
        dropped = F.max_pool2d(seeds.float(), self.size, stride=1, padding=self.size // 2)
        keep = 1 - dropped
        return x * (keep / keep.mean().clamp_min(1e-3)).to(x.dtype)


class ModernBlock(nn.Module):
    """Depthwise 3×3, batch norm, inverted bottleneck, layer scale, DropBlock, residual."""

    def __init__(self, channels: int, drop: float, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.act = nn.ReLU()
        self.reduce = nn.Conv2d(4 * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), scale))
        self.drop = DropBlock(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        y = self.reduce(self.act(self.expand(self.norm(self.depthwise(x)))))
        result: Tensor = x + self.drop(y * self.scale.to(y.dtype))
        return result


class SpatialAttention(nn.Module):
    """Weights each position by a 7×7 convolution over the mean and maximum of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(summary))


class SizeGain(nn.Module):
    """Strengthens or weakens each channel by the size of the photograph (Perez et al. 2018, FiLM).

    One pixel is a branch in a small photograph and a capillary in a large one; without this the
    sets that were drawn at different scales hold each other back. Starts without effect.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Conv2d(1, channels, 1, bias=False)
        self.offset = nn.Conv2d(1, channels, 1, bias=False)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Same shape as `x`; `image` (batch, 4, y, x) holds the size in its last channel."""
        size = resize(image[:, 3:], x.shape[2:])
        return torch.addcmul(x + self.offset(size), x, self.gain(size))


class Encoder(nn.Module):
    """Four levels; the image itself enters again at the first three (full, half, quarter size)."""

    def __init__(self, width: int, depths: tuple[int, ...], drop: float, scale: float) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stem = ConvBR(CHANNELS, width)
        self.side = ConvBR(CHANNELS, width)
        self.down = nn.ModuleList(nn.Conv2d(w, w, 2, stride=2) for w in widths[1:])
        self.stages = nn.ModuleList(
            nn.Sequential(*(ModernBlock(w, drop, scale) for _ in range(depth)))
            for w, depth in zip(widths, depths, strict=True)
        )
        self.image = nn.ModuleList(ConvBR(CHANNELS, w) for w in widths[:3])
        self.attention = SpatialAttention()
        self.gains = nn.ModuleList(SizeGain(w) for w in (*widths[1:], widths[3]))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return four features: full, half, quarter and eighth size."""
        x = self.stages[0](self.stem(image)) + self.side(image)
        features = [self.gains[0](torch.cat([x, self.image[0](image)], dim=1), image)]
        for level in (1, 2):
            x = self.stages[level](self.down[level - 1](features[-1]))
            x = torch.cat([x, self.image[level](resize(image, x.shape[2:]))], dim=1)
            features.append(self.gains[level](x, image))
        x = self.attention(self.stages[3](self.down[2](features[-1])))
        return [*features, self.gains[3](x, image)]


class GuidedFilter(nn.Module):
    """Attention-weighted fast guided filter: a weighted least-squares line in every window.

    The published code divides one weight by its sum over the whole batch; here each window of each
    image is normalised by its own weights, so that an image's result depends on that image alone.
    """

    def __init__(self, radius: int = 2, epsilon: float = 1e-2) -> None:
        super().__init__()
        self.size = 2 * radius + 1
        self.radius = radius
        self.epsilon = epsilon

    def total(self, x: Tensor) -> Tensor:
        """Sum over the window, cut at the border; a convolution is quicker than pooling."""
        channels = x.shape[1]
        ones = x.new_ones(channels, 1, self.size, self.size)
        return F.conv2d(x, ones, padding=self.radius, groups=channels)

    def forward(self, guide: Tensor, coarse: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """`guide` at full size; `coarse` (guide), `target` and `weight` at half size.

        In float32 also where the network around it computes in less: variances are differences.
        """
        with torch.autocast(guide.device.type, enabled=False):
            lines = self.line(coarse.float(), target.float(), weight.float() + 1e-4)
            count, size = self.total(torch.ones_like(lines[0][:1, :1])), guide.shape[2:]
            slope, offset = (resize(self.total(part) / count, size) for part in lines)
            return torch.addcmul(offset, slope, guide.float())

    def line(self, guide: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Slope and offset of each window's weighted regression of the target on the guide."""
        share, weighted = 1 / self.total(weight), weight * guide
        mean_guide = self.total(weighted) * share
        mean_target = self.total(weight * target) * share
        covariance = self.total(weighted * target) * share - mean_guide * mean_target
        variance = (self.total(weighted * guide) * share - mean_guide**2).clamp_min(0)
        slope = covariance / (variance + self.epsilon)
        return slope, mean_target - slope * mean_guide


class AttentionGate(nn.Module):
    """One weight in [0, 1] for each position from guide and target (Oktay et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.guide = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.target = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.act = nn.ReLU()
        self.weight = nn.Sequential(nn.Conv2d(channels, 1, 1, bias=False), nn.BatchNorm2d(1))

    def forward(self, guide: Tensor, target: Tensor) -> Tensor:
        """Return (batch, 1, y, x)."""
        return torch.sigmoid(self.weight(self.act(self.guide(guide) + self.target(target))))


class ResidualConv(nn.Module):
    """Pre-activation residual block with a convolved shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same size, `channels_out` channels."""
        y: Tensor = self.body(x) + self.shortcut(x)
        return y


class GuidedBlock(nn.Module):
    """One step up: merge the full-scale guide, filter the coarse feature by it, convolve.

    The published 1×1 convolution of (skip, enlarged coarser guide) is split in two: enlarging and
    1×1 convolution commute, and the coarse half costs a quarter before it is enlarged.

    Without guidance the filter's line `slope · guide + offset` is fixed to `guide + coarse`: the
    same skips and the same sizes, only attention and filter are gone (the ablation's twin).
    """

    def __init__(self, channels: int, coarser_guide: int, guided: bool) -> None:
        super().__init__()
        self.fine = nn.Conv2d(channels, channels, 1, bias=False)
        self.coarse = nn.Conv2d(coarser_guide, channels, 1, bias=False)
        self.merge = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.attention = AttentionGate(channels) if guided else None
        self.filter = GuidedFilter()
        self.conv = ResidualConv(channels, channels // 2)
        self.gain = SizeGain(channels // 2)

    def forward(
        self, skip: Tensor, coarser_guide: Tensor, target: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return this level's guide and its decoder feature."""
        size = skip.shape[2:]
        guide = self.merge(self.fine(skip) + resize(self.coarse(coarser_guide), size))
        if self.attention is None:
            return guide, self.gain(self.conv(guide + resize(target, size)), image)
        coarse = resize(guide, target.shape[2:])
        weight = self.attention(coarse, target)
        filtered = self.filter(guide, coarse, target, weight)
        return guide, self.gain(self.conv(filtered), image)


class Decoder(nn.Module):
    """Three guided blocks; the guides run from coarse to fine beside the decoder features."""

    def __init__(self, width: int, guided: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            GuidedBlock(channels * width, coarser * width, guided)
            for channels, coarser in ((8, 8), (4, 8), (2, 4))
        )

    def forward(self, features: list[Tensor], image: Tensor) -> list[Tensor]:
        """Return the decoder features, finest first."""
        *skips, bottleneck = features
        guide, feature = bottleneck, bottleneck
        outputs: list[Tensor] = []
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            guide, feature = block(skip, guide, feature, image)
            outputs.insert(0, feature)
        return outputs


class FSGNet(nn.Module):
    """Vessel logits (batch, 1, y, x) from `prepare.network_input` (batch, 4, y, x).

    While training, a list of three logit maps of full size, finest first.
    """

    def __init__(
        self,
        width: int,
        depths: tuple[int, ...] = (3, 3, 9, 3),
        *,
        guided: bool = True,
        drop: float | None = None,
        scale: float = 0.1,
    ) -> None:
        """`drop`: DropBlock strength; `scale`: first value of the layer scale.

        The published values, 0.5 and 1e-6, belong to width 64 and ten thousand epochs. Narrow
        networks trained for a few thousand steps underfit rather than overfit: DropBlock shrinks
        with the width, and blocks start with a share of a tenth instead of almost nothing.
        """
        super().__init__()
        drop = 0.5 * width / 64 if drop is None else drop
        self.encoder = Encoder(width, tuple(depths), drop, scale)
        self.decoder = Decoder(width, guided)
        self.heads = nn.ModuleList(nn.Conv2d(w * width, 1, 1) for w in (1, 2, 4))

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Logits of the finest head; of all heads while training."""
        outputs = self.decoder(self.encoder(image), image)
        if not self.training:
            final: Tensor = self.heads[0](outputs[0])
            return final
        size = image.shape[2:]
        return [resize(head(x), size) for head, x in zip(self.heads, outputs, strict=True)]


def resize(x: Tensor, size: torch.Size) -> Tensor:
    """Bilinear, corners aligned as published."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


IN_ORDER = (ModernBlock,)
"""What runs the modules that it holds in their order, as nn.Sequential does."""


def build(config: Mapping[str, Any]) -> FSGNet:
    """Return the network for `config` = {width, depths, guided, …}."""
    return FSGNet(**config)
