from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from energyprof.analysis.statistics import Noise
from energyprof.errors import ConfigError, UsageError
from energyprof.gate.baseline import baseline_path
from energyprof.gate.baseline_file import read_baseline, render_baseline
from energyprof.gate.baseline_shelf import Shelf
from energyprof.gate.baseline_text import diff_baselines, render_baseline_text, render_diff, render_diff_json
from energyprof.gate.budget_file import parse_budgets
from energyprof.gate.observation import GateRun, observe
from energyprof.gate.promotion import promote
from energyprof.record.model import Provenance, RunStatus

from .conftest import BUDGET, RunMaker

BOOK = parse_budgets(BUDGET)
MF = BOOK.budgets[0]


def made(runs: list[GateRun], **options: Any) -> Any:
    return promote(MF, runs, reason="first measured", promoted_at="2026-03-01T00:00:00+00:00", **options)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_baseline_survives_its_file_unchanged(make: RunMaker, tmp_path: Path) -> None:
    baseline = made(make.side("base", 4))
    path = written(tmp_path / "b.json", render_baseline(baseline))
    again = read_baseline(path, "b.json")
    assert render_baseline(again) == render_baseline(baseline)
    values = [
        {name: reading.value for name, reading in b.runs[0].readings.items()} for b in (again, baseline)
    ]
    assert values[0] == values[1]
    assert again.runs[0].started_at == baseline.runs[0].started_at


def test_a_baseline_takes_under_2_kilobytes_a_run(make: RunMaker) -> None:
    assert len(render_baseline(made(make.side("base", 5)))) / 5 < 2000


def test_a_baseline_of_an_earlier_layout_is_read(make: RunMaker, tmp_path: Path) -> None:
    """Until it was laid out for diffs a baseline held every null, and bounds that nothing read."""
    baseline = made(make.side("base", 3))
    data = json.loads(render_baseline(baseline))
    for run in data["runs"]:
        run["git_sha"], run["key"] = None, {**data["key"], **run.get("key", {}), "schedule": None}
        run["readings"]["energy_j"] |= {"low": 1.0, "high": 2.0}
    del data["key"]
    again = read_baseline(written(tmp_path / "b.json", json.dumps(data, indent=1)), "b.json")
    assert render_baseline(again) == render_baseline(baseline)


def test_a_figure_has_a_line_of_its_own(make: RunMaker) -> None:
    rows = render_baseline(made(make.side("base", 3))).splitlines()
    assert sum('"energy_j": {"value": ' in row for row in rows) == 3
    assert sum('"device": ["Test CPU"],' in row for row in rows) == 1  # what all runs share stands once


def test_what_runs_do_not_share_stands_with_each(make: RunMaker, tmp_path: Path) -> None:
    first, second, third = make.side("base", 3)
    environment = replace(second.report.environment, threads=7)
    other = replace(second, report=replace(second.report, environment=environment))
    text = render_baseline(made([first, other, third]))
    again = read_baseline(written(tmp_path / "b.json", text), "b.json")
    assert [run.key.get("threads") for run in again.runs] == [
        observe(run, MF).key.get("threads") for run in (first, other, third)
    ]
    assert "threads" not in json.loads(text)["key"]


def test_a_baseline_holds_no_path_and_no_name_of_the_machine(make: RunMaker) -> None:
    text = render_baseline(made(make.side("base", 3)))
    assert str(make.folder) not in text
    assert not any(word in text for word in ("/root", "/home", "/tmp", "hostname"))


