import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energyprof.analysis.attribution import attribute, quantity
from energyprof.analysis.energy_curve import Figures
from energyprof.analysis.ledger import above_idle, idle_energy, idle_power, ledger_rows
from energyprof.analysis.phase_energy import PhaseFigures
from energyprof.record.model import Provenance, Quantity

COUNTER = Provenance.COUNTER
ENERGIES = st.lists(st.floats(0, 1e7), min_size=1, max_size=20)


@given(values=ENERGIES)
@example(values=[1.0, 2097151.802935486, 8388608.0])  # the largest term is too coarse to take the rounding
@settings(max_examples=100, deadline=None)
def test_rows_add_up_to_the_total_to_the_last_bit(values):
    energy = np.array(values)
    total = float(np.sum(energy[::-1]))  # another order of addition: another rounding
    bounded = Figures(value=energy, low=energy * 0.9, high=energy * 1.1)
    figures = PhaseFigures(domain="gpu:0", source=COUNTER, bounded=bounded, modelled=None)
    names = [f"p{k}" for k in range(len(values))]
    totals = {"gpu:0": quantity(total, total, total, COUNTER)}
    rows = ledger_rows([figures], names, range(len(values)), totals)
    assert sum(row.energy_j.value for row in rows) == total
    assert all(row.energy_j.low <= row.energy_j.value <= row.energy_j.high for row in rows)
    assert [row.phase for row in rows] == names


def test_only_phases_that_occurred_have_rows():
    energy = np.array([1.0, 2.0, 0.0])
    figures = PhaseFigures(
        domain="cpu", source=COUNTER, bounded=Figures(value=energy, low=energy, high=energy), modelled=None
    )
    rows = ledger_rows([figures], ["a", "b", "c"], [0, 1], {"cpu": quantity(3, 3, 3, COUNTER)})
    found = [(row.domain, row.phase, row.energy_j.value) for row in rows]
    assert found == [("cpu", "a", 1.0), ("cpu", "b", 2.0)]


@pytest.fixture
def idle_run(sim):
    def run(before_s, after_s, sensor="counter"):
        start = np.array([0.0, before_s, before_s + 5.0])
        truth = sim.Truth(start, np.array([40.0, 300.0, 60.0]), before_s + 5.0 + max(after_s, 0.001))
        average = sim.power(truth, kind="average", window_s=1.0)
        channel = sim.counter(truth) if sensor == "counter" else average
        source = COUNTER if sensor == "counter" else Provenance.SAMPLED
        trace = sim.trace(
            window_s=(before_s, before_s + 5.0), channels=[channel], duration_s=before_s + 5.0 + after_s
        )
        curve = attribute(trace, [sim.sensor(source=source)]).known["gpu:0"].curve
        return idle_power(curve, trace.window_ns, trace.duration_ns)

    return run


def test_idle_power_is_that_of_the_record_around_the_window(idle_run):
    assert idle_run(2.0, 2.0).value == pytest.approx(50, rel=0.03)
    assert idle_run(2.0, 0.0).value == pytest.approx(40, rel=0.03)
    found = idle_run(2.0, 2.0)
    assert found.low < 50 < found.high


def test_a_moving_mean_is_not_read_so_close_to_the_window_that_it_holds_some_of_it(idle_run):
    assert idle_run(4.0, 0.0, "average").value == pytest.approx(40, rel=0.03)


def test_too_short_a_record_around_the_window_tells_no_idle_power(idle_run):
    assert idle_run(0.1, 0.1) == Quantity.missing()


def test_idle_energy_needs_every_domain_that_is_in_the_total():
    totals = {"gpu:0": quantity(100, 90, 110, COUNTER), "cpu": quantity(50, 40, 60, COUNTER)}
    totals["dram"] = Quantity.missing()
    gpu = quantity(2, 1, 3, COUNTER)
    assert idle_energy({"gpu:0": gpu}, totals, 10.0) == Quantity.missing()
    both = idle_energy({"gpu:0": gpu, "cpu": quantity(1, 1, 1, Provenance.ESTIMATED)}, totals, 10.0)
    assert both == quantity(30, 20, 40, Provenance.ESTIMATED)
    assert idle_energy({}, {}, 10.0) == Quantity.missing()


def test_above_idle_is_the_difference_with_the_widest_bounds():
    found = above_idle(quantity(100, 90, 110, COUNTER), quantity(30, 20, 40, Provenance.ESTIMATED))
    assert found == quantity(70, 50, 90, Provenance.ESTIMATED)
    assert above_idle(Quantity.missing(), quantity(1, 1, 1, COUNTER)) == Quantity.missing()
    assert math.isfinite(found.value)


@pytest.mark.parametrize("idle_j", [100.00004, 99.9, 99.0, 130.0])
def test_a_model_that_shows_the_host_as_busy_when_idle_tells_nothing_above_idle(idle_j):
    total, idle = (quantity(j, 0, 200, Provenance.ESTIMATED) for j in (100.0, idle_j))
    assert above_idle(total, idle) == Quantity.missing()


def test_what_a_model_shows_above_idle_and_what_is_measured_stands():
    estimated = above_idle(
        quantity(100, 0, 200, Provenance.ESTIMATED), quantity(98, 0, 200, Provenance.ESTIMATED)
    )
    assert estimated == quantity(2, -200, 200, Provenance.ESTIMATED)
    measured = above_idle(quantity(100, 99, 101, COUNTER), quantity(100.5, 100, 101, COUNTER))
    assert measured == quantity(-0.5, -2, 1, COUNTER)
