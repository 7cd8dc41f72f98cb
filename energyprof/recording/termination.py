"""How a run ends: in order, interrupted, or by an error; SIGTERM turned into an orderly end."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from energyprof.record.environment import shorten_home
from energyprof.record.model import RunStatus

__all__ = ["Termination", "how_it_ended"]


class Termination:
    """Turns SIGTERM into :class:`SystemExit`, so that a report is finished, where nobody else took it."""

    def __init__(self) -> None:
        self._old: Any = None

    def take(self) -> None:
        """Take SIGTERM, on the main thread, if its handling is still the default."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._old = signal.signal(signal.SIGTERM, _leave)

    def give_back(self) -> None:
        """Give SIGTERM back, if it was taken."""
        if self._old is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._old)
            self._old = None


def how_it_ended(error: BaseException | None) -> tuple[RunStatus, str | None]:
    """Return a run's status and, where it failed, the reason in one line."""
    if error is None:
        return RunStatus.COMPLETED, None
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return RunStatus.INTERRUPTED, None
    text = str(error).strip().splitlines()
    return RunStatus.FAILED, shorten_home(f"{type(error).__name__}: {text[0] if text else 'no message'}")


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
