"""Steps that are to leave no trace: what a learner holds is remembered, and put back in place."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import torch
from torch import Tensor

from learners.base import Learner
from learners.training.learner_state import SETTINGS
from learners.training.random_state import capture_generators, restore_generators

__all__ = ["Rewind"]

_CODE: Final = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, partial)
_FIXED: Final = (*SETTINGS, *_CODE, torch.Size)


class Rewind:
    """Remembers all that a learner holds and the process's random generators.

    Everything is found among the attributes of the learner, of what it holds, and so on: tensors with their
    gradients, optimizers, generators, lists, dictionaries. It is put back into the same objects, so that
    whoever holds one of them, such as a compiled step, need not look for it again.

    Args:
        learner: whose steps are to be undone.
        device: where it trains.

    Attributes:
        optimizers: all that it holds now.
    """

    def __init__(self, learner: Learner, device: torch.device) -> None:
        self._device, self._random = device, capture_generators(device)
        self._seen: dict[int, object] = {}  # the objects themselves too, so that no id is used again
        self._values: list[tuple[Tensor, Tensor, Tensor | None]] = []  # tensor, its content, its gradient
        self._contents: list[tuple[Any, Any]] = []  # dictionary, list or set, and what it held
        self._generators: list[tuple[torch.Generator, Tensor]] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        self._look(learner)

    @torch.no_grad()
    def back(self) -> None:
        """Put everything back; may be called more than once."""
        for container, held in self._contents:
            if isinstance(container, list):
                container[:] = held
            else:
                container.clear()
                container.update(held)
        for tensor, content, gradient in self._values:
            tensor.copy_(content)
            if tensor.is_leaf:
                tensor.grad = gradient
        for generator, state in self._generators:
            generator.set_state(state)
        restore_generators(self._random, self._device)

    def _look(self, value: Any) -> None:
        """Remember a value and all that it holds."""
        if isinstance(value, (*_FIXED, str, int, float, type(None))) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self._remember(value)
        elif isinstance(value, torch.Generator):
            self._generators.append((value, value.get_state()))
        elif isinstance(value, dict):
            self._contents.append((value, dict(value)))
            self._look_into((*value.keys(), *value.values()))
        elif isinstance(value, list | set):
            self._contents.append((value, value.copy()))
            self._look_into(value)
        elif isinstance(value, tuple | frozenset):
            self._look_into(value)
        elif hasattr(value, "__dict__"):
            if isinstance(value, torch.optim.Optimizer):
                self.optimizers.append(value)
            self._look(vars(value))

    def _look_into(self, values: Iterable[Any]) -> None:
        for value in tuple(values):
            self._look(value)

    def _remember(self, tensor: Tensor) -> None:
        """Copy a tensor to the host, where it takes nothing from the device's peak."""
        gradient = tensor.grad if tensor.is_leaf else None
        self._values.append((tensor, tensor.detach().to("cpu", copy=True), gradient))
        if gradient is not None and id(gradient) not in self._seen:
            self._seen[id(gradient)] = gradient
            self._values.append((gradient, gradient.detach().to("cpu", copy=True), None))
