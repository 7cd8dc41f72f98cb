"""What measuring costs: a mark, a start, the sampling thread, a loop of short steps, beside floors and peers.

Run:  python -m benchmarks.overhead [--seconds 10] [--pairs 15]

What a loop loses is told twice. By its parts: marks are timed, and the time lost to the sampling thread is
added up around its wake-ups (see :mod:`benchmarks.stalls`), beside a thread that wakes as often and does
nothing; this holds on a noisy machine. By the clock on the wall: loops are timed in interleaved pairs and
compared by the median of the pairs' ratios, beside a loop against itself, which shows the noise. Where there
is no GPU the stand-in NVML plays a Hopper card.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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
from energyprof.errors import DeviceError
from energyprof.recording.marks import MarkBuffer
from energyprof.sensors.discovery import discover
from energyprof.testing.nvml import StandInNvml

MOST_PEER_PAIRS = 5  # some of them take seconds to start

Unit = Callable[[], object]
Wrap = Callable[[list[None]], AbstractContextManager[Iterator[None]]]


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


def loop_s(steps: Iterator[None] | list[None], work: Callable[[], object]) -> float:
    before = time.perf_counter()
    for _ in steps:
        work()
    return time.perf_counter() - before


def ratio(wrap: Wrap, step_s: float, seconds: float, pairs: int) -> tuple[float, float, float]:
    """Return the median ratio of profiled to bare time over interleaved pairs, and its 95 % interval."""
    work, steps = work_of(step_s), [None] * max(10, int(seconds / step_s))

    def profiled() -> float:
        with wrap(steps) as marked:
            return loop_s(marked, work)

    return median_ratio(profiled, lambda: loop_s(steps, work), pairs)


def peer_ratio(name: str, step_s: float, seconds: float, pairs: int) -> tuple[float, float, float]:
    """Return the same for another tool."""
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
def sampling(clock: WitnessClock) -> Iterator[None]:
    """Record with every sensor there is, a second before what follows: learning is over then."""
    with (
        tempfile.TemporaryDirectory() as out,
        energyprof.Profiler("overhead", out=out, html=False, clock=clock),
    ):
        time.sleep(1.0)
        yield


def lost_to(
    around: Callable[[WitnessClock], AbstractContextManager[None]], unit: Unit, seconds: float
) -> Loss:
    """Return what a loop loses to a thread."""
    clock = WitnessClock()
    with around(clock):
        starts = unit_starts(unit, seconds)
    return loss(starts, clock.awake_ns(int(starts[0]), int(starts[-1])))


@contextmanager
def ours(steps: list[None]) -> Iterator[Iterator[None]]:
    with (
        tempfile.TemporaryDirectory() as out,
        energyprof.Profiler("overhead", out=out, html=False) as prof,
    ):
        time.sleep(
            1.0
        )  # refreshes are learned by dense polling first, which is no part of a loop's usual cost
        yield prof.steps(steps, samples=1)


@contextmanager
def nothing(steps: list[None]) -> Iterator[Iterator[None]]:
    yield iter(steps)


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
    """Print what loops lose to the sampling thread, and what that makes of short steps."""
    loops = {"matrix products": unit_of_products(), "plain Python": unit_of_python()}
    head = f"{'loop of':<18}{'thread':<18}{'lost':>8}{'95 %':>20}"
    print(f"{head}{'noise':>9}{'wakes/s':>9}{'1 ms':>9}{'10 ms':>9}")
    for name, unit in loops.items():
        for thread, around in (("sampler", sampling), ("idle: the floor", idle_thread)):
            found = lost_to(around, unit, seconds)
            mark = mark_ns * 1e-9 * (thread == "sampler")
            interval = f"{found.low:.3%} to {found.high:.3%}"
            steps = "".join(f"{found.share + mark / step_s:9.3%}" for step_s in (1e-3, 1e-2))
            row = f"{name:<18}{thread:<18}{found.share:8.3%}{interval:>20}{found.noise:9.3%}"
            print(f"{row}{found.wakes_per_s:9.1f}{steps}")


def print_ratios(seconds: float, pairs: int) -> None:
    """Print wall-clock ratios, ours and those of peers."""
    print(f"\n{'loop':<12}{'profiler':<28}{'median':>9}{'95 %':>20}   time against the bare loop")
    for step_s in (1e-3, 1e-2):
        rows: dict[str, Wrap] = {"energyprof": ours, "none (noise of the method)": nothing}
        for name, wrap in rows.items():
            print_ratio(step_s, name, ratio(wrap, step_s, seconds, pairs))
        for name in peers() if step_s == 1e-3 else ():
            print_ratio(step_s, name, peer_ratio(name, step_s, seconds, min(pairs, MOST_PEER_PAIRS)))


def print_ratio(step_s: float, name: str, found: tuple[float, float, float]) -> None:
    middle, low, high = found
    print(f"{step_s * 1e3:>4.0f} ms      {name:<28}{middle:9.4f}{f'{low:.4f} to {high:.4f}':>20}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=15, help="of loops, for the ratios")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a loop runs beside a thread")
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
        print_losses(costs["mark"], options.seconds)
        print_ratios(0.5, options.pairs)


if __name__ == "__main__":
    main()
