"""How a program dies under the profiler: for want of memory, and by a kill in the middle of a flush.

Both with the sensors read by a process of its own and by a thread, and with nothing left behind.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import psutil
import pytest

from energyprof.cli import main
from energyprof.record.model import Provenance, Report, RunStatus
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs
from energyprof.recording import sampling_thread

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: RLIMIT_AS and /proc")

SAMPLING = ("process", "thread")

#: trains 1 epoch of 20 steps within its memory, and then takes 8 MiB more a step, of 48 that there are
HUNGRY = """
import resource, sys, time
import numpy as np
import energyprof

def used_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

kept = []
with energyprof.Profiler("hungry", out=sys.argv[1], html=False) as prof:
    prof.describe(algo="mf")
    reader = getattr(prof._recorder.sampler, "_process", None)
    print(reader and reader.pid, flush=True)
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes() + (48 << 20), resource.RLIM_INFINITY))
    for epoch in range(2):
        with prof.epoch(epoch):
            for _ in prof.steps([[0] * 4] * 20):
                time.sleep(0.002)
                if epoch:
                    kept.append(np.ones(1 << 20))
            prof.log(train_loss=1.0)
"""

#: trains until it is killed. Each flush, 20 ms after the other, says when it begins, and when it is over how
#: many steps are on disk for certain. That of a given number stops for good after a given share of its calls.
STOPPED = """
import os, sys, threading, time
import energyprof
from energyprof.recording import sampling_thread, trace_writer

out, settle_ns, last, share = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
sampling_thread._FLUSH_NS, trace_writer._SETTLE_NS = 20_000_000, settle_ns
flush, steps, calls = trace_writer.TraceWriter.flush, [0], [0] * (last + 1)
flushes = iter(range(last + 1))

def counted(frame, event, argument):
    calls[number] += 1
    if number == last and calls[number] >= share * calls[last - 1]:
        sys.setprofile(None)
        say("stopped")
        time.sleep(60)

def say(text):
    os.write(1, (text + chr(10)).encode())

def told(self, now_ns):
    global number
    if threading.current_thread() is threading.main_thread():
        return flush(self, now_ns)
    number, before = min(next(flushes, last), last), steps[0]
    say("begins")
    if share >= 0 and number >= last - 1:
        sys.setprofile(counted)
    settled = flush(self, now_ns)
    sys.setprofile(None)
    say(f"{before}")
    return settled

trace_writer.TraceWriter.flush = told
with energyprof.Profiler("killed", out=out) as prof:
    prof.describe(algo="mf")
    for steps[0], _ in enumerate(prof.steps([[0] * 4] * 1_000_000)):
        time.sleep(0.001)
"""


@pytest.fixture(params=SAMPLING)
def sampling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who reads the sensors, chosen by the environment, as children inherit it."""
    monkeypatch.setenv("ENERGYPROF_SAMPLING", request.param)
    return str(request.param)


def gone(pid: int, longest_s: float = 20.0) -> bool:
    """Wait until a process is gone; tell whether it went."""
    deadline = time.monotonic() + longest_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def only_report(out: Path) -> Report:
    (folder,) = list_runs(out)
    return read_report(folder / "report.json")


