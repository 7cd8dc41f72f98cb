import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.windows import domain_segments, phase_seconds, stays, step_windows, window_segments
from energyprof.record.trace import UNATTRIBUTED, Segments, Trace


def segments(starts, phases, steps, end, names=("a", "b", UNATTRIBUTED), device=None):
    return Segments(
        start_ns=np.array(starts, np.int64),
        phase=np.array(phases, np.int32),
        step=np.array(steps, np.int64),
        phases=names,
        end_ns=end,
        device_start_ns=None if device is None else np.array(device, np.int64),
    )


def trace_of(marks, window, metrics):
    return Trace(
        segments=marks,
        channels=(),
        metrics=metrics,
        window_ns=window,
        duration_ns=max(window[1], marks.end_ns),
    )


@pytest.fixture
def no_metrics(sim):
    return sim.metrics()


def test_segments_are_cut_to_the_window(no_metrics):
    marks = segments([0, 10, 20, 30], [0, 1, 0, 1], [-1, 0, 0, -1], 40)
    cut = window_segments(trace_of(marks, (15, 35), no_metrics))
    assert cut.start_ns.tolist() == [15, 20, 30]
    assert cut.phase.tolist() == [1, 0, 1]
    assert cut.end_ns == 35
    assert marks.start_ns.tolist() == [0, 10, 20, 30]


def test_time_without_marks_is_unattributed(no_metrics):
    marks = segments([10, 20], [0, 1], [0, 0], 30)
    cut = window_segments(trace_of(marks, (5, 50), no_metrics))
    assert cut.start_ns.tolist() == [5, 10, 20, 30]
    assert [cut.phases[p] for p in cut.phase] == [UNATTRIBUTED, "a", "b", UNATTRIBUTED]
    assert cut.step.tolist() == [-1, 0, 0, -1]


def test_a_record_without_marks_is_one_unattributed_segment(no_metrics):
    marks = segments([], [], [], 0, names=("a",))
    cut = window_segments(trace_of(marks, (5, 50), no_metrics))
    assert cut.start_ns.tolist() == [5]
    assert cut.phases == ("a", UNATTRIBUTED)
    assert len(step_windows(cut)) == 0


@given(
    gaps=st.lists(st.integers(0, 30), min_size=1, max_size=30),
    ends=st.tuples(st.integers(0, 400), st.integers(0, 400)),
)
@settings(max_examples=60, deadline=None)
def test_phases_fill_the_window_whatever_was_marked(gaps, ends):
    starts = np.cumsum(gaps)
    marks = segments(starts, np.arange(len(gaps)) % 2, np.arange(len(gaps)) // 3, int(starts[-1]) + 7)
    window = (min(ends), max(ends))
    empty = np.empty(0, np.int64)
    from energyprof.record.trace import Metrics

    cut = window_segments(
        trace_of(marks, window, Metrics(t_ns=empty, step=empty, name=(), value=np.empty(0)))
    )
    assert phase_seconds(cut).sum() == pytest.approx((window[1] - window[0]) * 1e-9, abs=1e-15)
    assert (np.diff(cut.start_ns) >= 0).all()
    steps = step_windows(cut)
    assert (steps.end_ns >= steps.start_ns).all()


def test_a_step_is_its_segments_together():
    marks = segments([0, 10, 20, 30, 40], [0, 1, 0, 1, 2], [0, 0, 1, 1, -1], 50)
    steps = step_windows(marks)
    assert steps.label.tolist() == [0, 1]
    assert list(zip(steps.start_ns, steps.end_ns, strict=True)) == [(0, 20), (20, 40)]
    assert list(zip(steps.first, steps.stop, strict=True)) == [(0, 2), (2, 4)]


def test_the_last_step_ends_where_the_segments_end():
    steps = step_windows(segments([0, 10], [0, 0], [0, 1], 25))
    assert steps.end_ns.tolist() == [10, 25]


def test_a_stay_counts_once_however_many_segments_it_has():
    marks = segments([0, 10, 20, 30], [0, 0, 1, 0], [0, 1, 1, 2], 40)
    assert stays(marks).tolist() == [2, 1, 0]


def test_a_gpu_passes_marks_at_its_own_time_and_the_host_at_its_own(no_metrics):
    marks = segments([0, 10, 20], [0, 1, 0], [0, 0, 1], 30, device=[2, 18, 33])
    cut = window_segments(trace_of(marks, (0, 30), no_metrics))
    assert domain_segments(cut, "gpu:0").start_ns.tolist() == [0, 18, 30]
    assert domain_segments(cut, "cpu") is cut
    assert len(step_windows(domain_segments(cut, "gpu:0"))) == len(step_windows(cut))
