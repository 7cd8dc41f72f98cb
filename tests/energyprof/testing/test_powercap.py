from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyprof.errors import UnknownName, UsageError
from energyprof.testing.clock import VirtualClock
from energyprof.testing.powercap import FakePowercap, PowercapZone
from energyprof.testing.true_power import TruePower

SECOND_NS = 10**9


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start_ns=5 * SECOND_NS)


@pytest.fixture
def tree(tmp_path: Path, clock: VirtualClock) -> FakePowercap:
    return FakePowercap(tmp_path, clock, update_ns=1_000_000)


def energy_uj(zone: PowercapZone) -> int:
    return int((zone.path / "energy_uj").read_text())


def test_a_package_and_its_subdomains_stand_side_by_side_and_inside_each_other(tree: FakePowercap) -> None:
    package = tree.add("package-0", 60.0)
    tree.add("core", 40.0, parent=package.key)
    dram = tree.add("dram", 8.0, parent=package.key)
    assert sorted(path.name for path in tree.root.iterdir()) == [
        "intel-rapl:0",
        "intel-rapl:0:0",
        "intel-rapl:0:1",
    ]
    assert (dram.path / "name").read_text() == "dram\n"
    assert (package.path / dram.key / "energy_uj").resolve() == (dram.path / "energy_uj").resolve()


def test_a_counter_shows_exactly_the_true_energy_once_it_advances(
    tree: FakePowercap, clock: VirtualClock
) -> None:
    zone = tree.add("package-0", TruePower.of([(1.0, 50.0), (1.0, 90.0)], start_ns=5 * SECOND_NS), start_uj=7)
    clock.advance_ns(2 * SECOND_NS)
    assert energy_uj(zone) == 7
    tree.advance()
    assert energy_uj(zone) == 7 + 140 * 10**6
    assert tree.true_energy_j(zone.key, 5 * SECOND_NS, 7 * SECOND_NS) == 140.0


def test_a_counter_moves_only_at_its_updates(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 100.0)
    clock.advance_ns(1_900_000)
    tree.advance()
    assert energy_uj(zone) == 100 * 1000


def test_a_counter_wraps_at_its_range(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 100.0, start_uj=990_000, range_uj=1_000_000)
    clock.advance_ns(SECOND_NS // 10)
    tree.advance()
    assert energy_uj(zone) == (990_000 + 10_000_000) % 1_000_000


def test_a_reset_begins_again_from_the_given_value(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 10.0)
    clock.advance_ns(SECOND_NS)
    tree.reset(zone.key, to_uj=3)
    tree.advance()
    assert energy_uj(zone) == 3
    with pytest.raises(UsageError):
        tree.reset(zone.key, to_uj=zone.range_uj)


def test_two_dies_can_show_one_socket_twice(tree: FakePowercap, clock: VirtualClock) -> None:
    power = TruePower.steady(55.0)
    dies = [tree.add(f"package-0-die-{k}", power) for k in range(2)]
    clock.advance_ns(SECOND_NS)
    tree.advance()
    assert [zone.key for zone in dies] == ["intel-rapl:0", "intel-rapl:1"]
    assert energy_uj(dies[0]) == energy_uj(dies[1]) == 55 * 10**6


def test_a_second_control_type_shows_a_package_under_its_own_name(tree: FakePowercap) -> None:
    tree.add("package-0", 10.0)
    again = tree.add("package-0", 10.0, control="intel-rapl-mmio")
    assert again.key == "intel-rapl-mmio:0"


def test_psys_is_a_zone_without_a_parent(tree: FakePowercap) -> None:
    tree.add("package-0", 10.0)
    assert tree.add("psys", 30.0).key == "intel-rapl:1"


def test_a_forbidden_counter_cannot_be_opened_even_after_it_advances(tree: FakePowercap) -> None:
    zone, other = tree.add("package-0", 10.0), tree.add("package-1", 10.0)
    tree.forbid(zone.key)
    tree.advance()
    assert (zone.path / "energy_uj").stat().st_mode & 0o444 == 0
    with pytest.raises(PermissionError):
        tree.open_file(zone.path / "energy_uj")
    descriptor = tree.open_file(other.path / "energy_uj")
    assert os.pread(descriptor, 32, 0) == b"0\n"
    os.close(descriptor)


def test_a_counter_held_open_shows_what_it_counts(tree: FakePowercap, clock: VirtualClock) -> None:
    zone = tree.add("package-0", 100.0, start_uj=900_000, range_uj=1_000_000)
    descriptor = tree.open_file(zone.path / "energy_uj")
    clock.advance_ns(2_000_000)
    tree.advance()
    assert os.pread(descriptor, 32, 0) == b"100000\n"
    os.close(descriptor)


def test_a_removed_counter_is_gone(tree: FakePowercap) -> None:
    zone = tree.add("package-0", 10.0)
    tree.remove(zone.key)
    tree.advance()
    assert not (zone.path / "energy_uj").exists()


def test_an_unknown_zone_is_named_with_the_known_ones(tree: FakePowercap) -> None:
    tree.add("package-0", 10.0)
    with pytest.raises(UnknownName, match="known are intel-rapl:0"):
        tree.add("dram", 1.0, parent="intel-rapl:7")
