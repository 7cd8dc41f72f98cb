"""The three matrix products of a fully connected layer, each as ``a b'`` by the fastest routine at hand.

On CPUs with AVX-512, oneDNN computes them with the widest instructions of whatever vendor, where torch's
default (MKL) falls back to AVX2 on AMD: half the time on Zen 5. Elsewhere, and on CUDA, torch's own product
is used. The choice depends on the machine alone, so that a seed gives the same bits run after run.

Under autocast (``--precision bf16``) operands and results are bfloat16. What a loss, a gradient or a sum over
a batch is made of is brought back to fp32 by :func:`widened`.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

from learners.networks.opaque_operation import opaque_operation

__all__ = ["product", "product_by_columns", "weight_gradient", "widened"]


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return a b' + bias, without a graph.

    With x (B, in), W (out, in) and delta (B, out): the forward product is ``product(x, W, b)``, the weight
    gradient ``product(delta.t(), x.t())``, the input gradient ``product(delta, W.t())``.

    Args:
        a: (m, k), of any strides.
        b: (n, k), of any strides.
        bias: (n,), or None.
    """
    if torch.is_autocast_enabled(a.device.type):
        return F.linear(a, b, bias)  # autocast sees this one, and it runs by oneDNN on CPUs as it is
    if _is_wide(a):
        if torch.compiler.is_compiling():  # whose own lowering of this takes packed weights only
            return _wide_product_operation(a, b, bias)  # type: ignore[no-any-return]
        return _wide_product(a, b, bias)
    return F.linear(a, b, bias)


def product_by_columns(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return a b' + bias as :func:`product` does, its columns contiguous where oneDNN computes it.

    oneDNN copies a first operand whose rows are not contiguous. The weight gradient delta' x has one, unless
    delta lies by columns. A layer that owes nobody an input gradient, which wants delta by rows, can have its
    activations, and with them its delta, by columns: it saves that copy, 4 % of a Mono-Forward step.
    """
    if torch.is_autocast_enabled(a.device.type) or not _is_wide(a):
        return product(a, b, bias)
    result = product(b, a)  # (n, m)
    return (result if bias is None else result.add_(bias[:, None])).t()


def weight_gradient(delta: Tensor, x: Tensor) -> Tensor:
    """Return delta' x (out, in), as precise as weights are, for delta (B, out) and the input x (B, in)."""
    return widened(product(delta.t(), x.t()))


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor in fp32 where autocast has narrowed it to bfloat16, else as it is."""
    return tensor.float() if tensor.dtype is torch.bfloat16 else tensor


def _is_wide(a: Tensor) -> bool:
    return _WIDEST and a.dtype is torch.float32 and a.is_cpu


def _wide_product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")  # type: ignore[no-any-return]


_ONEDNN: Final[bool] = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
_WIDEST: Final[bool] = _ONEDNN and torch.backends.cpu.get_cpu_capability() == "AVX512"
_wide_product_operation: Final = opaque_operation(
    "wide_product(Tensor a, Tensor b, Tensor? bias) -> Tensor",
    _wide_product,
    lambda a, b, _: a.new_empty(a.shape[0], b.shape[0]),
    key="CPU",
)

if _ONEDNN:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _linear_flops(a_shape: Any, b_shape: Any, *_: Any, **__: Any) -> int:
        """Count 2 m n k, so that ``torch.utils.flop_counter`` sees these products too."""
        return int(2 * a_shape[0] * a_shape[1] * b_shape[0])
