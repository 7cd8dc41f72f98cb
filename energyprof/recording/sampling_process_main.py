"""What runs in the process that reads sensors for a recording; :mod:`.sampling_process` starts it.

It has one thread, which sleeps on the connection: a word wakes it as a due time does. It ends with its last
answer, and where the program that it reads for is gone, however that ended. A scheduler or a service manager
tells all processes of a job to end: this one leaves that to the program, whose last readings it still owes.
"""

# The program's module path comes with its first word, so that nothing but the standard library is imported
# before; by then other modules of this package can be.
from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energyprof.recording.sensor_track import Wait

__all__ = ["main"]

_OF_THE_PROGRAM: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # it is to end, and this one with it
_LOOK_UP_NS: Final = 1_000_000_000  # how often it looks whether the program is still there


def main(descriptor: int) -> None:
    """Read sensors until told to end.

    Args:
        descriptor: the connection to the program, which is this process's parent.
    """
    for number in _OF_THE_PROGRAM:
        signal.signal(number, signal.SIG_IGN)
    program = os.getppid()
    connection = Connection(os.dup(descriptor))  # a low number, as select needs it
    os.close(descriptor)
    try:
        order = json.loads(connection.recv_bytes())
        sys.path.extend(order["path"])
        _serve(connection, program, order)
    except (EOFError, ConnectionError):
        pass  # the program is gone, and its record ends where it ended
    except Exception as error:  # nobody sees what it would print, and its last word goes into the record
        with suppress(OSError):
            connection.send(f"{type(error).__name__}: {error}")
    os._exit(0)  # at once: the program waits for it, and nothing is left to tidy up


def _serve(connection: Connection, program_pid: int, order: dict[str, Any]) -> None:
    from energyprof.clock import SystemClock
    from energyprof.recording.sampler import Sampler
    from energyprof.recording.sampling_messages import ENERGY, LAST, ROWS_OF_CUDA, Hello, Rows
    from energyprof.sensors.discovery import discover
    from energyprof.sensors.program import Program

    uses_cuda: bool = order["uses_cuda"]
    uuids = order["torch_uuids"]
    program = Program(
        pid=program_pid,
        torch_uuids=None if uuids is None else tuple(uuids),
        uses_cuda=lambda: uses_cuda,
    )
    found = discover(program=program)
    sampler = Sampler(found.sensors, SystemClock(), order["origin_ns"])
    sampler.poll()
    connection.send(
        Hello(
            channels=sampler.channels,
            sensor_names=sampler.sensor_names,
            infos=sampler.sensor_infos(),
            gpus=found.gpus,
            problems=found.problems,
        )
    )
    wait, wake, began_s = _waiting_for(connection), threading.Lock(), time.process_time()
    word = b""
    while word != LAST:
        due_ns = sampler.poll()
        if not sampler.rest(wait, wake, due_ns, time.perf_counter_ns() + _LOOK_UP_NS):
            if os.getppid() != program_pid:
                break
            continue
        word = connection.recv_bytes()
        uses_cuda = uses_cuda or word == ROWS_OF_CUDA
        if word == ENERGY:
            sampler.read_energy()
            continue
        if word == LAST:
            sampler.finish()
        connection.send(
            Rows(
                columns=sampler.take(),
                latest=sampler.latest(),
                problems=sampler.problems,
                infos=sampler.sensor_infos(),
                cpu_s=time.process_time() - began_s,
            )
        )
    sampler.close()


def _waiting_for(connection: Connection) -> Wait:
    """Return what sleeps until a time, or until a word has come."""
    descriptor = [connection.fileno()]

    def wait(deadline_ns: int, wake: object) -> bool:
        remaining_ns = deadline_ns - time.perf_counter_ns()
        return bool(select.select(descriptor, [], [], max(remaining_ns, 0) / 1e9)[0])

    return wait
