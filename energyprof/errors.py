"""Every error that energyprof raises on purpose, and the exit code each maps to.

::

    EnergyprofError                    exit code
    ├── UsageError                     2   a command line or argument that cannot be meant
    │   ├── UnknownName                2   algorithm, dataset, key ...: names the nearest one
    │   ├── ConfigError                2   a budget, study or settings file, with file and line
    │   └── RunNotFound                2   no run of that path or id
    ├── DataError                      2   a data file: missing, truncated, wrong digest, not readable
    ├── OutputError                    2   a folder or file that cannot be written
    ├── DeviceError                    2   a device that is not there
    ├── RecordError                    2   a report or trace that cannot be read
    ├── SensorError                    -   a sensor that failed: caught by the sampler, kept as a gap
    │   ├── SensorUnavailable          -   it is not there, or may not be read (says how to grant it)
    │   └── SensorLost                 -   it was there and went away
    └── TrainingFailed                 1   the loss is NaN or infinite, or memory ran out: a "failed" run
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
    "EnergyprofError",
    "OutputError",
    "RecordError",
    "RunNotFound",
    "SensorError",
    "SensorLost",
    "SensorUnavailable",
    "TrainingFailed",
    "UnknownName",
    "UsageError",
]

_MOST_LISTED: Final = 24


class EnergyprofError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line: what, what was seen, what to do."""

    exit_code: int = 2


class UsageError(EnergyprofError):
    """A command line or an argument that cannot be meant."""


class UnknownName(UsageError):  # noqa: N818 - it names what happened, as KeyError's kin do
    """A name that is not among the known ones; the message names the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the message from the kind of thing, the name seen and the names that would do."""
        from difflib import get_close_matches

        options = sorted(known)
        near = get_close_matches(name, options, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        listed = ", ".join(options[:_MOST_LISTED]) + (", ..." if len(options) > _MOST_LISTED else "")
        super().__init__(f"unknown {kind} '{name}': {hint}known are {listed or 'none'}")
        self.kind, self.name, self.known = kind, name, options


class ConfigError(UsageError):
    """A file that a person wrote and that cannot be meant; names file and, where known, line."""


class RunNotFound(UsageError):  # noqa: N818
    """No run folder, report or run id of that name."""


class DataError(EnergyprofError):
    """A data file that is missing, truncated, has a wrong digest or cannot be parsed."""


class OutputError(EnergyprofError):
    """A folder or a file that cannot be written."""


class DeviceError(EnergyprofError):
    """A device that was asked for and is not there."""


class RecordError(EnergyprofError):
    """A report or a trace that cannot be read: foreign, truncated or of another schema."""


class SensorError(EnergyprofError):
    """A sensor that failed a reading. The sampler keeps it as a gap; it never reaches a training loop."""


class SensorUnavailable(SensorError):  # noqa: N818
    """A sensor that is not there or may not be read; the message says how to grant it."""


class SensorLost(SensorError):  # noqa: N818
    """A sensor that was there and went away while it was read."""


class TrainingFailed(EnergyprofError):  # noqa: N818
    """Training cannot go on: the loss is NaN or infinite, or memory ran out. The run ends as ``failed``."""

    exit_code = 1
