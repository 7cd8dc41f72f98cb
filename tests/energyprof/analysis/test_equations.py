import numpy as np
import pytest

from energyprof.analysis.design_matrix import phase_seconds_between
from energyprof.analysis.domains import energy_curve
from energyprof.analysis.equations import Intervals, counter_intervals, equations, merged, power_intervals


def intervals(ends, energy, half=0.0):
    half = np.full(len(ends) - 1, half)
    start, end = ends[:-1], ends[1:]
    return Intervals(start_s=start, end_s=end, energy_j=energy, start_half_s=half, end_half_s=half)


@pytest.fixture(scope="module")
def segments(sim):
    rng = np.random.default_rng(0)
    return sim.in_phases([(float(rng.uniform(0.01, 0.09)), k % 3) for k in range(600)], "abc")


def test_blocks_add_up_to_the_plain_normal_equations(segments):
    ends = np.arange(0.2, 25.0, 0.1)
    matrix = phase_seconds_between(segments, ends)
    energy = matrix @ np.array([300.0, 100.0, 50.0])
    found = equations(intervals(ends, energy), segments)
    assert found.rows == len(energy)
    gram, moment = found.moved(0.0)
    assert gram.sum(axis=0) == pytest.approx(matrix.T @ matrix, rel=1e-6)
    assert moment.sum(axis=0) == pytest.approx(matrix.T @ energy, rel=1e-6)
    assert found.square.sum() == pytest.approx(energy @ energy, rel=1e-6)
    assert found.seconds.sum(axis=0) == pytest.approx(matrix.sum(axis=0), rel=1e-6)
    assert 60 <= len(found.gram) <= 160


def test_equations_moved_later_are_those_of_later_intervals(segments):
    ends = np.arange(0.2, 25.0, 0.1)
    energy = np.linspace(10, 30, len(ends) - 1)
    moved = equations(intervals(ends, energy), segments).moved(0.0005)
    later = equations(intervals(ends + 0.0005, energy), segments).moved(0.0)
    for first, second in zip(moved, later, strict=True):
        change = np.abs(first - second).sum() / np.abs(second).sum()
        assert change < 2e-4


def test_a_window_that_moves_as_a_whole_inside_a_phase_is_not_vague(sim):
    marks = sim.in_phases([(1.0, 0), (1.0, 1)], "ab")
    start = np.array([0.2, 0.4, 0.97, 1.3])
    half = np.full(4, 0.01)
    windows = {"start_s": start, "end_s": start + 0.05, "energy_j": 5 + 0 * start}
    tied = equations(Intervals(**windows, start_half_s=half, end_half_s=half, tied=True), marks)
    free = equations(Intervals(**windows, start_half_s=half, end_half_s=half), marks)
    assert tied.vague_s2.sum() == pytest.approx(free.vague_s2.sum() / 4)


def test_intervals_that_reach_out_of_the_window_are_left_out(segments):
    ends = np.arange(-1.0, 40.0, 0.1)
    found = equations(intervals(ends, np.ones(len(ends) - 1)), segments)
    assert found.seconds.sum() == pytest.approx(found.rows * 0.1, rel=1e-6)


def test_vague_ends_are_spread_over_where_they_may_lie(segments):
    ends = np.arange(0.2, 25.0, 0.1)
    energy = np.ones(len(ends) - 1)
    sharp, vague = (equations(intervals(ends, energy, half), segments) for half in (0.0, 0.02))
    assert vague.seconds.sum() == pytest.approx(sharp.seconds.sum(), rel=1e-6)
    assert np.abs(vague.gram - sharp.gram).max() > 1e-5
    assert vague.vague_s2.sum() == pytest.approx(2 * len(energy) * 0.02**2 / 3, rel=1e-6)


def test_two_systems_put_together_weigh_as_told(segments):
    ends = np.arange(0.2, 25.0, 0.1)
    one = equations(intervals(ends, np.ones(len(ends) - 1)), segments)
    both = merged(one, one, 3.0)
    assert both.gram.sum() == pytest.approx(4 * one.gram.sum())
    assert both.rows == 2 * one.rows


def test_a_gap_is_no_equation_and_a_reading_is_its_window(sim):
    truth = sim.random_truth(np.random.default_rng(0), 10.0)
    watch = sim.Watch(window_s=0.025)
    channels = [sim.counter(truth, watch, resets_s=[5.0]), sim.power(truth, watch)]
    trace = sim.trace(window_s=(0, 10), channels=channels)
    part = energy_curve("gpu:0", trace, [sim.sensor(window_s=0.025)]).parts[0]
    counted = counter_intervals(part.refreshes)
    assert len(counted) == len(part.refreshes) - 2
    read = power_intervals(part.power)
    assert read.end_s - read.start_s == pytest.approx(0.025)
    inside = read.start_s > 0.2
    assert read.energy_j[inside] == pytest.approx(truth.between(read.start_s, read.end_s)[inside], rel=0.2)
