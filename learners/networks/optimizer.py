"""The one optimizer implementation of all learners, so that a comparison is of algorithms.

AdamW, Adam and SGD with momentum by torch's fused kernels: one pass over parameters, gradients and moments, on
CPU and on CUDA. ``torch.optim`` calls the same kernels and gives the same bits; what it does around them at each
step costs a layer-wise learner, which steps once a layer, 5 % of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn

from learners.configuration import LearnerConfig, setting

__all__ = ["FusedOptimizer", "OptimizerName", "UpdateConfig"]

OptimizerName = Literal["adamw", "adam", "sgd"]
_BETAS: Final = (0.9, 0.999)  # Kingma and Ba 2015, section 2
_EPS: Final = 1e-8


class FusedOptimizer:
    """Turns the gradients of some parameters into updates; equals ``torch.optim`` with ``fused=True``.

    Attributes:
        lr: the learning rate that :meth:`scale` starts from.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        name: OptimizerName,
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
    ) -> None:
        """Take the parameters; ``momentum`` is that of SGD."""
        self.lr = lr
        self._name, self._present_lr, self._weight_decay, self._momentum = name, lr, weight_decay, momentum
        self._parameters: list[Tensor] = list(parameters)
        self._first = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._second = [torch.zeros_like(m) for m in self._first] if name != "sgd" else []
        self._count = torch.zeros(
            (), device=self._first[0].device
        )  # of steps, on the device as the kernels want it
        self._counts = [self._count] * len(self._parameters)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter from its ``grad``, which must be set."""
        gradients = cast("list[Tensor]", [p.grad for p in self._parameters])
        self._count += 1
        if self._name == "sgd":
            self._step_sgd(gradients)
            return
        kernel = torch._fused_adamw_ if self._name == "adamw" else torch._fused_adam_
        kernel(
            self._parameters,
            gradients,
            self._first,
            self._second,
            [],
            self._counts,
            lr=self._present_lr,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._weight_decay,
            eps=_EPS,
            amsgrad=False,
            maximize=False,
        )

    def scale(self, factor: float) -> None:
        """Set the learning rate to ``factor`` times the one that the optimizer was built with."""
        self._present_lr = self.lr * factor

    @property
    def present_lr(self) -> float:
        """Return the learning rate of the next step."""
        return self._present_lr

    @property
    def state_bytes(self) -> int:
        """Return the bytes of the moments and of the step counter."""
        held = (*self._first, *self._second, self._count)
        return sum(t.numel() * t.element_size() for t in held)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: moments, step count and learning rate."""
        return {"first": self._first, "second": self._second, "count": self._count, "lr": self._present_lr}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the moments, step count and learning rate of :meth:`state_dict`."""
        held = (*self._first, *self._second, self._count)
        for mine, theirs in zip(held, (*state["first"], *state["second"], state["count"]), strict=True):
            mine.copy_(theirs)
        self._present_lr = state["lr"]

    def _step_sgd(self, gradients: list[Tensor]) -> None:
        torch._fused_sgd_(
            self._parameters,
            gradients,
            self._first if self._momentum else [],
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=self._present_lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,  # from zero, the kernel's ordinary rule gives the first step too
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig(LearnerConfig):
    """How gradients become updates: the settings that all learners share."""

    optimizer: Literal["adamw", "adam", "sgd"] = setting("adamw", "which fused optimizer")
    lr: float = setting(1e-3, "learning rate", source="Kingma and Ba 2015, section 2", low=0.0)
    weight_decay: float = setting(
        0.0, "decoupled weight decay for adamw, L2 in the gradient for the others", low=0.0
    )
    momentum: float = setting(0.9, "momentum of sgd (Adam keeps its betas .9, .999)", low=0.0, high=1.0)

    def make_optimizer(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float | None = None,
        weight_decay: float | None = None,
    ) -> FusedOptimizer:
        """Build the optimizer of some parameters; None means the settings' own value."""
        return FusedOptimizer(
            parameters,
            self.optimizer,
            lr=self.lr if lr is None else lr,
            weight_decay=self.weight_decay if weight_decay is None else weight_decay,
            momentum=self.momentum,
        )
