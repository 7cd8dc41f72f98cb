"""The gate as its users meet it: a process, its exit code, its files."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from energyprof.cli import main
from energyprof.gate.outputs.markdown import MARKER, escape
from energyprof.gate.verdict import verdict_json_schema
from energyprof.record.model import Distribution, RunStatus

from .conftest import BUDGET, RunMaker, change

XSD = xmlschema.XMLSchema(str(Path(__file__).parent / "outputs" / "junit.xsd"))
VERDICTS = jsonschema.Draft202012Validator(verdict_json_schema())
MAIN = "import sys; from energyprof.cli import main; sys.exit(main())"


def energyprof(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: Path) -> list[str]:
    return [
        "--json", str(folder / "v.json"), "--markdown", str(folder / "v.md"),
        "--junit", str(folder / "v.xml"), "--openmetrics", str(folder / "v.txt"),
    ]  # fmt: skip


CASES: list[tuple[dict[str, Any], list[str], str, int]] = [
    ({}, [], "PASS", 0),
    ({"factor": 1.15}, [], "FAIL", 1),
    ({"accuracy": 0.9, "factor": 0.7}, [], "FAIL", 1),
    ({"factor": 1.055}, [], "INCONCLUSIVE", 0),
    ({"factor": 1.055}, ["--strict"], "INCONCLUSIVE", 3),
    ({"protocol": {"name": "fixed", "epochs": 9}}, [], "INVALID", 4),
    ({"status": RunStatus.PARTIAL}, [], "INVALID", 4),
]


def agree(done: subprocess.CompletedProcess[str], folder: Path, code: int, summary: Path) -> dict[str, Any]:
    """Hold every output of a process against its exit code, and return the verdict."""
    assert done.returncode == code, done.stdout + done.stderr
    verdict: dict[str, Any] = json.loads((folder / "v.json").read_text())
    VERDICTS.validate(verdict)
    word = verdict["outcome"].upper()
    assert verdict["exit_code"] == code
    assert word in {0: ("PASS", "INCONCLUSIVE"), 1: ("FAIL",), 3: ("INCONCLUSIVE",), 4: ("INVALID",)}[code]
    assert done.stdout.startswith(f"{word}: ")
    markdown = (folder / "v.md").read_text()
    assert markdown.splitlines()[:2] == [MARKER, f"**{escape(verdict['sentence'])}**"]
    assert summary.read_text() == markdown
    junit = (folder / "v.xml").read_text()
    XSD.validate(junit)
    root = ET.fromstring(junit)
    cases, failures, errors = (int(root.get(name, "-1")) for name in ("tests", "failures", "errors"))
    seen = [sum(1 for _ in root.iter(name)) for name in ("testcase", "failure", "error")]
    assert seen == [cases, failures, errors]
    assert cases == sum(len(budget["rules"]) for budget in verdict["budgets"])
    assert (failures > 0, failures + errors > 0) == (code == 1, code != 0)
    metrics = (folder / "v.txt").read_text()
    assert f"energyprof_gate_exit_code {code}\n" in metrics
    assert metrics.endswith("# EOF\n")
    list(text_string_to_metric_families(metrics))
    effects = [rule["effect"] for budget in verdict["budgets"] for rule in budget["rules"]]
    assert done.stdout.count("::error file=energyprof.toml,line=") == failures + errors
    assert done.stdout.count("::warning file=energyprof.toml,line=") == effects.count("warn")
    return verdict


@pytest.mark.parametrize(("settings", "options", "word", "code"), CASES, ids=lambda v: str(v)[:24])
def test_exit_code_screen_and_every_file_agree(
    repository: RunMaker, settings: dict[str, Any], options: list[str], word: str, code: int
) -> None:
    repository.write(repository.side("head", 5, day=1, **settings))
    summary = repository.folder / "summary.md"
    done = energyprof(
        "check", "--github", *options, *files(repository.folder),
        cwd=repository.folder, GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.stderr == ""
    assert agree(done, repository.folder, code, summary)["outcome"] == word.lower()


POLICIES = {
    "on_inconclusive": ({"factor": 1.055}, BUDGET, 3),
    "on_missing_metric": ({"memory": None}, BUDGET, 4),
    "on_incomparable": ({"cpu": "Other CPU"}, BUDGET.replace("/{device}", "/test-cpu"), 4),
    "on_missing_baseline": ({}, BUDGET.replace("baselines/", "elsewhere/"), 4),
    "level": ({"factor": 1.15}, BUDGET, 1),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("value", ["lenient", "warn", "error"])
def test_every_policy_value_reaches_the_exit_code(repository: RunMaker, policy: str, value: str) -> None:
    settings, text, code = POLICIES[policy]
    lenient = "off" if policy == "level" else "pass"
    setting = f'[defaults]\n{policy} = "{lenient if value == "lenient" else value}"'
    (repository.folder / "energyprof.toml").write_text(text.replace("[defaults]", setting))
    repository.write(repository.side("head", 5, day=1, **settings))
    summary = repository.folder / "summary.md"
    done = energyprof(
        "check",
        "--github",
        *files(repository.folder),
        cwd=repository.folder,
        GITHUB_STEP_SUMMARY=str(summary),
    )
    agree(done, repository.folder, code if value == "error" else 0, summary)
    assert ("::warning " in done.stdout) == (value == "warn")


def test_the_annotation_stands_on_the_line_of_the_limit(repository: RunMaker) -> None:
    repository.write(repository.side("head", 5, day=1, factor=1.15))
    done = energyprof("check", "--github", cwd=repository.folder)
    found = re.search(r"^::error file=energyprof\.toml,line=(\d+),", done.stdout, re.MULTILINE)
    assert found is not None
    assert BUDGET.splitlines()[int(found[1]) - 1] == 'max_increase = "5%"'


def test_a_metric_that_the_baseline_lacks_does_not_pass_in_silence(repository: RunMaker) -> None:
    new = BUDGET.replace(
        "[budget.quality", '[budget.metrics.step_duration_s]\nmax_increase = "5%"\n[budget.quality'
    )
    (repository.folder / "energyprof.toml").write_text(new)
    step = Distribution(p50=0.01)
    repository.write([change(run, "steps", duration_s=step) for run in repository.side("head", 5, day=1)])
    done = energyprof("check", "--github", cwd=repository.folder)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "INCONCLUSIVE: 1 of 6 rules undecided (mnist-mf: step_duration_s max_increase)"
    )
    line = new.splitlines().index("[budget.metrics.step_duration_s]") + 2
    assert f"::warning file=energyprof.toml,line={line}," in done.stdout
    assert "promote runs that have it" in done.stdout


def test_what_needs_attention_names_file_and_line_on_the_screen(repository: RunMaker) -> None:
    repository.write(repository.side("head", 5, day=1, factor=1.15))
    told = energyprof("check", cwd=repository.folder).stdout
    assert "  FAIL         energy_j max_increase  (energyprof.toml:16)\n" in told
    assert told.count("energyprof.toml:") == 1


def test_no_output_names_a_path_of_the_machine(repository: RunMaker) -> None:
    repository.write(repository.side("head", 5, day=1, factor=1.15))
    done = energyprof("check", "--github", *files(repository.folder), cwd=repository.folder)
    written = "".join((repository.folder / f"v.{kind}").read_text() for kind in ("json", "md", "xml", "txt"))
    assert str(repository.folder) not in written + done.stdout
    assert "host-a" not in written


def test_a_wrong_option_and_a_wrong_file_are_usage_errors(repository: RunMaker) -> None:
    assert energyprof("check", "--strikt", cwd=repository.folder).returncode == 2
    (repository.folder / "energyprof.toml").write_text(BUDGET.replace("max_increase", "max_increse"))
    done = energyprof("check", cwd=repository.folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: energyprof.toml:16: unknown key 'max_increse'")
    assert done.stderr.count("\n") == 1


def test_a_crash_is_70_and_not_a_failure(repository: RunMaker) -> None:
    repository.write(repository.side("head", 5, day=1))
    broken = "import energyprof.gate.check as c; c.judge_budget = None\n" + MAIN
    done = subprocess.run(
        [sys.executable, "-c", broken, "check"],
        cwd=repository.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "Traceback" in done.stderr


def test_an_interrupt_is_130(repository: RunMaker) -> None:
    repository.write(repository.side("head", 3, day=1))
    stopped = (
        "import energyprof.gate.session as s\n"
        "def stop(*_a, **_k): raise KeyboardInterrupt\n"
        "s.check_budgets = stop\n" + MAIN
    )
    done = subprocess.run(
        [sys.executable, "-c", stopped, "check"],
        cwd=repository.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130


def test_the_check_imports_nothing_heavy(repository: RunMaker) -> None:
    repository.write(repository.side("head", 50, day=1))
    listing = (
        "import sys; from energyprof.cli import main; code = main(['check', '-q']);"
        "heavy = {'torch', 'pandas', 'codecarbon', 'numpy', 'scipy', 'pyarrow', 'learners'};"
        "heavy |= {'pydantic', 'rich', 'typer'};"
        "print(sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=repository.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# From here on in the same process: the exit codes above are those of the same main().


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_json_on_stdout_is_nothing_but_json(repository: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write(repository.side("head", 5, day=1))
    capsys.readouterr()
    assert run("check", "--json", "-") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["schema"] == "energyprof.verdict/1"
    assert told.err.startswith("PASS: ")


def test_runs_can_be_named_by_folder_file_or_prefix(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(repository.side("head", 3, day=1))
    assert run("check", "-q", "reports") == 0
    assert run("check", "-q", "head-0", "reports/head-1", "reports/head-2/report.json") == 0
    for arguments, expected in (
        (["head"], "names 3 runs"),
        (["absent"], "no run 'absent'"),
        (["head-0", "reports/head-0"], "run head-0 is given twice"),
        (["--out", "nowhere"], "no runs in 'nowhere'"),
        (["--budget", "mnist-fm"], "unknown budget 'mnist-fm': did you mean 'mnist-mf'?"),
        (["--baseline", "absent"], "no run 'absent'"),
        (["--config", "absent.toml"], "cannot read absent.toml"),
        (["--json", "nowhere/v.json"], "cannot write nowhere/v.json"),
    ):
        capsys.readouterr()
        assert run("check", *arguments) == 2
        assert expected in capsys.readouterr().err


def test_a_run_that_was_killed_says_how_to_rebuild_it(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.folder / "reports/killed").mkdir(parents=True)
    (repository.folder / "reports/killed/steps.arrow").write_bytes(b"rows")
    assert run("check") == 2
    assert "energyprof report build killed" in capsys.readouterr().err


def test_a_run_killed_in_its_first_moment_is_left_out_and_told_of(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(repository.side("head", 3, day=1))
    blank = repository.folder / "reports/blank"
    blank.mkdir()
    (blank / "steps.arrow").write_bytes(b"")
    told = "run blank was stopped before anything was recorded, and is left out"
    for named in ([], ["reports"], ["head-0", "head-1", "head-2", "reports/blank"]):
        assert run("check", *named) == 0
        assert " ".join(capsys.readouterr().out.split()).count(told) == 1
    assert run("check", "--json", "-") == 0
    assert [w for w in json.loads(capsys.readouterr().out)["warnings"] if w.startswith(told)]
    assert run("check", "blank") == 2  # there is nothing else
    assert "run blank was stopped before anything was recorded: delete" in capsys.readouterr().err


def test_a_report_under_a_name_of_its_own_is_judged_and_not_its_neighbour(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(repository.side("head", 3, day=1))
    reports = repository.folder / "reports"
    for index in range(3):
        shutil.copy(reports / f"head-{index}/report.json", repository.folder / f"sent-{index}.json")
    shutil.copy(reports / "head-0/report.json", repository.folder / "report.json")
    assert run("check", "--json", "-", *(f"sent-{index}.json" for index in range(3))) == 0
    (judged,) = json.loads(capsys.readouterr().out)["budgets"]
    assert sorted(judged["head_runs"]) == ["head-0", "head-1", "head-2"]
    assert run("check", "energyprof.toml") == 2
    assert "'energyprof.toml' is no report: name a run folder or its report.json" in capsys.readouterr().err


def test_another_baseline_can_be_a_file_a_run_or_a_folder_of_runs(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(repository.side("head", 4, day=1))
    repository.write(repository.side("dear", 4, day=2, factor=2.0), "dear")
    assert run("check", "-q", "--baseline", "baselines/mnist-mf/test-cpu.json") == 0
    assert run("check", "-q", "--baseline", "dear") == 0
    assert "improved: mnist-mf: energy_j max_increase" in capsys.readouterr().out
    assert run("check", "-q", "--baseline", "dear/dear-0") == 0  # one run has no interval: inconclusive
    assert run("check", "-q", "--strict", "--baseline", "dear/dear-0") == 3
    assert run("check", "-q", "--baseline", "reports") == 4  # the same runs on both sides
    (repository.folder / "x.json").write_text("{}")
    assert run("check", "--baseline", "x.json") == 2


def test_a_budget_without_a_baseline_tells_the_command_that_promotes_these_runs(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(repository.folder / "baselines")
    repository.write(repository.side("new", 3, day=1), "elsewhere")
    assert run("check", "--out", "elsewhere", "new-0", "new-1", "new-2") == 0
    told = " ".join(capsys.readouterr().out.split())
    command = re.search(r"promote one with (energyprof baseline promote [^;]*? new-2)", told)
    assert command is not None, told
    assert run(*shlex.split(command[1])[1:]) == 0
    assert "promoted 3 runs to baselines/mnist-mf/test-cpu.json" in capsys.readouterr().out
    shutil.rmtree(repository.folder / "baselines")
    assert run("check", "--out", str(repository.folder / "elsewhere")) == 0
    assert str(repository.folder) not in capsys.readouterr().out


def test_a_planned_look_uses_the_smaller_level(repository: RunMaker) -> None:
    repository.write(repository.side("head", 5, day=1))
    run("check", "-q", "--look", "--json", "v.json")
    rules = json.loads((repository.folder / "v.json").read_text())["budgets"][0]["rules"]
    levels = {(rule["design"], round(rule["alpha"], 9)) for rule in rules if rule["kind"] == "statistical"}
    assert levels == {("welch", 0.025), ("one-sample", 0.021)}


def test_lint_reviews_the_file_without_runs(repository: RunMaker, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--lint") == 0
    assert "energyprof.toml: 0 errors, 0 warnings" in capsys.readouterr().out
    config = repository.folder / "energyprof.toml"
    config.write_text(BUDGET.replace('max_increase = "5%"', 'max_increase = "0.4%"'))
    assert run("check", "--lint") == 0
    told = capsys.readouterr().out
    assert "warning: energyprof.toml:16: max_increase 0.4% of energy_j lies under the noise" in told
    config.write_text(BUDGET.replace("5%", "5 s").replace("max =", "mx ="))
    assert run("check", "--lint") == 2
    assert capsys.readouterr().out.count("error: energyprof.toml:") == 2
    config.write_text(BUDGET)
    (repository.folder / "baselines/mnist-mf/test-cpu.json").write_text("{")
    assert run("check", "--lint") == 2
    assert "baseline baselines/mnist-mf/test-cpu.json:1: it is not whole JSON" in capsys.readouterr().out


def test_baselines_are_promoted_shown_and_compared(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    path = repository.folder / "baselines/mnist-mf/test-cpu.json"
    first = path.read_bytes()
    repository.write(repository.side("worse", 5, day=1, factor=1.15), "worse")
    promote = ("baseline", "promote", "--budget", "mnist-mf", "--reason", "bigger net")
    assert run(*promote, "worse") == 2
    assert "--accept-regression" in capsys.readouterr().err
    assert path.read_bytes() == first
    assert run(*promote, "--accept-regression", "worse") == 0
    (repository.folder / "old.json").write_bytes(first)
    assert run("baseline", "show", str(path)) == 0
    assert "bigger net" in capsys.readouterr().out
    assert run("baseline", "diff", "old.json", str(path)) == 0
    assert re.search(r"energy_j\s+1\.50 kJ ->\s+1\.7. kJ\s+1\.1", capsys.readouterr().out)
    assert run("baseline", "diff", "old.json", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "energyprof.baseline-diff/1"
    assert run("baseline", "show", str(path), "--json") == 0
    assert capsys.readouterr().out.encode() == path.read_bytes()


@pytest.mark.parametrize("name", ["budget", "verdict"])
def test_the_schemas_are_published(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", name) == 0
    assert json.loads(capsys.readouterr().out)["title"] == f"energyprof.{name}/1"


def test_a_plan_comes_from_runs_a_baseline_or_a_given_noise(
    repository: RunMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(repository.side("head", 5, day=1))
    baseline = "baselines/mnist-mf/test-cpu.json"
    for source in (["reports"], ["--baseline", baseline], ["--noise", "2%", "--between", "0.5%"]):
        assert run("plan", "--margin", "5%", *source) == 0
        assert "unchanged code passes in 80 % of checks with" in capsys.readouterr().out
    assert run("plan", "--margin", "5%", "--noise", "2%", "--json") == 0
    assert json.loads(capsys.readouterr().out)["runs_95"] > 3
    planned = []
    for config in ([], ["--config", "other.toml"]):
        (repository.folder / "other.toml").write_text(BUDGET.split("[noise")[0])
        capsys.readouterr()
        assert run("plan", "--margin", "5%", "--baseline", baseline, *config, "--json") == 0
        planned.append(json.loads(capsys.readouterr().out)["between"])
    assert planned == [0.003, 0.0]  # as calibrated for this device; one sitting alone shows none
    for wrong, expected in (
        (["--margin", "5%"], "no noise of energy_j to plan from"),
        (["--margin", "5 J", "--noise", "1%"], "--margin 5 J is no share: write --margin 5%"),
        (["--margin", "5%", "--noise", "1%", "--metric", "enrgy_j"], "did you mean 'energy_j'?"),
    ):
        assert run("plan", *wrong) == 2
        assert expected in capsys.readouterr().err
