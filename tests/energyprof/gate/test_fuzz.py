"""No input gives a traceback, and none a pass that should not be."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energyprof.cli import main
from energyprof.errors import EnergyprofError
from energyprof.gate.baseline_file import read_baseline, render_baseline
from energyprof.gate.baseline_shelf import Shelf
from energyprof.gate.budget_file import parse_budgets, review_budgets
from energyprof.gate.check import check_budgets
from energyprof.gate.outputs import RENDERERS
from energyprof.gate.promotion import base_from, promote
from energyprof.gate.run_files import load_runs
from energyprof.record.schema import render_report

from .conftest import BUDGET, RunMaker

MAKE = RunMaker(folder=Path())
BOOK = parse_budgets(BUDGET)
BASE = promote(BOOK.budgets[0], MAKE.side("base", 3), reason="a test", promoted_at="2026")
REPORT = json.loads(render_report(MAKE.report()))
BASELINE = json.loads(render_baseline(BASE))

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.sampled_from([0, -1, 1e308, -1e308, 5e-324, "NaN", "1e999", "2026-13-45", "counter"]),
)
ODD_LINES = [
    'max = "1 kJ"',
    "max = -1",
    "[budget]",
    "[[budget]]",
    "primary = true",
    'min = "5%"',
    "= 3",
    "x.y.z = 1",
    'name = "a"',
    "[budget.metrics.test_loss]",
    "looks = []",
    "alpha = 1",
    'max_increase = "0%"',
    "]",
    "'''",
]
FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all leaves and tables."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def with_change(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(data)
    table = changed
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    return changed


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)
    assert str(error)


def lines_of(text: str) -> st.SearchStrategy[str]:
    """Return the text with one line dropped, doubled or replaced."""
    lines = text.splitlines()
    odd = st.sampled_from(ODD_LINES)
    return st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 2), odd).map(
        lambda pick: "\n".join(
            [*lines[: pick[0]], *([], [lines[pick[0]]] * 2, [pick[2]])[pick[1]], *lines[pick[0] + 1 :]]
        )
    )


@given(st.one_of(st.text(max_size=200), lines_of(BUDGET)))
@settings(max_examples=250, deadline=None)
def test_any_budget_text_gives_budgets_or_problems_in_one_line_each(text: str) -> None:
    book, problems = review_budgets(text)
    assert (book is None) == bool(problems)
    assert all("\n" not in str(problem).strip("\n") for problem in problems)


@given(lines_of(BUDGET))
@FEW
def test_runs_that_break_every_limit_never_pass_whatever_line_is_changed(text: str) -> None:
    book, _ = review_budgets(text)
    if book is None:
        return
    head = MAKE.side("head", 3, day=1, factor=3, accuracy=0.5, memory=2**31)
    verdict = check_budgets(book, head, lambda _budget, _head: base_from(BASE, "b.json"))
    for render in RENDERERS.values():
        render(verdict)
    assert verdict.exit_code != 0
    assert verdict.outcome != "pass"


@given(
    st.sampled_from(["energyprof.toml", "baselines/mnist-mf/test-cpu.json", "reports/head-1/report.json"]),
    st.integers(0, 10**6),
    st.binary(max_size=3),
    st.integers(0, 40),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_any_file_ends_in_a_known_exit_code_and_one_line(
    repository: dict[str, bytes], capsys: pytest.CaptureFixture[str], name: str, at: int, put: bytes, cut: int
) -> None:
    whole = repository[name]
    at %= len(whole) + 1
    Path(name).write_bytes(whole[:at] + put + whole[at + cut :])
    capsys.readouterr()
    code = main(["check"])
    told = capsys.readouterr()
    Path(name).write_bytes(whole)
    assert code in (0, 1, 2, 4)
    assert "Traceback" not in told.err
    assert told.err.count("\n") == (code == 2)
    assert told.out.startswith(("PASS", "FAIL", "INCONCLUSIVE", "INVALID")) or code == 2


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the files of a folder in which all is well, and stand in it."""
    monkeypatch.chdir(tmp_path)
    RunMaker(folder=tmp_path).write(MAKE.side("head", 3, day=1))
    files = {"energyprof.toml": BUDGET, "baselines/mnist-mf/test-cpu.json": render_baseline(BASE)}
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert main(["check"]) == 0
    return {name: Path(name).read_bytes() for name in (*files, "reports/head-1/report.json")}


@given(st.sampled_from(places(BASELINE)), ODD)
@FEW
def test_any_baseline_gives_a_verdict_or_one_clear_line(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    file = tmp_path / "b.json"
    file.write_text(json.dumps(with_change(BASELINE, path, value)))
    head = MAKE.side("head", 3, day=1, factor=1.5)
    try:
        baseline = read_baseline(file, "b.json")
    except EnergyprofError as error:
        one_line(error)
        return
    verdict = check_budgets(BOOK, head, lambda _budget, _head: base_from(baseline, "b.json"))
    for render in RENDERERS.values():
        render(verdict)
    touched = path[:1] == ("runs",) and path[-1:] in (("value",), ("readings",), ("energy_j",), ("runs",))
    if not touched:  # a regression of 50 % stays one, whatever else the file says
        assert verdict.exit_code != 0 or verdict.outcome != "pass"


@given(st.sampled_from(places(REPORT)), ODD)
@FEW
def test_any_report_gives_a_verdict_or_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], value: Any
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    data = with_change(REPORT, ("totals", "energy_j", "value"), 5000.0)  # far over the limit of 1.8 kJ
    data = with_change(data, ("totals", "energy_j", "low"), 4900.0)
    data = with_change(data, ("totals", "energy_j", "high"), 5100.0)
    run = folder / "run"
    run.mkdir()
    (run / "report.json").write_text(json.dumps(with_change(data, path, value)))
    try:
        runs = load_runs([], folder)
        verdict = check_budgets(BOOK, runs, Shelf(folder, runs).base)
    except EnergyprofError as error:
        one_line(error)
        return
    for render in RENDERERS.values():
        render(verdict)
    if path[:2] != ("totals", "energy_j") and path not in ((), ("totals",)):
        assert verdict.exit_code != 0, "a run far over its budget passed"


@given(st.text(max_size=300))
@FEW
def test_any_text_as_a_report_is_one_clear_line(tmp_path: Path, text: str) -> None:
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    (run / "report.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(EnergyprofError):
        load_runs([str(run)], tmp_path)
