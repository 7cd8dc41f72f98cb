"""The three matrix products of a fully connected layer, each as ``a b'`` by the fastest routine at hand.

On CPUs with AVX-512, oneDNN computes them with the widest instructions of whatever vendor, where torch's
default (MKL) falls back to AVX2 on AMD: half the time on Zen 5. Elsewhere, and on CUDA, torch's own product
is used. The choice depends on the machine alone, so that a seed gives the same bits run after run.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

__all__ = ["product"]


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return a b' + bias, without a graph.

    With x (B, in), W (out, in) and delta (B, out): the forward product is ``product(x, W, b)``, the weight
    gradient ``product(delta.t(), x.t())``, the input gradient ``product(delta, W.t())``.

    Args:
        a: (m, k), of any strides.
        b: (n, k), of any strides.
        bias: (n,), or None.
    """
    if a.dtype is torch.float32 and a.is_cpu and _has_onednn():
        return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")  # type: ignore[no-any-return]
    return F.linear(a, b, bias)


_ONEDNN: Final[bool] = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@cache
def _has_onednn() -> bool:
    return _ONEDNN and torch.backends.cpu.get_cpu_capability() == "AVX512"


if _ONEDNN:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _linear_flops(a_shape: Any, b_shape: Any, *_: Any, **__: Any) -> int:
        """Count 2 m n k, so that ``torch.utils.flop_counter`` sees these products too."""
        return int(2 * a_shape[0] * a_shape[1] * b_shape[0])
