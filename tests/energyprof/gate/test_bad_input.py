"""What goes wrong is one line that names the file, with exit 2, or a verdict that says why, with exit 4."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from energyprof.cli import main

from .conftest import BUDGET, RunMaker

BASELINE = "baselines/mnist-mf/test-cpu.json"
SECOND = "reports/head-1/report.json"


def edit(name: str, pattern: str, by: str) -> Callable[[Path], None]:
    """Return what changes a file in one place."""

    def change(folder: Path) -> None:
        path = folder / name
        text, count = re.subn(pattern, by, path.read_text(), count=1)
        assert count == 1, pattern
        path.write_text(text)

    return change


def budget(pattern: str, by: str) -> Callable[[Path], None]:
    return edit("energyprof.toml", pattern, by)


def again(folder: Path) -> None:
    """State the budget twice."""
    path = folder / "energyprof.toml"
    path.write_text(BUDGET + BUDGET[BUDGET.index("[[budget]]") : BUDGET.index("[noise")])


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "unknown key": (
        budget("max_increase", "max_increse"),
        "energyprof.toml:16: unknown key 'max_increse': did you mean 'max_increase'?",
    ),
    "wrong unit": (budget("1.8 kJ", "1.8 s"), "energyprof.toml:15: max: '1.8 s' is in s, not in J"),
    "limit without metric": (
        budget('why = "', 'max = "1 J"\nwhy = "'),
        "energyprof.toml:9: the limit 'max' belongs to no metric",
    ),
    "two primaries": (
        budget("kind =", "primary = true\nkind ="),
        "energyprof.toml:18: 'energy_j' and 'peak_device_memory_bytes' are both primary",
    ),
    "contradictory limits": (
        budget("max = ", 'min = "2 kJ"\nmax = '),
        "energyprof.toml:13: 'energy_j' must be at least 2 kJ and at most 1.8 kJ",
    ),
    "duplicate names": (again, "budget 'mnist-mf' stands already on line 8"),
    "zero": (budget('"1.8 kJ"', "0"), "energyprof.toml:15: max of 'energy_j' is 0: it must be above zero"),
    "negative": (budget("1.8 kJ", "-1.8 kJ"), "energyprof.toml:15: max of 'energy_j' is -1.8 kJ"),
    "infinite": (budget('"1.8 kJ"', "inf"), "energyprof.toml:15: budget.metrics.energy_j.max is inf"),
    "no TOML": (budget('"1.8 kJ"', '"1.8 kJ'), "energyprof.toml:15: not TOML"),
    "a baseline from another schema": (
        edit(BASELINE, "baseline/1", "baseline/7"),
        f"baseline {BASELINE}:2: it has schema 'energyprof.baseline/7', not 'energyprof.baseline/1'",
    ),
    "a report as a baseline": (
        lambda folder: shutil.copy(folder / SECOND, folder / BASELINE) and None,
        f"baseline {BASELINE}:2: it has schema 'energyprof.report/1'",
    ),
    "an infinite baseline": (
        edit(BASELINE, r'("energy_j": \{\s*"value": )[\d.]+', r"\g<1>1e999"),
        f"baseline {BASELINE}:LINE: runs.0.readings.energy_j.value should be a finite number, seen inf",
    ),
    "a baseline with no number in it": (
        edit(BASELINE, r'("energy_j": \{\s*"value": )[\d.]+', r"\g<1>NaN"),
        f"baseline {BASELINE}:LINE: it holds NaN, which no figure can be",
    ),
    "a baseline with text for a number": (
        edit(BASELINE, r'("energy_j": \{\s*"value": )[\d.]+', r'\g<1>"12"'),
        f"baseline {BASELINE}:LINE: runs.0.readings.energy_j.value should be a finite number, seen '12'",
    ),
    "a baseline without a field": (
        edit(BASELINE, '"promoted_at": .*\n', ""),
        f"baseline {BASELINE}:1: promoted_at is missing",
    ),
    "a baseline with a key that is none": (
        edit(BASELINE, r'("energy_j": \{\s*"val)ue"', r'\g<1>eu"'),
        f"baseline {BASELINE}:LINE: runs.0.readings.energy_j.valeu: unknown key 'valeu': did you mean",
    ),
    "a baseline with negative noise": (
        edit(BASELINE, r'("energy_j": \{\s*"within": )[\d.]+', r"\g<1>-0.5"),
        f"baseline {BASELINE}:LINE: noise.energy_j.within is negative (-0.5)",
    ),
    "a baseline of another budget": (
        edit(BASELINE, '"mnist-mf"', '"mnist-bp"'),
        f"baseline {BASELINE}:3: it was promoted for budget 'mnist-bp', not for 'mnist-mf'",
    ),
    "half a baseline": (
        lambda folder: (folder / BASELINE).write_text('{"schema":') and None,
        f"baseline {BASELINE}:1: it is not whole JSON",
    ),
    "missing runs": (lambda folder: shutil.rmtree(folder / "reports"), "no runs in 'reports'"),
    "half a run": (
        lambda folder: (folder / SECOND).write_text('{"schema":') and None,
        "head-1/report.json:1: it is not whole JSON",
    ),
    "an infinite run": (
        edit(SECOND, r'("energy_j": \{\s*"value": )[\d.]+', r"\g<1>1e999"),
        "head-1/report.json:LINE: it holds 1e999",
    ),
    "a run with text for a number": (
        edit(SECOND, r'("energy_j": \{\s*"value": )[\d.]+', r'\g<1>"12"'),
        "head-1/report.json:LINE: totals.energy_j.value should be a finite number, seen '12'",
    ),
    "a run of another schema": (
        edit(SECOND, "report/1", "report/7"),
        "head-1/report.json:2: it has schema 'energyprof.report/7'",
    ),
    "a baseline that is not UTF-8": (
        lambda folder: (folder / BASELINE).write_bytes(b"{\n\xff") and None,
        f"baseline {BASELINE}:2: it is not UTF-8 text",
    ),
    "a run that is not UTF-8": (
        lambda folder: (folder / SECOND).write_bytes(b"{\n\xff") and None,
        "head-1/report.json:2: it is not UTF-8 text",
    ),
    "budgets that are not UTF-8": (
        lambda folder: (folder / "energyprof.toml").write_bytes(b"# one\n# \xe9\n") and None,
        "energyprof.toml:2: not UTF-8 text (byte 8)",
    ),
    "budgets in two files": (
        lambda folder: (folder / "pyproject.toml").write_text("[project]\n\n[tool.energyprof]\n") and None,
        "pyproject.toml:3: budgets stand here and in energyprof.toml",
    ),
    "the same run twice": (
        lambda folder: shutil.copytree(folder / "reports/head-1", folder / "reports/copy") and None,
        "run head-1 is given twice",
    ),
}

INVALID: dict[str, tuple[Callable[[Path], None], str]] = {
    "a device that differs": (
        edit(BASELINE, r'\[\s*"Test CPU"', '["Other CPU"'),
        "not comparable: device: Test CPU / Other CPU",
    ),
    "a zero baseline": (
        edit(BASELINE, r'("energy_j": \{\s*"value": )[\d.]+', r"\g<1>0.0"),
        f"base run base-0 has energy_j 0 ({BASELINE}:LINE): it must be above zero",
    ),
    "a negative run": (
        edit(SECOND, r'("energy_j": \{\s*"value": )[\d.]+', r"\g<1>-5.0"),
        "head run head-1 has energy_j -5 (head-1/report.json:LINE): it must be above zero",
    ),
    "no run of this budget": (budget('algo = "mf"', 'algo = "ff"'), "no run matches this budget"),
    "an accuracy above one": (
        edit(SECOND, r'("test_accuracy": )[\d.]+', r"\g<1>97.5"),
        "head run head-1 has test_accuracy 97.5 (head-1/report.json:LINE): it must be from 0 to 1",
    ),
    "a partial run": (
        edit(SECOND, '"completed"', '"partial"'),
        "run head-1 was killed, or is still going on: these",
    ),
    "a metric that no run has": (
        budget(r"peak_device_memory_bytes\]\nmax = .*\nkind = .*", '"phase_s.nap"]\nmax = "1 s"'),
        "head run head-0 has no phase_s.nap",
    ),
}


def lined(folder: Path, expected: str) -> str:
    """Fill in the line on which the first mistake of these tests stands."""
    mistake = re.compile(
        r'"value": (1e999|NaN|"12"|0\.0|-5\.0)[,}\n]|"valeu"|"within": -|"test_accuracy": 97'
    )
    path = folder / (BASELINE if BASELINE in expected else SECOND)
    rows = path.read_text(errors="replace").splitlines(keepends=True) if path.is_file() else []
    line = next((number for number, row in enumerate(rows, 1) if mistake.search(row)), 0)
    return expected.replace("LINE", str(line))


@pytest.fixture
def folder(repository: RunMaker) -> Path:
    repository.write(repository.side("head", 3, day=1))
    assert main(["check"]) == 0
    return repository.folder


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_one_line_with_its_file_and_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, expected = REFUSED[name]
    change(folder)
    capsys.readouterr()
    assert main(["check"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert lined(folder, expected) in told.err


@pytest.mark.parametrize("name", INVALID)
def test_what_cannot_be_judged_says_why_on_its_line_with_exit_4(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, expected = INVALID[name]
    change(folder)
    capsys.readouterr()
    assert main(["check", "--github"]) == 4
    told, expected = capsys.readouterr().out, lined(folder, expected)
    assert told.startswith("INVALID: ")
    assert re.search(r"  INVALID +[\w.]+ \w+  \(energyprof\.toml:\d+\)\n", told)
    assert re.search(
        rf"^::error file=energyprof\.toml,line=\d+,title=invalid.*{re.escape(expected)}", told, re.M
    )


@pytest.mark.parametrize(("flagged", "code"), [(1, 0), (2, 4), (3, 4)])
def test_flagged_runs_are_named_and_more_than_a_third_of_them_is_invalid(
    repository: RunMaker, capsys: pytest.CaptureFixture[str], flagged: int, code: int
) -> None:
    repository.write(repository.side("fine", 4 - flagged, day=1))
    repository.write(repository.side("hot", flagged, day=2, flags=["throttled"]))
    assert main(["check"]) == code
    told = capsys.readouterr().out
    assert told.count("excluded     head run hot-") == flagged
    assert (
        f"{flagged} of 4 head runs are excluded (throttled), more than a third" in " ".join(told.split())
    ) == (code == 4)


def test_the_same_file_on_both_sides_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["check", "reports/head-1", "--baseline", "reports/head-1"]) == 4
    assert "the same run stands on both sides (head-1)" in " ".join(capsys.readouterr().out.split())


def test_budgets_in_pyproject_are_used_with_their_lines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = re.sub(r"^(\[+)", r"\1tool.energyprof.", BUDGET.strip(), flags=re.MULTILINE)
    (folder / "energyprof.toml").unlink()
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\n\n[tool.energyprof]\n{text}\n')
    assert main(["check"]) == 0
    edit("pyproject.toml", "1.8 kJ", "1.2 kJ")(folder)
    capsys.readouterr()
    assert main(["check", "--github"]) == 1
    found = re.search(r"^::error file=pyproject\.toml,line=(\d+),", capsys.readouterr().out, re.MULTILINE)
    assert found is not None
    assert (folder / "pyproject.toml").read_text().splitlines()[int(found[1]) - 1] == 'max = "1.2 kJ"'
    edit("pyproject.toml", "1.2 kJ", "1.2 s")(folder)
    assert main(["check"]) == 2
    assert f"pyproject.toml:{found[1]}: max: '1.2 s' is in s" in capsys.readouterr().err
