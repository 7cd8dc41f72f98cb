from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib.metadata import entry_points

import pytest

# Kept between the inner sessions, each of which forgets what it imported.
import energyprof.gate.inline_budget
import energyprof.gate.outputs.terminal
import energyprof.integrations.pytest_plugin  # noqa: F401

pytest_plugins = ["pytester"]

PLUGIN = "energyprof.integrations.pytest_plugin"
REGISTERED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))

#: A profiler that measures what the test says, so that the tests of the plugin need no sensor.
CONFTEST = '''
from types import SimpleNamespace
from energyprof.record.model import *

class FakeProfiler:
    """Each measurement takes one joule more than the one before."""
    made = 0
    energy_j, source = 10.0, "counter"
    def __init__(self, name):
        FakeProfiler.made += 1
        self.name, self.number = name, FakeProfiler.made
    def __enter__(self):
        return self
    def __exit__(self, *error):
        value = None if self.energy_j is None else self.energy_j + self.number * 0.01
        joules = Quantity(value=value, source=Provenance(self.source))
        self.run = SimpleNamespace(report=Report(
            run=RunInfo(id=f"r-{self.number}", name=self.name, status=RunStatus.COMPLETED, started_at=""),
            environment=Environment(energyprof="0", python="3", platform="x"),
            totals=Totals(energy_j=joules, duration_s=2.0),
        ))

def pytest_energy_profiler(name):
    return FakeProfiler(name)
'''

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv(
        "PYTEST_XDIST_WORKER_COUNT", raising=False
    )  # the inner session has the machine for itself

    def call(tests: str, *options: str, conftest: str = CONFTEST) -> pytest.RunResult:
        pytester.makeconftest(conftest)
        pytester.makepyfile("import pytest\n" + tests)
        plugin = [] if REGISTERED else ["-p", PLUGIN]
        without = [word for name in ("xdist", "timeout", "hypothesispytest") for word in ("-p", f"no:{name}")]
        return pytester.runpytest_inprocess(*without, *plugin, *options)

    return call


MARKED = """
calls = []
@pytest.mark.energy_budget(max="{max}", repeats={repeats})
def test_marked(tmp_path):
    calls.append(tmp_path)
def test_after():
    assert len(calls) == {calls}
"""


def test_without_energy_a_marked_test_runs_once_and_unmeasured(run: Run) -> None:
    found = run(MARKED.format(max="1 J", repeats=5, calls=1), "--strict-markers")
    found.assert_outcomes(passed=2)
    found.stdout.no_fnmatch_line("*energy budgets*")


def test_a_test_within_its_budget_passes_after_all_its_repeats(run: Run) -> None:
    found = run(MARKED.format(max="20 J", repeats=5, calls=5), "--energy")
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(
        ["*energy budgets*", "*::test_marked", "  pass  energy_j max: 10.0 J*; 5 runs*"]
    )


def test_a_test_over_its_budget_fails_with_the_figures_and_without_a_traceback(run: Run) -> None:
    found = run(MARKED.format(max="5 J", repeats=5, calls=5), "--energy")
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.fnmatch_lines(
        ["energy budget: fail", "energy_j max: 10.0 J (*limit 5 J; 5 runs, one-sample*"]
    )
    found.stdout.no_fnmatch_line("*Traceback*")


def test_a_single_run_is_judged_by_the_guard_band(run: Run) -> None:
    run(MARKED.format(max="11.5 J", repeats=1, calls=1), "--energy").assert_outcomes(passed=2)
    near = run(MARKED.format(max="10.5 J", repeats=1, calls=1), "--energy")
    near.assert_outcomes(passed=2)
    near.stdout.fnmatch_lines(["  inconclusive  energy_j max: *guard band*"])
    strict = run(MARKED.format(max="10.5 J", repeats=1, calls=1), "--energy", "--energy-strict")
    strict.assert_outcomes(passed=1, failed=1)


def test_estimated_joules_never_fail_and_say_so(run: Run) -> None:
    found = run(
        MARKED.format(max="1 J", repeats=3, calls=3), "--energy", "--energy-strict",
        conftest=CONFTEST.replace('"counter"', '"estimated"'),
    )  # fmt: skip
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(["  warn: fail  energy_j max: *estimated, not measured: not enforced*"])


