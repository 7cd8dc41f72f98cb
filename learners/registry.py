"""Names to learners: ours, and anyone's own through the entry point group ``energyprof.learners``.

An entry point names a :class:`LearnerEntry`, or a function without arguments that returns one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final

import torch

from energyprof.errors import UnknownName, UsageError
from learners.algorithms.bp import BackpropagationConfig, backpropagation
from learners.algorithms.cafo import CascadedForward, CascadedForwardConfig
from learners.algorithms.dfa import FeedbackAlignment, FeedbackAlignmentConfig
from learners.algorithms.ff import ForwardForward, ForwardForwardConfig
from learners.algorithms.ladder import (
    DeepSupervision,
    DeepSupervisionConfig,
    MonoForwardJoint,
    MonoForwardJointConfig,
)
from learners.algorithms.mf import MonoForward, MonoForwardConfig
from learners.base import DataSpec, Learner
from learners.configuration import LearnerConfig
from learners.networks.architecture import parse_architecture
from learners.networks.blueprint import Blueprint

__all__ = ["ENTRY_POINT_GROUP", "LearnerEntry", "build", "entries", "entry"]

ENTRY_POINT_GROUP: Final = "energyprof.learners"
_FIRST_SEED: Final = -(2**63)  # torch takes a seed of 64 bits, with or without a sign
_LAST_SEED: Final = 2**64 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerEntry:
    """One learner that can be asked for by name.

    Attributes:
        name: as ``--algo`` takes it.
        title: as a report shows it.
        summary: one sentence: what it is.
        paper: where its equations are from.
        config: the class of its settings.
        default_arch: the architecture where none is asked for.
        builder: makes the learner.
        default_epochs: epochs of each stage where none are asked for.
    """

    name: str
    title: str
    summary: str
    paper: str
    config: type[LearnerConfig]
    default_arch: Callable[[DataSpec], str]
    builder: Callable[[Blueprint, Any], Learner]
    default_epochs: int = 5


def entries() -> Mapping[str, LearnerEntry]:
    """Return all learners by name: the built-in ones, then those of installed packages.

    Raises:
        UsageError: an installed package's entry point does not give a :class:`LearnerEntry`.
    """
    return _entries()


def entry(name: str) -> LearnerEntry:
    """Return one learner's entry.

    Raises:
        UnknownName: no learner of that name; the message names the nearest.
    """
    known = entries()
    if name not in known:
        raise UnknownName("algorithm", name, known)
    return known[name]


def build(
    name: str,
    spec: DataSpec,
    arch: str | None = None,
    config: LearnerConfig | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    twin: str | None = None,
) -> Learner:
    """Build a learner, ready to train.

    Args:
        name: ``bp``, ``ff``, ``cafo``, ``mf`` or another name of :func:`entries`.
        spec: the data's shape and number of classes.
        arch: ``mlp:1000,1000`` or ``conv:32,128,512``; None for the learner's (or the twin's) default.
        config: the learner's settings; None for the defaults.
        seed: of first weights and of what the learner draws while it learns.
        device: where its tensors live.
        twin: of ``bp`` only: take the default architecture of this learner.

    Raises:
        UnknownName: no such learner, twin or kind of architecture.
        UsageError: an architecture that the learner cannot train, a config of another learner, fewer than two
            classes, a seed that no generator takes, or a twin of anything but ``bp``.
    """
    chosen = entry(name)
    if twin is not None and name != "bp":
        raise UsageError(
            f"--twin {twin} goes with --algo bp, seen --algo {name}: a twin is bp on another net"
        )
    if spec.classes < 2:
        raise UsageError(f"a classifier needs two classes or more, seen {spec.classes}")
    config = chosen.config() if config is None else config
    if not isinstance(config, chosen.config):
        raise UsageError(f"{name} takes settings of {chosen.config.__name__}, seen {type(config).__name__}")
    text = arch if arch is not None else (entry(twin) if twin else chosen).default_arch(spec)
    learner = chosen.builder(_blueprint(spec, text, seed, device), config)
    learner.arch = str(parse_architecture(text))
    return learner


def _blueprint(spec: DataSpec, arch: str, seed: int, device: torch.device | str) -> Blueprint:
    if not _FIRST_SEED <= seed <= _LAST_SEED:
        raise UsageError(f"--seed {seed} has too many bits: give one from {_FIRST_SEED} to {_LAST_SEED}")
    generator = torch.Generator().manual_seed(seed)
    return Blueprint(
        spec=spec, architecture=parse_architecture(arch), generator=generator, device=torch.device(device)
    )


@cache
def _entries() -> Mapping[str, LearnerEntry]:
    found = {entry.name: entry for entry in _BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        loaded = point.load()
        loaded = loaded if isinstance(loaded, LearnerEntry) else loaded()
        if not isinstance(loaded, LearnerEntry):
            raise UsageError(
                f"entry point '{point.name}' ({point.value}) is a {type(loaded).__name__}, not a LearnerEntry"
            )
        found[loaded.name] = loaded
    return found


def _wide_mlp(spec: DataSpec) -> str:
    """Return the nets of Mono-Forward's tables: 2x1000, and 3x2000 for colour images."""
    return "mlp:2000,2000,2000" if spec.shape[0] == 3 else "mlp:1000,1000"


