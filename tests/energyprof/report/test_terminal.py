from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from energyprof.analysis.comparison import compare
from energyprof.analysis.explanation import explain, profile_of
from energyprof.analysis.reaching import parse_target
from energyprof.analysis.restopping import StoppingRule, restop
from energyprof.record.model import EmbodiedCarbon, Report
from energyprof.record.trace import Trace
from energyprof.report.terminal import run_summary, sparkline
from energyprof.report.terminal_comparison import comparison_summary, explanation_summary, restop_summary

Runs = dict[str, tuple[Report, Trace]]


def shown(renderable: RenderableType, width: int = 100) -> str:
    """Print as into a pipe."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "kind", ["gpu", "cpu", "no-sensor", "zero-steps", "one-step", "partial", "ten-devices", "hostile"]
)
def test_a_run_is_one_screen_at_100_columns(runs: Runs, kind: str) -> None:
    text = shown(run_summary(*runs[kind]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert len(text.splitlines()) <= 45


def test_the_summary_says_energy_bounds_provenance_and_phases(runs: Runs) -> None:
    text = shown(run_summary(*runs["gpu"]))
    for part in ("Energy", " to ", "● counter", "Power", "Where it went", "train", "in no phase", "Total"):
        assert part in text


def test_the_driver_s_figure_of_a_card_is_named_as_the_whole_card_s(runs: Runs) -> None:
    report, trace = runs["gpu"]  # its memory was read by the driver alone
    text = shown(run_summary(report, trace))
    assert re.search(r"Peak memory +\S+ [GM]iB +of the whole card, by its driver", text)
    flags = tuple(flag for flag in report.flags if flag.code != "whole-card-memory")
    assert re.search(
        r"Peak memory +\S+ [GM]iB +on the device", shown(run_summary(replace(report, flags=flags), trace))
    )


def test_what_stands_beside_the_carbon_has_lines_of_its_own(runs: Runs) -> None:
    report, trace = runs["gpu"]
    assert "beside:" not in shown(run_summary(report, trace))
    making = EmbodiedCarbon(total_kg=100, lifetime_years=2)
    carbon = replace(report.carbon, pue=1.5, pue_co2e_kg=0.004, embodied=making, embodied_co2e_kg=0.00025)
    text = shown(run_summary(replace(report, carbon=carbon), trace))
    assert re.search(r"beside: building +4.00 g +PUE 1.5, as given", text)
    assert re.search(r"beside: making +250 mg +100 kg over 2 years", text)


def test_an_estimate_is_told_apart_in_a_word_and_not_only_by_colour(runs: Runs) -> None:
    assert "○ estimated" in shown(run_summary(*runs["cpu"]))


def test_rounding_is_not_shown_as_energy_above_idle(busy_host: Report) -> None:
    (line,) = [text for text in shown(run_summary(busy_host)).splitlines() if "Above idle" in text]
    assert line.split()[2:5] == ["–", "×", "missing"]
    assert "by the CPU's model the host was as busy" in line


def test_a_warning_stands_with_its_advice(flagged: tuple[Report, Trace]) -> None:
    text = shown(run_summary(*flagged))
    assert text.index("Do not rely on this: It was throttled.") < text.index("Cool it.")
    assert "Warning: The device was busy 31 %." in text


def test_without_a_trace_there_is_no_power_line(runs: Runs) -> None:
    assert "Power  ▁" not in shown(run_summary(runs["gpu"][0]))
    assert "Power  " in shown(run_summary(*runs["gpu"]))


def test_a_report_of_nothing_prints(bare: Report) -> None:
    assert "no sensor gave joules" in shown(run_summary(bare))


def test_a_sparkline_goes_from_nothing_to_its_greatest() -> None:
    assert sparkline([0.0, 4.0, 8.0]) == "▁▄█"
    assert sparkline([float("nan"), 1.0]) == " █"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_markup_in_names_is_printed_as_it_is(runs: Runs, studied: list[Report]) -> None:
    assert "[bold]" in shown(comparison_summary(compare([runs["hostile"][0]])), 250)


def test_a_comparison_fits_100_columns_and_says_first_whether_it_may_be(studied: list[Report]) -> None:
    text = shown(comparison_summary(compare(studied, target=parse_target("validation_accuracy>=0.9"))))
    assert text.startswith("✓ All 6 runs may be compared.")
    assert "mf used" in text
    assert max(map(len, text.splitlines())) <= 100


def test_groups_are_printed_apart_with_what_differs(studied: list[Report], runs: Runs) -> None:
    text = shown(comparison_summary(compare([*studied, runs["cpu"][0], runs["cpu"][0]])))
    assert "2 groups that must not be ranked" in text
    assert "dataset: mnist / digits" in text
    assert "given more than once" in text


def test_an_explanation_prints_words_and_all_three_splits(studied: list[Report]) -> None:
    bp, mf = profile_of(studied[::2], "bp"), profile_of(studied[1::2], "mf")
    text = shown(explanation_summary(explain(mf, bp)))
    for part in ("mf used", "Split into", "By phase", "Idle and above", "together"):
        assert part in text


def test_another_stopping_rule_prints_what_was_beside_what_would_be(studied: list[Report]) -> None:
    text = shown(restop_summary([restop(r, StoppingRule(patience=1, min_delta=0.2)) for r in studied]))
    assert "Stopping after 1 epoch without validation loss better by more than 0.2" in text
    assert " of 5" in text
    assert "Watched" not in text


def test_runs_that_watched_different_figures_say_which(studied: list[Report]) -> None:
    first, second = studied[:2]
    protocol = {**second.workload.protocol, "watched": "validation_accuracy"}
    second = replace(second, workload=replace(second.workload, protocol=protocol))
    text = shown(restop_summary([restop(r, StoppingRule(patience=1)) for r in (first, second)]))
    assert "Stopping after 1 epoch without what each run watched better by more than 0" in text
    assert re.search(r"Run +Watched +Epochs", text)
    assert "validation loss" in text
    assert "validation accuracy" in text
