"""AdamW for networks that are fine-tuned here: torch's own loads its compiler, 70 MB and a second.

The compiler is no part of the packaged program. Adam with decoupled weight decay (Loshchilov and
Hutter, arXiv 1711.05101), with the names of torch's state, so that checkpoints fit both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  the trainer's side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-8


class AdamW:
    """What `inference.training` needs of an optimiser; groups have params and weight_decay."""

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": lr, **group} for group in groups]
        self._state: dict[int, dict[str, Tensor]] = {}

    @property
    def _parameters(self) -> list[Tensor]:
        return [one for group in self.param_groups for one in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Follow the gradients, each at the rate of its group."""
        number = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                if (gradient := parameter.grad) is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    self._move(number, parameter, gradient, group["lr"])
                number += 1

    def _move(self, number: int, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        state = self._state.setdefault(number, _begun(parameter))
        state["step"] += 1
        count, (first, second) = float(state["step"]), BETAS
        state["exp_avg"].lerp_(gradient, 1 - first)
        state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (state["exp_avg_sq"] / (1 - second**count)).sqrt_().add_(EPSILON)
        parameter.addcdiv_(state["exp_avg"], spread, value=-rate / (1 - first**count))

    def state_dict(self) -> dict[str, Any]:
        """Moments by the parameters' numbers, and the groups."""
        return {"state": self._state, "param_groups": self.param_groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up moments."""
        self._state = {
            number: {name: value.to(self._parameters[number].device) for name, value in one.items()}
            for number, one in state["state"].items()
        }


def _begun(parameter: Tensor) -> dict[str, Tensor]:
    zero = torch.zeros_like(parameter)
    return {"step": torch.zeros(()), "exp_avg": zero, "exp_avg_sq": zero.clone()}
