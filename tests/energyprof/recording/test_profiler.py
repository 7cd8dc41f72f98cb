from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import energyprof
from energyprof.clock import SystemClock
from energyprof.errors import OutputError, SensorLost, UnknownName, UsageError
from energyprof.record import store
from energyprof.record.model import MemoryByCause, RunStatus
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs
from energyprof.recording import recorder, run_draft
from energyprof.report.build import rebuild_report
from tests.energyprof.recording.conftest import SteadySensor


def profiler(out: Path, *sensors: Any, **settings: Any) -> energyprof.Profiler:
    return energyprof.Profiler("t", out=out, sensors=sensors, html=False, **settings)


def work(prof: energyprof.Profiler, steps: int = 20) -> None:
    for _ in prof.steps([[0] * 8] * (steps - 1) + [[0] * 3]):
        with prof.phase("forward"):
            time.sleep(0.001)


def test_a_loop_is_measured_by_step_phase_and_epoch(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor) as prof:
        for index in range(2):
            with prof.epoch(index):
                work(prof)
                prof.log(train_loss=0.5, validation_accuracy=0.9)
    report = prof.run.report
    assert report.run.status is RunStatus.COMPLETED
    assert report.totals.steps == 40
    assert report.totals.samples == 2 * (19 * 8 + 3)
    assert report.totals.energy_j.value == pytest.approx(10 * report.totals.duration_s, rel=0.25)
    assert {p.name for p in report.phases} >= {"train", "train/data", "train/forward"}
    assert [e.validation_accuracy for e in report.epochs] == [0.9, 0.9]
    assert report.quality.validation_accuracy == 0.9
    assert read_report(prof.path / "report.json") == report
    assert sensor.closed == 1


def test_steps_are_a_table_that_adds_up(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor) as prof:
        work(prof)
    steps = prof.run.steps
    assert len(steps) == 20
    columns = {"start_s", "duration_s", "phase", "energy_j", "energy_low_j", "energy_high_j", "energy_source"}
    assert columns <= set(steps.columns)
    assert (steps.energy_j > 0).all()
    assert steps.energy_j.sum() <= prof.run.report.totals.energy_j.high * 1.0001
    assert not prof.run.samples.empty


def test_what_is_described_and_accounted_stands_in_the_report(tmp_path: Path) -> None:
    with profiler(tmp_path) as prof:
        prof.describe(algo="mf", device="cpu", threads=2)
        prof.account(flops=1e9, memory=MemoryByCause(parameters=5), includes=("training",))
    report = prof.run.report
    assert (report.workload.algo, report.environment.threads) == ("mf", 2)
    assert (report.totals.flops, report.memory.parameters) == (1e9, 5)
    assert report.window.includes == ("training",)
    with pytest.raises(UnknownName, match="did you mean 'algo'"):
        prof.describe(algos="mf")


def test_idle_power_is_recorded_outside_of_the_window(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor, idle_s=0.4) as prof:
        work(prof, 5)
    report = prof.run.report
    assert report.totals.duration_s < 0.4
    assert report.totals.idle_energy_j.value == pytest.approx(10 * report.totals.duration_s, rel=0.25)


def test_an_exception_goes_on_and_the_run_ends_as_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), profiler(tmp_path) as prof:
        1 / 0  # noqa: B018
    assert prof.run.report.run.status is RunStatus.FAILED
    assert prof.run.report.run.error == "ZeroDivisionError: division by zero"


def test_ctrl_c_ends_the_run_as_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), profiler(tmp_path) as prof:
        raise KeyboardInterrupt
    assert prof.run.report.run.status is RunStatus.INTERRUPTED


@pytest.mark.parametrize(
    ("code", "status"),
    [(None, RunStatus.COMPLETED), (0, RunStatus.COMPLETED), (1, RunStatus.INTERRUPTED)],
)
def test_a_program_that_leaves_in_good_order_has_completed_its_run(
    tmp_path: Path, code: int | None, status: RunStatus
) -> None:
    with pytest.raises(SystemExit), profiler(tmp_path) as prof:
        sys.exit(code)
    assert prof.run.report.run.status is status


