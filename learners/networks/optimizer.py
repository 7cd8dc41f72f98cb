"""The one optimizer implementation of all learners, so that a comparison is of algorithms.

AdamW, Adam and SGD with momentum by torch's fused kernels: one pass over parameters, gradients and moments,
on CPU and on CUDA. ``torch.optim`` calls the same kernels and gives the same bits; what it does around them
at each step costs a layer-wise learner, which steps once a layer, 5 % of its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from learners.configuration import LearnerConfig, setting

__all__ = ["FusedOptimizer", "OptimizerName", "UpdateConfig"]

OptimizerName = Literal["adamw", "adam", "sgd"]
_BETAS: Final = (0.9, 0.999)  # Kingma and Ba 2015, section 2
_EPS: Final = 1e-8
_MOMENTS: Final = {  # as torch.optim names them in its state
    "adamw": ("exp_avg", "exp_avg_sq"),
    "adam": ("exp_avg", "exp_avg_sq"),
    "sgd": ("momentum_buffer",),
}


class FusedOptimizer(torch.optim.Optimizer):
    """Turns the gradients of some parameters into updates; equals ``torch.optim`` with ``fused=True``."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        name: OptimizerName,
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
    ) -> None:
        """Take the parameters and allocate their moments; ``momentum`` is that of SGD."""
        decay = {"weight_decay": weight_decay, "momentum": momentum}
        super().__init__(parameters, {"name": name, "lr": lr, "first_lr": lr, **decay})
        self._group = self.param_groups[0]
        for parameter in self._group["params"]:
            moments = {key: torch.zeros_like(parameter, requires_grad=False) for key in _MOMENTS[name]}
            self.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}
        self._gather()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter from its ``grad``, which must be set; takes no closure."""
        gradients = [parameter.grad for parameter in self._parameters]
        torch._foreach_add_(self._steps, 1)
        if self._group["name"] == "sgd":
            self._step_sgd(gradients)
        else:
            self._step_adam(gradients)

    step.hooked = True  # type: ignore[attr-defined]  # torch would wrap each step for its profiler and for hooks

    def scale(self, factor: float) -> None:
        """Set the learning rate to ``factor`` times the one that the optimizer was built with."""
        self._group["lr"] = self._group["first_lr"] * factor

    @property
    def lr(self) -> float:
        """Return the learning rate of the next step."""
        return float(self._group["lr"])

    @property
    def state_bytes(self) -> int:
        """Return the bytes of the moments and of the step counters."""
        held = (*self._steps, *self._first, *self._second)
        return sum(t.numel() * t.element_size() for t in held)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a copy, a pickle or :meth:`load_state_dict`, which all end here."""
        super().__setstate__(state)
        for parameter, held in self.state.items():
            held["step"] = held["step"].to(parameter.device)  # a state read from a file comes from the host
        self._gather()

    def _gather(self) -> None:
        """List the tensors as the kernels take them."""
        self._group = self.param_groups[0]
        self._parameters: list[Any] = self._group["params"]
        states = [self.state[parameter] for parameter in self._parameters]
        first, *second = _MOMENTS[self._group["name"]]
        self._steps: list[Tensor] = [state["step"] for state in states]
        self._first: list[Tensor] = [state[first] for state in states]
        self._second: list[Tensor] = [state[key] for key in second for state in states]

    def _step_adam(self, gradients: list[Any]) -> None:
        kernel = torch._fused_adamw_ if self._group["name"] == "adamw" else torch._fused_adam_
        kernel(
            self._parameters,
            gradients,
            self._first,
            self._second,
            [],
            self._steps,
            lr=self._group["lr"],
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._group["weight_decay"],
            eps=_EPS,
            amsgrad=False,
            maximize=False,
        )

    def _step_sgd(self, gradients: list[Any]) -> None:
        momentum = self._group["momentum"]
        torch._fused_sgd_(
            self._parameters,
            gradients,
            self._first if momentum else [],
            weight_decay=self._group["weight_decay"],
            momentum=momentum,
            lr=self._group["lr"],
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,  # from zero, the kernel's ordinary rule gives the first step too
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig(LearnerConfig):
    """How gradients become updates: the settings that all learners share."""

    optimizer: Literal["adamw", "adam", "sgd"] = setting("adamw", "which fused optimizer")
    lr: float = setting(
        5e-4, "learning rate", source="steadier than Adam's usual 1e-3 over 5 epochs", low=0.0
    )
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
