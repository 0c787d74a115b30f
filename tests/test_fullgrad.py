# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inference.fullgrad import full_gradient, terms


class Segmenter(nn.Module):
    """A small U-Net of convolutions, batch norms and ReLU: piecewise linear throughout."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = self.block(3, 6)
        self.down = nn.Conv2d(6, 6, 2, stride=2)
        self.coarse = self.block(6, 6)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.head = nn.Conv2d(12, 2, 1)

    @staticmethod
    def block(channels_in: int, channels_out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        coarse = self.up(self.coarse(self.down(fine)))
        result: Tensor = self.head(torch.cat([fine, coarse], dim=1))
        return result


@pytest.fixture
def network() -> Segmenter:
    """Batch norms with statistics, gains and offsets of their own: all biases are at work."""
    torch.manual_seed(0)
    network = Segmenter().double()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.normal_(1, 0.3)
                layer.bias.normal_(0, 0.5)
        for _ in range(5):
            network(torch.randn(4, 3, 16, 16, dtype=torch.float64))
    return network.eval()


def picture() -> Tensor:
    return torch.randn(1, 3, 16, 16, dtype=torch.float64)


def test_the_terms_add_up_to_the_output(network: Segmenter) -> None:
    image = picture()
    region = torch.rand(1, 2, 16, 16) < 0.3
    found = terms(network, image, region)
    with torch.no_grad():
        assert found.output.item() == pytest.approx(network(image)[region].sum().item(), rel=1e-12)
    assert found.total.item() == pytest.approx(found.output.item(), rel=1e-10)
    assert len(found.biases) == 6  # four convolutions, two batch norms


def test_without_the_biases_they_do_not_add_up(network: Segmenter) -> None:
    found = terms(network, picture(), torch.ones(1, 2, 16, 16, dtype=torch.bool))
    assert abs(found.input.sum().item() - found.output.item()) > 0.01 * abs(found.output.item())


def test_saliency_lies_where_the_region_can_see(network: Segmenter) -> None:
    region = torch.zeros(1, 2, 16, 16, dtype=torch.bool)
    region[:, 0, :4, :4] = True
    saliency = full_gradient(network, picture(), region)
    assert saliency.shape == (16, 16)
    assert saliency.min() == 0
    assert saliency.max() == 1
    assert saliency[:8, :8].mean() > 20 * saliency[12:, 12:].mean()


def test_any_logits_function_can_be_explained(network: Segmenter) -> None:
    def first_minus_second(module: nn.Module, image: Tensor) -> Tensor:
        logits: Tensor = module(image)
        return logits[:, :1] - logits[:, 1:]

    region = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    found = terms(network, picture(), region, first_minus_second)
    assert found.total.item() == pytest.approx(found.output.item(), rel=1e-10)


def test_the_network_is_left_as_it_was(network: Segmenter) -> None:
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    full_gradient(network, picture(), torch.ones(1, 2, 16, 16, dtype=torch.bool))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_empty_region_gives_an_empty_map(network: Segmenter) -> None:
    saliency = full_gradient(network, picture(), torch.zeros(1, 2, 16, 16, dtype=torch.bool))
    assert torch.equal(saliency, torch.zeros(16, 16, dtype=torch.float64))
