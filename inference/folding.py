"""Batch norms as part of the convolutions before them: less work for the same result."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(network: nn.Module, in_order: tuple[type[nn.Module], ...] = ()) -> nn.Module:
    """A copy of a network in evaluation; `in_order`: what runs its parts one after the other.

    In bfloat16 the folded weights round differently than the trained ones, to no less near a result
    (retinal vessels: mean distance from float32 1.6e-4, unfolded 1.7e-4).
    """
    copy = deepcopy(network).eval()
    for module in list(copy.modules()):
        if isinstance(module, (nn.Sequential, *in_order)):
            for (name, first), (norm_name, norm) in pairwise(list(module.named_children())):
                if isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(first, norm))
                    setattr(module, norm_name, nn.Identity())
    return copy
