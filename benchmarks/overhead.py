"""What measuring costs: a mark, a loop of short steps, beside the floor and whichever peers are installed.

Run:  python -m benchmarks.overhead [--pairs 15] [--seconds 0.5]

Prints one table. Loops are timed in interleaved pairs (bare, profiled, profiled, bare) and compared by the
median of the pairs' ratios; a mark is compared with its floor, two clock reads, in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import energyprof
from energyprof.recording.marks import MarkBuffer

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
    """Return median, least and greatest ratio of profiled to bare time over interleaved pairs."""
    work, steps = work_of(step_s), [None] * max(10, int(seconds / step_s))

    def profiled() -> float:
        with wrap(steps) as marked:
            return loop_s(marked, work)

    profiled()
    ratios = []
    for pair in range(pairs):
        if pair % 2:
            ours, bare = profiled(), loop_s(steps, work)
        else:
            bare, ours = loop_s(steps, work), profiled()
        ratios.append(ours / bare)
    return statistics.median(ratios), min(ratios), max(ratios)


@contextmanager
def ours(steps: list[None]) -> Iterator[Iterator[None]]:
    with (
        tempfile.TemporaryDirectory() as out,
        energyprof.Profiler("overhead", out=out, html=False) as prof,
    ):
        yield prof.steps(steps, samples=1)


@contextmanager
def nothing(steps: list[None]) -> Iterator[Iterator[None]]:
    yield iter(steps)


def peers() -> dict[str, Wrap]:
    """Return the peers that are installed, each used as its documentation says: a window or task a step."""
    found: dict[str, Wrap] = {}
    with suppress(ImportError):
        from zeus.monitor import ZeusMonitor

        @contextmanager
        def zeus(steps: list[None]) -> Iterator[Iterator[None]]:
            monitor = ZeusMonitor(gpu_indices=[])

            def loop() -> Iterator[None]:
                for item in steps:
                    monitor.begin_window("step")
                    yield item
                    monitor.end_window("step")

            yield loop()

        found["zeus"] = zeus
    with suppress(ImportError):
        from codecarbon import OfflineEmissionsTracker

        @contextmanager
        def codecarbon(steps: list[None]) -> Iterator[Iterator[None]]:
            tracker = OfflineEmissionsTracker(
                country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True
            )

            def loop() -> Iterator[None]:
                for item in steps:
                    tracker.start_task()
                    yield item
                    tracker.stop_task()

            yield loop()
            tracker.stop()

        found["codecarbon (a task a step)"] = codecarbon
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one loop")
    options = parser.parse_args()
    costs = mark_costs()
    over = costs["mark"] / costs["floor"]
    print(f"floor, two clock reads     {costs['floor']:8.0f} ns")
    print(f"step mark                  {costs['mark']:8.0f} ns   {over:.2f} x the floor")
    print(f"phase, enter and leave     {costs['phase']:8.0f} ns")
    print(f"memory a step              {costs['bytes']:8.1f} bytes")
    print(f"\n{'loop':<12}{'profiler':<28}{'median':>9}{'least':>9}{'most':>9}   time against the bare loop")
    for step_s in (1e-3, 1e-2):
        rows: dict[str, Wrap] = {"energyprof": ours, "none (noise of the method)": nothing}
        if step_s == 1e-3:
            rows |= peers()
        for name, wrap in rows.items():
            middle, low, high = ratio(wrap, step_s, options.seconds, options.pairs)
            print(f"{step_s * 1e3:>4.0f} ms      {name:<28}{middle:9.4f}{low:9.4f}{high:9.4f}")


if __name__ == "__main__":
    main()