@pytest.mark.parametrize(
    ("mend", "expected"),
    [
        (
            lambda d: d | {"schema": "energyprof.baseline/9"},
            "b.json:1: it has schema 'energyprof.baseline/9', not",
        ),
        (lambda d: d | {"schema": "energyprof.report/1"}, "has schema 'energyprof.report/1', not"),
        (lambda d: {k: v for k, v in d.items() if k != "schema"}, "has schema none, not"),
        (lambda d: d | {"runs": []}, "runs"),
        (lambda d: d | {"runs": [{}]}, "runs.0.id"),
        (lambda d: d | {"budget": 3}, "budget"),
        (lambda _d: [], "has schema none, not"),
    ],
)
def test_a_file_that_is_no_baseline_is_named(
    make: RunMaker, tmp_path: Path, mend: Any, expected: str
) -> None:
    data = mend(json.loads(render_baseline(made(make.side("base", 3)))))
    path = written(tmp_path / "b.json", json.dumps(data))
    with pytest.raises(ConfigError, match=r"baseline b\.json") as caught:
        read_baseline(path, "b.json")
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", '{"schema": NaN}', "[" * 5000, "\x00"])
def test_a_file_that_is_not_whole_is_named(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "b.json", text)
    with pytest.raises(ConfigError, match=r"baseline b\.json"):
        read_baseline(path, "b.json")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_figure_that_is_no_number_is_refused(make: RunMaker, tmp_path: Path, value: str) -> None:
    text = render_baseline(made(make.side("base", 3)))
    energy = json.loads(text)["runs"][0]["readings"]["energy_j"]["value"]
    path = written(tmp_path / "b.json", text.replace(str(energy), value, 1))
    with pytest.raises(ConfigError):
        read_baseline(path, "b.json")


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read baseline x"):
        read_baseline(tmp_path / "absent", "x")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_baseline(tmp_path / "b", "b")


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ({"status": RunStatus.FAILED}, ": run base-0 failed"),
        ({"status": RunStatus.PARTIAL}, ": run base-0 was killed, or is still going on"),
        ({"flags": ["throttled"]}, "carries the flag 'throttled'"),
        ({"accuracy": 0.5}, "test_accuracy min"),
        ({"factor": 2.0}, "energy_j max"),
        ({"memory": None}, "has no peak_device_memory_bytes"),
        ({"algo": "bp"}, "none of the runs matches"),
    ],
    ids=str,
)
def test_runs_that_failed_or_carry_flags_are_not_promoted(
    make: RunMaker, runs: dict[str, Any], expected: str
) -> None:
    from energyprof.gate.sides import select_runs

    with pytest.raises(UsageError, match="not promoted to 'mnist-mf'") as caught:
        made(select_runs(MF, make.side("base", 4, **runs)))
    assert expected in str(caught.value)


def test_estimated_joules_over_a_limit_do_not_keep_runs_from_being_promoted(make: RunMaker) -> None:
    runs = make.side("base", 3, factor=2.0, source=Provenance.ESTIMATED)
    assert len(made(runs).runs) == 3


def test_one_flagged_run_among_many_keeps_all_from_being_promoted(make: RunMaker) -> None:
    runs = [*make.side("base", 5), make.run(name="hot", flags=["throttled"])]
    with pytest.raises(UsageError, match="run hot carries the flag"):
        made(runs)


def test_too_few_or_mixed_runs_are_not_promoted(make: RunMaker) -> None:
    with pytest.raises(UsageError, match="2 runs give no interval"):
        made(make.side("base", 2))
    with pytest.raises(UsageError, match="device: Test CPU / Other CPU"):
        made([*make.side("base", 3), make.run(name="x", cpu="Other CPU")])
    with pytest.raises(UsageError, match="say why"):
        promote(MF, make.side("base", 3), reason="  ", promoted_at="2026")


def test_a_regression_does_not_become_the_next_baseline(make: RunMaker) -> None:
    present = made(make.side("base", 5))
    worse = make.side("worse", 5, factor=1.15, day=1)
    with pytest.raises(UsageError, match=r"a regression against the present baseline .*--accept-regression"):
        made(worse, present=present)
    accepted = made(worse, present=present, accept_regression=True)
    assert accepted.runs[0].id == "worse-0"
    better = made(make.side("better", 5, factor=0.9, day=1), present=present)
    assert better.runs[0].id == "better-0"


def test_paths_are_filled_from_labels_and_stay_inside(make: RunMaker) -> None:
    labels = {"device": "NVIDIA A100-SXM4 / ../..", "algo": None}
    assert baseline_path("b/{budget}/{device}-{algo}.json", "mnist-mf", labels) == (
        "b/mnist-mf/nvidia-a100-sxm4-none.json"
    )
    assert baseline_path("{device}", "b", {"device": ".."}) == "none"


