from __future__ import annotations

import numpy as np
import pytest

from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance
from energyprof.testing.cards import CARDS
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.loads import TRAINING_STEP, steady, training
from energyprof.testing.simulation import simulate, simulate_host

SECOND_NS = 10**9


def test_a_simulated_run_has_marks_channels_and_its_truth() -> None:
    run = simulate(CARDS["ada"], training(TRAINING_STEP, 2.0, name="steps"), idle_s=1.0)
    assert run.trace.window_ns == (SECOND_NS, 3 * SECOND_NS)
    assert run.trace.duration_ns == 4 * SECOND_NS
    assert run.trace.complete
    kinds = {channel.kind for channel in run.trace.channels}
    assert kinds == {ChannelKind.ENERGY, ChannelKind.POWER_INSTANT, ChannelKind.POWER_AVERAGE}
    assert len(run.steps()["truth_j"]) == 40
    assert run.truths[0].energy_j(0, SECOND_NS) == 20.0


def test_true_energies_of_steps_and_phases_add_up_to_the_window() -> None:
    run = simulate(CARDS["volta"], training(TRAINING_STEP, 2.0, name="steps", jitter=0.1))
    window_j = run.true_energy_j()
    assert run.steps()["truth_j"].sum() == pytest.approx(window_j, abs=1e-9)
    assert sum(run.true_phases_j().values()) == pytest.approx(window_j, abs=1e-9)


def test_the_same_simulation_gives_the_same_figures() -> None:
    runs = [simulate(CARDS["ada"].with_sensor(noise_w=2.0), steady(200, 3.0), seed=4) for _ in range(2)]
    assert runs[0].report.totals == runs[1].report.totals
    assert np.array_equal(runs[0].trace.channels[0].t_ns, runs[1].trace.channels[0].t_ns)


def test_two_devices_are_two_domains_of_one_truth() -> None:
    run = simulate(CARDS["ada"], steady(200, 3.0), devices=2)
    totals = run.report.totals
    assert set(totals.energy_by_domain_j) == {"gpu:0", "gpu:1"}
    assert totals.energy_j.value == pytest.approx(run.true_energy_j(), rel=0.01)


def test_a_fault_during_a_run_leaves_its_reason() -> None:
    failing = Fault(code=NvmlCode.UNKNOWN, from_ns=2 * SECOND_NS, until_ns=3 * SECOND_NS)
    run = simulate(CARDS["ada"], steady(200, 4.0), faults=[failing])
    assert any("unknown error" in problem for problem in run.problems)


def test_a_fault_from_the_start_makes_the_sensor_do_without() -> None:
    faults = [
        Fault(function=name, code=NvmlCode.NOT_SUPPORTED)
        for name in ("field:83", "nvmlDeviceGetTotalEnergyConsumption")
    ]
    run = simulate(CARDS["ada"], steady(200, 4.0), faults=faults)
    assert run.report.totals.energy_j.source is Provenance.SAMPLED


def test_a_host_has_its_packages_once_each_with_their_memory_whatever_the_counters_do() -> None:
    run = simulate_host(steady(180, 8.0))
    totals = run.report.totals.energy_by_domain_j
    assert set(totals) == {"cpu", "dram"}
    assert totals["cpu"].value == pytest.approx(2 * 180 * 8.0, rel=0.01)
    assert totals["dram"].value == pytest.approx(2 * 6.5 * 8.0, rel=0.01)
