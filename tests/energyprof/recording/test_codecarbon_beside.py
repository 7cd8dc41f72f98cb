"""CodeCarbon's tracker beside a run: a stand-in of it that obeys or misbehaves, and the real one, once."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import energyprof
from energyprof.carbon import carbon_intensity
from energyprof.record.schema import read_report
from energyprof.recording.codecarbon_beside import CodeCarbonBeside
from energyprof.report.build import rebuild_report
from energyprof.units import J_PER_KWH
from tests.energyprof.recording.conftest import SteadySensor

#: Behaves as told: what to do at each call; written as CodeCarbon's own code, to which its errors are traced.
FAKE = """
class OfflineEmissionsTracker:
    def __init__(self, **settings):
        self.settings = settings
        seen.append("made")
        act("make")

    def get_detected_hardware(self):
        act("look")
        return {"gpu_count": gpus}

    def start(self):
        seen.append("started")
        act("start")

    def stop(self):
        seen.append("stopped")
        act("stop")
        self.final_emissions_data = found


def in_a_thread():
    raise ValueError("the driver is gone")
"""

Install = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def tables() -> None:
    """Have the real package's tables read, and kept, before another one stands in its place."""
    carbon_intensity(None, None)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def put(act: Callable[[str], object] = lambda _: None, gpus: int = 1, **kwh: float) -> list[str]:
        module, seen = ModuleType("codecarbon"), list[str]()
        energies = {f"{kind}_energy": kwh.get(kind, 0.0) for kind in ("gpu", "cpu", "ram")}
        found = SimpleNamespace(**energies, duration=2.0)
        vars(module).update(act=act, gpus=gpus, seen=seen, found=found)
        exec(FAKE, vars(module))
        monkeypatch.setitem(sys.modules, "codecarbon", module)
        return seen

    return put


def recorded(out: Path, *sensors: Any, **settings: Any) -> energyprof.Profiler:
    prof = energyprof.Profiler("t", out=out, sensors=sensors, html=False, codecarbon=True, **settings)
    with prof:
        for _ in prof.steps([0] * 5):
            pass
    return prof


def failure(prof: energyprof.Profiler) -> list[str]:
    return [flag.message for flag in prof.run.report.flags if flag.code == "codecarbon-failed"]


def test_its_energies_stand_beside_ours_and_in_no_total(
    tmp_path: Path, install: Install, sensor: SteadySensor
) -> None:
    seen = install(gpu=1e-6, cpu=2e-6, ram=3e-6)
    report = recorded(tmp_path, sensor).run.report
    beside = report.cross_check.codecarbon
    assert beside is not None
    assert seen == ["made", "started", "stopped"]
    assert [(e.kind, e.energy_j) for e in beside.energies] == [
        ("gpu", pytest.approx(3.6)),
        ("cpu", pytest.approx(7.2)),
        ("ram", pytest.approx(10.8)),
    ]
    assert (beside.duration_s, beside.gpus) == (2.0, 1)
    ours = report.totals.energy_by_domain_j["cpu"].value
    assert (beside.energies[1].ours_j, list(report.totals.energy_by_domain_j)) == (ours, ["cpu"])
    assert report.totals.energy_j.value == ours
    assert "measured-by-two" in {flag.code for flag in report.flags}


def test_what_it_found_outlives_a_rebuild_of_the_report(
    tmp_path: Path, install: Install, sensor: SteadySensor
) -> None:
    install(cpu=2e-6)
    prof = recorded(tmp_path, sensor)
    written = read_report(prof.path / "report.json")
    assert written.cross_check == prof.run.report.cross_check
    assert rebuild_report(prof.path, html=False).cross_check == written.cross_check


def test_a_run_without_it_does_not_even_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with energyprof.Profiler("t", out=tmp_path, sensors=[], html=False) as prof:
        pass
    assert prof.run.report.cross_check.codecarbon is None
    assert failure(prof) == []


def test_it_is_made_before_anything_is_recorded_and_stopped_after_the_window(
    tmp_path: Path, install: Install
) -> None:
    order: list[str] = []
    install(lambda what: order.append(f"{what} {sorted(p.name for p in tmp_path.iterdir()) != []}"), cpu=1e-6)
    prof = energyprof.Profiler("t", out=tmp_path, sensors=[], html=False, codecarbon=True)
    with prof:
        order.append("window")
    assert order == ["make False", "look False", "start True", "window", "stop True"]


def test_what_it_is_told_keeps_it_off_the_network_and_the_disk(install: Install) -> None:
    install()
    settings = CodeCarbonBeside()._tracker.settings
    assert (settings["output_methods"], settings["output_handlers"]) == ([], [])
    silent = ("emissions_endpoint", "electricitymaps_api_token", "cloud_provider", "cloud_region")
    assert {settings[name] for name in silent} == {None}
    assert settings["allow_multiple_runs"] is True
    assert (settings["pue"], settings["force_carbon_intensity_g_co2e_kwh"]) == (1.0, 0.0)