def test_missing_energy_warns_and_fails_only_when_strict(run: Run) -> None:
    conftest = CONFTEST.replace("energy_j, source = 10.0", "energy_j, source = None").replace(
        '"counter"', '"missing"'
    )
    found = run(MARKED.format(max="1 J", repeats=3, calls=3), "--energy", conftest=conftest)
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(["  invalid  energy_j max: *has no energy_j*"])
    strict = run(
        MARKED.format(max="1 J", repeats=3, calls=3), "--energy", "--energy-strict", conftest=conftest
    )
    strict.assert_outcomes(passed=1, failed=1)


def test_other_metrics_are_limited_by_name(run: Run) -> None:
    tests = """
@pytest.mark.energy_budget(duration_s="1 s", repeats=3)
def test_slow(): pass
"""
    found = run(tests, "--energy")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["duration_s max: 2.00 s*limit 1 s*"])


def test_a_budget_that_is_not_enforced_only_shows(run: Run) -> None:
    tests = """
@pytest.mark.energy_budget(max="1 J", repeats=3, enforce=False)
def test_dear(): pass
"""
    found = run(tests, "--energy")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["  warn: fail  energy_j max: *"])


def test_a_test_that_fails_by_itself_fails_as_ever(run: Run) -> None:
    tests = """
@pytest.mark.energy_budget(max="1 J")
def test_wrong(): assert 1 == 2
"""
    found = run(tests, "--energy")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*assert 1 == 2*"])


def test_the_fixture_measures_parts_of_a_test(run: Run) -> None:
    tests = """
def test_parts(energy):
    for _ in range(3):
        with energy.measure("part") as profiler:
            assert profiler.name == "part"
    assert len(energy.reports) == 3
    energy.check(max="20 J")
    with pytest.raises(pytest.fail.Exception, match="energy budget: fail"):
        energy.check(max="5 J")
"""
    run(tests, "--energy").assert_outcomes(passed=1)
    run(tests).assert_outcomes(skipped=1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("max='20 s'", "*'20 s' is in s, not in J*"),
        ("mx='20 J'", "*unknown metric 'mx'*"),
        ("", "*has no limit*"),
        ("max='-1 J'", "*give a limit above zero*"),
        ("max=[1]", "*is limited to*"),
        ("max='1 J', repeats=0", "*repeats is 0*"),
        ("'20 J'", "*keywords only*"),
        ("steps='many'", "*is not a plain number*"),
        ("test_accuracy=0.5", "*better when low*"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_one_clear_failure(run: Run, arguments: str, expected: str) -> None:
    found = run(f"@pytest.mark.energy_budget({arguments})\ndef test_x(): pass\n", "--energy")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines([expected])
    found.stdout.no_fnmatch_line("*Traceback*")


def test_a_mistake_in_a_marker_is_told_once(run: Run) -> None:
    told = run("@pytest.mark.energy_budget(mx='1 J')\ndef test_x(): pass\n", "--energy").stdout.str()
    assert "During handling" not in told


def test_the_summary_names_a_test_once_with_all_its_budgets(run: Run) -> None:
    marker = "@pytest.mark.energy_budget(max='90 J', duration_s='3 s')"
    told = run(f"{marker}\ndef test_x(): pass\n", "--energy").stdout.str()
    table = told.split("energy budgets")[1]
    assert table.count("::test_x") == 1
    assert "energy_j max" in table
    assert "duration_s max" in table


def test_an_async_test_is_refused(run: Run) -> None:
    tests = "@pytest.mark.energy_budget(max='1 J')\nasync def test_x(): pass\n"
    found = run(tests, "--energy")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*cannot measure an async test*"])


def test_figures_are_properties_in_junit(run: Run, pytester: pytest.Pytester) -> None:
    run(MARKED.format(max="20 J", repeats=3, calls=3), "--energy", "--junitxml=out.xml")
    case = ET.parse(pytester.path / "out.xml").find(".//testcase[@name='test_marked']")
    assert case is not None
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert float(properties["energyprof.energy_j.estimate"] or 0) == pytest.approx(10, abs=0.2)
    assert (properties["energyprof.verdict"] or "").startswith("pass  energy_j max")


def test_parallel_workers_share_the_machine_so_nothing_is_enforced(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "4")
    found = run(MARKED.format(max="1 J", repeats=3, calls=3), "--energy")
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(["*not enforced: 4 workers share the machine*"])


def test_the_real_profiler_is_the_default(run: Run, pytester: pytest.Pytester) -> None:
    tests = """
@pytest.mark.energy_budget(duration_s="60 s")
def test_quick(): sum(range(1000))
"""
    found = run(tests, "--energy", "--energy-out=kept", conftest="")
    found.assert_outcomes(passed=1)
    (folder,) = (pytester.path / "kept").iterdir()
    assert (folder / "report.json").exists()
