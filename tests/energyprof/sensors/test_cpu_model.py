"""The CPU model: utilisation in, joules out, and an honest account of what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.model import Provenance
from energyprof.sensors.cpu_model import IDLE_SHARE, CpuModel, HostCpu, host_cpu
from energyprof.sensors.cpu_power_table import CpuPower
from energyprof.testing.clock import VirtualClock

SECOND = 10**9
KNOWN = CpuPower(tdp_w=200.0, matched="Some CPU", table="a table")
UNKNOWN = CpuPower(tdp_w=None, matched=None, table="a table")
HOST = HostCpu(model="Some CPU", sockets=1, threads=64, virtual=False)


class FakeStat:
    """A /proc/stat whose host is as busy as it is told to be."""

    def __init__(self, folder: Path, clock: VirtualClock, cores: int = 64) -> None:
        self.path, self._clock, self._cores = folder / "stat", clock, cores
        self._busy, self._idle = 1000.0, 5000.0
        self._write()

    def pass_time(self, seconds: float, busy: float) -> None:
        ticks = seconds * 100 * self._cores
        self._busy += ticks * busy
        self._idle += ticks * (1 - busy)
        self._clock.advance_ns(round(seconds * SECOND))
        self._write()

    def _write(self) -> None:
        fields = [self._busy / 2, 0, self._busy / 2, self._idle * 0.9, self._idle * 0.1, 0, 0, 0, 0, 0]
        line = " ".join(str(round(field)) for field in fields)
        self.path.write_text(f"cpu  {line}\ncpu0 1 2 3\n")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(SECOND)


@pytest.fixture
def stat(tmp_path: Path, clock: VirtualClock) -> FakeStat:
    return FakeStat(tmp_path, clock)


def energy(model: CpuModel) -> float:
    return model.read()[0].value


@pytest.mark.parametrize(("busy", "watts"), [(0.0, 20.0), (0.5, 110.0), (1.0, 200.0)])
def test_power_is_linear_between_idle_and_design_power(
    busy: float, watts: float, stat: FakeStat, clock: VirtualClock
) -> None:
    model = CpuModel(clock, HOST, KNOWN, stat.path)
    stat.pass_time(10, busy)
    assert energy(model) == pytest.approx(10 * watts, rel=1e-3)
    assert model.read()[1].value == pytest.approx(busy, abs=1e-3)


@given(parts=st.lists(st.tuples(st.floats(0.02, 1.0), st.floats(0, 1)), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_the_energy_does_not_depend_on_how_often_it_is_read(
    parts: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = VirtualClock(SECOND)
    stat = FakeStat(tmp_path_factory.mktemp("stat"), clock)
    often, once = (CpuModel(clock, HOST, KNOWN, stat.path) for _ in range(2))
    for seconds, busy in parts:
        stat.pass_time(seconds, busy)
        often.read()
    assert energy(often) == pytest.approx(energy(once), rel=1e-3, abs=0.2)


def test_between_two_ticks_the_last_utilisation_holds(stat: FakeStat, clock: VirtualClock) -> None:
    model = CpuModel(clock, HOST, KNOWN, stat.path)
    stat.pass_time(1, 1.0)
    before = energy(model)
    clock.advance_ns(SECOND // 200)
    assert energy(model) - before == pytest.approx(200 / 200)


def test_it_never_claims_to_have_measured(stat: FakeStat, clock: VirtualClock) -> None:
    info = CpuModel(clock, HOST, KNOWN, stat.path).info
    assert info.source is Provenance.ESTIMATED
    assert info.domains == ("cpu",)
    assert "not measured" in info.semantics
    assert "Some CPU in a table" in info.semantics
    assert (info.power_floor_w, info.power_ceiling_w) == (0.0, 200.0)


def test_sockets_add_up(stat: FakeStat, clock: VirtualClock) -> None:
    two = HostCpu(model="Some CPU", sockets=2, threads=128, virtual=False)
    assert CpuModel(clock, two, KNOWN, stat.path).power_w == 400


def test_an_unknown_cpu_is_four_watts_a_thread_and_says_so(stat: FakeStat, clock: VirtualClock) -> None:
    model = CpuModel(clock, HOST, UNKNOWN, stat.path)
    assert model.power_w == 256
    assert "4 W for each of 64 threads" in model.info.semantics


def test_a_virtual_machine_gets_its_share_of_the_package(stat: FakeStat, clock: VirtualClock) -> None:
    small = HostCpu(model="Some CPU", sockets=1, threads=2, virtual=True)
    model = CpuModel(clock, small, KNOWN, stat.path)
    assert model.power_w == 8
    assert "virtual machine" in model.info.semantics
    whole = HostCpu(model="Some CPU", sockets=1, threads=64, virtual=True)
    assert CpuModel(clock, whole, KNOWN, stat.path).power_w == 200


def test_without_proc_psutil_is_asked(tmp_path: Path, clock: VirtualClock) -> None:
    model = CpuModel(clock, HOST, KNOWN, tmp_path / "nothing")
    clock.advance_ns(10 * SECOND)
    assert 10 * 200 * IDLE_SHARE <= energy(model) <= 2000


def test_closing_twice_is_fine(stat: FakeStat, clock: VirtualClock) -> None:
    model = CpuModel(clock, HOST, KNOWN, stat.path)
    model.close()
    model.close()


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "cpuinfo").write_text(text)
        return tmp_path / "cpuinfo"

    return write


def test_the_host_is_described_from_cpuinfo(cpuinfo: Callable[[str], Path]) -> None:
    blocks = "".join(
        f"processor\t: {k}\nmodel name\t: AMD EPYC 7763\nphysical id\t: {k % 2}\nflags\t: fpu hypervisor\n\n"
        for k in range(8)
    )
    assert host_cpu(cpuinfo(blocks)) == HostCpu(model="AMD EPYC 7763", sockets=2, threads=8, virtual=True)


def test_a_bare_machine_is_not_virtual(cpuinfo: Callable[[str], Path]) -> None:
    host = host_cpu(cpuinfo("processor\t: 0\nmodel name\t: X\nflags\t: fpu vme\n"))
    assert host == HostCpu(model="X", sockets=1, threads=1, virtual=False)


def test_without_cpuinfo_the_platform_is_asked(tmp_path: Path) -> None:
    assert host_cpu(tmp_path / "nothing").threads >= 1
