"""energyprof: energy and hardware profiling for training algorithms.

Joules a step, a phase and a run, each with its source and its bounds::

    import energyprof

    with energyprof.Profiler("my-run") as prof:
        for x, y in prof.steps(loader):
            ...
    print(prof.run.energy_j)

Names are loaded on first use: importing the package loads no sensor library, no torch and no pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energyprof.errors import EnergyprofError
    from energyprof.record.model import (
        EmbodiedCarbon,
        Flag,
        MemoryByCause,
        Provenance,
        Quantity,
        Report,
        ResumedFrom,
        RunStatus,
    )
    from energyprof.recording.decorator import profile
    from energyprof.recording.profiler import Profiler
    from energyprof.recording.run import Run

__all__ = [
    "EmbodiedCarbon",
    "EnergyprofError",
    "Flag",
    "MemoryByCause",
    "Profiler",
    "Provenance",
    "Quantity",
    "Report",
    "ResumedFrom",
    "Run",
    "RunStatus",
    "__version__",
    "profile",
]

__version__: Final = "0.1.0"

_HOMES: Final = {
    "EmbodiedCarbon": "energyprof.record.model",
    "EnergyprofError": "energyprof.errors",
    "Flag": "energyprof.record.model",
    "MemoryByCause": "energyprof.record.model",
    "Profiler": "energyprof.recording.profiler",
    "Provenance": "energyprof.record.model",
    "Quantity": "energyprof.record.model",
    "Report": "energyprof.record.model",
    "ResumedFrom": "energyprof.record.model",
    "Run": "energyprof.recording.run",
    "RunStatus": "energyprof.record.model",
    "profile": "energyprof.recording.decorator",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'energyprof' has no attribute '{name}'")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
