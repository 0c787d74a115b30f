"""A chest with one bright node, and networks whose weights are set by hand to find it."""

from __future__ import annotations

import numpy as np
import torch  # noqa: TID253  networks are built here

from plugins.lymph_nodes.model import Config, NodeNet
from plugins.lymph_nodes.prepare import normalise
from tests.chests import SHAPE, SPACING, ball, chest

CENTRE, RADIUS = (46, 30, 66), 9.0  # voxels, mm
BRIGHT = 260
NODE = ball(SHAPE, CENTRE, RADIUS).astype(np.uint8)


def chest_with_node() -> np.ndarray:
    volume = chest()
    volume[ball(SHAPE, CENTRE, RADIUS)] = BRIGHT
    return volume


def bright_finder(name: str) -> NodeNet:
    """A network whose weights are set by hand: it takes what is above 220 HU for a node.

    Where it is given anatomy, it sees none.
    """
    kind, priors = name.removesuffix("_priors"), name.endswith("_priors")
    network = NodeNet(Config(kind, 1, 2, SPACING, priors))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.weight.fill_(1)
            elif isinstance(module, torch.nn.Conv3d) and module.kernel_size == (3, 3, 3):
                first = name.startswith(("encoder.blocks.0.0", "encoder.copies"))
                image = 0 if first else -1  # the image, or the skip that brings it
                module.weight[0, image, 1, 1, 1] = 1
                if first and priors:
                    module.weight[0, 1, 1, 1, 1] = -5
        level = float(normalise(np.array([220.0]))[0])
        network.heads[0].weight.fill_(400 if kind == "full" else 200)  # its gate lets half through
        network.heads[0].bias.fill_(-200 * level)
    return network.eval()
