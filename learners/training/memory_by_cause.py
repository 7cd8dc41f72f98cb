"""Training memory by cause, seen by following every tensor that a step makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from learners.base import Batch, Learner, Stage
from learners.training.evaluation import below_bytes
from learners.training.frozen_outputs import frozen_bytes, seen_by
from learners.training.stage_plan import LONGEST_WARM_UP, untrained_copy

__all__ = ["LiveBytes", "StageMemory", "measure_memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """What one stage holds at the fullest moment of a step, in bytes.

    Attributes:
        stage: its name.
        parameters: all weights, of frozen layers too.
        gradients: kept from step to step.
        optimizer_state: moments and counters.
        activations: whatever a step makes and lets go of again: activations, errors, temporary results.
        cache: what frozen layers made of all training and validation images, kept for this stage.
        other: buffers, the batch, and what else the learner keeps between steps.
    """

    stage: str
    parameters: int
    gradients: int
    optimizer_state: int
    activations: int
    other: int
    cache: int = 0

    @property
    def total(self) -> int:
        """Return all of it."""
        return self.parameters + self.other + self.to_come

    @property
    def to_come(self) -> int:
        """Return what training will take beyond what was there before it."""
        return self.gradients + self.optimizer_state + self.activations + self.cache


def measure_memory(
    learner: Learner, batch: Batch, rows: int = 0, validation_rows: int = 0
) -> tuple[StageMemory, ...]:
    """Measure a step of each stage on a copy of the learner, which is left as it is.

    Steps are taken until their peak no longer changes: the first makes gradients and optimizer state, and
    a pipeline fills up. Works alike for autograd and for rules that keep tensors in lists, on every device.

    Args:
        learner: not trained yet.
        batch: one real batch.
        rows: training images, for stages that keep what frozen layers make of all of them.
        validation_rows: validation images, for the same stages.
    """
    rehearsal = untrained_copy(learner)
    measured = []
    with LiveBytes(rehearsal) as live:
        for stage in rehearsal.stages():
            seen = seen_by(stage.frozen, batch)
            cache = _kept_bytes(stage, batch, seen, rows, validation_rows)
            for _ in range(LONGEST_WARM_UP):
                before = live.peak_bytes
                live.forget_peak()
                stage.step(seen)
                if live.peak_bytes == before:
                    break
            measured.append(_by_cause(stage.name, rehearsal, seen, live, cache))
    return tuple(measured)


class LiveBytes(TorchDispatchMode):
    """Follows the storages that operations make while it is active.

    Args:
        learner: whose gradients are told apart.

    Attributes:
        peak_bytes: the most bytes of them that were alive at the same time.
        gradient_bytes: how much of these were gradients.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._parameters = list(learner.parameters())
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak_bytes = self.gradient_bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, then look which storages are alive."""
        known = {_key(tensor) for tensor in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            if (key := _key(tensor)) not in known:
                storage = tensor.untyped_storage()
                self._live[key] = StorageWeakRef(storage), storage.nbytes()  # type: ignore[no-untyped-call]
        if (alive := sum(self.alive().values())) > self.peak_bytes:
            self.peak_bytes, self.gradient_bytes = alive, _bytes(_gradients(self._parameters))
        return result

    def alive(self) -> dict[int, int]:
        """Return the storages alive now, with their bytes."""
        self._live = {key: held for key, held in self._live.items() if not held[0].expired()}  # type: ignore[no-untyped-call]
        return {key: size for key, (_, size) in self._live.items()}

    def forget_peak(self) -> None:
        """Begin to look for the peak anew."""
        self.peak_bytes = self.gradient_bytes = 0


@torch.no_grad()
def _kept_bytes(stage: Stage, batch: Batch, seen: Batch, rows: int, validation_rows: int) -> int:
    """Return what is kept of frozen layers' outputs: what steps read, and what evaluations do."""
    if stage.frozen is None:
        return 0
    judged = 0 if stage.top is None else below_bytes(stage.top.below(batch.x), validation_rows)
    return frozen_bytes(seen.x, rows) + judged


def _by_cause(stage: str, learner: Learner, batch: Batch, live: LiveBytes, cache: int) -> StageMemory:
    """Divide the peak of a step: what is alive after it too was kept, the rest was the step's own."""
    state = [tensor for module in learner.modules() for tensor in _optimizer_tensors(vars(module))]
    state_keys, gradient_keys = set(map(_key, state)), set(map(_key, _gradients(learner.parameters())))
    alive = live.alive()
    moments = sum(size for key, size in alive.items() if key in state_keys)
    kept = sum(size for key, size in alive.items() if key not in state_keys | gradient_keys)
    return StageMemory(
        stage=stage,
        parameters=_bytes(learner.parameters()),
        gradients=live.gradient_bytes,
        optimizer_state=_bytes(state),
        activations=max(0, live.peak_bytes - live.gradient_bytes - moments - kept),
        cache=cache,
        other=kept + _bytes(learner.buffers()) + _bytes(t for t in batch if _key(t) not in alive),
    )


def _gradients(parameters: Iterable[nn.Parameter]) -> Iterator[Tensor]:
    return (parameter.grad for parameter in parameters if parameter.grad is not None)


def _optimizer_tensors(value: Any) -> Iterator[Tensor]:
    """Find the state of optimizers, ours and torch's, among attributes, lists, tuples and dictionaries."""
    if isinstance(value, dict):
        yield from chain.from_iterable(map(_optimizer_tensors, value.values()))
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(_optimizer_tensors, value))
    elif hasattr(value, "step") and hasattr(value, "state_dict") and not isinstance(value, nn.Module):
        yield from _tensors(value.state_dict())


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of the storages of tensors, each once."""
    return sum({_key(t): t.untyped_storage().nbytes() for t in tensors}.values())


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
