"""Continuing an interrupted run: its experiment again, from its last checkpoint on.

A continued run must be what the interrupted one would have been, bit for bit on the CPU. So the experiment
comes from the checkpoint, and whatever else decides the bits (data, settings' defaults, threads, torch) must
be as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from energyprof.errors import RecordError, UsageError
from learners.experiment import Experiment, Prepared
from learners.training.checkpoint_file import CHECKPOINT, read_checkpoint

__all__ = ["Checkpoint", "open_checkpoint"]

#: what a continued run may be asked for anew: it decides no bit of the result
_FREE: Final = ("data_dir", "name", "checkpoint_every")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A training that can be continued.

    Attributes:
        path: of the file.
        run: id of the run that wrote it.
        experiment: that was asked for.
        identity: what decides the bits of the result, as :attr:`Prepared.identity` gives it.
        content: the state of the loop, of the learner and of the random generators.
    """

    path: Path
    run: str
    experiment: Experiment
    identity: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def stage(self) -> str:
        """Return the stage that it was written in."""
        return str(self.content["training"]["stage"])

    @property
    def epochs(self) -> int:
        """Return the epochs of that stage that were done."""
        return int(self.content["training"]["epochs"])

    @property
    def passes(self) -> int:
        """Return the passes over the data that were done, in all stages."""
        return int(self.content["training"]["passes"])

    def asked(self, given: Mapping[str, Any]) -> Experiment:
        """Return the experiment to continue.

        Args:
            given: fields of :class:`Experiment` that were asked for again.

        Raises:
            UsageError: something else is asked for than the interrupted run was.
        """
        for name, value in given.items():
            before = getattr(self.experiment, name)
            if name not in _FREE and value != before:
                option = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{option} is {_text(value)}, and {self.run} was started with {_text(before)}: leave it "
                    "out to continue that run, or leave out --resume to begin anew"
                )
        return replace(self.experiment, **{name: given[name] for name in _FREE if name in given})

    def require_same(self, prepared: Prepared) -> None:
        """Refuse to continue where the result would be another.

        Raises:
            UsageError: data, learner, threads, device or torch are not what they were.
        """
        here = prepared.identity
        for name in self.identity.keys() | here.keys():
            there = self.identity.get(name)
            if there != here.get(name):
                raise UsageError(
                    f"{self.path} was written with {name} {_text(there)}, and here it is "
                    f"{_text(here.get(name))}: a continued run must be the same, restore that or begin anew"
                )


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run.

    Args:
        folder: the run folder.

    Raises:
        RecordError: there is none, or it cannot be read.
    """
    path = folder / CHECKPOINT
    content = read_checkpoint(path)
    try:
        return Checkpoint(
            path=path,
            run=content["run"],
            experiment=_experiment(content["experiment"]),
            identity=content["identity"],
            content={name: content[name] for name in ("training", "learner", "random")},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} lacks {error}: another energyprof wrote it, begin anew") from error


def _experiment(data: Mapping[str, Any]) -> Experiment:
    known = {field.name for field in fields(Experiment)}
    data_dir = data["data_dir"]
    kept = {name: value for name, value in data.items() if name in known}
    return Experiment(**{**kept, "data_dir": None if data_dir is None else Path(data_dir)})


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={setting}" for name, setting in value.items()) or "none"
    return "none" if value is None else str(value)
