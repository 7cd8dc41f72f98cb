"""Made-up runs, a browser for the whole session, and pages opened in it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from energyprof.record.model import (
    Environment,
    Flag,
    Provenance,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Severity,
)
from energyprof.record.trace import Trace
from energyprof.testing.sample_runs import Recipe, sample_run

HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>\"'`{{7*7}}${7*7}"
    "[bold]\x1b[31m\u202egnp.exe\U0001f600 =HYPERLINK(1) |$\\input{x}" + "L" * 10_000
)
BACKPROPAGATION = {"data": 0.002, "forward": 0.004, "backward": 0.008, "optimizer": 0.002}
RECIPES = {
    "gpu": Recipe(),
    "cpu": Recipe(gpus=0, cpu=Provenance.ESTIMATED, dataset="digits", steps=12, epochs=4, scale=3),
    "no-sensor": Recipe(gpus=0, cpu=Provenance.MISSING, epochs=2, steps=20),
    "zero-steps": Recipe(epochs=0, steps=0),
    "one-step": Recipe(epochs=1, steps=1),
    "partial": Recipe(status=RunStatus.PARTIAL, epochs=2),
    "ten-devices": Recipe(gpus=10, epochs=2, steps=40),
    "ten-days": Recipe(epochs=8, steps=50, scale=150_000, poll_s=120.0),
    "hostile": Recipe(
        algo=HOSTILE,
        dataset=HOSTILE,
        name=HOSTILE,
        run_id=HOSTILE,
        parts={HOSTILE[:200]: 0.01, "forward": 0.004},
        config={HOSTILE: HOSTILE},
        protocol={HOSTILE: HOSTILE},
        epochs=2,
        steps=40,
    ),
}


@pytest.fixture(scope="session")
def runs() -> dict[str, tuple[Report, Trace]]:
    """Runs of every kind, by name."""
    return {name: sample_run(recipe) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="session")
def bare() -> Report:
    """A report that holds nothing but what it must."""
    return Report(
        run=RunInfo(id="bare", name="bare", status=RunStatus.PARTIAL, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
    )


@pytest.fixture(scope="session")
def flagged(runs: dict[str, tuple[Report, Trace]]) -> tuple[Report, Trace]:
    """A run with a flag of every severity."""
    report, trace = runs["gpu"]
    flags = (
        Flag(code="throttled", severity=Severity.ERROR, message="It was throttled.", advice="Cool it."),
        Flag(code="input-bound", severity=Severity.WARNING, message="The device was busy 31 %."),
        Flag(code="evaluation", severity=Severity.INFO, message="Evaluation is inside the window."),
    )
    return dataclasses.replace(report, flags=flags), trace


@pytest.fixture(scope="session")
def busy_host(runs: dict[str, tuple[Report, Trace]]) -> Report:
    """A run whose CPU is modelled, on a host that is busy all the time."""
    report, _ = runs["cpu"]
    reason = "totals.above_idle_energy_j is not known: by the CPU's model the host was as busy before and "
    flag = Flag(
        code="missing-value",
        severity=Severity.INFO,
        message=f"{reason}after the run as in it.",
        field="totals.above_idle_energy_j",
    )
    totals = dataclasses.replace(
        report.totals, idle_energy_j=report.totals.energy_j, above_idle_energy_j=Quantity.missing()
    )
    return dataclasses.replace(report, totals=totals, flags=(*report.flags, flag))


def study(seeds: int = 3) -> list[Report]:
    """Two learners, interleaved, with the same seeds."""
    reports = []
    for seed in range(seeds):
        shared: dict[str, Any] = {"steps": 40, "protocol": {"rule": "patience", "patience": 5}}
        arms = [
            Recipe(algo="bp", parts=BACKPROPAGATION, epochs=5, accuracy=0.982, seed=10 * seed, **shared),
            Recipe(algo="mf", epochs=4, accuracy=0.978, seed=10 * seed + 1, **shared),
        ]
        for k, recipe in enumerate(arms):
            report, _ = sample_run(recipe)
            info = dataclasses.replace(
                report.run,
                id=f"run-{recipe.algo}-{seed}",
                seed=seed,
                started_at=f"2026-11-20T15:{2 * seed + k:02d}:00Z",
            )
            reports.append(dataclasses.replace(report, run=info))
    return reports


@pytest.fixture(scope="session")
def studied() -> list[Report]:
    """Six runs: bp and mf, three seeds, interleaved."""
    return study()


def chromium() -> str | None:
    """Return the system's Chromium, or None."""
    return next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: install chromium to run the browser tests")
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@dataclasses.dataclass
class Opened:
    """A page and all that it said or asked for."""

    page: Any
    messages: list[str]
    requests: list[str]

    @property
    def quiet(self) -> bool:
        """Tell whether nothing was said and nothing but the file itself asked for."""
        return not self.messages and not self.requests


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open HTML text from a file in a fresh context."""
    contexts = []

    def opened(
        html: str, *, width: int = 1200, theme: str = "light", scripts: bool = True, anchor: str = ""
    ) -> Opened:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=scripts,
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)  # a busy machine is slow, not wrong
        found = Opened(page, [], [])
        page.on("console", lambda message: found.messages.append(message.text))
        page.on("pageerror", lambda error: found.messages.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(file.as_uri() + anchor)
        found.requests.remove(file.as_uri())
        if scripts:
            page.evaluate("page.timeline ? page.timeline.then(() => 1) : 1")
        return found

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The folder where screenshots are kept."""
    folder = Path(__file__).parents[2] / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder
