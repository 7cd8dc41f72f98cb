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
from learners.networks.fused_update import OptimizerName, fused_update, fused_update_operation, rate_tensor

__all__ = ["FusedOptimizer", "OptimizerName", "UpdateConfig"]

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
        """Update every parameter from its ``grad``, which must be set; takes no closure.

        A compiled step sees the learning rate as :meth:`scale` set it, not what is written to a group.
        """
        gradients = [parameter.grad for parameter in self._parameters]
        compiling = torch.compiler.is_compiling()
        (fused_update_operation if compiling else fused_update)(
            self._name,
            self._parameters,
            gradients,
            self._first,
            self._second,
            self._steps,
            self._rate if compiling else self._group["lr"],
            self._decay,
            self._momentum,
        )

    step.hooked = True  # type: ignore[attr-defined]  # torch would wrap each step for its profiler and for hooks

    def scale(self, factor: float) -> None:
        """Set the learning rate to ``factor`` times the one that the optimizer was built with."""
        self._group["lr"] = self._group["first_lr"] * factor
        self._rate.fill_(self._group["lr"])

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
        """List the tensors and the settings as the kernels take them, where a compiler can follow."""
        self._group = self.param_groups[0]
        self._name: OptimizerName = self._group["name"]
        self._decay, self._momentum = self._group["weight_decay"], self._group["momentum"]
        self._parameters: list[Any] = self._group["params"]
        self._rate = rate_tensor(self._group["lr"], self._parameters[0].device)
        states = [self.state[parameter] for parameter in self._parameters]
        first, *second = _MOMENTS[self._group["name"]]
        self._steps: list[Tensor] = [state["step"] for state in states]
        self._first: list[Tensor] = [state[first] for state in states]
        self._second: list[Tensor] = [state[key] for key in second for state in states]


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
    momentum: float = setting(
        0.9,
        "momentum of sgd (Adam keeps its betas .9, .999)",
        low=0.0,
        high=1.0,
        only_with={"optimizer": "sgd"},
    )

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
