"""One optimizer step over lists of tensors by torch's fused kernels, also inside a compiled step.

torch's kernels have no meaning to its compiler where the learning rate is a tensor, and a rate that is a
number would be compiled in: a cool-down would compile the step anew in every epoch. So a compiled step holds
the update as one opaque operation, :data:`fused_update_operation`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import torch
from torch import Tensor

from learners.networks.opaque_operation import opaque_operation

__all__ = ["OptimizerName", "fused_update", "fused_update_operation", "rate_tensor"]

OptimizerName = Literal["adamw", "adam", "sgd"]
_BETAS: Final = (0.9, 0.999)  # Kingma and Ba 2015, section 2
_EPS: Final = 1e-8


def fused_update(
    name: OptimizerName,
    parameters: list[Tensor],
    gradients: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    steps: list[Tensor],
    lr: float | Tensor,
    weight_decay: float,
    momentum: float,
) -> None:
    """Update parameters, moments and step counters in place.

    Args:
        name: which rule.
        parameters: what is learnt.
        gradients: one a parameter.
        first: first moments, or SGD's momentum buffers.
        second: second moments; empty for SGD.
        steps: the steps so far, one scalar a parameter.
        lr: learning rate; a tensor as :func:`rate_tensor` makes it.
        weight_decay: decoupled for AdamW, L2 in the gradient for the others.
        momentum: of SGD.
    """
    torch._foreach_add_(steps, 1)
    if name == "sgd":
        torch._fused_sgd_(
            parameters,
            gradients,
            first if momentum else [],
            weight_decay=weight_decay,
            momentum=momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,  # from zero, the kernel's ordinary rule gives the first step too
        )
        return
    kernel: Any = torch._fused_adamw_ if name == "adamw" else torch._fused_adam_
    kernel(
        parameters,
        gradients,
        first,
        second,
        [],
        steps,
        lr=lr,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        weight_decay=weight_decay,
        eps=_EPS,
        amsgrad=False,
        maximize=False,
    )


def rate_tensor(lr: float, device: torch.device) -> Tensor:
    """Return a learning rate as the kernels of a device read it: in fp32 on CUDA, in double on the CPU."""
    return torch.tensor(lr, dtype=torch.float32 if device.type == "cuda" else torch.float64, device=device)


#: :func:`fused_update` as an operation that a compiled graph holds; ``lr`` is a tensor
fused_update_operation: Final = opaque_operation(
    "fused_update(str name, Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] first, "
    "Tensor(c!)[] second, Tensor(d!)[] steps, Tensor lr, float weight_decay, float momentum) -> ()",
    fused_update,
    lambda *_: None,
    key="CompositeExplicitAutograd",
)
