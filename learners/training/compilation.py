"""Compiled steps: torch.compile around the step of a stage, and its warm-up as a phase of its own.

On the CPU by inductor, on CUDA by inductor with CUDA graphs (``reduce-overhead``): every one of our learners'
steps is one graph, except where it draws random numbers of its own. Evaluations are not compiled: they are
few, and of odd sizes. Inside a compiled step there are no phases: the marks of a learner are calls of Python.

Compiling takes seconds to minutes and must not count as training. So it is all done before the first step:
the step is taken until it compiles nothing new, and everything is then put back. Should a later step still
ask for another compilation, the run ends with an error rather than with a wrong figure.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import Tensor

from energyprof.errors import DeviceError, EnergyprofError, TrainingFailed, UsageError
from learners.base import Batch, Learner, Metrics, Stage, silent_phase
from learners.training.rewind import Rewind
from learners.training.stage_plan import LONGEST_WARM_UP

__all__ = ["check_compiler", "compile_stage", "compiler_name"]

_FEWEST: Final = 3  # CUDA graphs: one step runs, one is recorded, one replayed
_STRICT: Final = "fail_on_recompile"

Step = Callable[[Batch], Metrics]


def compiler_name(device: torch.device) -> str:
    """Return what compiles steps on a device, for the record."""
    return "inductor, CUDA graphs" if device.type == "cuda" else "inductor"


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where the tools for it are not there; what they are worth, the warm-up shows.

    Raises:
        DeviceError: no C++ compiler for the CPU, or no Triton for CUDA.
    """
    if device.type == "cuda":
        if find_spec("triton") is None:
            raise DeviceError(
                "--compile needs Triton on CUDA, seen none: pip install triton, or leave --compile out"
            )
        return
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise DeviceError(
            f"--compile needs a C++ compiler, seen no '{compiler}': install one (apt-get install g++), "
            "name it in CXX, or leave --compile out"
        )


def compile_stage(
    learner: Learner, stage: Stage, batch: Batch, prepare: Callable[[], None], device: torch.device
) -> Stage:
    """Return a stage with its step compiled, ready for its first step; the learner is left as it was.

    What was compiled before in this process is forgotten, for its memory and so that limits count anew.

    Args:
        learner: at the beginning of the stage, or where it goes on.
        stage: whose step is compiled.
        batch: of the shape of those to come.
        prepare: what is called before the first step of an epoch; undone too.
        device: where it trains.

    Raises:
        UsageError: the step cannot be compiled, or never settles.
    """
    learner.phase = silent_phase
    rewind = Rewind(learner, device)
    with _careful():
        try:
            _forget_compiled()
            step = _compiled(stage.step, device)
            if device.type == "cuda":
                _pin(learner, rewind.optimizers)
            prepare()
            _settle(step, batch)
        except EnergyprofError:
            raise
        except Exception as error:  # compilers fail in every way there is
            raise UsageError(
                f"--compile: the step of stage '{stage.name}' cannot be compiled ({_first_line(error)}): "
                "leave --compile out"
            ) from error
        finally:
            rewind.back()
    return replace(stage, step=_strict(step, stage.name))


def _compiled(step: Step, device: torch.device, backend: str = "inductor") -> Step:
    """Compile lazily, as torch.compile does, for tensors of fixed shapes."""
    if device.type != "cuda":
        return torch.compile(step, backend=backend, dynamic=False)
    graphed: Step = torch.compile(step, mode="reduce-overhead", dynamic=False)
    begin: Callable[[], None] = torch.compiler.cudagraph_mark_step_begin

    def begin_and_step(batch: Batch) -> Metrics:
        begin()  # what the step before returned has been read
        return graphed(batch)

    return begin_and_step


def _pin(learner: Learner, optimizers: Iterable[torch.optim.Optimizer]) -> None:
    """Promise that weights and optimizer state stay where they are: CUDA graphs write to them in place."""
    states = (state for optimizer in optimizers for state in optimizer.state.values())
    moments = (value for state in states for value in state.values() if isinstance(value, Tensor))
    for tensor in (*learner.parameters(), *learner.buffers(), *moments):
        torch._dynamo.mark_static_address(tensor)


def _forget_compiled() -> None:
    """Forget what was compiled before, and how much it was."""
    torch.compiler.reset()
    _counted().clear()


def _counted() -> Any:
    """Return the compiler's counters."""
    from torch._dynamo.utils import counters  # takes a second to import

    return counters


def _settle(step: Step, batch: Batch) -> None:
    """Take steps until one compiles nothing.

    Raises:
        UsageError: none did, out of many, or because there is nothing that can be compiled.
    """
    for taken in range(LONGEST_WARM_UP + _FEWEST):
        if taken >= _FEWEST and _is_compiled(step, _fresh(batch)):
            if not _counted()["stats"]["unique_graphs"]:
                raise UsageError("--compile: there is nothing in a step that can be compiled: leave it out")
            return
        step(_fresh(batch))
    raise UsageError(f"--compile: every one of {LONGEST_WARM_UP} steps had to be compiled anew: leave it out")


def _is_compiled(step: Step, batch: Batch) -> bool:
    """Take a step; tell whether it compiled nothing."""
    with torch.compiler.set_stance(_STRICT):
        try:
            step(batch)
        except RuntimeError as error:
            if _STRICT not in str(error):
                raise
            return False
    return True


def _fresh(batch: Batch) -> Batch:
    """Return another batch of the same values: steps in training never get the same one twice either."""
    return Batch(batch.x.clone(), batch.y.clone())


def _strict(step: Step, stage: str) -> Step:
    """Return a step that compiles nothing any more."""

    def compiled_step(batch: Batch) -> Metrics:
        try:
            return step(batch)
        except RuntimeError as error:
            if _STRICT not in str(error):
                raise
            raise TrainingFailed(
                f"--compile: a step of stage '{stage}' would have to be compiled anew, which would count as "
                "training: leave --compile out"
            ) from error

    strict: Step = torch.compiler.set_stance(_STRICT)(compiled_step)
    return strict


@contextmanager
def _careful() -> Iterator[None]:
    """Have the compiler fail where it would fall back to plain steps, and say nothing on a terminal."""
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch._inductor")]
    levels = [logger.level for logger in loggers]
    config = torch._dynamo.config.patch(_limits(LONGEST_WARM_UP + _FEWEST))
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), config:
            warnings.simplefilter("ignore")  # of graph breaks and of what torch itself deprecates
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _limits(compilations: int) -> dict[str, int | bool]:
    """Return the compiler's settings that make more than so many compilations an error."""
    if hasattr(torch._dynamo.config, "recompile_limit"):
        return {"recompile_limit": compilations, "fail_on_recompile_limit_hit": True}
    return {"cache_size_limit": compilations, "fail_on_cache_limit_hit": True}  # before torch 2.7


def _first_line(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
    return f"{type(error).__name__}: {text}"
