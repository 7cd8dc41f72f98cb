from __future__ import annotations

import pytest

from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.ledger_lines import ledger_lines

Runs = dict[str, tuple[Report, Trace]]


def test_no_part_of_a_run_has_a_bound_above_the_whole(runs: Runs) -> None:
    for report, _ in runs.values():
        top = report.totals.energy_j.high
        for line in ledger_lines(report):
            for energy in (line.energy, line.bounded):
                assert energy.high is None or top is None or energy.high <= max(top, energy.value or 0.0)


@pytest.mark.parametrize("kind", ["gpu", "cpu", "ten-devices", "partial"])
def test_lines_other_than_details_add_up_to_the_total(runs: Runs, kind: str) -> None:
    report, _ = runs[kind]
    lines = ledger_lines(report)
    outer = [line for line in lines if line.kind != "sub"]
    assert sum(line.energy.value or 0 for line in outer) == pytest.approx(report.totals.energy_j.value)
    assert sum(line.share or 0 for line in outer) == pytest.approx(1)
    assert sum(line.seconds for line in outer) == pytest.approx(report.totals.duration_s)


def test_a_group_holds_its_details_dearest_first_and_the_rest_comes_last(runs: Runs) -> None:
    lines = ledger_lines(runs["gpu"][0])
    assert lines[0].kind == "group"
    assert lines[0].name == "train"
    details = [line.energy.value for line in lines if line.kind == "sub"]
    assert details == sorted(details, reverse=True)
    assert sum(v or 0 for v in details) == pytest.approx(lines[0].energy.value)
    assert (lines[-1].kind, lines[-1].name) == ("rest", "in no phase")


def test_unknown_energy_is_none_and_lines_are_ordered_by_time(runs: Runs) -> None:
    lines = ledger_lines(runs["no-sensor"][0])
    assert all(line.energy.value is None and line.mean_power_w is None for line in lines)
    outer = [line.seconds for line in lines if line.kind in ("group", "single")]
    assert outer == sorted(outer, reverse=True)


def test_no_phases_give_no_lines(bare: Report) -> None:
    assert ledger_lines(bare) == []
