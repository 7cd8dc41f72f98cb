from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from energyprof.errors import ConfigError
from energyprof.gate.budget import Level, LimitKind, Policy
from energyprof.gate.budget_file import find_budget_file, parse_budgets, read_budgets, review_budgets
from energyprof.gate.budget_schema import budget_json_schema

from .conftest import BUDGET

HEAD = 'schema = "energyprof.budget/1"\n[[budget]]\nname = "b"\nunguarded = "a test"\n'
ENERGY = "[budget.metrics.energy_j]\n"


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_budgets(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_example_means_what_it_says() -> None:
    (budget,) = parse_budgets(BUDGET).budgets
    guard, energy, memory = budget.metrics
    assert (guard.metric.name, guard.guard, energy.primary, memory.deterministic) == (
        "test_accuracy",
        True,
        True,
        True,
    )
    assert [(limit.kind, limit.value) for limit in energy.limits] == [
        (LimitKind.MAX, 1800.0),
        (LimitKind.MAX_INCREASE, 0.05),
    ]
    assert memory.limits[0].value == 512 * 1024**2
    assert [(limit.kind, limit.value) for limit in guard.limits] == [
        (LimitKind.MIN, 0.95),
        (LimitKind.MAX_DECREASE, 0.5),
    ]
    assert (budget.policies.alpha, budget.policies.looks) == (0.05, (3, 5, 8))
    assert parse_budgets(BUDGET).noise == {"Test CPU": {"energy_j": pytest.approx(0.003)}}


@pytest.mark.parametrize(
    ("metric", "written", "value"),
    [
        ("energy_j", '"1.5 Wh"', 5400.0),
        ("energy_j", "20", 20.0),
        ("energy_per_sample_j", '"3 mJ/sample"', 0.003),
        ("duration_s", '"2 min"', 120.0),
        ("peak_host_memory_bytes", '"2 GB"', 2e9),
        ("co2e_kg", '"5 g"', 0.005),
        ("test_accuracy", '"97.5%"', 0.975),
        ("parameters", '"1,000"', 1000.0),
        ("flops", '"3 GFLOP"', 3e9),
    ],
)
def test_amounts_are_read_in_their_units(metric: str, written: str, value: float) -> None:
    (budget,) = parse_budgets(f"{HEAD}[budget.metrics.{metric}]\nmax = {written}\n").budgets
    assert budget.metrics[0].limits[0].value == pytest.approx(value)


@pytest.mark.parametrize("written", ['"2.5%"', "0.025", '"2.5 %"'])
def test_fractions_of_a_percent_are_accepted_in_every_form(written: str) -> None:
    (budget,) = parse_budgets(f"{HEAD}{ENERGY}max_increase = {written}\n").budgets
    assert budget.metrics[0].limits[0].value == pytest.approx(0.025)


def test_an_increase_of_more_than_all_is_accepted_where_it_is_written_as_per_cent() -> None:
    (budget,) = parse_budgets(f'{HEAD}{ENERGY}max_increase = "500%"\n').budgets
    assert budget.metrics[0].limits[0].value == pytest.approx(5.0)


BAD = {
    "unknown-key": (
        f'{HEAD}{ENERGY}max_increse = "5%"\n',
        "energyprof.toml:6: unknown key 'max_increse': did you mean 'max_increase'?",
    ),
    "unknown-default": (
        f"{HEAD}{ENERGY}max = 1\n[defaults]\nalhpa = 0.1\n",
        "energyprof.toml:8: unknown key 'alhpa': did you mean 'alpha'?",
    ),
    "unknown-metric": (
        f"{HEAD}[budget.metrics.enrgy_j]\nmax = 1\n",
        "energyprof.toml:5: unknown metric 'enrgy_j': did you mean 'energy_j'?",
    ),
    "wrong-unit": (
        f'{HEAD}{ENERGY}max = "3 s"\n',
        "energyprof.toml:6: max: '3 s' is in s, not in J",
    ),
    "unknown-unit": (f'{HEAD}{ENERGY}max = "3 jules"\n', "energyprof.toml:6: max: unknown unit 'jules'"),
    "no-number": (f'{HEAD}{ENERGY}max = "many"\n', "energyprof.toml:6: max: 'many' is not a number"),
    "limit-without-metric": (
        f'{HEAD}max_increase = "5%"\n',
        "energyprof.toml:5: the limit 'max_increase' belongs to no metric",
    ),
    "metric-without-limit": (f"{HEAD}{ENERGY}primary = true\n", ":5: 'energy_j' has no limit"),
    "two-primaries": (
        f"{HEAD}{ENERGY}primary = true\nmax = 1\n[budget.metrics.duration_s]\nmax = 1\nprimary = true\n",
        "energyprof.toml:8: 'energy_j' and 'duration_s' are both primary",
    ),
    "contradictory-limits": (
        f'{HEAD}{ENERGY}min = "2 kJ"\nmax = "1 kJ"\n',
        "energyprof.toml:5: 'energy_j' must be at least 2 kJ and at most 1 kJ: no run can be",
    ),
    "duplicate-names": (
        f'{HEAD}{ENERGY}max = 1\n[[budget]]\nname = "b"\nunguarded = "x"\n{ENERGY}max = 1\n',
        "energyprof.toml:8: budget 'b' stands already on line 3",
    ),
    "zero": (f"{HEAD}{ENERGY}max = 0\n", ":6: max of 'energy_j' is 0: it must be above zero"),
    "negative": (f'{HEAD}{ENERGY}max_increase = "-5%"\n', ":6: max_increase of 'energy_j' is -5%"),
    "infinite": (f"{HEAD}{ENERGY}max = inf\n", ":6: budget.metrics.energy_j.max is inf: it should be"),
    "not-a-number": (f"{HEAD}{ENERGY}max = nan\n", ":6: budget.metrics.energy_j.max is nan: it should be"),
    "huge": (f'{HEAD}{ENERGY}max = "1e999 J"\n', ":6: max: '1e999 J' is not finite"),
    "boolean": (f"{HEAD}{ENERGY}max = true\n", "energyprof.toml:6:"),
    "increase-without-percent": (
        f"{HEAD}{ENERGY}max_increase = 5\n",
        ":6: max_increase of 'energy_j' is 5: it would mean 500%; write \"5%\"",
    ),
    "increase-in-text-without-percent": (
        f'{HEAD}{ENERGY}max_increase = "1.5"\n',
        ":6: max_increase of 'energy_j' is 1.5: it would mean 150%; write \"1.5%\"",
    ),
    "increase-of-no-number": (
        f'{HEAD}{ENERGY}max_increase = "some"\n',
        ":6: max_increase: 'some' is not a number with a unit: write for example '5%'",
    ),
    "decrease-of-all": (f'{HEAD}{ENERGY}max_decrease = "100%"\n', "between 0% and 100%"),
    "accuracy-in-percent-without-sign": (
        f"{HEAD}[budget.quality.test_accuracy]\nmin = 95\n",
        ":6: min of 'test_accuracy' is 95: an accuracy lies between 0 and 1",
    ),
    "percent-where-points-are-meant": (
        f'{HEAD}[budget.quality.test_accuracy]\nmax_decrease = "0.5%"\n',
        ":6: max_decrease: '0.5%' is in %, not in pp: use pp",
    ),
    "measured-declared-deterministic": (
        f'{HEAD}{ENERGY}max = 1\nkind = "deterministic"\n',
        ":7: 'energy_j' is measured, not deterministic",
    ),
    "no-schema": (f"{HEAD[31:]}{ENERGY}max = 1\n", 'no schema: begin with  schema = "energyprof.budget/1"'),
    "other-schema": (
        HEAD.replace("budget/1", "budget/9") + ENERGY + "max = 1\n",
        "energyprof.toml:1: schema is 'energyprof.budget/9'",
    ),
    "no-budget": ('schema = "energyprof.budget/1"\n', "no [[budget]] in it"),
    "empty-budget": (HEAD, ":3: budget 'b' limits nothing"),
    "no-guard": (
        'schema = "energyprof.budget/1"\n[[budget]]\nname = "b"\n' + ENERGY + "max = 1\n",
        "energyprof.toml:3: budget 'b' has no quality guard",
    ),
    "no-name": (
        f'schema = "energyprof.budget/1"\n[[budget]]\n{ENERGY}max = 1\n',
        "energyprof.toml:2: 'name' is missing here",
    ),
    "hostile-name": (
        HEAD.replace('"b"', '"../../etc"') + ENERGY + "max = 1\n",
        "energyprof.toml:3: budget.name",
    ),
    "target-missing": (
        f"{HEAD}[budget.metrics.energy_to_accuracy_j]\nmax = 1\n",
        ":5: 'energy_to_accuracy_j' needs a [budget.target]",
    ),
    "target-above-one": (
        f"{HEAD}[budget.target]\nvalue = 97\n[budget.metrics.energy_to_accuracy_j]\nmax = 1\n",
        ":6: target value is 97",
    ),
    "unknown-label": (f'{HEAD}select = {{ algos = "mf" }}\n{ENERGY}max = 1\n', "did you mean 'algo'?"),
    "unknown-placeholder": (
        f'{HEAD}baseline = "b/{{gpu}}.json"\n{ENERGY}max = 1\n',
        ":5: unknown placeholder 'gpu'",
    ),
    "absolute-baseline": (
        f'{HEAD}baseline = "/b.json"\n{ENERGY}max = 1\n',
        ":5: baseline is an absolute path",
    ),
    "bad-looks": (f"{HEAD}looks = [5, 3]\n{ENERGY}max = 1\n", ":5: looks are [5, 3]: they must rise"),
    "look-of-two": (
        f"{HEAD}looks = [2, 3]\n{ENERGY}max = 1\n",
        ":5: looks are [2, 3]: they must rise within 3 to 100",
    ),
    "bad-level": (
        f'{HEAD}{ENERGY}max = 1\nlevel = "fatal"\n',
        "energyprof.toml:7: budget.metrics.energy_j.level",
    ),
    "bad-guard-band": (f'{HEAD}guard_band = "150%"\n{ENERGY}max = 1\n', ":5: guard_band is 150%"),
    "both-guard-and-metric": (
        f"{HEAD}[budget.metrics.test_accuracy]\nmin = 0.9\n[budget.quality.test_accuracy]\nmin = 0.9\n",
        ":5: 'test_accuracy' stands under metrics and under quality",
    ),
    "noise-of-nothing": (
        f"{HEAD}{ENERGY}max = 1\n[noise.cpu]\nenrgy_j = 0.1\n",
        ":8: unknown metric 'enrgy_j'",
    ),
    "noise-too-large": (
        f"{HEAD}{ENERGY}max = 1\n[noise.cpu]\nenergy_j = 5\n",
        ":8: noise of 'energy_j' is 5",
    ),
    "syntax": (f"{HEAD}{ENERGY}max = = 1\n", "energyprof.toml:6: not TOML"),
    "key-twice": (f"{HEAD}{ENERGY}max = 1\nmax = 2\n", "energyprof.toml:7: not TOML"),
    "table-where-text-is-meant": ("schema = 3\nbudget = 4\n", "energyprof.toml:1: schema is 3"),
    "deep": ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_that_names_file_and_line(name: str) -> None:
    text, expected = BAD[name]
    assert expected in problem(text)


def test_several_mistakes_are_counted_and_all_are_reviewed() -> None:
    text = f'{HEAD}{ENERGY}max = "3 s"\nmax_increase = "-1%"\n'
    assert problem(text).endswith("(and 1 more: energyprof check --lint)")
    book, problems = review_budgets(text)
    assert book is None
    assert [found.line for found in problems] == [6, 7]


def test_budgets_are_read_from_pyproject_with_its_lines(tmp_path: Path) -> None:
    text = "[project]\nname = 'x'\n" + BUDGET.replace("schema =", "[tool.energyprof]\nschema =").replace(
        "[[budget", "[[tool.energyprof.budget"
    ).replace("[budget", "[tool.energyprof.budget").replace(
        "[defaults]", "[tool.energyprof.defaults]"
    ).replace("[noise", "[tool.energyprof.noise")
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    assert find_budget_file(tmp_path) == path
    (budget,) = read_budgets(path).budgets
    row = text.splitlines()[(budget.metrics[1].limits[1].line or 0) - 1]
    assert row == 'max_increase = "5%"'
    path.write_text(text.replace("max_increase =", "max_increse ="))
    with pytest.raises(ConfigError, match=r"pyproject\.toml:\d+: unknown key 'max_increse'"):
        read_budgets(path)


def test_budgets_in_two_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.energyprof]\n")
    (tmp_path / "energyprof.toml").write_text(BUDGET)
    with pytest.raises(ConfigError, match="keep one"):
        find_budget_file(tmp_path)


def test_a_folder_without_budgets_says_where_they_would_be(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(ConfigError, match="neither energyprof"):
        find_budget_file(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "energyprof.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_budgets(path)
    with pytest.raises(ConfigError, match="cannot read energyprof"):
        read_budgets(tmp_path / "absent" / "energyprof.toml")


def test_carbon_warns_by_default_and_can_be_enforced() -> None:
    text = f'{HEAD}[budget.metrics.co2e_kg]\nmax = "1 g"\n'
    assert parse_budgets(text).budgets[0].metrics[0].level is Level.WARN
    assert parse_budgets(text + 'level = "error"\n').budgets[0].metrics[0].level is Level.ERROR


def test_a_budget_may_set_policies_of_its_own() -> None:
    text = f'{HEAD}on_inconclusive = "error"\nlevel = "warn"\n{ENERGY}max = 1\n[defaults]\nalpha = 0.01\n'
    (budget,) = parse_budgets(text).budgets
    assert (budget.policies.on_inconclusive, budget.policies.alpha) == (Policy.ERROR, 0.01)
    assert budget.metrics[0].level is Level.WARN


def test_the_published_schema_accepts_the_example_and_refuses_mistakes() -> None:
    schema = budget_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = tomllib.loads(BUDGET)
    jsonschema.validate(document, schema)
    document["budget"][0]["metrics"]["energy_j"]["max_increse"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(document)), schema)
