"""In which precision a run computes: set here, around steps and evaluations, and never by a learner.

fp32: every product in IEEE single precision; TF32 is off, for convolutions too (torch leaves it on there).
tf32: operands of products rounded to 10 bits of mantissa on the tensor cores of NVIDIA GPUs since Ampere.
bf16: operands and results of products, and so activations, in bfloat16 (8 bits of mantissa) by torch's
autocast; weights, gradients, optimizer state, losses, sums over a batch and closed forms stay fp32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import torch

from energyprof.errors import DeviceError, UnknownName, UsageError

__all__ = ["Precision", "computing", "find_precision"]

_AMPERE: Final = (8, 0)  # the first compute capability whose tensor cores take TF32 and bfloat16


class Precision(StrEnum):
    """What products are computed in."""

    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"


def find_precision(name: str, device: torch.device) -> Precision:
    """Return a precision by name, where the device computes in it.

    A CPU takes bf16 whatever it is; without instructions for it (AVX512-BF16, AMX) that is slow, but right.

    Raises:
        UnknownName: no such precision.
        DeviceError: the device would have to emulate it.
    """
    if name not in {*Precision}:
        raise UnknownName("precision", name, [*Precision])
    precision = Precision(name)
    if precision is Precision.TF32 and device.type != "cuda":
        raise DeviceError(
            "--precision tf32 needs tensor cores (CUDA, compute capability 8.0 or more), seen --device "
            f"{device}: give --precision fp32 or bf16"
        )
    if precision is not Precision.FP32 and device.type == "cuda":
        _check_tensor_cores(precision, device)
    return precision


@contextmanager
def computing(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute in a precision inside the ``with`` block; torch's switches are put back after it.

    Autocast keeps no copies of weights: in a block of many updates they would be out of date, and they would
    count as memory that no learner needs.

    Raises:
        UsageError: this process sets torch's switches in a way that cannot be put back.
    """
    matmul, convolution = _switches()
    allowed = precision is Precision.TF32
    lowered = precision is Precision.BF16
    try:
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed
        with torch.autocast(device.type, torch.bfloat16, enabled=lowered, cache_enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def _check_tensor_cores(precision: Precision, device: torch.device) -> None:
    seen = torch.cuda.get_device_capability(device)
    if seen < _AMPERE:
        raise DeviceError(
            f"--precision {precision} needs compute capability 8.0 or more, seen "
            f"{seen[0]}.{seen[1]} ({torch.cuda.get_device_name(device)}): give --precision fp32"
        )


def _switches() -> tuple[str, bool]:
    """Return how matrix products and convolutions are switched now."""
    try:
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError as error:  # torch refuses to tell, once its newer switches were set beside these
        raise UsageError(
            "this process set torch.backends.*.fp32_precision, which cannot be told from here: leave these "
            "alone, a run's precision sets them"
        ) from error
