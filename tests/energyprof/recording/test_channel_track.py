"""Rows of one channel from its readings: edges, holds, holes and breaks."""

from __future__ import annotations

import math

import pytest

from energyprof.record.channel_kind import ChannelKind
from energyprof.recording.channel_track import ChannelTrack
from energyprof.recording.refresh_stamps import StampTrust
from energyprof.recording.sample_rows import RowBuffer, SampleRows
from energyprof.sensors.base import ChannelSpec, Reading

MS = 1_000_000
CALL = 50_000
START = 10_000 * MS


class Track:
    """A channel track with its rows."""

    def __init__(
        self, kind: ChannelKind = ChannelKind.ENERGY, *, edges: bool = True, refresh_ms: int = 100
    ) -> None:
        spec = ChannelSpec(name="x", domain="x", kind=kind, unit="J")
        self.rows = RowBuffer(("x",), START)
        self.track = ChannelTrack(spec, 0, refresh_ms * MS, StampTrust(), edges=edges)

    def take(self, at_ms: float, value: float, *, gap: bool = False) -> bool:
        before = START + int(at_ms * MS)
        return self.track.take(self.rows, Reading("x", value, gap=gap), before, before + CALL, 0)

    def fail(self, at_ms: float) -> None:
        self.track.fail(self.rows, START + int(at_ms * MS))

    def drain(self) -> SampleRows:
        return self.rows.drain()


def test_a_change_is_known_to_lie_between_two_polls() -> None:
    track = Track()
    assert not track.take(0, 1.0)
    assert not track.take(40, 1.0)
    assert track.take(50, 2.0)
    rows = track.drain()
    assert rows.value.tolist() == [1.0, 2.0]
    assert (rows.since_ns[1], rows.t_ns[1]) == (40 * MS, 50 * MS + CALL)


def test_a_value_is_never_older_than_a_refresh_and_a_quarter() -> None:
    track = Track()
    track.take(0, 1.0)
    track.take(5000, 2.0)
    assert track.drain().since_ns.tolist() == [-125 * MS, 4875 * MS]


def test_a_continuous_value_is_no_older_than_its_refresh() -> None:
    track = Track(edges=False, refresh_ms=1)
    track.take(0, 1.0)
    track.take(100, 2.0)
    assert track.drain().since_ns.tolist() == [-MS, 99 * MS]


def test_a_hold_is_told_within_a_second_and_is_no_refresh() -> None:
    track = Track()
    assert not any(track.take(k * 50, 1.0) for k in range(21))
    rows = track.drain()
    assert rows.value.tolist() == [1.0, 1.0]
    assert rows.t_ns[1] <= 1000 * MS


@pytest.mark.parametrize("kind", [ChannelKind.POWER_INSTANT, ChannelKind.MEMORY])
def test_a_hole_in_what_is_not_counted_is_a_gap(kind: ChannelKind) -> None:
    track = Track(kind)
    track.take(0, 1.0)
    for at in (100, 200, 300):
        track.fail(at)
    track.take(400, 5.0)
    rows = track.drain()
    assert rows.gap.tolist() == [False, True, False]
    assert (rows.since_ns[1], rows.t_ns[1]) == (0, 400 * MS)
    assert math.isnan(rows.value[1])
    assert rows.value[2] == 5.0


def test_a_failure_before_anything_was_read_is_no_gap() -> None:
    track = Track(ChannelKind.POWER_INSTANT)
    for at in range(0, 3000, 100):
        track.fail(at)
    track.take(3000, 1.0)
    assert not track.drain().gap.any()


def test_a_break_of_a_counter_is_a_gap_and_then_the_new_value() -> None:
    track = Track()
    track.take(0, 1.0)
    track.take(100, 2.0)
    track.take(190, 2.0)
    track.take(200, 2.5, gap=True)
    rows = track.drain()
    assert rows.gap.tolist() == [False, False, True, False]
    assert (rows.since_ns[2], rows.t_ns[2]) == (rows.t_ns[1], 190 * MS)
    assert (rows.since_ns[3], rows.t_ns[3]) == (190 * MS, 200 * MS + CALL)
    assert rows.value[3] == 2.5


def test_what_means_nothing_is_a_gap_since_the_last_change() -> None:
    track = Track()
    track.take(0, 1.0)
    track.take(100, 2.0)
    track.take(1500, 2.0)
    track.track.break_off(track.rows, START + 2200 * MS)
    track.track.break_off(track.rows, START + 3100 * MS)
    rows = track.drain()
    gaps = rows.gap
    assert rows.since_ns[gaps].tolist() == [100 * MS + CALL, 2200 * MS]
    assert rows.t_ns[gaps].tolist() == [2200 * MS, 3100 * MS]


def test_a_channel_that_does_not_come_back_ends_in_a_gap_once() -> None:
    for kind, since in ((ChannelKind.ENERGY, 100 * MS + CALL), (ChannelKind.POWER_INSTANT, 150 * MS)):
        track = Track(kind)
        track.take(0, 1.0)
        track.take(100, 2.0)
        track.take(150, 2.0)
        track.fail(200)
        assert track.track.failing
        for _ in range(2):
            track.track.finish(track.rows, START + 500 * MS)
        rows = track.drain()
        assert rows.gap.sum() == 1
        assert (rows.since_ns[-1], rows.t_ns[-1]) == (since, 500 * MS)


def test_times_never_go_back() -> None:
    track = Track(ChannelKind.POWER_INSTANT)
    for at, value in ((0, 1.0), (10, 2.0), (20, 2.0), (21, 3.0)):
        track.take(at, value)
    rows = track.drain()
    assert (rows.t_ns[1:] >= rows.t_ns[:-1]).all()
    assert (rows.since_ns <= rows.t_ns).all()
