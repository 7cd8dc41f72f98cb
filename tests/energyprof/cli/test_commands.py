from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from energyprof.cli import main
from energyprof.record.store import list_runs

Capture = pytest.CaptureFixture[str]


def ids(out: Path) -> list[str]:
    return [run.name for run in list_runs(out)]


def test_runs_are_compared_in_the_terminal_as_json_and_as_a_page(two_runs: Path, capsys: Capture) -> None:
    a, b = ids(two_runs)
    page = two_runs / "compare.html"
    assert main(["compare", a, b, "--out", str(two_runs), "--html", str(page)]) == 0
    assert "bp" in capsys.readouterr().out
    assert page.read_text().startswith("<!DOCTYPE html>") or page.read_text().startswith("<!doctype html>")
    assert main(["compare", a, b, "--out", str(two_runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"].startswith("energyprof.comparison/")
    for form in ("--markdown", "--latex"):
        assert main(["compare", a, b, "--out", str(two_runs), form]) == 0
        assert "bp" in capsys.readouterr().out


def test_the_page_of_a_comparison_links_to_what_is_there(two_runs: Path, tmp_path: Path) -> None:
    a, b = ids(two_runs)
    main(["report", "index", "--out", str(two_runs)])
    page = two_runs / "beside.html"
    assert main(["compare", a, b, "--out", str(two_runs), "--html", str(page)]) == 0
    text = page.read_text()
    assert f'href="{a}/report.html"' in text
    assert 'href="index.html"' in text
    page.unlink()
    alone = tmp_path / "alone.html"
    copy = tmp_path / "report.json"
    copy.write_text((two_runs / a / "report.json").read_text())
    assert main(["compare", str(copy), "--html", str(alone)]) == 0
    assert "report.html" not in alone.read_text()
    assert "All runs" not in alone.read_text()


def test_a_ratio_is_explained(two_runs: Path, capsys: Capture) -> None:
    assert main(["explain", *ids(two_runs), "--out", str(two_runs)]) == 0
    assert "mean power" in capsys.readouterr().out
    assert main(["explain", *ids(two_runs), "--out", str(two_runs), "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert sum(term["points"] for term in explained["factors"]) == pytest.approx(
        100 * (explained["ratio"] - 1), abs=1e-6
    )


def test_another_stopping_rule_is_applied(two_runs: Path, capsys: Capture) -> None:
    assert main(["restop", "last", "--patience", "1", "--out", str(two_runs), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["epochs"] == 2


def test_the_page_of_a_run_is_found_and_built_again(two_runs: Path, capsys: Capture) -> None:
    assert main(["report", "open", "last", "--print", "--out", str(two_runs)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page.is_file()
    before = page.read_bytes()
    page.unlink()
    assert main(["report", "build", "last", "--out", str(two_runs)]) == 0
    assert page.read_bytes() == before


def test_opening_a_run_brings_the_index_that_it_links_to(two_runs: Path, capsys: Capture) -> None:
    (two_runs / "index.html").unlink(missing_ok=True)
    assert main(["report", "open", "last", "--print", "--out", str(two_runs)]) == 0
    assert all(run in (two_runs / "index.html").read_text() for run in ids(two_runs))


def test_a_run_is_exported(two_runs: Path, tmp_path: Path, capsys: Capture) -> None:
    formats = ("--perfetto", "--csv", "--parquet")
    assert main(["export", "last", *formats, "--to", str(tmp_path / "x"), "--out", str(two_runs)]) == 0
    files = [Path(line) for line in capsys.readouterr().out.split()]
    assert {".gz", ".csv", ".parquet"} <= {file.suffix for file in files}
    assert all(file.stat().st_size > 0 for file in files)
    assert main(["export", "last", "--out", str(two_runs)]) == 2
    assert "export to what?" in capsys.readouterr().err


def test_the_index_lists_runs_and_what_cannot_be_read(two_runs: Path, capsys: Capture) -> None:
    broken = two_runs / "20200101-000000-broken-0000"
    broken.mkdir()
    (broken / "report.json").write_text("{")
    assert main(["report", "index", "--out", str(two_runs)]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert all(run in page for run in ids(two_runs))
    assert "is not whole JSON" in page
    (broken / "report.json").unlink()
    broken.rmdir()


def test_a_truncated_report_is_one_line(two_runs: Path, tmp_path: Path, capsys: Capture) -> None:
    report = tmp_path / "report.json"
    report.write_text((list_runs(two_runs)[0] / "report.json").read_text()[:500])
    assert main(["compare", str(report), str(report)]) == 2
    errors = capsys.readouterr().err
    assert "is not whole JSON" in errors
    assert errors.count("\n") == 1


def test_an_unknown_run_is_one_line(two_runs: Path, capsys: Capture) -> None:
    assert main(["compare", "nope", "--out", str(two_runs)]) == 2
    assert "no run 'nope'" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["algos", "datasets", "archs", "sensors", "metrics"])
def test_what_there_is_to_choose_from_is_listed(what: str, capsys: Capture) -> None:
    assert main(["list", what]) == 0
    assert capsys.readouterr().out.count("\n") >= 2
    assert main(["list", what, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 1


def test_the_settings_of_a_learner_are_listed(capsys: Capture) -> None:
    assert main(["list", "algos", "--settings", "mf", "--json"]) == 0
    assert {"lr", "schedule", "prediction"} <= {row["setting"] for row in json.loads(capsys.readouterr().out)}


def test_doctor_says_what_this_machine_can_measure(capsys: Capture) -> None:
    assert main(["doctor", "--seconds", "0.3"]) == 0
    text = capsys.readouterr().out
    assert "GPU" in text
    assert "CPU" in text
    assert main(["doctor", "--seconds", "0.3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sensors"]


def test_the_schema_is_printed(capsys: Capture) -> None:
    assert main(["schema", "run"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "energyprof.report/1"


def test_the_version_is_printed(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("energyprof 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "Did you mean 'run'"),
        (["run"], "--algo"),
        (["run", "--algo", "mf", "--epochs", "x"], "integer"),
    ],
)
def test_usage_errors_are_exit_2(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_defect_is_exit_70_and_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import energyprof.record.schema as schema

    def broken() -> None:
        raise ValueError("nobody thought of this")

    monkeypatch.setattr(schema, "report_json_schema", broken)
    assert main(["schema", "run"]) == 70
    errors = capsys.readouterr().err
    assert "Traceback" in errors
    assert "nobody thought of this" in errors


def commands() -> list[str]:
    """Return every command there is."""
    from energyprof.cli.app import app

    found = [c.name or "" for c in app.registered_commands]
    for sub in app.registered_groups:
        found += [
            f"{sub.name} {c.name}"
            for c in (sub.typer_instance.registered_commands if sub.typer_instance else [])
        ]
    return found


@pytest.mark.parametrize("command", commands())
def test_every_help_ends_with_an_example(command: str, capsys: Capture) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text


def test_the_command_line_starts_without_torch_pandas_or_codecarbon() -> None:
    code = "import sys, energyprof.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"torch", "pandas", "codecarbon", "pyarrow", "pydantic"} == set()
