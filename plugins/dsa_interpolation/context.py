"""What each frame learns from the other: lambda layers (published) or local attention (fast).

Both give, for every token of a frame, its structure (what the other frame shows around there)
and its motion (where in the other frame that lies). Tokens are (2n, channels, y, x): the first
frames of all pairs, then the second ones.
"""

from __future__ import annotations

import torch  # noqa: TID253  the worker's side
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: N812, TID253


def other(x: Tensor) -> Tensor:
    """The same tokens with first and second frames swapped."""
    return torch.cat(x.chunk(2)[::-1])


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (n, channels, y, x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MLP(nn.Sequential):
    """1×1 convolution, 3×3 depthwise convolution, GELU, 1×1 convolution."""

    def __init__(self, channels: int, ratio: int) -> None:
        hidden = ratio * channels
        super().__init__(
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )


class LambdaContext(nn.Module):
    """Lambda layer across frames with a position lambda of `reach`×`reach` tokens (MoSt-DSA)."""

    def __init__(self, channels: int, heads: int, key: int, reach: int) -> None:
        super().__init__()
        self.heads, self.key = heads, key
        value = channels // heads
        self.motion_channels = value
        self.queries = nn.Conv2d(channels, heads * key, 1, bias=False)
        self.keys = nn.Conv2d(channels, key, 1, bias=False)
        self.values = nn.Conv2d(channels, value, 1, bias=False)
        self.norm_queries = nn.BatchNorm2d(heads * key)
        self.norm_values = nn.BatchNorm2d(value)
        self.position = nn.Conv2d(1, key, reach, padding=reach // 2)  # of each value on its own
        self.embed = nn.Conv2d(2, heads * key, 1)
        self.back = nn.Conv2d(channels, heads * key, 1, bias=False)
        self.motion = nn.Conv2d(heads * key, value, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Structure (2n, channels, y, x) and motion (2n, `motion_channels`, y, x)."""
        lambdas = self.lambdas(other(x))
        structure = self.apply_to(self.norm_queries(self.queries(x)), lambdas)
        place = self.embed(coordinates(x).expand(len(x), -1, -1, -1))
        moved = self.back(self.apply_to(place, lambdas))
        return structure, self.motion(moved - place)

    def lambdas(self, x: Tensor) -> Tensor:
        """One key×value matrix for each position: (2n, key, value, y, x)."""
        values = self.norm_values(self.values(x))
        keys = self.keys(x).flatten(2).softmax(-1)
        content = torch.einsum("nkp,nvp->nkv", keys, values.flatten(2))
        position = self.position(values.flatten(0, 1)[:, None])
        position = torch.unflatten(position, 0, values.shape[:2]).transpose(1, 2)
        return position + content[..., None, None]

    def apply_to(self, queries: Tensor, lambdas: Tensor) -> Tensor:
        """(2n, heads · value, y, x)."""
        queries = torch.unflatten(queries, 1, (self.heads, self.key))
        return torch.einsum("nhkyx,nkvyx->nhvyx", queries, lambdas).flatten(1, 2)


class AttentionContext(nn.Module):
    """Each token attends to the `reach`×`reach` tokens around its place in the other frame.

    Softmax over compared keys in place of the lambda layer's products. Both frames have the same
    keys, so that the mean displacement is a rough motion before anything is learned: little
    training is enough.
    """

    BLOCK = 8
    """Queries are handled in squares of so many tokens, which share the keys around them."""
    places: Tensor
    near: Tensor

    def __init__(self, channels: int, heads: int, key: int, reach: int) -> None:
        super().__init__()
        self.heads, self.halo = heads, reach // 2
        self.motion_channels = channels // heads
        self.keys = nn.Conv2d(channels, heads * key, 1, bias=False)
        self.values = nn.Conv2d(channels, heads * (key - 2), 1, bias=False)
        self.merge = nn.Conv2d(heads * (key - 2), channels, 1)
        self.motion = nn.Conv2d(2 * heads, self.motion_channels, 1)
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), 12.0))
        places = _places(self.BLOCK, self.halo)
        query, window = places[0, self.halo : -self.halo, self.halo : -self.halo], places[0]
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("near", _near(query, window, heads, self.halo), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Structure (2n, channels, y, x) and motion (2n, `motion_channels`, y, x)."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.BLOCK, 0, -height % self.BLOCK), "replicate")
        keys = F.normalize(torch.unflatten(self.keys(x), 1, (self.heads, -1)), dim=2).flatten(1, 2)
        queries = self.tokens(keys, 0) * self.sharpness.to(keys.dtype)
        keys = self.tokens(other(keys), self.halo)
        values = self.tokens(other(self.values(x)), self.halo)
        values = torch.cat([values, self.of_every_block(self.places, values)], dim=-1)
        found = F.scaled_dot_product_attention(
            queries, keys, values, self.near[None].to(queries.dtype), scale=1.0
        )
        places = self.places[:, self.halo : -self.halo, self.halo : -self.halo]
        moved = found[..., -2:] - self.of_every_block(places, found)
        structure = self.image(found[..., :-2], x.shape)[:, :, :height, :width]
        return self.merge(structure), self.motion(self.image(moved, x.shape)[:, :, :height, :width])

    def tokens(self, x: Tensor, halo: int) -> Tensor:
        """(n · blocks, heads, tokens of a block and `halo` around it, channels of a head)."""
        edge = self.BLOCK + 2 * halo
        x = F.pad(x, (halo,) * 4, "replicate").permute(0, 2, 3, 1)
        blocks = x.unfold(1, edge, self.BLOCK).unfold(2, edge, self.BLOCK)
        blocks = torch.unflatten(blocks, 3, (self.heads, -1)).permute(0, 1, 2, 3, 5, 6, 4)
        return blocks.flatten(4, 5).flatten(0, 2)

    def of_every_block(self, places: Tensor, like: Tensor) -> Tensor:
        """The same (1, y, x, 2) for all blocks and heads."""
        return places.flatten(0, 2).to(like.dtype).expand(*like.shape[:2], -1, -1)

    def image(self, blocks: Tensor, shape: torch.Size) -> Tensor:
        """Back from `tokens` without halo to (n, channels, y, x)."""
        rows, columns = shape[2] // self.BLOCK, shape[3] // self.BLOCK
        x = torch.unflatten(blocks, 2, (self.BLOCK, self.BLOCK))
        x = torch.unflatten(x, 0, (-1, rows, columns))
        return x.permute(0, 3, 6, 1, 4, 2, 5).flatten(5, 6).flatten(3, 4).flatten(1, 2)


def _places(block: int, halo: int) -> Tensor:
    """(1, y, x, 2): row and column of a block's tokens and its halo's, from its middle."""
    line = torch.arange(block + 2 * halo) - halo - (block - 1) / 2
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)[None]


def _near(query: Tensor, window: Tensor, heads: int, halo: int) -> Tensor:
    """(heads, queries, keys): heads that look ever farther; nothing beyond the halo."""
    offsets = window.flatten(0, 1)[None] - query.flatten(0, 1)[:, None]
    spreads = 2.0 ** torch.arange(heads)
    score = -offsets.square().sum(-1) / (2 * spreads[:, None, None] ** 2)
    return score.masked_fill(offsets.abs().amax(-1) > halo, -torch.inf)


class ContextBlock(nn.Module):
    """Structure and motion from the other frame, then an MLP on the structure."""

    def __init__(self, cross: nn.Module, channels: int, ratio: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.cross = cross
        self.norm_structure = ChannelNorm(channels)
        self.mlp = MLP(channels, ratio)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Structure and motion; as published the residual starts from the normalised tokens."""
        x = self.norm(x)
        structure, motion = self.cross(x)
        structure = x + structure
        return structure + self.mlp(self.norm_structure(structure)), motion


class Context(nn.Module):
    """Blocks one after the other; the motion of all of them side by side."""

    def __init__(self, blocks: list[ContextBlock], channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (2n, channels, y, x) to structure and motion."""
        motions = []
        for block in self.blocks:
            x, motion = block(x)
            motions.append(motion)
        return self.norm(x), torch.cat(motions, dim=1)


def coordinates(x: Tensor) -> Tensor:
    """(1, 2, y, x): row and column of each position, from -1 to 1."""
    height, width = x.shape[2:]
    y = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)
    column = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)
    return torch.stack(torch.meshgrid(y, column, indexing="ij"))[None]
