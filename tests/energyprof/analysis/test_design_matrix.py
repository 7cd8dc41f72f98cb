import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis import design_matrix
from energyprof.analysis.design_matrix import (
    phase_seconds_between,
    row_chunks,
    seconds_in_phases,
    segment_at,
)


def slowly(segments, start, end):
    ends = np.append(segments.start_ns, segments.end_ns) * 1e-9
    matrix = np.zeros((len(start), len(segments.phases)))
    for k, (a, b) in enumerate(zip(start, end, strict=True)):
        for s, phase in enumerate(segments.phase):
            matrix[k, phase] += max(0.0, min(b, ends[s + 1]) - max(a, ends[s]))
    return matrix


@pytest.fixture(scope="module")
def segments(sim):
    rng = np.random.default_rng(0)
    return sim.in_phases([(float(rng.uniform(0, 0.1)), int(rng.integers(3))) for _ in range(60)], "abc")


@given(cuts=st.lists(st.floats(-1, 5), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_rows_hold_the_seconds_of_each_phase(segments, cuts):
    cuts = np.sort(np.array(cuts))
    expected = slowly(segments, cuts[:-1], cuts[1:])
    assert phase_seconds_between(segments, cuts) == pytest.approx(expected, abs=2e-9)


@given(spans=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_intervals_may_overlap_and_leave_time_out(segments, spans):
    start = np.sort(np.array([a for a, _ in spans]))
    end = start + np.array([length for _, length in spans])
    assert seconds_in_phases(segments, start, end) == pytest.approx(slowly(segments, start, end), abs=2e-9)


@given(cuts=st.lists(st.floats(-1, 5), min_size=2, max_size=20))
@settings(max_examples=40, deadline=None)
def test_an_interval_that_ends_before_it_begins_counts_negative(segments, cuts):
    start, end = np.array(cuts[:-1]), np.array(cuts[1:])
    expected = slowly(segments, start, end) - slowly(segments, end, start)
    assert seconds_in_phases(segments, start, end) == pytest.approx(expected, abs=2e-9)


def test_chunks_cover_every_row_once_and_stay_small(segments, monkeypatch):
    monkeypatch.setattr(design_matrix, "ROWS_AT_A_TIME", 4)
    monkeypatch.setattr(design_matrix, "SEGMENTS_AT_A_TIME", 6)
    at = segment_at(segments, np.linspace(0, 3, 40))
    chunks = list(row_chunks(at[:-1], at[1:]))
    assert [row for chunk in chunks for row in range(chunk.start, chunk.stop)] == list(range(39))
    assert max(chunk.stop - chunk.start for chunk in chunks) <= 4