def _tall_mlp(spec: DataSpec) -> str:
    return "mlp:2000,2000,2000,2000" if spec.shape[0] == 3 else "mlp:1000,1000,1000"


def _three_blocks(spec: DataSpec) -> str:
    return "conv:32,128,512"


_BUILT_IN: Final = (
    LearnerEntry(
        name="bp",
        title="Backpropagation",
        summary="The loss of the head trains all layers: the reference, also on another's net (--twin).",
        paper="Rumelhart, Hinton and Williams 1986",
        config=BackpropagationConfig,
        default_arch=_wide_mlp,
        builder=backpropagation,
    ),
    LearnerEntry(
        name="ff",
        title="Forward-Forward",
        summary="Each layer learns much goodness for images with the right label, little with a wrong one.",
        paper="Hinton 2022, arXiv 2212.13345",
        config=ForwardForwardConfig,
        default_arch=_tall_mlp,
        builder=ForwardForward,
        default_epochs=20,  # it learns slowly: the published runs take 60 to 100
    ),
    LearnerEntry(
        name="cafo",
        title="Cascaded-Forward",
        summary="Random convolutional blocks, each with a linear predictor; only the predictors learn.",
        paper="Zhao et al. 2023, arXiv 2303.09728",
        config=CascadedForwardConfig,
        default_arch=_three_blocks,
        builder=CascadedForward,
    ),
    LearnerEntry(
        name="mf",
        title="Mono-Forward",
        summary="Each layer learns from its own projection onto the classes; no gradient leaves a layer.",
        paper="Gong, Li and Abdulla 2025, arXiv 2501.09238",
        config=MonoForwardConfig,
        default_arch=_wide_mlp,
        builder=MonoForward,
    ),
    LearnerEntry(
        name="bp-ds",
        title="Deep supervision",
        summary="Backpropagation with an auxiliary softmax classifier on each hidden layer but the last.",
        paper="Lee et al. 2015, arXiv 1409.5185",
        config=DeepSupervisionConfig,
        default_arch=_wide_mlp,
        builder=DeepSupervision,
    ),
    LearnerEntry(
        name="mf-joint",
        title="Mono-Forward, joint",
        summary="Mono-Forward's net and losses under global gradients: what locality alone changes.",
        paper="Gong, Li and Abdulla 2025, arXiv 2501.09238",
        config=MonoForwardJointConfig,
        default_arch=_wide_mlp,
        builder=MonoForwardJoint,
    ),
    LearnerEntry(
        name="dfa",
        title="Direct feedback alignment",
        summary="The output's error reaches each layer through a fixed random matrix (fa: layer by layer).",
        paper="Nokland 2016, arXiv 1609.01596",
        config=FeedbackAlignmentConfig,
        default_arch=_wide_mlp,
        builder=FeedbackAlignment,
    ),
)
