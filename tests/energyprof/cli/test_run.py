from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from energyprof.cli import main
from energyprof.record.model import RunStatus
from energyprof.record.schema import read_report, report_json_schema
from energyprof.record.store import list_runs

QUICK = ("--epochs", "1", "--idle", "0", "--threads", "1", "--arch", "mlp:32")


def run(out: Path, *arguments: str) -> int:
    return main(["run", "--out", str(out), *arguments])


def test_mono_forward_on_digits_ends_with_a_table_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--algo", "mf", *QUICK) == 0
    (folder,) = list_runs(tmp_path)
    printed = capsys.readouterr()
    assert "Test accuracy" in printed.out
    assert str(folder / "report.html") in printed.out
    assert "digits that ship with the package" in printed.err
    assert {p.name for p in folder.iterdir()} == {
        *("report.json", "report.html", "steps.arrow", "samples.arrow", "metrics.arrow")
    }
    report = read_report(folder / "report.json")
    assert report.run.status is RunStatus.COMPLETED
    assert report.workload.algo == "mf"
    assert report.totals.steps == 10
    assert report.totals.samples == 1280
    assert report.totals.flops is not None
    assert report.memory.optimizer_state
    assert report.quality.test_accuracy is not None
    assert report.environment.flush_denormal is True
    assert report.window.includes == ("training", "data-loading", "evaluation")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--algo", "bp"),
        ("--algo", "bp", "--twin", "mf"),
        ("--algo", "ff", "--arch", "mlp:32,32"),
        ("--algo", "mf", "--schedule", "sequential"),
        ("--algo", "cafo", "--arch", "conv:4,8", "--set", "cache=true"),
        ("--algo", "cafo", "--arch", "conv:4,8", "--set", "predictor=mse"),
        ("--algo", "mf", "--patience", "1"),
        ("--algo", "mf", "--patience", "1", "--watch", "accuracy"),
    ],
    ids=" ".join,
)
def test_every_learner_leaves_a_report_that_the_schema_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    base = ("--epochs", "1", "--idle", "0", "--threads", "1")
    arch = () if "--arch" in arguments or "--twin" in arguments else ("--arch", "mlp:32")
    assert run(tmp_path, *base, *arch, *arguments, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, report_json_schema())
    parts = sum(row["energy_j"]["value"] for row in data["ledger"])
    assert parts == pytest.approx(data["totals"]["energy_j"]["value"])
    assert sum(phase["seconds"] for phase in data["phases"]) == pytest.approx(data["totals"]["duration_s"])