@pytest.mark.parametrize("error", [RuntimeError("no such hardware.\nsecond line"), SystemExit(2)])
@pytest.mark.parametrize("when", ["make", "look", "start", "stop"])
def test_whatever_it_throws_becomes_a_flag_and_training_goes_on(
    tmp_path: Path, install: Install, when: str, error: BaseException
) -> None:
    def act(what: str) -> None:
        if what == when:
            raise error

    seen = install(act, cpu=1e-6)
    prof = recorded(tmp_path)
    (told,) = failure(prof)
    assert told.startswith(f"CodeCarbon gave no figures: {type(error).__name__}")
    assert "second line" not in told
    assert not told.endswith("..")
    beside = prof.run.report.cross_check.codecarbon
    assert (beside is None) == (when in ("make", "look"))
    assert beside is None or beside.energies == ()
    assert prof.run.report.totals.steps == 5
    assert ("stopped" in seen) == (when in ("start", "stop"))  # its threads must not go on


def test_a_package_that_cannot_be_imported_becomes_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    (told,) = failure(recorded(tmp_path))
    assert "ModuleNotFoundError" in told


def test_an_error_that_it_caught_itself_is_the_reason(tmp_path: Path, install: Install) -> None:
    def act(what: str) -> None:
        if what == "start":
            try:
                raise OSError("no permission")
            except OSError:
                logging.getLogger("codecarbon").warning("graceful shutdown", exc_info=True)

    install(act)
    assert failure(recorded(tmp_path)) == ["CodeCarbon gave no figures: OSError: no permission."]


def test_one_that_counts_nothing_is_no_cross_check(tmp_path: Path, install: Install) -> None:
    install()
    assert failure(recorded(tmp_path)) == ["CodeCarbon gave no figures: it counted no energy at all."]


def test_nothing_that_it_prints_logs_or_warns_of_is_seen(
    tmp_path: Path, install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    def act(what: str) -> None:
        print(what)
        print(what, file=sys.stderr)
        warnings.warn(what, UserWarning, stacklevel=1)
        logging.getLogger("codecarbon").error(what)

    install(act, cpu=1e-6)
    assert failure(recorded(tmp_path)) == []
    assert capfd.readouterr() == ("", "")


def test_a_thread_of_its_that_fails_is_not_heard_of_and_another_one_is(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda thrown: heard.append(str(thrown.exc_value)))
    hook = threading.excepthook

    def ours() -> None:
        raise ValueError("ours")

    install(gpus=1)
    with energyprof.Profiler("t", out=tmp_path, sensors=[], html=False, codecarbon=True) as prof:
        for target in (vars(sys.modules["codecarbon"])["in_a_thread"], ours):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert heard == ["ours"]
    assert failure(prof) == ["CodeCarbon gave no figures: ValueError: the driver is gone."]
    assert threading.excepthook is hook


def test_its_logger_is_left_as_it_was(tmp_path: Path, install: Install) -> None:
    logger = logging.getLogger("codecarbon")
    before = (list(logger.handlers), logger.level)
    install(lambda _: logger.setLevel(logging.DEBUG), cpu=1e-6)
    recorded(tmp_path)
    assert (list(logger.handlers), logger.level) == before


def test_beside_one_rank_of_several_it_does_not_run(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = install(gpu=1e-6)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    (told,) = failure(recorded(tmp_path))
    assert "a rank of several only its own" in told
    assert seen == []


def test_what_it_costs_is_in_no_overhead(tmp_path: Path, install: Install) -> None:
    def act(what: str) -> None:
        if what == "start":
            sum(range(3_000_000))

    install(act, cpu=1e-6)
    overhead = recorded(tmp_path).run.report.overhead
    assert overhead.sampler_cpu_s is not None
    assert overhead.sampler_cpu_s < 0.05


def test_the_real_one_counts_offline_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It names the processor by a package that takes two seconds: that answer is given here."""
    import socket

    called: list[object] = []

    def refuse(_: socket.socket, address: object) -> None:
        called.append(address)
        raise OSError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODECARBON_OUTPUT_METHODS", "csv")
    monkeypatch.setenv("CODECARBON_EMISSIONS_ENDPOINT", "http://localhost:9/")
    monkeypatch.setenv("CODECARBON_PUE", "10")
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: {"brand_raw": "AMD EPYC"})
    monkeypatch.setattr(socket.socket, "connect", refuse)
    beside = CodeCarbonBeside()
    beside.start()
    sum(range(2_000_000))
    found = beside.stop()
    assert (beside.problem, called) == (None, [])
    assert found is not None
    assert found.tool.startswith("CodeCarbon 3")
    ram_j = {entry.kind: entry.energy_j for entry in found.energies}["ram"]
    assert ram_j is not None
    assert 0 < ram_j < 100 * J_PER_KWH
    assert found.duration_s is not None
    assert found.duration_s < 10
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
