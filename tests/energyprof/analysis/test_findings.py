import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.findings import Findings, in_window, share_of_time
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import PhaseEnergy, Quantity


def test_the_reading_before_the_window_opened_was_current_in_it(sim):
    at = np.arange(0.0, 10.0)
    channel = sim.readings(ChannelKind.STATE, at, at)
    assert in_window(channel, (2_500_000_000, 5_000_000_000)).tolist() == [2, 3, 4, 5]
    assert in_window(channel, (20_000_000_000, 30_000_000_000)).tolist() == [9]


def test_phases_are_found_by_any_part_of_their_path(sim):
    names = [("train/data", 2.0), ("train/data_wait/copy", 1.0), ("train", 5.0), ("database", 2.0)]
    phases = tuple(PhaseEnergy(name=n, seconds=s, count=1, energy_j=Quantity.missing()) for n, s in names)
    trace = sim.trace(window_s=(0, 10))
    found = Findings(trace=trace, attribution=attribute(trace, []), report=sim.draft(phases=phases))
    assert share_of_time(found, frozenset({"data", "data-wait"})) == pytest.approx((3.0, 0.3))
    empty = sim.trace(window_s=(0, 0))
    nothing = Findings(trace=empty, attribution=attribute(empty, []), report=sim.draft())
    assert share_of_time(nothing, frozenset({"data"})) == (0, 0.0)
