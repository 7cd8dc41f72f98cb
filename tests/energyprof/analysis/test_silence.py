from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.silence import filled_energy_j
from energyprof.analysis.summary import summarise
from energyprof.record.model import Provenance

GAP = (5.0, 8.0)


@pytest.fixture
def steady(sim):
    return sim.Truth(np.array([0.0]), np.array([200.0]), 20.0)


@pytest.fixture
def filled(sim):
    """Return the joules filled in, in a window from second 1 to 19, by what is read."""

    def build(*channels, source=Provenance.COUNTER):
        trace = sim.trace(window_s=(1, 19), channels=channels, duration_s=20)
        curves = attribute(trace, [sim.sensor(source=source)]).curves.values()
        return filled_energy_j(curves, (1.0, 19.0))

    return build


def test_what_is_read_all_the_time_is_not_filled_in(sim, steady, filled):
    assert filled(sim.counter(steady), sim.power(steady)) == 0.0


def test_the_joules_of_a_gap_are_filled_in(sim, steady, filled):
    assert filled(sim.counter(steady, sim.Watch(gaps_s=[GAP]))) == pytest.approx(600, rel=0.1)
    powers = sim.power(steady, sim.Watch(gaps_s=[GAP]))
    assert 600 <= filled(powers, source=Provenance.SAMPLED) <= 750  # to the readings around it


def test_what_a_counter_tells_afterwards_is_measured(sim, steady, filled):
    silent = replace(sim.counter(steady, sim.Watch(gaps_s=[GAP])), gap_ns=np.empty((0, 2), np.int64))
    assert filled(silent) == 0.0


def test_what_power_readings_tell_in_a_counters_place_is_measured(sim, steady, filled):
    assert filled(sim.counter(steady, end_s=10.0)) == pytest.approx(9 * 200, rel=0.02)
    assert filled(sim.counter(steady, end_s=10.0), sim.power(steady)) < 0.02 * 9 * 200


def test_a_models_joules_are_estimated_and_not_filled_in(sim, steady, filled):
    powers = sim.power(steady, sim.Watch(gaps_s=[GAP]))
    assert filled(powers, source=Provenance.ESTIMATED) == 0.0


def test_the_summary_holds_them(sim, steady):
    channels = (sim.counter(steady, sim.Watch(gaps_s=[GAP])),)
    trace = sim.trace(window_s=(1, 19), channels=channels, duration_s=20)
    draft = replace(sim.draft(), sensors=(sim.sensor(),))
    assert summarise(trace, draft).totals.filled_energy_j == pytest.approx(600, rel=0.1)
    nothing = sim.trace(window_s=(1, 19), channels=(), duration_s=20)
    assert summarise(nothing, sim.draft()).totals.filled_energy_j is None
