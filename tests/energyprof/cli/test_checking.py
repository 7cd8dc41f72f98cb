"""The short way to ``energyprof check`` reads words as the full parser does, or leaves them to it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

import energyprof.cli.check
from energyprof.cli import main
from energyprof.cli.app import app
from energyprof.cli.checking import CheckOptions, read_plain_check

WORDS = [
    "--config", "--baseline", "--budget", "--json", "--junit", "--markdown", "--openmetrics", "--out",
    "--strict", "--look", "--lint", "--github", "--quiet", "-q",
    "--config=c.toml", "--baseline=b=c", "--budget=mf", "--out=", "--strict=yes", "--json=-",
    "-", "--", "-x", "-qq", "--strikt", "--help", "--conf", "reports", "a b", "x=1", "", "é",
]  # fmt: skip


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> CheckOptions | None:
    """Return what the full parser makes of words; None where it does not come to a check."""
    seen: list[CheckOptions] = []

    def keep(options: CheckOptions) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(energyprof.cli.check, "perform_check", keep)
    return seen[0] if main_by_parser(["check", *words]) == 0 and seen else None


def main_by_parser(words: list[str]) -> int:
    """Run the full parser alone; its own errors know how to show themselves."""
    try:
        return int(app(words, standalone_mode=False) or 0)
    except Exception as error:
        if not hasattr(error, "show"):
            raise
        return 2


@given(st.lists(st.sampled_from(WORDS), max_size=6))
@settings(max_examples=400, deadline=None)
def test_plain_words_mean_what_the_full_parser_makes_of_them(words: list[str]) -> None:
    found = read_plain_check(words)
    if found is not None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert found == parsed(words, monkeypatch)


def test_every_option_of_the_command_has_a_short_way() -> None:
    command = typer.main.get_command(app).commands["check"]  # type: ignore[attr-defined]
    declared = {param.name: param for param in command.params if param.name != "help"}
    assert set(declared) == {field.name for field in fields(CheckOptions)}
    for name, param in declared.items():
        for option in param.opts:
            words = [option, "x"] if option[:1] == "-" and not param.is_flag else [option]
            found = read_plain_check(words)
            assert found is not None, option
            assert getattr(found, name) in (True, "x", ("x",), Path("x"), ("runs",)), option


@pytest.mark.parametrize(
    "words", [["--help"], ["--strikt"], ["--config"], ["--config", "--strict"], ["--out="], [""], ["-qx"]]
)
def test_what_is_not_plain_is_left_to_the_parser(words: list[str]) -> None:
    assert read_plain_check(words) is None


def test_help_and_mistakes_are_the_parsers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    assert "Judge runs by energy budgets" in capsys.readouterr().out
    assert main(["check", "--strikt"]) == 2
    assert "--strict" in capsys.readouterr().err
