import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.modelled import modelled_windows


@pytest.fixture
def domain(sim):
    phases = [("a", 0.02, 300), ("b", 0.03, 100)]
    truth, marks = sim.schedule(np.random.default_rng(0), phases, 300, open_s=1.0, jitter=0.1, extra_w=3.0)
    watch = sim.Watch(phase_s=0.02, wobble_s=0.0003)
    trace = sim.trace(marks, [sim.counter(truth, watch)], duration_s=truth.end_s)
    return attribute(trace, [sim.sensor()]).known["gpu:0"]


def test_raw_energy_is_the_watts_of_the_phases_added_up(domain):
    raw = domain.models[0].raw
    segments = domain.segments
    middle = (segments.start_ns[10] + segments.start_ns[11]) / 2 * 1e-9
    lengths = np.diff(segments.start_ns[:12]) * 1e-9
    whole = (lengths * raw.watts[segments.phase[:11]]).sum()
    assert raw.up_to_j[11] == pytest.approx(whole)
    half = whole - 0.5 * lengths[10] * raw.watts[segments.phase[10]]
    assert raw.at(np.array([middle]))[0] == pytest.approx(half, rel=1e-6)
    assert raw.at(np.array([segments.end_ns * 1e-9]))[0] == pytest.approx(raw.up_to_j[-1])


def test_modelled_energy_keeps_to_the_counter_over_every_refresh(domain):
    model, part = domain.models[0], domain.curve.parts[0]
    inside = part.refreshes.at_s[(part.refreshes.at_s > 1.5) & (part.refreshes.at_s < 10)]
    by_model = np.interp(model.raw.at(inside), model.knots_raw_j, model.knots_j)
    counted = np.diff(part.estimate.at(inside))
    assert np.diff(by_model)[::5].sum() == pytest.approx(counted[::5].sum(), rel=0.01)


def test_intervals_are_wider_where_less_is_known(domain):
    every = modelled_windows(domain.models, domain.steps)
    one = domain.steps.part(slice(0, 1))
    long = type(one)(
        label=one.label,
        start_ns=one.start_ns,
        end_ns=domain.steps.end_ns[-1:],
        first=one.first,
        stop=domain.steps.stop[-1:],
    )
    whole = modelled_windows(domain.models, long)
    relative = (every.high - every.low) / every.value
    assert (relative > (whole.high - whole.low) / whole.value).all()
    assert relative.mean() < 0.15


def test_windows_between_which_time_passes_get_their_own_seconds_only(domain):
    some = domain.steps.part(slice(0, None, 3))
    every = modelled_windows(domain.models, domain.steps)
    assert modelled_windows(domain.models, some).value == pytest.approx(every.value[::3])
    assert modelled_windows(domain.models, some).high == pytest.approx(every.high[::3])


def test_no_windows_give_no_figures(domain):
    assert modelled_windows(domain.models, domain.steps.part(slice(0, 0))).value.shape == (0,)
