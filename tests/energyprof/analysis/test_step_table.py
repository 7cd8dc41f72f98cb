from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.step_table import step_table
from energyprof.record.channel_kind import ChannelKind

FIGURES = ("energy_j", "energy_low_j", "energy_high_j", "energy_modelled_j")


@pytest.fixture
def run(sim):
    def build(*more, cpu=True):
        phases = [("train/data", 0.01, 80), ("train", 0.03, 300)]
        truth, marks = sim.schedule(np.random.default_rng(0), phases, 100, open_s=1.0, jitter=0.1)
        channels = [sim.counter(truth)]
        if cpu:
            half = sim.Truth(truth.start_s, truth.watts / 2, truth.end_s)
            channels.append(sim.counter(half, domain="cpu", sensor="rapl"))
        trace = sim.trace(marks, [*channels, *more], duration_s=truth.end_s)
        return trace, [sim.sensor(), sim.sensor("rapl", ("cpu",))], truth

    return build


def test_a_row_a_step_with_every_figure_by_kind_of_domain(run):
    trace, sensors, truth = run()
    table = step_table(trace, sensors)
    assert {len(column) for column in table.values()} == {100}
    assert table["start_s"][0] == 0
    assert table["start_s"][1:] == pytest.approx(np.cumsum(table["duration_s"])[:-1])
    for name in FIGURES:
        assert table[name] == pytest.approx(table[f"gpu_{name}"] + table[f"cpu_{name}"])
    assert set(table["energy_source"]) == {"counter"}
    true = truth.between(1 + table["start_s"], 1 + table["start_s"] + table["duration_s"])
    assert table["gpu_energy_modelled_j"] == pytest.approx(true, rel=0.12)
    assert (table["energy_low_j"] <= table["energy_modelled_low_j"] + 1e-9).all()
    assert (table["energy_modelled_high_j"] <= table["energy_high_j"] + 1e-9).all()


def test_a_step_is_in_the_outermost_of_its_phases(run):
    trace, sensors, _ = run()
    table = step_table(trace, sensors)
    assert {trace.segments.phases[p] for p in table["phase"]} == {"train"}


def test_one_kind_of_domain_is_the_total(run):
    trace, sensors, _ = run(cpu=False)
    table = step_table(trace, sensors[:1])
    assert table["energy_j"] is table["gpu_energy_j"]
    assert "cpu_energy_j" not in table


def test_without_sensors_energies_are_not_a_number_and_never_zero(run):
    trace, _, _ = run()
    table = step_table(replace(trace, channels=()), [])
    for name in FIGURES:
        assert np.isnan(table[name]).all()
    assert set(table["energy_source"]) == {"missing"}
    assert np.isnan(table["memory_bytes"]).all()


def test_without_steps_the_table_is_empty(sim):
    table = step_table(sim.trace(window_s=(0, 1)), [])
    assert {len(column) for column in table.values()} == {0}


def test_memory_is_the_devices_together_at_the_end_of_each_step(sim, run):
    at = np.arange(0.0, 7.0, 0.5)
    memory = [
        sim.readings(ChannelKind.MEMORY, 1e9 * at, at, domain=domain, name="memory", unit="B")
        for domain in ("gpu:0", "gpu:1")
    ]
    host = sim.readings(ChannelKind.MEMORY, 5e9 + 0 * at, at, domain="host", name="memory", unit="B")
    trace, sensors, _ = run(*memory, host)
    table = step_table(trace, sensors)
    end = 1 + table["start_s"] + table["duration_s"]
    assert table["memory_bytes"] == pytest.approx(2e9 * np.floor(end * 2) / 2, rel=0.01)
    trace, sensors, _ = run(host)
    assert set(step_table(trace, sensors)["memory_bytes"]) == {5e9}


def test_a_card_beside_a_run_on_the_cpu_lends_its_steps_no_memory(sim, run):
    at = np.arange(0.0, 7.0, 0.5)
    card = sim.readings(ChannelKind.MEMORY, 9e8 + 0 * at, at, domain="gpu:0", name="memory", unit="B")
    host = sim.readings(ChannelKind.MEMORY, 5e9 + 0 * at, at, domain="host", name="memory", unit="B")
    trace, sensors, _ = run(card, host)
    assert set(step_table(trace, sensors, "cpu")["memory_bytes"]) == {5e9}
    assert set(step_table(trace, sensors, "cuda:0")["memory_bytes"]) == {9e8}
    trace, sensors, _ = run(card)
    assert np.isnan(step_table(trace, sensors, "cpu")["memory_bytes"]).all()


def test_memory_before_its_first_reading_is_not_known(sim, run):
    late = sim.readings(ChannelKind.MEMORY, [1.0], [3.0], domain="gpu:0", name="memory", unit="B")
    trace, sensors, _ = run(late)
    memory = step_table(trace, sensors)["memory_bytes"]
    assert np.isnan(memory[0])
    assert memory[-1] == 1.0
