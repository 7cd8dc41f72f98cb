"""The process that reads a run's sensors: it reads as a thread does, and may end in any way at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import energyprof
from energyprof.clock import SystemClock
from energyprof.errors import SensorLost, SensorUnavailable, UnknownName, UsageError
from energyprof.record.model import Provenance, Report, Sampling
from energyprof.recording import relayed_sampler
from energyprof.recording.relayed_sampler import RelayedSampler
from energyprof.recording.sampling_messages import LAST, ROWS
from energyprof.recording.sampling_process import SamplingProcess
from energyprof.testing.nvml import StandInNvml
from tests.energyprof.recording.conftest import SteadySensor

POWER_W = 300.0
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENERGYPROF_SAMPLING", raising=False)


@pytest.fixture
def nvml() -> Iterator[StandInNvml]:
    with StandInNvml(("hopper",), virtual=False) as stand_in, stand_in.loaded():
        stand_in.set_power(0, POWER_W)
        yield stand_in


@pytest.fixture
def relayed() -> Iterator[RelayedSampler]:
    sampler = RelayedSampler(SystemClock())
    yield sampler
    sampler.close()


def children() -> list[psutil.Process]:
    """Return the sampling processes of this one."""
    mine = psutil.Process().children()
    return [child for child in mine if "sampling_process_main" in " ".join(child.cmdline())]


def until(condition: Callable[[], bool], longest_s: float = 20.0) -> None:
    deadline = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {longest_s:g} s"
        time.sleep(0.005)


def run(out: Path, seconds: float, happens: Callable[[psutil.Process], None] = lambda _: None) -> Report:
    """Profile a loop; something happens to the process in the middle of it."""
    with energyprof.Profiler("t", out=out, html=False) as prof:
        (child,) = children()
        half = int(seconds / 2 / 0.01)
        for step, _ in enumerate(prof.steps([[0] * 4] * 2 * half)):
            if step == half:
                happens(child)
            time.sleep(0.01)
    return prof.run.report


def notes(report: Report) -> str:
    return "\n".join(flag.message for flag in report.flags)


def test_it_reads_the_gpu_and_the_record_says_who_did(tmp_path: Path, nvml: StandInNvml) -> None:
    report = run(tmp_path, 1.0)
    energy, lasted_s = report.totals.energy_by_domain_j["gpu:0"], report.totals.duration_s
    assert energy.source is Provenance.COUNTER
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= POWER_W * lasted_s <= energy.high
    assert report.environment.gpus[0].name == "NVIDIA H100 80GB HBM3"
    assert report.overhead.sampling is Sampling.PROCESS
    assert report.overhead.process_cpu_s is not None
    assert {sensor.name for sensor in report.sensors} >= {"nvml:gpu:0", "memory:host"}
    assert all(sensor.readings > 0 for sensor in report.sensors)
    assert children() == []


def test_memory_is_that_of_the_program_and_not_of_the_process(tmp_path: Path) -> None:
    report = run(tmp_path, 0.1)
    assert report.totals.peak_host_memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.3)


def test_a_process_that_is_killed_has_a_successor_and_leaves_a_gap(tmp_path: Path, nvml: StandInNvml) -> None:
    report = run(tmp_path, 4.0, lambda child: child.kill())
    energy, lasted_s = report.totals.energy_by_domain_j["gpu:0"], report.totals.duration_s
    assert "it ended by signal 9 (SIGKILL): another one took over" in notes(report)
    assert "sampling-gap" in {flag.code for flag in report.flags}
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= POWER_W * lasted_s <= energy.high
    assert energy.low > 0.4 * POWER_W * lasted_s  # what was seen counts
    assert report.totals.steps == 400
    assert children() == []


def test_one_that_ends_again_and_again_is_given_up_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayed_sampler, "_MOST_LOSSES", 1)
    report = run(tmp_path, 2.4, lambda child: child.kill())
    assert "nothing is read any more" in notes(report)
    assert report.totals.steps == 240


def test_one_that_hangs_is_left_behind(
    tmp_path: Path, nvml: StandInNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((relayed_sampler, "_ANSWER_S"), (relayed_sampler, "_LAST_ANSWER_S")):
        monkeypatch.setattr(module, name, 0.05)
    report = run(tmp_path, 2.4, lambda child: child.suspend())
    assert "it gives no answer, as where a driver's call hangs" in notes(report)
    assert "sampling-gap" in {flag.code for flag in report.flags}
    assert report.totals.steps == 240
    assert children() == []


def test_one_that_hung_for_a_while_brings_what_it_read(relayed: RelayedSampler) -> None:
    (child,) = children()
    relayed.collect()
    child.suspend()
    assert relayed.collect()[0].count(0) == 0  # nothing of it yet
    child.resume()
    until(lambda: relayed.collect()[0].count(0) > 0)
    relayed.finish()
    assert any("gives no answer" in problem.reason for problem in relayed.problems)
    rows = relayed.drain()
    assert not rows.gap.any()


def test_rows_of_a_successor_begin_with_a_gap_and_counts_add_up(relayed: RelayedSampler) -> None:
    relayed.collect()
    before = {info.name: info.readings for info in relayed.sensor_infos()}
    (child,) = children()
    child.kill()
    child.wait()
    relayed.collect()
    (problem,) = relayed.problems
    assert (problem.sensor, problem.count) == ("sampling process", 1)
    until(lambda: bool(relayed.collect()) and "cpu/energy" in relayed.latest())
    relayed.finish()
    rows = relayed.drain()
    (gap,) = rows.gap[rows.channel == 0].nonzero()[0]
    t_ns = rows.t_ns[rows.channel == 0]
    assert rows.since_ns[rows.channel == 0][gap] == t_ns[gap - 1]
    assert (t_ns[1:] >= t_ns[:-1]).all()
    after = {info.name: info.readings for info in relayed.sensor_infos()}
    assert all(after[name] > before[name] for name in before)


def test_channels_that_never_came_back_end_with_a_gap(
    relayed: RelayedSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayed_sampler, "_MOST_LOSSES", 1)
    relayed.collect()
    (child,) = children()
    child.kill()
    child.wait()
    relayed.finish()
    rows = relayed.drain()
    last = rows.channel.tolist().index(0, rows.channel.tolist().index(0) + 1)
    assert rows.gap[last]
    assert rows.value[last] != rows.value[last]


def test_a_system_that_starts_none_has_a_thread_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with energyprof.Profiler("t", out=tmp_path / "runs", html=False) as prof:
        assert children() == []
    assert prof.run.report.overhead.sampling is Sampling.THREAD
    assert "no process of its own reads the sensors (it could not be started" in notes(prof.run.report)


def test_one_that_cannot_even_begin_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").symlink_to("/bin/false")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SensorUnavailable, match="it ended with exit code 1"):
        RelayedSampler(SystemClock())


@pytest.mark.parametrize("program", ["/opt/trainer/trainer", "/usr/sbin/uwsgi", ""])
def test_a_program_that_python_is_part_of_is_not_started_once_more(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(SensorUnavailable, match="this system cannot start one"):
        SamplingProcess(0)


def test_a_frozen_program_is_not_started_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(SensorUnavailable, match="this system cannot start one"):
        SamplingProcess(0)


def test_what_imports_pass_over_in_the_module_path_is_passed_over_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path, "", None])
    RelayedSampler(SystemClock()).close()


def test_no_descriptors_left_is_a_reason_and_no_exception_of_the_systems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("multiprocessing.connection.Pipe", none_left)
    with pytest.raises(SensorUnavailable, match=r"it could not be started: .*Too many open files"):
        SamplingProcess(0)


CLOSED = """
import os, sys
os.close(0), os.close(1)
import energyprof
with energyprof.Profiler("t", out=sys.argv[1], html=False) as prof:
    pass
