from __future__ import annotations

import base64
import dataclasses
import json
import zlib

import pytest

from energyprof.record.model import Quantity, Report
from energyprof.record.schema import render_report
from energyprof.record.trace import Trace
from energyprof.report.epochs import MOST_EPOCHS, shown_epochs
from energyprof.report.run import render_run

Runs = dict[str, tuple[Report, Trace]]
BEST, MANY = 4_321, 10_000


@pytest.fixture
def long(runs: Runs) -> Report:
    """A run of ten thousand epochs with three figures by layer."""
    report, _ = runs["cpu"]
    energy = Quantity(value=1.0, source=report.totals.energy_j.source)
    epochs = tuple(
        dataclasses.replace(
            report.epochs[0],
            index=k,
            start_s=0.001 * k,
            end_s=0.001 * (k + 1),
            energy_j=energy,
            cumulative_energy_j=1.0 * k,
            validation_accuracy=0.9 + 0.05 * (k == BEST),
            metrics={f"layer{n}/loss": 1.0 / (k + n + 1) for n in range(3)},
        )
        for k in range(MANY)
    )
    return dataclasses.replace(report, epochs=epochs)


def test_few_epochs_are_all_shown(runs: Runs) -> None:
    report, _ = runs["gpu"]
    assert shown_epochs(report) == list(enumerate(report.epochs))


def test_of_many_epochs_some_are_shown_and_the_best_and_the_last_among_them(long: Report) -> None:
    shown = [position for position, _ in shown_epochs(long)]
    assert MOST_EPOCHS <= len(shown) <= MOST_EPOCHS + 2
    assert {0, BEST, MANY - 1} <= set(shown)


def test_the_page_of_a_long_run_keeps_to_its_size_says_what_it_leaves_out_and_saves_all(
    long: Report, runs: Runs
) -> None:
    page = render_run(long, runs["cpu"][1])
    assert len(page.encode()) <= 1_500_000
    assert "show 501 of the 10,000 epochs: evenly spread, with the best." in page
    data = json.loads(
        page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    )
    assert zlib.decompress(base64.b64decode(data["whole"])).decode() == render_report(long)


def test_the_page_of_a_short_run_says_nothing_of_it(runs: Runs) -> None:
    page = render_run(*runs["gpu"])
    assert "evenly spread" not in page
    assert '"whole"' not in page
