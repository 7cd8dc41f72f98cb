from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.run import render_run
from energyprof.testing.sample_runs import Recipe, sample_run

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
FROM_S, TO_S = 5.0, 8.0  # on the recording's clock
INSIDE = """page.timeline.then(t => {
  const chart = t.charts.find(c => c.panel.key === "power");
  const [x, silent, other] = chart.data;
  const rows = [...x.keys()].filter(k => x[k] > %f && x[k] < %f);
  return [rows.length, rows.every(k => silent[k] === null), rows.some(k => other[k] > 0)];
})"""


@pytest.fixture(scope="module")
def silenced() -> tuple[Report, Trace]:
    """A run with two devices, the first of which was not read for three seconds."""
    report, trace = sample_run(Recipe(gpus=2, epochs=4, steps=150))
    start, end = int(FROM_S * 1e9), int(TO_S * 1e9)
    channels = []
    for channel in trace.channels:
        if channel.domain == "gpu:0":
            heard = (channel.t_ns < start) | (channel.t_ns > end)
            columns = {name: getattr(channel, name)[heard] for name in ("t_ns", "since_ns", "value")}
            channel = dataclasses.replace(channel, gap_ns=np.array([[start, end]]), **columns)
        channels.append(channel)
    return report, dataclasses.replace(trace, channels=tuple(channels))


def test_no_line_is_drawn_through_a_gap_not_even_at_the_times_of_other_series(
    silenced: tuple[Report, Trace], open_page: Open
) -> None:
    opened = open_page(render_run(*silenced))
    opened_s = silenced[1].window_ns[0] / 1e9
    rows, silent, other = opened.page.evaluate(INSIDE % (FROM_S - opened_s + 0.2, TO_S - opened_s - 0.2))
    assert rows > 10
    assert silent
    assert other
    assert opened.quiet


def test_the_cursor_in_a_gap_reads_no_value(silenced: tuple[Report, Trace], open_page: Open) -> None:
    page = open_page(render_run(*silenced)).page
    plot = page.locator("[data-panel=power] .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    middle_s = (FROM_S + TO_S) / 2 - silenced[1].window_ns[0] / 1e9
    share = middle_s / silenced[0].totals.duration_s
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    first, second = page.locator("[data-panel=power] output").all_inner_texts()[:2]
    assert first == "not read"
    assert second.endswith("W")


def test_the_page_says_what_the_shade_means(silenced: tuple[Report, Trace], open_page: Open) -> None:
    text = open_page(render_run(*silenced)).page.locator("#timeline").inner_text()
    assert "Shaded: the sensor was not read" in text