os._exit(0 if prof.run.report.overhead.sampling == "process" else 1)
"""


def test_closed_standard_streams_are_not_taken_for_the_connection(tmp_path: Path) -> None:
    program = subprocess.run([sys.executable, "-c", CLOSED, str(tmp_path)], check=False)
    assert program.returncode == 0


class Stuck:
    """A process in a system call that never ends: no signal reaches it."""

    pid, returncode = 1, None
    kills = 0

    def wait(self, timeout: float | None = None) -> int:
        assert timeout is not None, "this wait would never end"
        raise subprocess.TimeoutExpired("stuck", timeout)

    def kill(self) -> None:
        self.kills += 1


def test_one_that_not_even_a_kill_ends_is_left_behind(relayed: RelayedSampler) -> None:
    relayed.collect()
    process = relayed._process
    process.ask(LAST, 5)
    process.end()
    process._process = stuck = Stuck()  # type: ignore[assignment]
    relayed.collect()
    assert stuck.kills == 1
    (problem,) = relayed.problems
    assert "it ended without leaving: it is stuck in the kernel" in problem.reason
    relayed.finish()


def test_one_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("1 / 0")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(SensorUnavailable, match="it failed: ZeroDivisionError: division by zero"):
        RelayedSampler(SystemClock())
    assert children() == []


def test_ctrl_c_while_it_looks_for_sensors_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(process: SamplingProcess, timeout_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SamplingProcess, "hello", impatient)
    with pytest.raises(KeyboardInterrupt) as caught:
        RelayedSampler(SystemClock())
    assert children() == []
    del caught  # the traceback holds all that a notebook's would


def test_one_that_does_not_greet_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relayed_sampler, "_GREETING_S", 0.0)
    with pytest.raises(SensorUnavailable, match="it found no sensors within 0 s"):
        RelayedSampler(SystemClock())
    assert children() == []


def test_a_ctrl_c_in_the_terminal_is_not_its_own() -> None:
    process = SamplingProcess(time.perf_counter_ns())
    assert os.getsid(process.pid) != os.getsid(0)
    assert process.hello(20) is not None
    assert len(process.ask(LAST, 5)) == 1
    process.end()
    process.end()
    with pytest.raises(SensorLost):
        process.ask(ROWS, 0.1)


ORPHAN = """
import os, sys, time, energyprof
with energyprof.Profiler("t", out=sys.argv[1], html=False) as prof:
    if os.fork() == 0:  # a worker that lives on holds the connection open
        time.sleep(3)
        os._exit(0)
    print(prof._recorder.sampler._process.pid, flush=True)
    time.sleep(60)
"""


def test_where_all_processes_of_a_job_are_told_to_end_it_stays_until_the_program_is_done(
    relayed: RelayedSampler,
) -> None:
    (child,) = children()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        child.send_signal(number)
    relayed.collect()
    relayed.finish()
    relayed.close()
    assert not [problem for problem in relayed.problems if problem.sensor == "sampling process"]
    assert children() == []


def test_it_does_not_outlive_its_program_even_where_a_worker_does(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE)
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    assert psutil.pid_exists(pid)
    program.send_signal(signal.SIGKILL)
    program.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    program.stdout.close()


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    def left() -> tuple[int, int]:
        return len(children()), psutil.Process().num_fds()

    run(tmp_path, 0.02)
    before = left()
    for _ in range(3):
        run(tmp_path, 0.02)
    assert left() == before


def test_an_output_folder_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(energyprof.errors.OutputError):
        energyprof.Profiler("t", out=tmp_path / "file").start()
    assert children() == []


def test_who_reads_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def who(**settings: object) -> Sampling | None:
        with energyprof.Profiler("t", out=tmp_path, html=False, **settings) as prof:  # type: ignore[arg-type]
            pass
        return prof.run.report.overhead.sampling

    assert who(sampling="thread") is Sampling.THREAD
    assert who(sensors=[SteadySensor()]) is Sampling.THREAD
    assert who(clock=SystemClock()) is Sampling.THREAD
    monkeypatch.setenv("ENERGYPROF_SAMPLING", "thread")
    assert who() is Sampling.THREAD
    assert who(sampling="process") is Sampling.PROCESS
    with pytest.raises(UsageError, match="sensors that are given are read by a thread"):
        who(sampling="process", sensors=[SteadySensor()])
    with pytest.raises(UnknownName, match="unknown sampling 'prozess': did you mean 'process'"):
        who(sampling="prozess")