def test_a_shelf_finds_the_promoted_runs_of_a_device(make: RunMaker) -> None:
    runs = make.side("head", 3)
    shelf = Shelf(make.folder, runs)
    head = [observe(run, MF) for run in runs]
    missing = shelf.base(MF, head).missing or ""
    assert "no baseline at baselines/mnist-mf/test-cpu.json" in missing
    assert "energyprof baseline promote --budget mnist-mf" in missing
    path = make.folder / "baselines/mnist-mf/test-cpu.json"
    path.parent.mkdir(parents=True)
    path.write_text(render_baseline(made(make.side("base", 3))))
    found = shelf.base(MF, head)
    assert (found.missing, len(found.runs), found.shown) == (None, 3, "baselines/mnist-mf/test-cpu.json")


def test_a_baseline_of_another_budget_is_refused(make: RunMaker) -> None:
    path = make.folder / "baselines/mnist-mf/test-cpu.json"
    path.parent.mkdir(parents=True)
    text = render_baseline(made(make.side("base", 3))).replace('"budget": "mnist-mf"', '"budget": "other"')
    path.write_text(text)
    with pytest.raises(ConfigError, match="was promoted for budget 'other', not for 'mnist-mf'"):
        Shelf(make.folder, make.side("head", 3)).base(MF, [])


def test_two_baselines_are_compared_metric_by_metric(make: RunMaker) -> None:
    old, new = made(make.side("old", 5)), made(make.side("new", 5, factor=1.1, host="host-b"))
    found = diff_baselines(old, new)
    energy = next(change for change in found.changes if change.metric == "energy_j")
    assert energy.change == pytest.approx(1.1, abs=0.01)
    assert energy.low is not None
    assert energy.low < 1.1 < (energy.high or math.inf)
    assert found.differences == ("host: host-a / host-b",)
    assert "energy_j" in render_diff(found)
    assert json.loads(render_diff_json(found))["old_runs"] == 5


def test_a_baseline_is_shown_with_its_reason_and_noise(make: RunMaker) -> None:
    text = render_baseline_text(made(make.side("base", 5)))
    assert "first measured" in text
    assert "energy_j" in text
    assert "noise 0." in text


def with_quality(run: GateRun, **quality: float) -> GateRun:
    report = replace(run.report, quality=replace(run.report.quality, **quality))
    return replace(run, report=report)


def test_a_loss_has_no_prefix_and_equal_figures_no_noise(make: RunMaker) -> None:
    losses = (0.263, 0.263 * (1 + 2e-16), 0.263)
    runs = [
        with_quality(run, train_loss=loss) for run, loss in zip(make.side("base", 3), losses, strict=True)
    ]
    lines = {
        line.split()[0]: line.split(maxsplit=1)[1] for line in render_baseline_text(made(runs)).splitlines()
    }
    assert lines["train_loss"] == "0.263  the same in every run"
    assert lines["flops"].endswith("the same in every run")
    assert "noise" in lines["energy_j"]


def test_noise_is_told_without_exponents_and_only_where_it_is_more_than_rounding(make: RunMaker) -> None:
    baseline = made(make.side("base", 3))

    def spread(within: float | None, between: float | None) -> str:
        noise = {"energy_j": Noise(within=within, between=between, between_df=2.0)}
        text = render_baseline_text(replace(baseline, noise=noise))
        return next(line for line in text.splitlines() if " energy_j " in line).partition("kJ")[2]

    assert spread(4.4e-16, 4.4e-16) == spread(None, None) == ""
    assert spread(0.0026, None) == "  noise 0.26 %"
    assert spread(None, 1.3) == "  noise 130 % between sittings"
    assert spread(0.0026, 2e-8) == "  noise 0.26 %, under 0.001 % between sittings"


def test_one_promoted_run_is_one_run(make: RunMaker) -> None:
    one = replace(made(make.side("base", 3)), runs=made(make.side("base", 3)).runs[:1])
    assert render_baseline_text(one).startswith("mnist-mf: 1 run, promoted")
    assert render_diff(diff_baselines(one, one)).startswith("old: 1 run, ")
