"""How a run ends: in order, interrupted, or by an error; SIGTERM turned into an orderly end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from energyprof.record.environment import shorten_home
from energyprof.record.model import RunStatus

__all__ = ["Termination", "how_it_ended"]


class Termination:
    """Turns SIGTERM into :class:`SystemExit`, so that a report is finished, where nobody else took it.

    A forked child that does not know of the recording dies of it as it would have.

    Attributes:
        cause: what was raised, once the signal has come.
    """

    def __init__(self) -> None:
        self.cause: SystemExit | None = None
        self._owner: int | None = None

    def take(self) -> None:
        """Take SIGTERM, on the main thread, if its handling is still the default."""
        if threading.current_thread() is threading.main_thread() and _is_free():
            self._owner = os.getpid()
            signal.signal(signal.SIGTERM, self._leave)

    def give_back(self) -> None:
        """Give SIGTERM back, if it was taken and nobody has taken it since."""
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and signal.getsignal(signal.SIGTERM) == self._leave:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._owner = None

    @property
    def over(self) -> bool:
        """Tell whether it is given back (from another thread than it was taken on), or of before a fork."""
        return self._owner != os.getpid()

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        if self.over:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.cause = SystemExit(128 + number)
        raise self.cause


def how_it_ended(error: BaseException | None) -> tuple[RunStatus, str | None]:
    """Return a run's status and, where it failed, the reason in one line."""
    if error is None or (isinstance(error, SystemExit) and not error.code):  # sys.exit() is an orderly end
        return RunStatus.COMPLETED, None
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return RunStatus.INTERRUPTED, None
    text = str(error).strip().splitlines()
    return RunStatus.FAILED, shorten_home(f"{type(error).__name__}: {text[0] if text else 'no message'}")


def _is_free() -> bool:
    """Tell whether SIGTERM does what it does by default, or what is over."""
    handler = signal.getsignal(signal.SIGTERM)
    taker = getattr(handler, "__self__", None)
    return handler is signal.SIG_DFL or (isinstance(taker, Termination) and taker.over)
