# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import pytest
import torch

from inference.widening import widen
from plugins.retinal_vessels.model import FSGNet


def vessels(width: int, **config: bool) -> FSGNet:
    torch.manual_seed(width)
    network = FSGNet(width, (1, 1, 1, 1), **config)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.weight.data.uniform_(0.5, 2)
    return network


@pytest.mark.parametrize("width", [2, 4, 6])
def test_a_wider_network_says_what_the_narrow_one_says(width: int) -> None:
    narrow, wide = vessels(2).eval(), vessels(width).eval()
    widen(wide, narrow)
    image = torch.randn(2, 4, 32, 40)
    torch.testing.assert_close(wide(image), narrow(image), atol=1e-4, rtol=1e-4)


def test_repeated_channels_do_not_learn_alike() -> None:
    narrow, wide = vessels(2), vessels(4)
    widen(wide, narrow)
    sum(found.square().mean() for found in wide(torch.randn(2, 4, 32, 32))).backward()
    taught = wide.encoder.stem[0].weight.grad
    first, second = taught[0::2], taught[1::2]
    assert (first - second).abs().max() > 0.1 * taught.abs().max()


def test_other_structures_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in structure"):
        widen(vessels(4), vessels(2, guided=False))
    with pytest.raises(ValueError, match="no multiple"):
        widen(vessels(5), vessels(2))
