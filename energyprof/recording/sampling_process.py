"""A process that reads sensors for a recording: how it is started, spoken with, and ended.

A thread beside a training loop takes the interpreter's lock and fills caches with its own code each time that
it wakes. A process of its own does so on another processor, and a driver that hangs or crashes takes only it
along.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from energyprof.errors import SensorLost, SensorUnavailable
from energyprof.recording.sampling_messages import LAST, Hello, Rows
from energyprof.sensors.program import Program

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["SamplingProcess"]

T = TypeVar("T")

_ROOT: Final = str(Path(__file__).parents[2])  # where this package can be imported from
_PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from energyprof.recording.sampling_process_main import main; main(int(sys.argv[2]))"
)
#: What an answer that is cut off, or of another release (updated meanwhile), throws when it is read.
_UNEXPECTED: Final = (EOFError, OSError, pickle.UnpicklingError, AttributeError, ImportError, IndexError)
_GRACE_S: Final = 2.0
_KILL_S: Final = 0.5
_FIRST_FREE: Final = 3  # the numbers below are the standard streams'


class SamplingProcess:
    """One sampling process, of this process's own; used by one thread at a time.

    It is in a session of its own: a Ctrl-C in the terminal is the program's, not its.
    """

    def __init__(self, origin_ns: int) -> None:
        """Start it; it greets when it has found its sensors.

        Args:
            origin_ns: the monotonic time that its rows call 0.

        Raises:
            SensorUnavailable: this system starts no such process.
        """
        if os.name != "posix" or not _is_interpreter(sys.executable):
            raise SensorUnavailable("this system cannot start one")
        program = Program.here()
        order = {
            "path": [path for path in sys.path if path and isinstance(path, str)],  # as imports see it
            "origin_ns": origin_ns,
            "torch_uuids": program.torch_uuids,
            "uses_cuda": program.uses_cuda(),
        }
        try:
            self._connection, far = _pipe()
        except OSError as error:
            raise SensorUnavailable(f"it could not be started: {error}") from error
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOT, str(far.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(far.fileno(),),
                start_new_session=True,
            )
            self._connection.send_bytes(json.dumps(order).encode())
        except OSError as error:
            self._connection.close()
            raise SensorUnavailable(f"it could not be started: {error}") from error
        finally:
            far.close()
        self._unanswered = 0

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def owes(self) -> bool:
        """Tell whether it has not answered all that it was asked."""
        return self._unanswered > 0

    def hello(self, timeout_s: float) -> Hello | None:
        """Return its greeting, or None where there is none in time.

        Raises:
            SensorLost: it has ended.
        """
        return self._receive(Hello) if self._speaks(timeout_s) else None

    def say(self, word: bytes) -> None:
        """Say a word that it does not answer.

        Raises:
            SensorLost: it has ended.
        """
        try:
            self._connection.send_bytes(word)
        except OSError as error:
            raise self._loss() from error

    def ask(self, word: bytes, timeout_s: float) -> list[Rows]:
        """Say a word that it answers; return what it answers in time, late answers to earlier words included.

        A process that still owes an answer is not asked again, but for its last one.

        Raises:
            SensorLost: it has ended, and not because it was asked to.
        """
        if not self._unanswered or word == LAST:
            self.say(word)
            self._unanswered += 1
        answers: list[Rows] = []
        while self._unanswered and self._speaks(timeout_s):
            answers.append(self._receive(Rows))
            self._unanswered -= 1
        return answers

    def end(self, grace_s: float = _GRACE_S) -> None:
        """End it, by force where it does not end by itself in time; a second call does nothing."""
        self._connection.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # not even that ends one that is stuck in the kernel
                self._process.wait(_KILL_S)

    def _speaks(self, timeout_s: float) -> bool:
        try:
            return self._connection.poll(timeout_s)
        except OSError as error:
            raise self._loss() from error

    def _receive(self, kind: type[T]) -> T:
        try:
            message: object = self._connection.recv()
        except _UNEXPECTED as error:
            raise self._loss() from error
        if isinstance(message, kind):
            return message
        self.end()
        raise SensorLost(f"it failed: {message!s:.300}")

    def _loss(self) -> SensorLost:
        self.end()
        return SensorLost(f"it ended {_in_words(self._process.returncode)}")


def _in_words(code: int | None) -> str:
    if code is None:
        return "without leaving: it is stuck in the kernel, as where a driver hangs"
    if code >= 0:
        return f"with exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"by signal {-code} ({names.get(-code, 'a real-time one')})"


def _is_interpreter(executable: str | None) -> bool:
    """Tell whether it runs Python, and not once more a program that Python is part of."""
    name = Path(executable or "").name.lower()
    return not getattr(sys, "frozen", False) and ("python" in name or "pypy" in name)


def _pipe() -> tuple[Connection, Connection]:
    """Return the ends of a pipe, whose numbers are no standard stream's even where those are closed.

    Raises:
        OSError: there are no descriptors left.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl
    from multiprocessing.connection import Connection, Pipe

    ends = Pipe()
    try:
        here, far = (Connection(fcntl(end.fileno(), F_DUPFD_CLOEXEC, _FIRST_FREE)) for end in ends)
    finally:
        for end in ends:
            end.close()
    return here, far
