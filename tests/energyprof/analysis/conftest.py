"""A simulated device: piecewise-constant true power, and the sensors that watch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import (
    Environment,
    Provenance,
    Report,
    RunInfo,
    RunStatus,
    SensorInfo,
)
from energyprof.record.trace import UNATTRIBUTED, Channel, Metrics, Segments, Trace


@dataclass(frozen=True)
class Truth:
    """True power: ``watts[k]`` from ``start_s[k]`` on, up to ``end_s``."""

    start_s: NDArray[np.float64]
    watts: NDArray[np.float64]
    end_s: float

    def energy_j(self, time_s):
        """Return the true energy up to each time, extended steadily on both sides."""
        knots = np.append(self.start_s, self.end_s)
        total = np.concatenate([[0.0], np.cumsum(np.diff(knots) * self.watts)])
        time_s = np.asarray(time_s, float)
        before = np.minimum(time_s - knots[0], 0) * self.watts[0]
        after = np.maximum(time_s - knots[-1], 0) * self.watts[-1]
        return np.interp(time_s, knots, total) + before + after

    def between(self, start_s, end_s):
        """Return the true energy of windows."""
        return self.energy_j(end_s) - self.energy_j(start_s)


@dataclass
class Watch:
    """How a sensor refreshes and how it is polled."""

    refresh_s: float = 0.1
    phase_s: float = 0.013  # when the first refresh is
    poll_s: float = 0.002
    poll_jitter: float = 0.3
    wobble_s: float = 0.0  # standard deviation of the refresh times
    window_s: float = 0.1
    seed: int = 0
    gaps_s: Sequence[tuple[float, float]] = field(default_factory=tuple)

    def refreshes(self, end_s):
        """Return true refresh times, from before the start on."""
        rng = np.random.default_rng(self.seed + 1)
        times = np.arange(self.phase_s - self.refresh_s, end_s + self.refresh_s, self.refresh_s)
        return np.sort(times + rng.normal(0, self.wobble_s, len(times)))

    def polls(self, end_s):
        """Return when it is polled: irregularly, and not in gaps."""
        rng = np.random.default_rng(self.seed + 2)
        steps = self.poll_s * (1 + self.poll_jitter * rng.uniform(-1, 1, int(end_s / self.poll_s * 1.6) + 4))
        times = np.concatenate([[0.0], np.cumsum(steps)])
        times = times[times < end_s]
        for start, stop in self.gaps_s:
            times = times[(times < start) | (times > stop)]
        return times


def _rows(refreshes, values, watch, end_s):
    """Return (since, t, value) as the sampler writes them: the first, one a change, a hold every 0.9 s."""
    polls = watch.polls(end_s)
    shown = np.searchsorted(refreshes, polls, side="right") - 1
    value = values[np.maximum(shown, 0)]
    changed = np.concatenate([[True], value[1:] != value[:-1]])
    beats = np.concatenate([[False], np.diff(np.floor(polls / 0.9)) > 0])
    beats[-1] = True
    at = np.flatnonzero(changed | beats)
    call = 2e-5
    since = np.where(at > 0, polls[np.maximum(at - 1, 0)] - call, polls[0] - watch.refresh_s)
    return since, polls[at] + call, value[at]


def ns(seconds):
    return np.round(np.asarray(seconds) * 1e9).astype(np.int64)


def _channel(kind, name, domain, sensor, unit, rows, gaps):
    since, until, value = rows
    return Channel(
        name=f"{domain}/{name}",
        domain=domain,
        kind=kind,
        sensor=sensor,
        unit=unit,
        t_ns=np.ceil(until * 1e9).astype(np.int64),
        since_ns=np.floor(since * 1e9).astype(np.int64),
        value=value.astype(float),
        gap_ns=np.ceil(np.array(gaps, float).reshape(-1, 2) * 1e9).astype(np.int64),
    )


def counter(
    truth,
    watch=None,
    *,
    domain="gpu:0",
    name="energy",
    sensor="nvml:gpu:0",
    resets_s=(),
    frozen_s=None,
    quantum_j=1e-3,
    end_s=None,
):
    """Return the energy channel of a counter, its breaks written as the sampler writes them.

    At a reset it loses what it held since its last refresh: a gap from the last edge to the next, over which
    the value stands. Frozen, it stands still, and from 2 s on is said to be in a gap every 0.9 s, until it
    moves again; what it missed is lost.
    """
    watch = watch or Watch()
    end_s = truth.end_s if end_s is None else end_s
    times, polls = watch.refreshes(end_s), watch.polls(end_s)
    energy = truth.energy_j(times)
    shown_by = [polls[np.searchsorted(polls, reset) - 1] for reset in resets_s]
    lost = [
        (int(np.searchsorted(times, by, side="right")) - 1, r)
        for by, r in zip(shown_by, resets_s, strict=True)
    ]
    told = []
    if frozen_s is not None:
        first = int(np.searchsorted(times, frozen_s[0]))
        lost.append((first, frozen_s[1]))
        told = list(np.arange(times[first] + 2.0, frozen_s[1], 0.9))
    breaks = []
    for first, last_s in lost:  # what was counted from refresh ``first`` to the next poll is never shown
        breaks.append(float(polls[np.searchsorted(polls, times[np.searchsorted(times, last_s)])]))
        again = int(np.searchsorted(times, breaks[-1], side="right")) - 1
        energy[again:] -= energy[again] - energy[first]
        energy[first:again] = energy[first]
    value = np.floor(energy / quantum_j) * quantum_j
    since, until, shown = _rows(times, value, watch, end_s)
    gaps = list(watch.gaps_s)
    if told:  # a frozen counter is not read on
        kept = (until < told[0]) | (until > breaks[-1])
        since, until, shown = since[kept], until[kept], shown[kept]
    known = until[np.concatenate([[True], shown[1:] != shown[:-1]])]
    for at in sorted([*told, *breaks]):
        seen = polls[np.searchsorted(polls, at)] + 2e-5
        gaps.append((known[known < seen].max(), seen))
        k = int(np.searchsorted(until, seen))
        since, until = np.insert(since, k, gaps[-1][0]), np.insert(until, k, seen)
        shown, known = np.insert(shown, k, shown[k - 1]), np.sort(np.append(known, seen))
    return _channel(ChannelKind.ENERGY, name, domain, sensor, "J", (since, until, shown), gaps)


def power(
    truth,
    watch=None,
    *,
    domain="gpu:0",
    sensor="nvml:gpu:0",
    kind="instant",
    noise_w=0.0,
    window_s=None,
    end_s=None,
):
    """Return a channel of power readings: the mean over the window before each refresh."""
    watch = watch or Watch()
    end_s = truth.end_s if end_s is None else end_s
    window = watch.window_s if window_s is None else window_s
    times = watch.refreshes(end_s)
    rng = np.random.default_rng(watch.seed + 3)
    mean = truth.between(times - window, times) / window
    value = np.round(mean + noise_w * rng.normal(size=len(mean)), 3)
    kinds = {"instant": ChannelKind.POWER_INSTANT, "average": ChannelKind.POWER_AVERAGE}
    rows = _rows(times, value, watch, end_s)
    return _channel(kinds[kind], f"power_{kind}", domain, sensor, "W", rows, watch.gaps_s)


def sensor(name="nvml:gpu:0", domains=("gpu:0",), **more):
    """Describe a sensor; the power range is 20 to 400 W unless told."""
    settings = {
        "source": Provenance.COUNTER,
        "semantics": "simulated",
        "refresh_s": 0.1,
        "window_s": 0.1,
        "power_floor_w": 20.0,
        "power_ceiling_w": 400.0,
    }
    return SensorInfo(name=name, domains=domains, **(settings | more))


def random_truth(rng, end_s=10.0, shortest_s=0.004, longest_s=0.08, low_w=25.0, high_w=390.0):
    """Return piecewise-constant power at random."""
    lengths = rng.uniform(shortest_s, longest_s, int(end_s / shortest_s) + 2)
    start = np.concatenate([[0.0], np.cumsum(lengths)])
    start = start[start < end_s]
    return Truth(start, rng.uniform(low_w, high_w, len(start)), end_s)


def schedule(rng, phases, steps, open_s=0.0, jitter=0.0, drift=0.0, extra_w=0.0):
    """Return true power and segments of steps made of phases.

    Args:
        rng: the source of chance.
        phases: (name, seconds, watts) in order of occurrence.
        steps: how many.
        open_s: idle time at 40 W before the first step and after the last.
        jitter: relative spread of each phase's length.
        drift: relative rise of power over the run.
        extra_w: standard deviation of each occurrence's power.
    """
    names = tuple(name for name, _, _ in phases)
    length = np.tile([s for _, s, _ in phases], steps) * np.exp(jitter * rng.normal(size=steps * len(phases)))
    length = np.maximum(np.round(length * 1e9), 1000) / 1e9
    watts = np.tile(np.array([w for _, _, w in phases], float), steps) + extra_w * rng.normal(
        size=len(length)
    )
    start = open_s + np.concatenate([[0.0], np.cumsum(length)])
    watts = watts * (1 + drift * (start[:-1] - open_s) / (start[-1] - open_s))
    truth = Truth(
        np.concatenate([[0.0], start]) if open_s else start[:-1],
        np.concatenate([[40.0], watts, [40.0]]) if open_s else watts,
        start[-1] + open_s,
    )
    segments = Segments(
        start_ns=ns(start[:-1]),
        phase=np.tile(np.arange(len(phases), dtype=np.int32), steps),
        step=np.repeat(np.arange(steps), len(phases)),
        phases=(*names, UNATTRIBUTED),
        end_ns=int(ns(start[-1])),
    )
    return truth, segments


def no_metrics():
    empty = np.empty(0, np.int64)
    return Metrics(t_ns=empty, step=empty, name=(), value=np.empty(0))


def metrics(*rows):
    """Return metrics from rows of (seconds, steps finished, name, value)."""
    if not rows:
        return no_metrics()
    at, step, name, value = zip(*rows, strict=True)
    return Metrics(t_ns=ns(at), step=np.array(step, np.int64), name=tuple(name), value=np.array(value, float))


def readings(kind, values, at_s, *, domain="gpu:0", name="state", unit="1", sensor="nvml-state:gpu:0"):
    """Return a channel of state readings."""
    at = np.asarray(at_s, float)
    return _channel(kind, name, domain, sensor, unit, (at - 1e-4, at, np.asarray(values, float)), ())


def in_phases(spans, phases, steps=None):
    """Return segments from (seconds, phase index) spans; ``steps`` numbers them, else they are in none."""
    lengths = [seconds for seconds, _ in spans]
    start = np.concatenate([[0.0], np.cumsum(lengths)])
    return Segments(
        start_ns=ns(start[:-1]),
        phase=np.array([phase for _, phase in spans], np.int32),
        step=np.full(len(spans), -1, np.int64) if steps is None else np.array(steps, np.int64),
        phases=tuple(phases),
        end_ns=int(ns(start[-1])),
    )


def trace(segments=None, channels=(), logged=None, window_s=None, duration_s=None, **more):
    """Return a trace; the window is that of the segments unless told."""
    if segments is None:
        end = int(ns(duration_s if duration_s is not None else window_s[1]))
        segments = Segments(
            start_ns=np.zeros(1, np.int64),
            phase=np.zeros(1, np.int32),
            step=np.full(1, -1, np.int64),
            phases=(UNATTRIBUTED,),
            end_ns=end,
        )
    if window_s is None:
        window_ns = (int(segments.start_ns[0]), segments.end_ns)
    else:
        window_ns = (int(ns(window_s[0])), int(ns(window_s[1])))
    duration_ns = window_ns[1] if duration_s is None else int(ns(duration_s))
    return Trace(
        segments=segments,
        channels=tuple(channels),
        metrics=logged or no_metrics(),
        window_ns=window_ns,
        duration_ns=duration_ns,
        **more,
    )


def draft(sensors=(), **more):
    """Return a report with nothing but its run, environment and sensors."""
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at="2026-01-01T00:00:00+00:00"),
        environment=Environment(energyprof="0", python="3.11", platform="test"),
        sensors=tuple(sensors),
        **more,
    )


@pytest.fixture(scope="session")
def sim():
    """Give tests the simulator's functions."""
    return SimpleNamespace(
        Truth=Truth,
        Watch=Watch,
        counter=counter,
        power=power,
        sensor=sensor,
        random_truth=random_truth,
        schedule=schedule,
        metrics=metrics,
        readings=readings,
        in_phases=in_phases,
        trace=trace,
        draft=draft,
        ns=ns,
    )
