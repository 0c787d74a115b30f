"""A network that outlines what was clicked: the image is seen once, prompts join late.

`encode` sees the image alone, so that its answer is kept for all clicks in a crop. `decode` takes
the prompts (positive, negative, previous mask, and where the image looks like what was clicked),
goes down a narrow branch of its own that meets the image's features at every scale, compares those
features with the clicked ones, lets every place look at every other once, and comes back up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMAGE_CHANNELS = 2  # prepare.normalise
PROMPT_CHANNELS = 5  # encoding.encode


@dataclass(frozen=True, slots=True)
class Config:
    """Channels at full, 1/2, 1/4, 1/8 and 1/16 size, and residual blocks from 1/2 on."""

    image: tuple[int, ...]
    depths: tuple[int, ...]
    prompt: tuple[int, ...]  # channels of the prompt branch from 1/2 on, and of the way back up
    compared: int  # channels in which features are compared with the clicked ones, 0: not at all
    heads: int
    looks: int  # how often every place looks at every other
    profile: str = "gaussian"  # of a click in its map, encoding.PROFILES


FAST = Config((12, 32, 64, 128, 192), (1, 2, 2, 2), (24, 48, 96, 128), 24, 4, 2)
LARGE = replace(FAST, depths=(2, 4, 6, 4), looks=4)  # deeper where it costs no further click
CONFIGS = {"fast": FAST, "large": LARGE}


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, entering: int, leaving: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(entering, leaving, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(leaving),
            nn.ReLU(),
        )


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        result: Tensor = F.relu(x + self.norm(self.second(self.first(x))))
        return result

    def step_aside(self) -> None:
        """Pass on what a ReLU gave, until training makes more of it."""
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)


class Look(nn.Module):
    """Every place looks at every other (self-attention), then thinks (MLP); residual."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.before, self.between = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.ask = nn.Linear(channels, 3 * channels)
        self.answer = nn.Linear(channels, channels)
        self.think = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, down, right), same shape."""
        x = x + self.place(x)
        batch, channels, down, right = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        parts = self.ask(self.before(tokens)).view(batch, -1, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.answer(seen.transpose(1, 2).reshape(batch, -1, channels))
        tokens = tokens + self.think(self.between(tokens))
        result: Tensor = tokens.transpose(1, 2).reshape(batch, channels, down, right)
        return result

    def step_aside(self) -> None:
        """Pass on what comes, until training makes more of it."""
        for last in (self.place, self.answer, self.think[-1]):
            for weights in last.parameters():
                nn.init.zeros_(weights)


class Encoder(nn.Module):
    """The image's features at full, 1/2, 1/4, 1/8 and 1/16 size."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.stem = Conv(IMAGE_CHANNELS, config.image[0])
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(fine, coarse, stride=2), *(Residual(coarse) for _ in range(depth)))
            for fine, coarse, depth in zip(
                config.image[:-1], config.image[1:], config.depths, strict=True
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features from fine to coarse."""
        features: list[Tensor] = [self.stem(image)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class Meeting(nn.Module):
    """Prompts meet the image's features at one scale."""

    def __init__(self, image: int, entering: int, channels: int, compared: int) -> None:
        super().__init__()
        self.seen = nn.Conv2d(image, channels, 1)
        self.compared = nn.Conv2d(image, compared, 1, bias=False) if compared else None
        self.down = nn.Conv2d(entering, channels, 3, 2, 1, bias=False) if entering else None
        self.alike = nn.Conv2d(3, channels, 1, bias=False) if compared else None
        self.norm = nn.BatchNorm2d(channels)
        self.block = Residual(channels)

    def prepare(self, feature: Tensor) -> tuple[Tensor, Tensor | None]:
        """What depends on the image alone: its share, and the directions to compare."""
        directions = None
        if self.compared is not None:
            directions = F.normalize(self.compared(feature).float(), dim=1)
        return self.seen(feature), directions

    def forward(self, seen: tuple[Tensor, Tensor | None], finer: Tensor, marked: Tensor) -> Tensor:
        """`finer` prompt features of twice the size; `marked` (batch, 3, …) as in `likeness`."""
        share, directions = seen
        x = share + (finer if self.down is None else self.down(finer))
        if directions is not None and self.alike is not None:
            x = x + self.alike(likeness(directions, marked).to(x.dtype))
        result: Tensor = self.block(F.relu(self.norm(x)))
        return result


class Decoder(nn.Module):
    """Prompts down, a look around, and up again to logits of full size."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = config.prompt
        self.enter = Conv(4 * PROMPT_CHANNELS, widths[0])
        self.meetings = nn.ModuleList(
            Meeting(image, entering, width, config.compared if level in (1, 2) else 0)
            for level, (image, entering, width) in enumerate(
                zip(config.image[1:], (0, *widths), widths, strict=False)
            )
        )
        self.looks = nn.Sequential(*(Look(widths[-1], config.heads) for _ in range(config.looks)))
        pairs = list(pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.merge = nn.ModuleList(
            nn.Sequential(Conv(2 * fine, fine), Residual(fine)) for fine, _ in pairs
        )
        self.last = nn.Conv2d(widths[0], config.image[0], 1)
        self.head = nn.Sequential(
            Conv(2 * config.image[0] + PROMPT_CHANNELS, config.image[0]),
            nn.Conv2d(config.image[0], 1, 3, padding=1),
        )

    def prepare(self, features: Sequence[Tensor]) -> list[Any]:
        """What of the image's features the decoder uses, computed once for a crop."""
        shares = [
            meeting.prepare(feature)  # type: ignore[operator]
            for meeting, feature in zip(self.meetings, features[1:], strict=True)
        ]
        return [features[0], *shares]

    def forward(self, prepared: Sequence[Any], prompts: Tensor) -> Tensor:
        """Logits (batch, 1, down, right) from `prepare` and prompts (batch, 5, down, right)."""
        fine, *shares = prepared
        x, passed = self.enter(F.pixel_unshuffle(prompts, 2)), []
        for level, (meeting, seen) in enumerate(zip(self.meetings, shares, strict=True)):
            x = meeting(seen, x, F.avg_pool2d(prompts[:, :3], 2 ** (level + 1)))
            passed.append(x)
        x = self.looks(x)
        for up, merge, skip in zip(
            reversed(self.up), reversed(self.merge), reversed(passed[:-1]), strict=True
        ):
            x = merge(torch.cat([enlarged(up(x)), skip], dim=1))
        x = torch.cat([enlarged(self.last(x)), fine, prompts], dim=1)
        result: Tensor = self.head(x)
        return result


class ClickNet(nn.Module):
    """Logits from a normalised image and encoded prompts; height and width multiples of 16."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.profile = config.profile
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, image: Tensor) -> list[Any]:
        """What is kept of an image (batch, 2, down, right) for all its prompts."""
        return self.decoder.prepare(self.encoder(image))

    def decode(self, encoded: Sequence[Any], prompts: Tensor) -> Tensor:
        """Logits (batch, 1, down, right)."""
        result: Tensor = self.decoder(encoded, prompts)
        return result

    def forward(self, image: Tensor, prompts: Tensor) -> Tensor:
        """Logits (batch, 1, down, right)."""
        return self.decode(self.encode(image), prompts)


def likeness(directions: Tensor, marked: Tensor) -> Tensor:
    """Cosine of each place's feature with the mean one under each of the three maps; 0 for none."""
    weights = marked.float()
    weights = weights / weights.sum((2, 3), keepdim=True).clamp_min(1e-4)
    flat = directions.flatten(2)
    wanted = torch.bmm(weights.flatten(2), flat.transpose(1, 2))
    cosines = torch.bmm(F.normalize(wanted, dim=2, eps=1e-3), flat)
    return cosines.view(*marked.shape[:2], *directions.shape[2:])


def enlarged(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def build(config: Mapping[str, Any]) -> ClickNet:
    """Return the network for a configuration's table."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
    }
    return ClickNet(Config(**fields))
