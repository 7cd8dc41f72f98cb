"""How large pages are and how fast they are built, opened and zoomed: the figures promised for reports.

    python benchmarks/report_size.py [--quick]

Prints one line a figure with its limit, and exits with 1 where one is missed. Pages are opened in a headless
Chromium where there is one.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from energyprof.analysis.comparison import compare
from energyprof.record.model import Environment, Report, RunInfo, RunStatus
from energyprof.record.schema import write_report
from energyprof.record.trace import Trace
from energyprof.report.compare import render_comparison
from energyprof.report.folder import write_index
from energyprof.report.run import render_run
from energyprof.testing.sample_runs import Recipe, sample_run

BROWSER = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHASES = {"data": 0.0005, "forward": 0.001, "backward": 0.0015}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured figure against its limit."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok  " if self.met else "MISS"
        return f"{verdict}  {self.name:<52} {self.value:>9.1f} of {self.limit:g} {self.unit}"


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the processor time that it took, which a busy machine does not stretch."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def kilobytes(html: str) -> float:
    return len(html.encode()) / 1000


def empty_run() -> str:
    report = Report(
        run=RunInfo(id="empty", name="empty", status=RunStatus.PARTIAL, started_at="2026-01-01T00:00:00Z"),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
    )
    return render_run(report, None)


def many_samples() -> tuple[Report, Trace]:
    """A run of about 100,000 readings, noisy as a real card's."""
    return sample_run(Recipe(epochs=40, steps=2000, parts=PHASES, evaluate_s=2.0, poll_s=0.024, gpus=2))


def many_steps(count: int) -> tuple[Report, Trace]:
    return sample_run(Recipe(epochs=10, steps=count // 10, parts=PHASES, poll_s=0.1))


def study(count: int) -> list[Report]:
    """Runs of five arms with their seeds."""
    learners = ["bp", "mf", "ff", "cafo", "mf2"]
    bases = {
        name: sample_run(Recipe(algo=name, epochs=20, steps=10, seed=k))[0] for k, name in enumerate(learners)
    }
    random = np.random.default_rng(0)
    reports = []
    for index in range(count):
        base = bases[learners[index % len(learners)]]
        factor = float(np.exp(random.normal(0, 0.02)))
        energy = base.totals.energy_j
        scaled = dataclasses.replace(energy, value=(energy.value or 0) * factor, low=None, high=None)
        info = dataclasses.replace(base.run, id=f"run-{index:05d}", seed=index // len(learners))
        totals = dataclasses.replace(base.totals, energy_j=scaled)
        reports.append(dataclasses.replace(base, run=info, totals=totals))
    return reports


def fill(folder: Path, reports: list[Report]) -> None:
    for report in reports:
        run = folder / report.run.id
        run.mkdir()
        write_report(report, run / "report.json")


def built(quick: bool, folder: Path) -> Iterator[Figure]:
    """Build every page; leave those that are opened later in the folder."""
    yield Figure("empty run, size", kilobytes(empty_run()), 150, "KB")
    report, trace = many_samples()
    readings = sum(len(channel.value) for channel in trace.channels)
    html = render_run(report, trace)
    (folder / "samples.html").write_text(html, "utf-8")
    yield Figure(f"{readings:,} readings, size", kilobytes(html), 400, "KB")
    again = render_run(report, trace)
    yield Figure("the same run twice, bytes that differ", float(html != again), 0, "")
    steps = 100_000 if quick else 1_000_000
    report, trace = many_steps(steps)
    html, seconds = timed(lambda: render_run(report, trace))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    (folder / "steps.html").write_text(html, "utf-8")
    yield Figure(f"{steps:,} steps, size", kilobytes(html), 1500, "KB")
    yield Figure(f"{steps:,} steps, processor time to build", seconds, 5, "s")
    yield Figure(f"{steps:,} steps, peak memory of this process", peak, 1.5, "GB")
    reports = study(200)
    html, seconds = timed(lambda: render_comparison(compare(reports)))
    (folder / "comparison.html").write_text(html, "utf-8")
    yield Figure("comparison of 200 runs, processor time to build", seconds, 5, "s")
    count = 200 if quick else 2000
    runs = folder / "runs"
    runs.mkdir()
    fill(runs, study(count))
    path, seconds = timed(lambda: write_index(runs))
    shutil.copy(path, folder / "index.html")
    yield Figure(f"index of {count:,} runs, processor time to build", seconds, 10, "s")


def opened(folder: Path) -> Iterator[Figure]:
    """Open the pages in a browser: first paint, and the time of a zoom."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        print("      no Chromium here: opening and zooming were not measured", file=sys.stderr)
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER)
        for name in ("samples", "steps", "comparison", "index"):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto((folder / f"{name}.html").as_uri())
            while not page.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
                page.wait_for_timeout(20)  # waiting inside the page would need eval, which its policy forbids
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            yield Figure(f"{name} page, first paint", paint, 1000, "ms")
            if name in ("samples", "steps"):
                yield Figure(f"{name} page, slowest of ten zooms", zoomed(page), 100, "ms")
            page.close()
        browser.close()


def zoomed(page: Any) -> float:
    """Return the slowest of ten zooms of the timeline in sight, until all its panels are drawn."""
    script = """async () => {
      const t = await page.timeline;
      const drawn = () => new Promise(r => requestAnimationFrame(() => setTimeout(r)));
      document.getElementById("timeline").scrollIntoView();
      await drawn();
      await drawn();
      let slowest = 0;
      for (let k = 0; k < 10; k++) {
        const from = t.whole.to * (0.05 + 0.04 * k), before = performance.now();
        t.zoom(from, from + t.whole.to * 0.5 / (k + 1));
        await Promise.all([drawn(), t.settled()]);
        slowest = Math.max(slowest, performance.now() - before);
        await drawn();
      }
      return slowest;
    }"""
    slowest: float = page.evaluate(script)
    return slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps and runs")
    quick = parser.parse_args().quick
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in (built(quick, folder), opened(folder)):
            for figure in source:
                print(figure, flush=True)
                missed += not figure.met
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