@pytest.mark.parametrize("watch", ["loss", "accuracy"])
def test_what_is_watched_is_in_the_record_and_is_what_the_run_stopped_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], watch: str
) -> None:
    given = ("--epochs", "60", "--patience", "2", "--watch", watch, "--set", "lr=0.03", "--idle", "0")
    assert run(tmp_path, "--algo", "bp", "--arch", "mlp:16", "--threads", "1", "--quiet", *given) == 0
    (folder,) = list_runs(tmp_path)
    report = read_report(folder / "report.json")
    metric = f"validation_{watch}"
    assert report.workload.protocol["watched"] == metric
    assert main(["restop", "last", "--patience", "2", "--out", str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["metric"] == metric
    assert found["epochs"] == len(report.epochs) < 60
    assert not found["stages"][0]["exhausted"]
    assert found["restored_validation_accuracy"] == report.quality.validation_accuracy


def test_quiet_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--algo", "mf", "--quiet", *QUICK) == 0
    assert capsys.readouterr() == ("", "")


def test_the_carbon_of_a_named_country_and_of_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (("--country", "fra"), ("--intensity", "10"), ()):
        assert run(tmp_path, "--algo", "mf", "--json", *QUICK, *place) == 0
        data = json.loads(capsys.readouterr().out)
        carbon, total = data["carbon"], data["totals"]
        expected = total["energy_j"]["value"] / 3.6e6 * carbon["intensity_g_per_kwh"] / 1000
        assert total["co2e_kg"] == pytest.approx(expected)
        assert carbon["assumed"] is (not place)
    assert "world average" in carbon["source"]
    assert (carbon["pue"], carbon["embodied"]) == (None, None)


def test_the_building_and_the_making_stand_beside_the_carbon_of_the_energy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    making = ("--embodied-kg", "150", "--lifetime-years", "4", "--reserved", "0.5")
    assert run(tmp_path, "--algo", "mf", "--json", *QUICK, "--intensity", "50", "--pue", "1.3", *making) == 0
    data = json.loads(capsys.readouterr().out)
    carbon, total = data["carbon"], data["totals"]
    assert total["co2e_kg"] == pytest.approx(total["energy_j"]["value"] / 3.6e6 * 0.05)
    assert carbon["pue_co2e_kg"] == pytest.approx(0.3 * total["co2e_kg"])
    assert carbon["embodied"] == {"total_kg": 150, "lifetime_years": 4, "reserved": 0.5}
    assert carbon["embodied_co2e_kg"] == pytest.approx(75 * total["duration_s"] / (4 * 31_557_600))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--algo", "mff"), "unknown algorithm 'mff': did you mean 'mf'?"),
        (("--algo", "mf", "--dataset", "mnits"), "did you mean 'mnist'?"),
        (("--algo", "mf", "--set", "lrr=1"), "did you mean 'lr'?"),
        (("--algo", "mf", "--set", "lr"), "write --set key=value"),
        (("--algo", "mf", "--set", "lr=much"), "lr=much cannot be read"),
        (("--algo", "mf", "--set", "lr=1", "--set", "lr=2"), "is given twice"),
        (("--algo", "mf", "--device", "cuda:9"), "--device cuda:9 is not there"),
        (("--algo", "mf", "--device", "tpu"), "means no device"),
        (("--algo", "mf", "--precision", "fp8"), "unknown precision 'fp8': did you mean"),
        (("--algo", "mf", "--precision", "tf32", "--device", "cpu"), "tf32 needs tensor cores"),
        (("--algo", "mf", "--epochs", "0"), "--epochs 0 would train nothing"),
        (("--algo", "mf", "--batch-size", "5000"), "--batch-size 5000 is larger than the training data"),
        (("--algo", "mf", "--passes", "3", "--epochs", "2"), "leave out --epochs"),
        (("--algo", "mf", "--passes", "3", "--watch", "loss"), "leave out --epochs, --patience and --watch"),
        (("--algo", "mf", "--watch", "accuracy"), "--watch accuracy goes with --patience, which stops by it"),
        (("--algo", "mf", "--watch", "loss", "--epochs", "3"), "--watch loss goes with --patience"),
        (
            ("--algo", "mf", "--patience", "2", "--watch", "acc"),
            "unknown figure to watch 'acc': did you mean 'accuracy'? known are accuracy, loss",
        ),
        (("--algo", "mf", "--country", "XXX"), "unknown country code"),
        (("--algo", "mf", "--intensity", "-3"), "give a number of at least 0"),
        (("--algo", "mf", "--intensity", "5", "--country", "FRA"), "two figures for one thing"),
        (("--algo", "mf", "--pue", "0.9"), "PUE 0.9: give a number of at least 1"),
        (("--algo", "mf", "--pue", "nan"), "PUE nan: give a number of at least 1"),
        (("--algo", "mf", "--embodied-kg", "150"), "add --lifetime-years"),
        (("--algo", "mf", "--reserved", "0.5"), "add --embodied-kg and --lifetime-years"),
        (("--algo", "mf", "--embodied-kg", "1", "--lifetime-years", "0"), "a lifetime of 0 years"),
        (("--algo", "ff", "--schedule", "sequential"), "has one schedule only"),
        (("--algo", "cafo", "--arch", "mlp:10"), "cafo cannot train 'mlp:10'"),
        (("--algo", "mf", "--twin", "bp"), "--twin bp goes with --algo bp"),
        (("--algo", "mf", "--idle", "-1"), "idle_s is -1"),
        (("--algo", "mf", "--set", "cache=true"), "cache=true needs layers that are frozen"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(tmp_path / "runs", *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not (tmp_path / "runs").exists()


def test_an_output_folder_that_cannot_be_written_ends_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file", "--algo", "mf", *QUICK) == 2
    errors = capsys.readouterr().err
    assert "choose another folder (out= in Python, --out on the command line)" in errors
    assert "epoch" not in errors


def test_a_loss_that_is_not_finite_ends_as_failed_with_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--algo", "bp", "--set", "lr=1e30", "--set", "optimizer=sgd")
    assert run(tmp_path, *arguments, *QUICK, "--epochs", "3") == 1
    errors = capsys.readouterr().err
    assert "error: the " in errors
    assert "--set lr=" in errors
    (folder,) = list_runs(tmp_path)
    report = read_report(folder / "report.json")
    assert report.run.status is RunStatus.FAILED
    assert "TrainingFailed" in (report.run.error or "")
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_finishes_its_report(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "energyprof", "run", "--algo", "mf", "--epochs", "100000"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [*command, "--out", str(tmp_path), "--idle", "0", "--threads", "1", "--arch", "mlp:32"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stderr is not None
    while "epoch 3/" not in child.stderr.readline():
        pass
    time.sleep(0.2)
    child.send_signal(number)
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in out
    (folder,) = list_runs(tmp_path)
    report = read_report(folder / "report.json")
    assert report.run.status is RunStatus.INTERRUPTED
    assert report.totals.steps > 20
    assert (folder / "report.html").exists()


def test_a_run_in_bfloat16_says_so_and_the_next_one_is_fp32(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {}
    for precision in ("bf16", "fp32"):
        assert run(tmp_path, "--algo", "mf", "--json", "--precision", precision, *QUICK) == 0
        reports[precision] = json.loads(capsys.readouterr().out)
        assert reports[precision]["workload"]["precision"] == precision
        assert reports[precision]["environment"]["keeps_freed_memory"] in (True, False)
    narrow, exact = reports["bf16"], reports["fp32"]
    assert narrow["totals"]["flops"] == exact["totals"]["flops"]
    assert narrow["memory"]["optimizer_state"] == exact["memory"]["optimizer_state"]
    assert narrow["memory"]["activations"] != exact["memory"]["activations"]
    assert narrow["quality"]["validation_loss"] != exact["quality"]["validation_loss"]


def test_compiling_without_a_compiler_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert run(tmp_path / "runs", "--algo", "mf", "--compile", "--device", "cpu", *QUICK) == 2
    errors = capsys.readouterr().err
    assert "--compile needs a C++ compiler, seen no 'no-such-compiler': install one" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_compiled_run_has_a_phase_for_it_and_none_inside_its_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from learners.training import compilation

    light = partial(compilation._compiled, backend="aot_eager")  # all but the compiler's slow last stage
    monkeypatch.setattr(compilation, "_compiled", light)
    assert run(tmp_path, "--algo", "mf", "--compile", "--device", "cpu", "--json", *QUICK) == 0
    data = json.loads(capsys.readouterr().out)
    phases = {phase["name"] for phase in data["phases"]}
    assert {"compile", "train"} <= phases
    assert not any(name.startswith("train/layer") for name in phases)
    assert data["workload"]["compiled"] == "inductor"
    assert "warm-up" in data["window"]["includes"]
    assert "compiled-steps" in {flag["code"] for flag in data["flags"]}
    assert data["totals"]["flops"] > 0
    assert data["totals"]["steps"] == 10
