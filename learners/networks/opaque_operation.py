"""Functions that a compiled step holds as they are: torch's compiler does not look into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch

__all__ = ["opaque_operation"]

_LIBRARY: Final[Any] = torch.library.Library("learners", "FRAGMENT")  # type: ignore[no-untyped-call]


def opaque_operation(
    schema: str, function: Callable[..., Any], outline: Callable[..., Any], *, key: str
) -> Callable[..., Any]:
    """Register a function as an operation; return it as such.

    Args:
        schema: ``name(Tensor a, ...) -> Tensor``, with what is written to marked.
        function: what it does.
        outline: returns empty tensors of the shapes that ``function`` returns.
        key: the dispatch key of the devices it runs on: ``CPU``, or ``CompositeExplicitAutograd`` for all.
    """
    name = schema.partition("(")[0]
    _LIBRARY.define(schema)
    _LIBRARY.impl(name, function, key)
    torch.library.register_fake(f"learners::{name}", outline, lib=_LIBRARY)
    return getattr(torch.ops.learners, name)  # type: ignore[no-any-return]
