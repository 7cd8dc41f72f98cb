"""What measuring costs: a mark, a start, the sampling thread, a loop of short steps, beside floors and peers.

Run:  python -m benchmarks.overhead [--seconds 10] [--rounds 40] [--part losses|rounds|peers]

What a loop loses is told twice. By its parts: marks are timed, and the time lost to sampling, by a process
of its own and by a thread, is added up around each wake-up (see :mod:`benchmarks.stalls`), beside a thread
that wakes as often and does nothing; this holds on a noisy machine. By the clock on the wall: a loop runs
with the profiler and without, in turns inside one process (see :mod:`benchmarks.switching`), beside a bare
loop against itself, which shows the noise. Peers are timed in interleaved pairs of loops. Where there is no
GPU the stand-in NVML plays a Hopper card. Each figure stands beside what is promised: a loop of 1 ms steps
at most 0.5 % slower, one of 10 ms steps at most 0.2 %.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np

import energyprof
from benchmarks.peers import bare_loop_s, peer_loop_s, peers
from benchmarks.stalls import (
    Loss,
    WitnessClock,
    idle_thread,
    loss,
    unit_of_products,
    unit_of_python,
    unit_starts,
)
from benchmarks.switching import Slowdown, switched_rounds
from energyprof.errors import DeviceError
from energyprof.recording.marks import MarkBuffer
from energyprof.recording.sampling_choice import Sampling
from energyprof.sensors.discovery import discover
from energyprof.testing.nvml import StandInNvml

PROMISED = {1e-3: 0.005, 1e-2: 0.002}  # how much slower a loop may be, by the length of its steps in seconds
LEARNING_S = 3.0  # refreshes are learned by dense polling first, which is no part of a loop's usual cost
MOST_PEER_PAIRS = 5  # some of them take seconds to start

Unit = Callable[[], object]


def best_ns(action: Callable[[], object], count: int, repeats: int = 7) -> float:
    """Return the least time of one of ``count`` operations, in ns."""
    times = []
    for _ in range(repeats):
        before = time.perf_counter_ns()
        action()
        times.append((time.perf_counter_ns() - before) / count)
    return min(times)


def mark_costs(count: int = 300_000) -> dict[str, float]:
    """Return ns a step: the floor (two clock reads), a step mark, a phase; and bytes a step."""
    now, empty = time.perf_counter_ns, [None] * count

    def bare() -> None:
        for _ in empty:
            pass

    def floor() -> None:
        for _ in empty:
            now()
            now()

    def marked() -> None:
        for _ in MarkBuffer(now).steps(empty, "train"):
            pass

    def phased() -> None:
        phase = MarkBuffer(now).phase
        for _ in empty:
            with phase("forward"):
                pass

    base = best_ns(bare, count)
    costs = {
        name: best_ns(f, count) - base for name, f in (("floor", floor), ("mark", marked), ("phase", phased))
    }
    tracemalloc.start()
    buffer = MarkBuffer(now)
    before = tracemalloc.get_traced_memory()[0]
    for _ in buffer.steps(empty, "train"):
        pass
    costs["bytes"] = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    return costs


def work_of(seconds: float) -> Callable[[], object]:
    """Return a piece of pure Python work that takes about so long: the interpreter lock is never let go."""
    size = 1000
    while True:
        before = time.perf_counter()
        sum(range(size))
        taken = time.perf_counter() - before
        if taken > seconds / 4:
            break
        size *= 2
    size = int(size * seconds / min(_timed(size) for _ in range(20)))
    return lambda: sum(range(size))


def _timed(size: int) -> float:
    before = time.perf_counter()
    sum(range(size))
    return time.perf_counter() - before


def peer_ratio(name: str, step_s: float, seconds: float, pairs: int) -> tuple[float, float, float]:
    """Return the median ratio of another tool's time to bare time, and its 95 % interval."""
    work, count = work_of(step_s), max(10, int(seconds / step_s))
    return median_ratio(lambda: peer_loop_s(name, work, count), lambda: bare_loop_s(work, count), pairs)


def median_ratio(
    profiled: Callable[[], float], bare: Callable[[], float], pairs: int
) -> tuple[float, float, float]:
    """Return the median ratio of two loops' times over interleaved pairs, and its 95 % interval."""
    profiled()
    ratios = []
    for pair in range(pairs):
        if pair % 2:
            ours_s, bare_s = profiled(), bare()
        else:
            bare_s, ours_s = bare(), profiled()
        ratios.append(ours_s / bare_s)
    draws = np.random.default_rng(0).choice(ratios, size=(2_000, pairs))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return statistics.median(ratios), float(low), float(high)


def start_and_stop_s(repeats: int = 15) -> tuple[float, float]:
    """Return the median time to start a profiler and to stop it, its report included."""
    times = []
    with tempfile.TemporaryDirectory() as out:
        for _ in range(repeats):
            prof = energyprof.Profiler("overhead", out=out, html=False)
            before = time.perf_counter()
            prof.start()
            between = time.perf_counter()
            prof.stop()
            times.append((between - before, time.perf_counter() - between))
    return statistics.median(t for t, _ in times), statistics.median(t for _, t in times)


@contextmanager
def sampling(clock: WitnessClock, by: Sampling) -> Iterator[None]:
    """Record with every sensor there is, a second before what follows: learning is over then.

    A process has no clock that bears witness here; when it was awake stands in its rows.
    """
    with tempfile.TemporaryDirectory() as out:
        with energyprof.Profiler("overhead", out=out, html=False, clock=clock, sampling=by) as prof:
            began_ns = clock.now_ns()
            prof.log(began=0.0)
            time.sleep(LEARNING_S)
            yield
        if by == "process":
            trace = prof.run.trace
            origin_ns = began_ns - int(trace.metrics.t_ns[trace.metrics.name.index("began")])
            for channel in trace.channels:
                clock.saw_awake(channel.t_ns + origin_ns)


