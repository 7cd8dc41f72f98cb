"""Layers in order, with their type: ``nn.ModuleList`` forgets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from torch import nn

__all__ = ["register"]

M = TypeVar("M", bound=nn.Module)


def register(owner: nn.Module, name: str, modules: Iterable[M]) -> tuple[M, ...]:
    """Make modules children of ``owner`` as ``name1``, ``name2`` ...; return them with their type kept."""
    stack = tuple(modules)
    for number, module in enumerate(stack, start=1):
        owner.add_module(f"{name}{number}", module)
    return stack
