"""RAPL counters from a fake powercap tree: wraps, resets, rights, dies, DRAM."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyprof.errors import SensorError, SensorUnavailable
from energyprof.sensors.rapl import RaplSensor, find_zones, open_zones
from energyprof.testing.clock import VirtualClock
from energyprof.testing.powercap import FakePowercap

SECOND = 10**9


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(SECOND)


@pytest.fixture
def tree(tmp_path: Path, clock: VirtualClock) -> FakePowercap:
    return FakePowercap(tmp_path, clock)


def joules(sensor: RaplSensor) -> float:
    (reading,) = sensor.read()
    return reading.value


def test_packages_and_dram_are_found_and_what_overlaps_with_them_is_not(tree: FakePowercap) -> None:
    package = tree.add("package-0", 80.0)
    tree.add("core", 60.0, parent=package.key)
    tree.add("uncore", 5.0, parent=package.key)
    tree.add("dram", 9.0, parent=package.key)
    tree.add("psys", 120.0)
    tree.add("package-1", 81.0)
    zones = find_zones(tree.root)
    assert [(zone.label, zone.domain) for zone in zones] == [
        ("package-0", "cpu"),
        ("package-0-dram", "dram"),
        ("package-1", "cpu"),
    ]


def test_a_machine_without_the_tree_has_no_zones(tmp_path: Path) -> None:
    assert find_zones(tmp_path / "nowhere") == ()


def test_the_energy_is_that_of_the_package(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 80.0, start_uj=123_456_789)
    (sensor,), problems = open_zones(find_zones(tree.root), clock)
    start = clock.now_ns()
    before = joules(sensor)
    clock.advance_ns(10 * SECOND)
    tree.advance()
    truth = tree.true_energy_j(zone.key, start, clock.now_ns())
    assert joules(sensor) - before == pytest.approx(truth, abs=0.1)
    assert problems == ()
    assert sensor.info.domains == ("cpu",)
    assert sensor.channels[0].name == "cpu/energy:package-0"


def test_wraps_are_undone(tree: FakePowercap, clock: VirtualClock) -> None:
    tree.add("package-0", 100.0, start_uj=3_000_000, range_uj=5_000_000)
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    joules(sensor)
    total = 0.0
    for _ in range(100):
        clock.advance_ns(SECOND // 50)
        tree.advance()
        (reading,) = sensor.read()
        assert not reading.gap
        assert reading.value >= total
        total = reading.value
    assert total == pytest.approx(200, abs=0.2)


def test_a_reset_is_a_gap(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 100.0, start_uj=200_000_000_000)
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    clock.advance_ns(SECOND)
    tree.advance()
    before = joules(sensor)
    tree.reset(zone.key)
    clock.advance_ns(SECOND)
    tree.advance()
    (reading,) = sensor.read()
    assert reading.gap
    assert reading.reason is not None
    assert "reset" in reading.reason
    assert reading.value == before
    clock.advance_ns(SECOND)
    tree.advance()
    assert joules(sensor) == pytest.approx(before + 100, abs=0.2)


def test_a_pause_in_which_it_may_have_wrapped_again_is_a_gap(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 100.0)
    (zone.path / "constraint_0_power_limit_uw").write_text("250000000\n")
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    before = joules(sensor)
    clock.advance_ns(600 * SECOND)  # 60 kJ, and 180 kJ at most
    tree.advance()
    assert joules(sensor) == pytest.approx(before + 60_000, abs=1)
    clock.advance_ns(3_600 * SECOND)  # 360 kJ: once around, and past where it was
    tree.advance()
    (reading,) = sensor.read()
    assert reading.gap
    assert reading.reason is not None
    assert "wrapped more than once" in reading.reason
    clock.advance_ns(SECOND)
    tree.advance()
    assert joules(sensor) == pytest.approx(before + 60_100, abs=1)


def test_two_dies_that_show_one_counter_count_once(tree: FakePowercap, clock: VirtualClock) -> None:
    for name in ("package-0-die-0", "package-0-die-1"):
        tree.add(name, 80.0, start_uj=777)
    sensors, _ = open_zones(find_zones(tree.root), clock)
    assert [sensor.info.name for sensor in sensors] == ["rapl:package-0-die-0"]


def test_two_dies_with_counters_of_their_own_both_count(tree: FakePowercap, clock: VirtualClock) -> None:
    tree.add("package-0-die-0", 80.0, start_uj=777)
    tree.add("package-0-die-1", 60.0, start_uj=123_456)
    assert len(open_zones(find_zones(tree.root), clock)[0]) == 2


def test_a_package_behind_two_control_types_counts_once(tree: FakePowercap) -> None:
    tree.add("package-0", 80.0)
    tree.add("package-0", 80.0, control="intel-rapl-mmio")
    assert len(find_zones(tree.root)) == 1


def test_a_counter_for_root_only_says_how_to_grant_it(tree: FakePowercap, clock: VirtualClock) -> None:
    for name in ("package-0", "package-1"):
        tree.forbid(tree.add(name, 80.0).key)
    sensors, problems = open_zones(find_zones(tree.root), clock, open_file=tree.open_file)
    assert sensors == ()
    (problem,) = problems
    assert "sudo chmod -R a+r /sys/class/powercap/intel-rapl*" in problem
    assert "tmpfiles.d" in problem


def test_one_counter_that_may_not_be_read_leaves_the_other(tree: FakePowercap, clock: VirtualClock) -> None:
    package = tree.add("package-0", 80.0)
    tree.forbid(tree.add("dram", 9.0, parent=package.key).key)
    sensors, problems = open_zones(find_zones(tree.root), clock, open_file=tree.open_file)
    assert [sensor.info.domains for sensor in sensors] == [("cpu",)]
    assert len(problems) == 1


def test_a_counter_that_goes_away_fails_its_reading_and_no_more(
    tree: FakePowercap, clock: VirtualClock
) -> None:
    zone = tree.add("package-0", 80.0)
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    sensor.read()
    (zone.path / "energy_uj").write_text("")  # as a driver that is unloaded answers an open file
    with pytest.raises(SensorError, match="package-0"):
        sensor.read()


def test_a_counter_that_is_not_there_is_unavailable(tree: FakePowercap, clock: VirtualClock) -> None:
    tree.remove(tree.add("package-0", 80.0).key)
    with pytest.raises(SensorUnavailable, match="package-0"):
        RaplSensor(find_zones(tree.root)[0], clock)


def test_the_ceiling_is_a_margin_above_the_highest_limit_that_is_set(
    tree: FakePowercap, clock: VirtualClock
) -> None:
    zone = tree.add("package-0", 80.0)
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    assert sensor.info.power_ceiling_w is None
    for index, limit_w in enumerate((125, 253)):
        (zone.path / f"constraint_{index}_power_limit_uw").write_text(f"{limit_w * 10**6}\n")
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    assert sensor.info.power_ceiling_w == pytest.approx(1.2 * 253)


def test_closing_twice_closes_one_file_once(tree: FakePowercap, clock: VirtualClock) -> None:
    tree.add("package-0", 80.0)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    (sensor,), _ = open_zones(find_zones(tree.root), clock)
    sensor.close()
    sensor.close()
    with pytest.raises(SensorError):
        sensor.read()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