def lost_to(
    around: Callable[[WitnessClock], AbstractContextManager[None]], unit: Unit, seconds: float
) -> Loss:
    """Return what a loop loses to a thread or a process."""
    clock = WitnessClock()
    with around(clock):
        starts = unit_starts(unit, seconds)
    return loss(starts, clock.awake_ns(int(starts[0]), int(starts[-1])))


@contextmanager
def some_gpu() -> Iterator[str]:
    """Use the machine's GPU, or a stand-in for one; yield what was found, in words."""
    found = discover()
    for sensor in found.sensors:
        sensor.close()
    if found.gpus:
        yield found.gpus[0].name
        return
    try:
        with StandInNvml(["hopper"], virtual=False) as nvml, nvml.loaded():
            nvml.set_power(0, 200.0)
            yield "a stand-in for a Hopper GPU"
    except DeviceError:
        yield "no GPU, and no compiler for a stand-in"


def print_losses(mark_ns: float, seconds: float) -> None:
    """Print what loops lose to sampling, and what that makes of short steps."""
    loops: dict[str, Callable[[], Unit]] = {
        "matrix products": unit_of_products,
        "plain Python": unit_of_python,
        "products, all cores": partial(unit_of_products, os.cpu_count() or 1),
    }
    head = f"{'loop of':<21}{'beside it':<18}{'lost':>8}{'95 %':>20}{'noise':>9}{'wakes/s':>9}"
    print(
        head
        + "".join(
            f"{f'{1e3 * step_s:g} ms':>9}{f' (<{limit:.1%})':<10}" for step_s, limit in PROMISED.items()
        )
    )
    for name, make in loops.items():
        unit = make()
        for beside, around in (
            ("sampling process", partial(sampling, by="process")),
            ("sampling thread", partial(sampling, by="thread")),
            ("idle: the floor", idle_thread),
        ):
            found = lost_to(around, unit, seconds)
            mark = mark_ns * 1e-9 * beside.startswith("sampling")
            interval = f"{found.low:.3%} to {found.high:.3%}"
            steps = ""
            for step_s in PROMISED:
                told = verdict(found, mark / step_s, step_s) if mark else ""
                steps += f"{found.share + mark / step_s:9.3%}{told:<10}"
            row = f"{name:<21}{beside:<18}{found.share:8.3%}{interval:>20}{found.noise:9.3%}"
            print(f"{row}{found.wakes_per_s:9.1f}{steps}", flush=True)


def verdict(found: Loss | Slowdown, more: float, step_s: float) -> str:
    """Say whether a promise is kept: by all of the interval, by the figure only, or not."""
    limit = PROMISED[step_s] - more
    if found.share > limit:
        return " broken"
    return " kept" if found.high <= limit else " kept (?)"


def print_rounds(seconds: float, rounds: int) -> None:
    """Print how much longer loops take with the profiler than without."""
    print(f"\n{'loop':<8}{'with':<28}{'longer by':>10}{'95 %':>22}{'promised':>10}")
    for step_s in PROMISED:
        ours, control = switched_rounds(work_of(step_s), int(seconds / step_s), rounds)
        for name, found in (("energyprof", ours), ("nothing (the noise)", control)):
            interval = f"{found.low:.3%} to {found.high:.3%}"
            promised = f"{PROMISED[step_s]:10.1%}{verdict(found, 0.0, step_s)}" if found is ours else ""
            row = f"{step_s * 1e3:>3.0f} ms  {name:<28}{found.share:10.3%}{interval:>22}{promised}"
            print(row, flush=True)


def print_peers(seconds: float) -> None:
    """Print wall-clock ratios of peers."""
    print(f"\n{'loop':<12}{'profiler':<28}{'median':>9}{'95 %':>20}   time against the bare loop")
    for name in peers():
        print_ratio(1e-3, name, peer_ratio(name, 1e-3, seconds, MOST_PEER_PAIRS))


def print_ratio(step_s: float, name: str, found: tuple[float, float, float]) -> None:
    middle, low, high = found
    print(f"{step_s * 1e3:>4.0f} ms      {name:<28}{middle:9.4f}{f'{low:.4f} to {high:.4f}':>20}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40, help="of loops with and without the profiler")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a loop runs beside a thread")
    parser.add_argument("--part", choices=("losses", "rounds", "peers"), help="only one part")
    options = parser.parse_args()
    costs = mark_costs()
    over = costs["mark"] / costs["floor"]
    with some_gpu() as gpu:
        start_s, stop_s = start_and_stop_s()
        print(f"floor, two clock reads     {costs['floor']:8.0f} ns")
        print(f"step mark                  {costs['mark']:8.0f} ns   {over:.2f} x the floor")
        print(f"phase, enter and leave     {costs['phase']:8.0f} ns")
        print(f"memory a step              {costs['bytes']:8.1f} bytes")
        print(f"start, stop with a report  {1e3 * start_s:8.1f} ms  {1e3 * stop_s:.1f} ms")
        print(f"\nWhat a loop loses to sampling {gpu}, the CPU and memory:\n")
        if options.part in (None, "losses"):
            print_losses(costs["mark"], options.seconds)
        if options.part in (None, "rounds"):
            print_rounds(1.0, options.rounds)
        if options.part in (None, "peers"):
            print_peers(0.5)


if __name__ == "__main__":
    main()
