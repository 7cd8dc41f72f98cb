"""Energy limits inside a test suite, judged by the same code as ``energyprof check``.

::

    @pytest.mark.energy_budget(max="20 J", repeats=5)
    def test_one_epoch_is_cheap(): ...

    def test_a_part(energy):
        with energy.measure("epoch"):
            train_one_epoch()
        energy.check(max="20 J", duration_s="3 s")

``pytest --energy`` measures and enforces; without it marked tests run once, unmeasured, and tests that ask
for the ``energy`` fixture are skipped. Joules that are estimated, or shared by parallel workers, never fail.
"""

from __future__ import annotations

import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from energyprof.gate.verdict import Verdict
    from energyprof.record.model import Report
    from energyprof.recording.profiler import Profiler

__all__ = ["EnergyMeter", "energy", "pytest_energy_profiler"]

_MARKER: Final = "energy_budget"
_PROPERTY: Final = "energyprof.verdict"
_HELP: Final = (
    "energy_budget(max='20 J', repeats=1, enforce=True, **limits): run the test that often under the "
    "profiler and judge its energy; other metrics by name, such as duration_s='3 s'"
)
_OUT: Final = pytest.StashKey[Path]()


class EnergyMeter:
    """What the ``energy`` fixture gives: measures parts of a test and judges them together."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self.reports: list[Report] = []

    @contextmanager
    def measure(self, name: str = "measure") -> Iterator[Profiler]:
        """Measure what runs inside the block; ``reports`` grows by one."""
        config = self._item.config
        profiler = config.hook.pytest_energy_profiler(config=config, name=name, out=config.stash[_OUT])
        with profiler:
            yield profiler
        self.reports.append(profiler.run.report)

    def check(self, max: str | float | None = None, enforce: bool = True, **limits: str | float) -> None:  # noqa: A002
        """Judge all that was measured so far; a limit that is broken fails the test.

        Args:
            max: the most energy, such as ``"20 J"``.
            enforce: whether a broken limit fails the test, or only shows in the summary.
            limits: other metrics by name, such as ``duration_s="3 s"``.
        """
        _judge(self._item, self.reports, _limits(max, limits), enforce)


# The hook's specification comes first, so that the plugin can implement it too.


class _Hooks:
    @pytest.hookspec(firstresult=True)
    def pytest_energy_profiler(self, config: pytest.Config, name: str, out: Path) -> Any:
        """Return the profiler of one measurement; implement it in ``conftest.py`` to set it up."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hook that makes profilers."""
    pluginmanager.add_hookspecs(_Hooks)


@pytest.hookimpl(trylast=True)
def pytest_energy_profiler(name: str, out: Path) -> AbstractContextManager[Any]:
    """Return a profiler of this machine's sensors."""
    from energyprof.recording.profiler import Profiler

    return Profiler(name, out=out, html=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--energy`` and its kin."""
    group = parser.getgroup("energyprof")
    group.addoption("--energy", action="store_true", help="measure energy and enforce energy budgets")
    group.addoption("--energy-strict", action="store_true", help="fail where a budget cannot be judged, too")
    group.addoption("--energy-out", metavar="DIR", help="keep the measured runs in this folder")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; choose where runs go."""
    config.addinivalue_line("markers", _HELP)
    kept = config.getoption("--energy-out")
    if config.getoption("--energy"):
        config.stash[_OUT] = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="energyprof-pytest-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove runs that nobody asked to keep."""
    out = config.stash.get(_OUT, None)
    if out is not None and not config.getoption("--energy-out"):
        shutil.rmtree(out, ignore_errors=True)


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> EnergyMeter:
    """Measure parts of a test; skipped without ``--energy``."""
    if not request.config.getoption("--energy"):
        pytest.skip("needs pytest --energy")
    item: pytest.Item = request.node
    return EnergyMeter(item)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a marked test as often as it asks, each time measured, and judge it."""
    marker = pyfuncitem.get_closest_marker(_MARKER)
    if marker is None or not pyfuncitem.config.getoption("--energy"):
        return None
    repeats, enforce, limits = _arguments(marker)
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pytest.fail(
            f"{_MARKER} cannot measure an async test: use the energy fixture inside it", pytrace=False
        )
    meter = EnergyMeter(pyfuncitem)
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    for _ in range(repeats):
        with meter.measure(pyfuncitem.name):
            pyfuncitem.obj(**arguments)
    _judge(pyfuncitem, meter.reports, limits, enforce)
    return True


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line a budget."""
    if not config.getoption("--energy"):
        return
    rows = [
        (report.nodeid, text)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, text in report.user_properties
        if name == _PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("energy budgets")
    for nodeid, of_test in groupby(sorted(rows), key=itemgetter(0)):
        terminalreporter.write_line(nodeid)
        for _, text in of_test:
            terminalreporter.write_line(f"  {text}")


def _arguments(marker: pytest.Mark) -> tuple[int, bool, dict[str, str | float]]:
    settings = dict(marker.kwargs)
    if marker.args:
        pytest.fail(f"{_MARKER} takes keywords only: max='20 J', repeats=5", pytrace=False)
    repeats, enforce = settings.pop("repeats", 1), settings.pop("enforce", True)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or not 1 <= repeats <= 1000:
        pytest.fail(f"{_MARKER}: repeats is {repeats!r}, a count from 1 to 1000 is meant", pytrace=False)
    return repeats, bool(enforce), _limits(settings.pop("max", None), settings)


def _limits(maximum: str | float | None, others: Mapping[str, str | float]) -> dict[str, str | float]:
    return {**({} if maximum is None else {"energy_j": maximum}), **others}


def _judge(item: pytest.Item, reports: list[Report], limits: dict[str, str | float], enforce: bool) -> None:
    """Judge reports, leave the outcome in the test's properties, and fail the test where it counts."""
    from energyprof.errors import EnergyprofError
    from energyprof.gate.inline_budget import inline_budget, judge_reports

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    strict = bool(item.config.getoption("--energy-strict"))
    mistake = ""
    try:
        budget = inline_budget(item.name, limits, enforced=enforce and workers == 1, strict=strict)
    except EnergyprofError as error:
        mistake = str(error)
    if mistake:  # outside of the handler: pytest would tell the story twice
        pytest.fail(f"{_MARKER}: {mistake}", pytrace=False)
    verdict = judge_reports(budget, reports)
    shared = f" (not enforced: {workers} workers share the machine)" if workers > 1 else ""
    _leave_properties(item, verdict, shared)
    if verdict.exit_code:
        lines = [f"{rule.name}: {rule.message}" for rule in verdict.rules if rule.effect == "error"]
        pytest.fail(f"energy budget: {verdict.outcome}\n" + "\n".join(lines), pytrace=False)


def _leave_properties(item: pytest.Item, verdict: Verdict, shared: str) -> None:
    from energyprof.gate.outputs.terminal import rule_word

    for rule in verdict.rules:
        item.user_properties.append((_PROPERTY, f"{rule_word(rule)}  {rule.name}: {rule.message}{shared}"))
        for name in ("estimate", "low", "high"):
            value = getattr(rule, name)
            if value is not None:
                item.user_properties.append((f"energyprof.{rule.metric}.{name}", value))