def test_sigterm_ends_the_run_as_interrupted_and_the_handler_is_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def terminated() -> None:
        with prof:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    prof = profiler(tmp_path)
    with pytest.raises(SystemExit) as left:
        terminated()
    assert left.value.code == 143
    assert prof.run.report.run.status is RunStatus.INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_that_the_program_set_meanwhile_stays(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with profiler(tmp_path):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_forked_worker_dies_of_sigterm_as_it_would_have(tmp_path: Path) -> None:
    def worker() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os._exit(0)

    with profiler(tmp_path):
        child = os.fork()
        if child == 0:
            worker()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_a_run_that_another_thread_stopped_leaves_sigterm_to_the_next_one(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def terminated() -> None:
        with second:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    try:
        first, second = profiler(tmp_path), profiler(tmp_path)
        first.start()
        stopper = threading.Thread(target=first.stop)
        stopper.start()
        stopper.join()
        with pytest.raises(SystemExit):
            terminated()
        assert second.run.report.run.status is RunStatus.INTERRUPTED
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_forked_worker_may_profile_and_be_terminated_itself(tmp_path: Path) -> None:
    def worker() -> None:
        try:
            with profiler(tmp_path / "worker"):
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os._exit(0)

    with profiler(tmp_path / "main"):
        child = os.fork()
        if child == 0:
            worker()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (run,) = list_runs(tmp_path / "worker")
    assert read_report(run / "report.json").run.status is RunStatus.INTERRUPTED


class Impatient(SystemClock):
    """Ctrl-C comes while it sleeps."""

    @staticmethod
    def sleep_until_ns(deadline_ns: int) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_before_the_window_opens_ends_a_run_with_an_empty_one(
    tmp_path: Path, sensor: SteadySensor
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    prof = profiler(tmp_path, sensor, idle_s=60.0, clock=Impatient())
    with pytest.raises(KeyboardInterrupt), prof:
        pytest.fail("the block must not be entered")
    report = prof.run.report
    assert report.run.status is RunStatus.INTERRUPTED
    assert report.totals.duration_s < 0.1
    assert signal.getsignal(signal.SIGTERM) is before
    assert sensor.closed == 1


def test_what_fails_before_anything_runs_closes_the_sensors(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(gpus: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run_draft, "collect_environment", broken)
    with pytest.raises(ZeroDivisionError):
        profiler(tmp_path, sensor).start()
    assert sensor.closed == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["RunFolder._make_streams", "collect_environment", "Recorder.start"])
def test_sigterm_while_a_run_starts_leaves_a_whole_run_or_none(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    place = {"RunFolder": store.RunFolder, "Recorder": recorder.Recorder}.get(
        moment.partition(".")[0], run_draft
    )
    monkeypatch.setattr(place, moment.rpartition(".")[2], killed)
    with pytest.raises(SystemExit) as left, profiler(tmp_path, sensor):
        pytest.fail("the block must not be entered")
    assert left.value.code == 128 + signal.SIGTERM
    assert sensor.closed == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    found = [read_report(folder / "report.json").run.status for folder in tmp_path.iterdir()]
    assert found == ([RunStatus.INTERRUPTED] if moment == "Recorder.start" else [])


NEVER_STOPPED = """
import os, signal, sys, energyprof
prof = energyprof.Profiler("t", out=sys.argv[1], sensors=[], html=False)
prof.start()
{ends}
"""


@pytest.mark.parametrize(
    ("ends", "status", "error"),
    [
        ("", RunStatus.COMPLETED, None),
        ("1 / 0", RunStatus.FAILED, "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", RunStatus.INTERRUPTED, None),
        ("os.kill(os.getpid(), signal.SIGTERM)", RunStatus.INTERRUPTED, None),
    ],
)
def test_a_run_that_nobody_stops_ends_as_its_program_does(
    tmp_path: Path, ends: str, status: RunStatus, error: str | None
) -> None:
    program = [sys.executable, "-c", NEVER_STOPPED.format(ends=ends), str(tmp_path)]
    subprocess.run(program, check=False, stderr=subprocess.DEVNULL)
    (path,) = list_runs(tmp_path)
    run = read_report(path / "report.json").run
    assert (run.status, run.error) == (status, error)


def test_where_no_thread_can_be_started_begin_and_end_are_recorded_and_it_says_so(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with profiler(tmp_path, sensor) as prof:
        work(prof)
    report = prof.run.report
    assert report.totals.steps == 20
    assert report.totals.energy_j.value == pytest.approx(10 * report.totals.duration_s, rel=0.25)
    messages = [flag.message for flag in report.flags if flag.code == "recording-problem"]
    assert any("no thread could be started (can't start new thread)" in message for message in messages)


KILLED = """
import sys, time, energyprof
with energyprof.Profiler("killed", out=sys.argv[1]) as prof:
    prof.describe(algo="mf")
    for k, _ in enumerate(prof.steps([[0] * 4] * 100000)):
        time.sleep(0.002)
        if k == 1000:
            print("now", flush=True)
"""


def test_a_killed_run_is_rebuilt_as_partial_with_all_but_the_last_second(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"now\n"
    time.sleep(0.3)
    child.kill()
    child.communicate()
    (folder,) = list_runs(tmp_path)
    assert read_report(folder / "report.json").run.status is RunStatus.PARTIAL
    report = rebuild_report(folder)
    assert report.run.status is RunStatus.PARTIAL
    assert report.workload.algo == "mf"
    assert report.totals.steps >= 550  # of 1,000 and more: at most the last second is lost
    assert "partial-record" in {flag.code for flag in report.flags}
    assert (folder / "report.html").stat().st_size > 10_000


def test_a_sensor_that_throws_anything_never_reaches_the_loop(tmp_path: Path) -> None:
    def fails(count: int) -> BaseException | None:
        return ValueError("driver nonsense") if count % 3 == 0 else None

    with profiler(tmp_path, SteadySensor(fails=fails)) as prof:
        work(prof, 150)
    report = prof.run.report
    assert report.totals.steps == 150
    assert any("driver nonsense" in flag.message for flag in report.flags)
    assert report.totals.energy_j.value is not None


def test_a_sensor_that_is_lost_leaves_a_gap_and_a_reason(tmp_path: Path) -> None:
    def fails(count: int) -> BaseException | None:
        return SensorLost("the GPU fell off the bus") if count >= 2 else None

    lost = SteadySensor(name="lost", domain="gpu:0", fails=fails)
    with profiler(tmp_path, SteadySensor(), lost) as prof:
        work(prof, 150)
    report = prof.run.report
    assert any("fell off the bus" in flag.message for flag in report.flags)
    assert report.totals.energy_by_domain_j["cpu"].value == pytest.approx(
        10 * report.totals.duration_s, rel=0.25
    )


def test_a_sensor_that_throws_while_it_is_closed_costs_nothing(tmp_path: Path) -> None:
    class Sticky(SteadySensor):
        def close(self) -> None:
            raise RuntimeError("it does not let go")

    other = SteadySensor(name="other", domain="dram")
    with profiler(tmp_path, Sticky(), other) as prof:
        work(prof, 5)
    assert prof.run.report.totals.steps == 5
    assert any("it does not let go" in flag.message for flag in prof.run.report.flags)
    assert other.closed == 1


REMOVED = """
import shutil, sys, time, energyprof
with energyprof.Profiler("removed", out=sys.argv[1], sensors=[], html=False) as prof:
    for k, _ in enumerate(prof.steps([[0] * 4] * 100000)):
        time.sleep(0.002)
        if k == 100:
            shutil.rmtree(sys.argv[1])
        if k == 800:
            print("now", flush=True)
"""


def test_a_run_whose_folder_was_removed_and_that_is_killed_later_has_lost_the_last_second_only(
    tmp_path: Path,
) -> None:
    child = subprocess.Popen([sys.executable, "-c", REMOVED, str(tmp_path / "runs")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"now\n"
    child.kill()
    child.communicate()
    (folder,) = list_runs(tmp_path / "runs")
    report = rebuild_report(folder, html=False)
    assert report.run.name == "removed"
    assert report.totals.steps >= 350


def test_a_folder_removed_while_it_runs_is_written_anew(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor) as prof:
        work(prof, 5)
        shutil.rmtree(prof.path)
        work(prof, 5)
    report = read_report(prof.path / "report.json")
    assert report.totals.steps == 10
    assert any("steps.arrow was removed while the run went on" in flag.message for flag in report.flags)


def test_a_full_disk_does_not_stop_training(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with profiler(tmp_path, sensor) as prof:
        work(prof, 5)
        monkeypatch.setattr(os, "pwrite", full)
        time.sleep(1.1)
        monkeypatch.undo()
        work(prof, 5)
    report = prof.run.report
    assert report.totals.steps == 10
    assert any("No space left" in flag.message for flag in report.flags)


def test_a_disk_that_stays_full_costs_no_row_and_the_record_is_elsewhere(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prof = profiler(tmp_path / "runs", sensor)
    prof.start()
    work(prof, 5)
    time.sleep(1.1)
    monkeypatch.setattr(os, "pwrite", full)
    work(prof, 5)
    with pytest.warns(RuntimeWarning, match="its own folder could not take it"):
        prof.stop()
    assert prof.run.path != prof.path
    assert prof.run.path.name == prof.path.name
    assert prof.run.report.totals.steps == 10
    assert read_report(prof.run.path / "report.json") == prof.run.report
    assert prof.run.trace.complete
    assert str(prof.run.path) in prof.run.report.flags[0].message
    assert rebuild_report(prof.path).run.status is RunStatus.PARTIAL
    shutil.rmtree(prof.run.path)


def test_a_disk_that_stays_full_is_a_warning_and_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    prof = profiler(tmp_path)
    prof.start()
    work(prof, 5)
    monkeypatch.setattr(tempfile, "mkstemp", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(RuntimeWarning, match="could not be written: .*No space left"):
        prof.stop()
    assert prof.run.report.totals.steps == 5  # the figures are there all the same


def test_a_defect_in_the_report_is_a_warning_and_the_trace_is_kept(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("energyprof.analysis.summary.summarise", broken)
        meanwhile.setattr("energyprof.report.build.summarise", broken)
        with (
            pytest.warns(RuntimeWarning, match="could not be written: ZeroDivisionError: division by zero"),
            profiler(tmp_path, sensor) as prof,
        ):
            work(prof, 5)
    assert prof.run.report.run.status is RunStatus.COMPLETED
    assert rebuild_report(prof.path).totals.steps == 5


def test_a_report_that_cannot_be_imported_any_more_is_a_warning(
    tmp_path: Path, sensor: SteadySensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:  # the environment was updated, or unmounted, in mid-run
        meanwhile.setitem(sys.modules, "energyprof.report.build", None)
        meanwhile.setitem(sys.modules, "energyprof.analysis.summary", None)
        with (
            pytest.warns(RuntimeWarning, match="could not be written: ModuleNotFoundError"),
            profiler(tmp_path, sensor) as prof,
        ):
            work(prof, 5)
    assert rebuild_report(prof.path).totals.steps == 5


def test_an_output_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write to .*out= in Python"), profiler(tmp_path / "file"):
        pytest.fail("the block must not be entered")


def test_a_forked_child_leaves_the_run_alone(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor) as prof:
        work(prof, 5)
        child = os.fork()
        if child == 0:
            work(prof, 5)
            prof.stop()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        work(prof, 5)
    assert prof.run.report.totals.steps == 10


def test_profilers_nest_and_each_keeps_its_own_run(tmp_path: Path) -> None:
    with profiler(tmp_path / "a", SteadySensor()) as outer:
        work(outer, 3)
        with profiler(tmp_path / "b", SteadySensor()) as inner:
            work(inner, 4)
        work(outer, 3)
    with profiler(tmp_path / "c", SteadySensor()) as later:
        work(later, 1)
    assert (outer.run.report.totals.steps, inner.run.report.totals.steps) == (6, 4)
    for run, other in ((outer.run, inner.path.name), (inner.run, outer.path.name)):
        (twice,) = [flag.message for flag in run.report.flags if flag.code == "counted-twice"]
        assert f"Run {other} was recorded by the same process" in twice
    assert "counted-twice" not in {flag.code for flag in later.run.report.flags}


def test_phases_of_another_thread_do_not_tear_the_ledger(tmp_path: Path) -> None:
    with profiler(tmp_path) as prof:

        def other() -> None:
            with prof.phase("elsewhere"):
                pass

        thread = threading.Thread(target=other)
        thread.start()
        work(prof, 3)
        thread.join()
    assert "elsewhere" not in {phase.name for phase in prof.run.report.phases}


FIVE_HUNDRED = """
import ctypes, gc, sys, threading
import psutil, pyarrow
import energyprof
from tests.energyprof.recording.conftest import SteadySensor

process = psutil.Process()
c = ctypes.CDLL(None)

class Mallinfo(ctypes.Structure):
    _fields_ = [(n, ctypes.c_size_t) for n in "arena ordblks smblks hblks mapped u f used free top".split()]

def heap_bytes():
    if not hasattr(c, "mallinfo2"):  # of glibc
        return 0
    c.mallinfo2.restype = Mallinfo
    found = c.mallinfo2()
    return found.used + found.mapped

def left(count):
    for _ in range(count):
        with energyprof.Profiler("t", sensors=[SteadySensor()], html=False) as prof:
            for _ in prof.steps([[0] * 8]):
                pass
    gc.collect()
    pyarrow.default_memory_pool().release_unused()
    getattr(c, "malloc_trim", int)(0)  # else what the heap keeps comes and goes by megabytes
    held = process.memory_info().rss, heap_bytes(), sys.getallocatedblocks()
    return threading.active_count(), process.num_fds(), *held

for count in (200, 60, 60, 60, 60, 60):
    print(*left(count), flush=True)
"""


@pytest.mark.timeout(600)
def test_five_hundred_profilers_leave_no_thread_no_descriptor_and_no_memory(tmp_path: Path) -> None:
    """What is in use is exact and would show 1 KB a profiler; pages of the process come and go besides."""
    root = Path(__file__).parents[3]  # in a process of their own: other tests grow and shrink this one
    done = subprocess.run(
        [sys.executable, "-c", FIVE_HUNDRED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "ENERGYPROF_OUT": str(tmp_path / "runs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *later = ([int(figure) for figure in line.split()] for line in done.stdout.splitlines())
    threads, descriptors, memory_bytes, heap_bytes, small_objects = zip(*later, strict=True)
    assert max(threads) <= first[0]
    assert max(descriptors) <= first[1]
    assert heap_bytes[-1] - heap_bytes[0] < 240 * 256  # of the C library: objects of more than 512 bytes
    assert small_objects[-1] - small_objects[0] < 240  # of Python: all others
    assert min(memory_bytes[-2:]) - min(memory_bytes[:2]) < 1e6  # of anybody else
    assert len(list_runs(tmp_path / "runs")) == 500


def test_dither_shifts_steps_and_its_cost_is_a_phase(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor, dither_every=5) as prof:
        work(prof, 20)
    phases = {phase.name: phase for phase in prof.run.report.phases}
    assert phases["train/data/dither"].count == 4
    assert phases["train/data/dither"].seconds < 0.5
    assert prof.run.report.totals.steps == 20


def test_a_sitting_gives_folder_and_seed_by_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYPROF_OUT", str(tmp_path / "here"))
    monkeypatch.setenv("ENERGYPROF_SEED", "7")
    with energyprof.Profiler("t", sensors=[], html=False) as prof:
        pass
    assert prof.path.parent == tmp_path / "here"
    assert prof.run.report.run.seed == 7


def test_misuse_is_told_in_one_line(tmp_path: Path) -> None:
    prof = profiler(tmp_path)
    for figure in ("run", "path"):
        with pytest.raises(UsageError, match="never started, so nothing is recorded"):
            getattr(prof, figure)
    with prof:
        with pytest.raises(UsageError, match="not finished"):
            _ = prof.run
        with pytest.raises(UsageError, match=r"log\(loss='high'\): give a number"):
            prof.log(loss="high")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="started before"), prof:
        pass
    with pytest.raises(UsageError, match="idle_s is -1"):
        profiler(tmp_path, idle_s=-1)
    with pytest.raises(UsageError, match="dither_every is -1"):
        profiler(tmp_path, dither_every=-1)
    with pytest.raises(UnknownName, match="'evnts': did you mean 'events'"):
        profiler(tmp_path, cuda="evnts")


def test_outside_of_its_block_a_profiler_is_silent(tmp_path: Path) -> None:
    prof = profiler(tmp_path)
    assert list(prof.steps([1, 2])) == [1, 2]
    with prof.phase("x"):
        prof.log(loss=1.0)
    with prof:
        pass
    assert list(prof.steps([1, 2])) == [1, 2]
    with prof.phase("x"), prof.epoch(0):
        pass
    with pytest.warns(RuntimeWarning, match="'test_accuracy' came after the end of run"):
        prof.log(test_accuracy=0.9)


def test_a_with_or_a_for_that_was_forgotten_is_told_in_the_report(tmp_path: Path) -> None:
    with profiler(tmp_path) as prof:
        prof.epoch(0)
        prof.steps([1, 2])
        for _ in prof.steps([1], phase="fine"):
            prof.phase("forward")
            with prof.phase("backward"):
                pass
        for _ in prof.steps([], phase="empty"):
            pytest.fail("there is nothing")
        with prof.epoch(1):
            pass
    forgotten = [flag.message for flag in prof.run.report.flags if flag.code == "unused-mark"]
    assert [message.split(" never ")[0] for message in forgotten] == [
        "phase 'fine/forward' was asked for and",
        "prof.steps was asked for 'train' and",
        "1 of the epochs that were asked for were",
    ]
    assert "unused-mark" in {flag.code for flag in rebuild_report(prof.path, html=False).flags}


def test_a_decorated_function_is_a_run(tmp_path: Path) -> None:
    @energyprof.profile(out=tmp_path, html=False, sensors=[])
    def train(x: int) -> int:
        return x + 1

    assert train(1) == 2
    assert "train" in list_runs(tmp_path)[0].name


def test_a_run_shows_itself(tmp_path: Path, sensor: SteadySensor) -> None:
    with profiler(tmp_path, sensor) as prof:
        work(prof, 3)
    again = energyprof.Run.load("last", tmp_path)
    assert "completed" in repr(again)
    assert "(counter)" in repr(again)
    assert "report" in again._repr_html_()