def test_a_loop_that_runs_out_of_memory_is_a_failed_run_with_all_its_figures(
    tmp_path: Path, sampling: str
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", HUNGRY, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 1, child.stderr  # Python's own: the error went on to the top
    assert "MemoryError" in child.stderr.splitlines()[-1]
    report = only_report(tmp_path)
    assert report.run.status is RunStatus.FAILED
    assert (report.run.error or "").startswith("MemoryError: Unable to allocate 8.00 MiB")
    assert report.run.ended_at is not None
    assert report.overhead.sampling == sampling
    assert [epoch.train_loss for epoch in report.epochs] == [1.0]  # the second one never ended
    assert 20 < report.totals.steps <= 20 + 48 // 8 + 1
    assert report.totals.duration_s >= 0.002 * report.totals.steps
    assert report.totals.energy_j.source is not Provenance.MISSING
    assert (report.totals.peak_host_memory_bytes or 0) > 2**24
    assert "partial-record" not in {flag.code for flag in report.flags}
    (folder,) = list_runs(tmp_path)
    assert not (folder / "journal.bin").exists()
    pid = child.stdout.strip()
    assert (pid != "None") == (sampling == "process")
    assert pid == "None" or gone(int(pid))


class Doomed:
    """A child that trains under the profiler, to be killed in one of its flushes."""

    def __init__(self, out: Path, settle_ns: int, last: int, share: float) -> None:
        words = (str(out), str(settle_ns), str(last), str(share))
        self.process = subprocess.Popen(
            [sys.executable, "-c", STOPPED, *words], stdout=subprocess.PIPE, bufsize=0
        )
        self.begun: list[float] = []  # times at which flushes began
        self.took_s: list[float] = []
        self.on_disk = 0  # steps, by the last flush that was over

    def hear(self) -> bytes:
        """Take in what the child says next."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        if said == b"begins":
            self.begun.append(time.perf_counter())
        elif said.isdigit():
            self.took_s.append(time.perf_counter() - self.begun[-1])
            self.on_disk = int(said)
        return said

    def kill(self, sampling: str) -> None:
        """Kill it from outside; the process that reads for it ends too."""
        readers = psutil.Process(self.process.pid).children()
        self.process.kill()
        self.process.wait()
        while self.hear():
            pass
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert len(readers) == (1 if sampling == "process" else 0)
        assert all(gone(reader.pid) for reader in readers)


def require_partial(out: Path, doomed: Doomed) -> None:
    """Check that the record makes a partial report with all that had been flushed, and is readable."""
    (folder,) = list_runs(out)
    assert main(["report", "build", str(folder)]) == 0
    report = read_report(folder / "report.json")
    assert report.run.status is RunStatus.PARTIAL
    assert report.workload.algo == "mf"
    assert doomed.on_disk > 0
    assert report.totals.steps >= doomed.on_disk
    assert report.totals.duration_s >= 0.001 * doomed.on_disk
    assert report.totals.energy_j.source is not Provenance.MISSING
    assert "partial-record" in {flag.code for flag in report.flags}
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("settle_ns", [0, 10**12], ids=["streams", "journal"])
def test_a_kill_between_any_two_calls_of_a_flush_loses_that_flush_at_most(
    tmp_path: Path, sampling: str, settle_ns: int, seed: int
) -> None:
    random = Random(f"{sampling} {settle_ns} {seed}")
    doomed = Doomed(tmp_path, settle_ns, last=random.randrange(3, 9), share=random.random())
    while doomed.hear() != b"stopped":
        assert doomed.process.poll() is None
    doomed.kill(sampling)
    assert len(doomed.begun) == len(doomed.took_s) + 1
    require_partial(tmp_path, doomed)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_kill_at_any_time_of_a_flush_loses_that_flush_at_most(
    tmp_path: Path, sampling: str, seed: int
) -> None:
    random = Random(f"{sampling} {seed}")
    doomed = Doomed(tmp_path, random.choice((0, 50_000_000)), last=10**6, share=-1.0)
    last = random.randrange(4, 12)
    while doomed.hear() != b"begins" or len(doomed.begun) < last:
        assert doomed.process.poll() is None
    wait_s = random.random() * sorted(doomed.took_s)[len(doomed.took_s) // 2]
    while time.perf_counter() < doomed.begun[-1] + wait_s:
        pass
    doomed.kill(sampling)
    require_partial(tmp_path, doomed)


def test_a_flush_is_due_every_second_so_that_no_more_than_that_is_lost() -> None:
    assert sampling_thread._FLUSH_NS == 1_000_000_000
