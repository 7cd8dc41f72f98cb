"""All that a learner's next step depends on, as plain data and tensors, and back into a learner.

A learner keeps its state where it likes: parameters and buffers, optimizers, generators, counters, batches
under way, objects of its own. All of it is found among the attributes of its modules, so that no learner
writes, or forgets, a line for checkpoints. Code, modules and settings are not state: a learner built from the
same settings has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from energyprof.errors import UsageError
from learners.base import Batch, Learner
from learners.configuration import LearnerConfig
from learners.training.stage_plan import LONGEST_WARM_UP

__all__ = ["SETTINGS", "capture", "copied", "restore"]

_OF_EVERY_MODULE: Final = frozenset(vars(nn.Module())) - {"training"}
_PLAIN: Final = (type(None), bool, int, float, str)
SETTINGS: Final = (LearnerConfig, Enum, torch.device, torch.dtype, torch.memory_format)  # no step changes one
_FIXED: Final = (*SETTINGS, nn.Module, ModuleType)
_KIND: Final = "is"


class _Unlike(Exception):  # noqa: N818 - it names what was found
    """A learner lacks something that the state is about: it makes it at a later step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where state is restored to: a device, and the tensors there that are restored by name."""

    device: torch.device
    named: frozenset[int]  # the ids of parameters and buffers

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> _Place:
        ours = list(tensors)
        return cls(device=ours[0].device if ours else torch.device("cpu"), named=frozenset(map(id, ours)))

    def tensor(self, here: Any, value: Tensor, *, on_host: bool) -> Any:
        """Return the parameter or buffer that is here, or a new tensor.

        Any other tensor is made anew: what is here may be shared, as the labels of batches under way are.
        """
        if id(here) in self.named:
            return here
        return value.to("cpu" if on_host else self.device, copy=True)


def capture(learner: Learner) -> dict[str, Any]:
    """Return the state of a learner; its tensors are the learner's own, not copies.

    Raises:
        UsageError: an attribute that cannot be written to a file and read back safely.
    """
    named = dict(learner.named_parameters()) | dict(learner.named_buffers())
    return {
        "tensors": {name: _whole(tensor) for name, tensor in named.items()},
        "attributes": {
            f"{path}.{name}" if path else name: _encode(value, f"{type(learner).__name__}.{name}")
            for path, name, value in _attributes(learner)
            if not _is_fixed(value)
        },
    }


def copied(state: Any) -> Any:
    """Return a state that no later step changes: tensors copied to the host."""
    return tree_map(lambda leaf: leaf.to("cpu", copy=True) if isinstance(leaf, Tensor) else leaf, state)


def restore(
    learner: Learner, state: Mapping[str, Any], step: Callable[[Batch], object], batch: Batch
) -> None:
    """Bring a learner, built alike and in the same stage, into a state.

    What a learner makes at its first steps, it makes here from a batch; all of it is then overwritten.

    Args:
        learner: whose state is replaced.
        state: of :func:`capture`.
        step: of the learner's present stage.
        batch: any batch that the step takes.

    Raises:
        UsageError: the state is of another learner.
    """
    for _ in range(LONGEST_WARM_UP + 1):
        try:
            return _restore(learner, state)
        except _Unlike as unlike:
            missing = unlike
            step(batch)
    raise UsageError(f"the checkpoint is of another {type(learner).__name__}: {missing}")


@torch.no_grad()
def _restore(learner: Learner, state: Mapping[str, Any]) -> None:
    here = {
        f"{path}.{name}" if path else name: value
        for path, name, value in _attributes(learner)
        if not _is_fixed(value) or value is None
    }
    targets = dict(learner.named_parameters()) | dict(learner.named_buffers())
    place = _Place.of(targets.values())
    if set(targets) != set(state["tensors"]):
        raise _Unlike(f"it has other tensors ({_first(set(targets) ^ set(state['tensors']))})")
    decoded = {
        name: _decode(value, here.get(name), name, place) for name, value in state["attributes"].items()
    }
    for name, tensor in state["tensors"].items():
        if targets[name].shape != tensor.shape:
            raise _Unlike(f"{name} is {tuple(tensor.shape)} there and {tuple(targets[name].shape)} here")
        targets[name].copy_(tensor)
    modules = dict(learner.named_modules())
    for name, apply in decoded.items():
        path, _, attribute = name.rpartition(".")
        setattr(modules[path], attribute, apply())


def _attributes(learner: Learner) -> Iterator[tuple[str, str, Any]]:
    """Yield (module path, name, value) of what modules hold besides parameters, buffers and modules."""
    for path, module in learner.named_modules():
        for name, value in vars(module).items():
            if name not in _OF_EVERY_MODULE and name != "phase":
                yield path, name, value


def _is_fixed(value: Any) -> bool:
    """Tell whether a value is code, a module or settings, or holds nothing else."""
    if isinstance(value, list | tuple | set | frozenset):
        return bool(value) and all(map(_is_fixed, value))
    if isinstance(value, dict):
        return bool(value) and all(map(_is_fixed, value.values()))
    if is_dataclass(value) and not isinstance(value, type):
        inside = [getattr(value, field.name) for field in fields(value)]
        return all(isinstance(item, _PLAIN) or _is_fixed(item) for item in inside)
    return isinstance(value, _FIXED) or (callable(value) and not hasattr(value, "state_dict"))


def _encode(value: Any, where: str) -> Any:
    """Return a value as data that ``torch.load(weights_only=True)`` reads back."""
    if value is None:
        return None
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)  # numpy's float is a float too, and could not be read back
    if isinstance(value, Tensor):
        return {_KIND: "tensor", "value": _whole(value), "on_host": value.is_cpu}
    if isinstance(value, torch.Generator):
        return {_KIND: "generator", "state": value.get_state()}
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return {_KIND: "state_dict", "state": value.state_dict()}
    if type(value) in (list, tuple):
        items = [_encode(item, where) for item in value]
        return {_KIND: type(value).__name__, "items": items}
    if type(value) is dict:
        return {_KIND: "dict", "items": {key: _encode(item, where) for key, item in value.items()}}
    if _is_all_in_attributes(value):
        inside = {n: _encode(v, f"{where}.{n}") for n, v in vars(value).items() if not _is_fixed(v)}
        return {_KIND: "object", "type": type(value).__qualname__, "items": inside}
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise UsageError(
        f"{where} is a {kind}, which no checkpoint can hold: keep it as numbers, tensors or a "
        "torch.Generator, or in an object with state_dict() and load_state_dict(), or train without "
        "--checkpoint-every"
    )


def _is_all_in_attributes(value: Any) -> bool:
    """Tell whether an object is nothing but its attributes, as far as copying and pickling go too."""
    ways = ("__reduce__", "__reduce_ex__", "__getstate__")
    return hasattr(value, "__dict__") and all(
        getattr(type(value), way) is getattr(object, way) for way in ways
    )


def _decode(value: Any, here: Any, where: str, place: _Place) -> Callable[[], Any]:
    """Check that a value fits what is here; return what puts it in place and gives the attribute's value.

    Raises:
        _Unlike: something is not here that the value is loaded into.
    """
    if not isinstance(value, dict):
        return lambda: value
    kind = value[_KIND]
    if kind == "tensor":
        return lambda: place.tensor(here, value["value"], on_host=value["on_host"])
    if kind == "dict":
        known = here if isinstance(here, dict) else {}
        parts = {k: _decode(v, known.get(k), where, place) for k, v in value["items"].items()}
        return lambda: {k: apply() for k, apply in parts.items()}
    if kind in ("list", "tuple"):
        present = list(here) if isinstance(here, list | tuple) else []
        present += [None] * (len(value["items"]) - len(present))
        applied = [_decode(v, h, where, place) for v, h in zip(value["items"], present, strict=False)]
        return lambda: (list if kind == "list" else tuple)(apply() for apply in applied)
    return _decode_into(value, here, where, place)


def _decode_into(value: Mapping[str, Any], here: Any, where: str, place: _Place) -> Callable[[], Any]:
    """Return what loads a state into the object that is here."""
    kind = value[_KIND]
    if kind == "generator" and isinstance(here, torch.Generator):
        return lambda: here.set_state(value["state"].cpu())
    if kind == "state_dict" and hasattr(here, "load_state_dict"):
        return lambda: (here.load_state_dict(value["state"]), here)[1]
    if kind == "object" and type(here).__qualname__ == value["type"]:
        parts = {n: _decode(v, vars(here).get(n), f"{where}.{n}", place) for n, v in value["items"].items()}
        return lambda: (vars(here).update({n: apply() for n, apply in parts.items()}), here)[1]
    raise _Unlike(f"it has a {kind.replace('_', ' ')} in {where}, here is {type(here).__name__}")


def _whole(tensor: Tensor) -> Tensor:
    """Return a tensor without a graph; a copy of a piece of a larger storage, which would be saved whole."""
    tensor = tensor.detach()
    piece = tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()
    return tensor.clone() if piece else tensor


def _first(names: set[str]) -> str:
    return min(names, default="")
