"""CodeCarbon's own tracker beside a run, as a cross-check: nothing of it is in the run's figures.

It is made before the window opens (which takes it seconds: it looks for hardware), started as the window
opens and stopped after it has closed. It runs as its users run it, in the process that trains, offline and
writing nothing. Whatever it throws, logs, prints or warns of stays here; why there is no figure is told in
:attr:`CodeCarbonBeside.problem`.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import threading
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from io import StringIO
from types import TracebackType
from typing import Any, Final

from energyprof.carbon import release_name
from energyprof.record.environment import shorten_home
from energyprof.record.model import EnergyBeside, ToolBeside
from energyprof.sensors.ranks import rank_of
from energyprof.units import J_PER_KWH

__all__ = ["CodeCarbonBeside"]

_KINDS: Final = ("gpu", "cpu", "ram")
#: What a user's configuration file or environment could change to a call over the network, a file written, or
#: joules that are not the machine's. The country matters to nothing here: only energies are asked for.
_SETTINGS: Final = {
    "country_iso_code": "FRA",
    "cloud_provider": None,
    "cloud_region": None,
    "force_carbon_intensity_g_co2e_kwh": 0.0,  # goes before every service that tells one
    "electricitymaps_api_token": None,
    "emissions_endpoint": None,
    "tracking_mode": "machine",
    "pue": 1.0,
    "log_level": "warning",
    "allow_multiple_runs": True,
}


class CodeCarbonBeside:
    """One tracker around one window; nothing here raises.

    Attributes:
        problem: why it gives no figures, in words, or None.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._tracker: Any = None
        self._gpus: int | None = None
        self._duration_s: float | None = None
        self._energies: tuple[EnergyBeside, ...] = ()
        self._quiet = _Quiet()
        self._module: Any = None
        if rank_of(os.environ) is not None:
            self.problem = "it counts every GPU of the machine, and a rank of several only its own"
            return
        self._caught(self._import)
        if self._module is not None:
            with self._quiet:
                self._guarded(self._construct)

    @property
    def tool(self) -> ToolBeside | None:
        """Return which tool runs beside, without figures yet; None where it could not be made."""
        return None if self._tracker is None else ToolBeside(tool=release_name(), gpus=self._gpus)

    def start(self) -> None:
        """Let it begin to count."""
        if self._tracker is not None:
            self._quiet.__enter__()  # until it stops: it has threads
            self._guarded(self._tracker.start)

    def stop(self) -> ToolBeside | None:
        """Let it stop, and return what it counted; None where it did not run."""
        tool = self.tool
        if tool is None:
            return None
        self._guarded(self._finish)
        self._quiet.__exit__()
        if self.problem is None and all(entry.energy_j is None for entry in self._energies):
            self.problem = self._quiet.last_error or "it counted no energy at all"
        if self.problem is not None:
            return tool
        return replace(tool, duration_s=self._duration_s, energies=self._energies)

    def _import(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._module = importlib.import_module("codecarbon")  # its logger keeps the stderr of this moment

    def _construct(self) -> None:
        settings: dict[str, Any] = {**_SETTINGS, "output_methods": [], "output_handlers": []}
        tracker = self._module.OfflineEmissionsTracker(**settings)
        # finds its hardware now: by itself it would when started, in the window
        self._gpus = tracker.get_detected_hardware().get("gpu_count")
        with suppress(ImportError):
            importlib.import_module("codecarbon.core.emissions")  # pandas: by itself it would when stopped
        self._tracker = tracker

    def _finish(self) -> None:
        self._tracker.stop()
        found = self._tracker.final_emissions_data
        self._duration_s = float(found.duration)
        self._energies = tuple(EnergyBeside(kind=kind, energy_j=_energy_j(found, kind)) for kind in _KINDS)

    def _guarded(self, call: Callable[[], object]) -> None:
        """Call what may throw, print or warn."""
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            self._caught(call)

    def _caught(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (Exception, SystemExit) as error:  # another project's code, whatever it throws
            self.problem = self.problem or self._quiet.last_error or _in_words(error)


class _Quiet(logging.Handler):
    """Takes what CodeCarbon logs, and what its threads throw, for as long as it is entered.

    CodeCarbon catches most of its own errors and logs them: the last one is kept as the reason that it gives
    no figures.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last_error: str | None = None
        self._logger = logging.getLogger("codecarbon")
        self._before: tuple[list[logging.Handler], int] | None = None
        self._hook_before: Any = None
        self._hook: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error that was caught."""
        if record.exc_info and record.exc_info[1] is not None:
            self.last_error = _in_words(record.exc_info[1])

    def __enter__(self) -> None:
        self._before = (list(self._logger.handlers), self._logger.level)
        self._logger.handlers = [self]
        self._logger.setLevel(logging.WARNING)
        self._hook_before, self._hook = threading.excepthook, self._thrown
        threading.excepthook = self._hook

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        self._logger.handlers, level = self._before
        self._logger.setLevel(level)
        self._before = None
        if threading.excepthook is self._hook:  # else somebody put his own there since
            threading.excepthook = self._hook_before

    def _thrown(self, thrown: threading.ExceptHookArgs) -> None:
        if _is_codecarbons(thrown.exc_traceback) and thrown.exc_value is not None:
            self.last_error = _in_words(thrown.exc_value)
        else:
            self._hook_before(thrown)


def _is_codecarbons(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "codecarbon":
            return True
        traceback = traceback.tb_next
    return False


def _energy_j(found: Any, kind: str) -> float | None:
    """Return joules of CodeCarbon's kWh; what drew nothing at all was not read."""
    energy_j = float(getattr(found, f"{kind}_energy")) * J_PER_KWH
    return energy_j if 0 < energy_j < math.inf else None


def _in_words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return shorten_home(f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}")
