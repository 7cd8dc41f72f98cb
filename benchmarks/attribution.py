"""What it costs to attribute a very long run: 10 million steps, 1 million sensor readings, two cores.

    python benchmarks/attribution.py [--steps N] [--readings N] [--phases P]

Prints seconds and peak memory of each part. The figure to reach: all steps in under 5 s and under 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from energyprof.analysis.attribution import attribute
from energyprof.analysis.phase_energy import phase_figures
from energyprof.analysis.step_table import step_columns
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, Metrics, Segments, Trace

WATTS = (350.0, 80.0, 200.0, 120.0)


def long_run(steps: int, readings: int, phases: int) -> Trace:
    """Return a run of steps of ``phases`` phases each, watched by a counter with edges known to 1 ms."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1_000_000, 9_000_000, size=steps * phases)
    ends = np.cumsum(lengths)
    start = np.concatenate([[0], ends[:-1]])
    watts = np.tile(np.array(WATTS[:phases]), steps)
    energy = np.concatenate([[0.0], np.cumsum(lengths * 1e-9 * watts)])
    edges = np.linspace(0, ends[-1], readings)
    value = np.floor(np.interp(edges, np.concatenate([[0], ends]), energy) * 1e3) / 1e3
    until = (edges + rng.uniform(0, 1e6, readings)).astype(np.int64)
    counter = Channel(
        name="gpu:0/energy",
        domain="gpu:0",
        kind=ChannelKind.ENERGY,
        sensor="nvml:gpu:0",
        unit="J",
        t_ns=until,
        since_ns=until - 1_000_000,
        value=value,
    )
    nothing = np.empty(0, np.int64)
    return Trace(
        segments=Segments(
            start_ns=start,
            phase=np.tile(np.arange(phases, dtype=np.int32), steps),
            step=np.repeat(np.arange(steps), phases),
            phases=tuple(f"phase-{k}" for k in range(phases)),
            end_ns=int(ends[-1]),
        ),
        channels=(counter,),
        metrics=Metrics(t_ns=nothing, step=nothing, name=(), value=np.empty(0)),
        window_ns=(0, int(ends[-1])),
        duration_ns=int(ends[-1]),
    )


def timed(what: str, call: Callable[[], Any]) -> Any:
    """Run and print how long it took and the peak memory of the process by then."""
    began, cpu = time.perf_counter(), time.process_time()
    result = call()
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    spent, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{what:<42} {spent:6.2f} s   CPU {cpu:6.2f} s   peak {peak_gb:.2f} GB")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--phases", type=int, default=1, help="phases a step, at most 4")
    given = parser.parse_args()
    sensor = SensorInfo(
        name="nvml:gpu:0",
        domains=("gpu:0",),
        source=Provenance.COUNTER,
        semantics="simulated",
        refresh_s=None,
        power_floor_w=0.0,
        power_ceiling_w=420.0,
    )
    trace = timed("make the run (not counted)", lambda: long_run(given.steps, given.readings, given.phases))
    began, cpu = time.perf_counter(), time.process_time()
    attribution = timed("curve, regression, model", lambda: attribute(trace, [sensor]))
    table = timed("every step: bounded, modelled, intervals", lambda: step_columns(trace, attribution))
    total, cpu = time.perf_counter() - began, time.process_time() - cpu
    timed("every phase: joint bounds", lambda: [phase_figures(d) for d in attribution.known.values()])
    print(f"{given.steps:,} steps, {given.readings:,} readings: {total:.2f} s, of it CPU {cpu:.2f} s")
    assert np.isfinite(table["energy_modelled_j"]).all()


if __name__ == "__main__":
    main()
