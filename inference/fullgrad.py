"""FullGrad: what drove the output of a network (Srinivas & Fleuret, NeurIPS 2019, 1905.00780).

A piecewise-linear network f obeys f(x) = <df/dx, x> + sum over layers of <df/dz, b>, where b is a
convolution's bias or the effective bias of a batch norm, beta - gamma · mean / deviation. Each term
is a map: where its size is large, the output came from. Sigmoid, soft-max or a data-dependent
filter inside the network break the equality; the maps stay useful, their sum is then no proof.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Logits = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Terms:
    """f, and what it is made of: input · gradient, and bias · gradient of every layer."""

    output: Tensor
    input: Tensor
    biases: list[Tensor]

    @property
    def total(self) -> Tensor:
        """Their sum, which equals `output` for a piecewise-linear network."""
        return self.input.sum() + sum((term.sum() for term in self.biases), torch.zeros(()))


def forward(network: nn.Module, image: Tensor) -> Tensor:
    """The usual logits function: the network's own output."""
    logits: Tensor = network(image)
    return logits


def terms(network: nn.Module, image: Tensor, region: Tensor, logits: Logits = forward) -> Terms:
    """Split f = sum of `logits(network, image)` where `region` (of the same shape) is true."""
    image = image.detach().clone().requires_grad_()
    with _evaluating(network), _recorded(network) as outputs, torch.enable_grad():
        output = logits(network, image)[region].sum()
        layers = [(z, bias) for z, bias in outputs if z.requires_grad]
        gradients = torch.autograd.grad(
            output, [image, *(z for z, _ in layers)], allow_unused=True, materialize_grads=True
        )
    biases = [
        gradient * _as_map(bias, gradient)
        for (_, bias), gradient in zip(layers, gradients[1:], strict=True)
    ]
    return Terms(output.detach(), gradients[0] * image.detach(), [b.detach() for b in biases])


def full_gradient(
    network: nn.Module, image: Tensor, region: Tensor, logits: Logits = forward
) -> Tensor:
    """Return the saliency (y, x) in [0, 1] of `image` (1, channels, y, x) for `region`.

    The maps of one layer are stretched to [0, 1] together, enlarged and added, as published.
    """
    found = terms(network, image, region, logits)
    size = image.shape[2:]
    saliency = _stretch(found.input.abs()).sum(dim=1)[0]
    for term in found.biases:
        if term.ndim == 4:
            maps = F.interpolate(_stretch(term.abs()), size=size, mode="bilinear")
            saliency = saliency + maps.sum(dim=1)[0]
    return _stretch(saliency[None, None])[0, 0]


def _stretch(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2, 3), keepdim=True), maps.amax((1, 2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def _as_map(bias: Tensor, gradient: Tensor) -> Tensor:
    return bias.view(1, -1, *[1] * (gradient.ndim - 2))


def _bias(layer: nn.Module) -> Tensor | None:
    """Return what a layer adds to its linear part; None where it adds nothing."""
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        mean, variance = layer.running_mean, layer.running_var
        if mean is None or variance is None:
            raise ValueError("FullGrad needs batch norms with running statistics.")
        scale = torch.rsqrt(variance + layer.eps) * (1 if layer.weight is None else layer.weight)
        return (0 if layer.bias is None else layer.bias) - mean * scale
    if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear):
        return layer.bias
    return None


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect (output, bias) of each layer that has one, in the order in which they run."""
    outputs: list[tuple[Tensor, Tensor]] = []

    def keep(layer: nn.Module, _: object, z: Tensor) -> None:
        bias = _bias(layer)
        if bias is not None:
            outputs.append((z, bias))

    hooks = [layer.register_forward_hook(keep) for layer in network.modules()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
