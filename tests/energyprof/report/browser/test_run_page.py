from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energyprof.record.model import Report
from energyprof.record.schema import render_report
from energyprof.record.trace import Trace
from energyprof.report.run import render_run

pytestmark = pytest.mark.browser

Runs = dict[str, tuple[Report, Trace]]
Open = Callable[..., Any]
VIEW = "page.timeline.then(t => [t.view.axis, t.view.from, t.view.to])"
SPANS = (
    "page.timeline.then(t => t.settled().then(() => t))"
    ".then(t => t.charts.map(c => [c.scales.x.min, c.scales.x.max]))"
)


def select(page: Any, panel: str, start: float, end: float) -> None:
    """Drag over part of a panel, given as fractions of its width."""
    page.locator(f"[data-panel={panel}] .u-over").scroll_into_view_if_needed()
    box = page.locator(f"[data-panel={panel}] .u-over").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    page.mouse.up()
    page.wait_for_function("location.hash.startsWith('#view=')")


@pytest.mark.parametrize(
    "kind",
    ["gpu", "cpu", "no-sensor", "zero-steps", "one-step", "partial", "ten-devices", "ten-days", "hostile"],
)
def test_a_page_opens_from_disk_without_a_word_or_a_request(runs: Runs, open_page: Open, kind: str) -> None:
    opened = open_page(render_run(*runs[kind]))
    assert opened.messages == []
    assert opened.requests == []
    assert opened.page.evaluate("window.hacked === undefined")
    assert opened.page.locator("h1").count() == 1


def test_a_page_without_a_trace_is_quiet_too(runs: Runs, open_page: Open, bare: Report) -> None:
    assert open_page(render_run(runs["gpu"][0], None)).quiet
    assert open_page(render_run(bare, None)).quiet


def test_dragging_zooms_all_panels_alike(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page = opened.page
    select(page, "power", 0.25, 0.5)
    spans = page.evaluate(SPANS)
    duration = runs["gpu"][0].totals.duration_s
    assert len(spans) == 8
    for low, high in spans:
        assert low == pytest.approx(0.25 * duration, rel=0.02)
        assert high == pytest.approx(0.5 * duration, rel=0.02)
    assert opened.quiet


def test_a_range_prints_its_joules_watts_steps_and_joules_a_sample(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page, report = opened.page, runs["gpu"][0]
    assert "1.87 kJ of energy" in page.locator("#range-readout").inner_text()
    select(page, "power", 0.1, 0.6)
    text = page.locator("#range-readout").inner_text()
    for part in ("of energy", "between", "on average", "in the range", "steps", "a sample", "GPU 0"):
        assert part in text
    found = page.evaluate("page.timeline.then(t => page.progress.figures(t.knots, t.view.from, t.view.to))")
    assert found["low"] <= found["energy"] <= found["high"]
    assert found["energy"] == pytest.approx(0.5 * (report.totals.energy_j.value or 0), rel=0.05)
    assert found["steps"] == pytest.approx(0.5 * report.totals.steps, rel=0.1)


def test_bounds_of_any_range_hold_those_of_the_energy_curve(runs: Runs, open_page: Open) -> None:
    from energyprof.analysis.attribution import attribute

    report, trace = runs["gpu"]
    curves = attribute(trace, report.sensors).curves
    page = open_page(render_run(report, trace)).page
    rng = np.random.default_rng(1)
    ranges = np.sort(rng.uniform(0, report.totals.duration_s, (40, 2)), axis=1)
    script = "r => page.timeline.then(t => r.map(([a, b]) => page.progress.figures(t.knots, a, b)))"
    found = page.evaluate(script, ranges.tolist())
    at = (ranges * 1e9).astype(np.int64) + trace.window_ns[0]
    figures = [curve.energy_between(at[:, 0], at[:, 1]) for curve in curves.values() if curve is not None]
    for k, shown in enumerate(found):
        value, low, high = (sum(float(getattr(f, p)[k]) for f in figures) for p in ("value", "low", "high"))
        assert shown["energy"] == pytest.approx(value, abs=0.2)
        assert shown["low"] <= low + 0.05
        assert shown["high"] >= high - 0.05
        assert shown["high"] - shown["low"] <= (high - low) * 1.1 + 1.0


def test_x_goes_by_time_steps_samples_and_joules(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page, report = opened.page, runs["gpu"][0]
    ends = {
        "steps": report.totals.steps,
        "samples": report.totals.samples,
        "energy": report.totals.energy_j.value,
    }
    for axis, end in ends.items():
        page.click(f"[data-axis={axis}]")
        page.wait_for_function(f"page.timeline.then(t => t.view.axis === '{axis}')")
        low, high = page.evaluate(SPANS)[0]
        assert (low, high) == (pytest.approx(0, abs=1e-3), pytest.approx(end, rel=1e-3))
    assert page.get_attribute("[data-axis=energy]", "aria-pressed") == "true"
    assert opened.quiet


def test_the_view_is_in_the_address_and_back_returns(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page = opened.page
    whole = page.evaluate(VIEW)
    select(page, "memory", 0.2, 0.4)
    zoomed = page.evaluate(VIEW)
    page.click("[data-axis=steps]")
    page.wait_for_function("page.timeline.then(t => t.view.axis === 'steps')")
    page.go_back()
    page.wait_for_function("page.timeline.then(t => t.view.axis === 'time')")
    assert page.evaluate(VIEW)[1:] == pytest.approx(zoomed[1:])
    page.go_back()
    page.wait_for_function("page.timeline.then(t => t.view.to === t.whole.to)")
    assert page.evaluate(VIEW)[1:] == pytest.approx(whole[1:])
    assert not page.evaluate("location.hash.startsWith('#view=')")


def test_a_deep_link_opens_at_its_view(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]), anchor="#view=steps:2:4")
    assert opened.page.evaluate(VIEW) == ["steps", 2, 4]
    assert opened.page.evaluate("scrollY") > 0
    assert opened.quiet


@pytest.mark.parametrize(
    "anchor", ["#view=nothing:1:2", "#view=time:9:1", "#view=time:NaN:x", "#%3Cscript%3E"]
)
def test_a_link_that_cannot_be_meant_shows_the_whole(runs: Runs, open_page: Open, anchor: str) -> None:
    opened = open_page(render_run(*runs["gpu"]), anchor=anchor)
    assert opened.page.evaluate(VIEW)[0] == "time"
    assert opened.quiet


def test_keys_move_zoom_reset_and_help(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page = opened.page
    page.focus(".charts")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert "so far" in page.locator("#cursor-line").inner_text()
    page.keyboard.press("+")
    page.wait_for_function("location.hash.startsWith('#view=')")
    _, start, end = page.evaluate(VIEW)
    assert end - start == pytest.approx(0.5 * runs["gpu"][0].totals.duration_s, rel=0.01)
    page.keyboard.press("0")
    page.wait_for_function("!location.hash.startsWith('#view=')")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    assert opened.quiet


def test_a_range_can_be_typed(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    page.fill("#range-from", "1")
    page.press("#range-from", "Enter")
    page.wait_for_function("location.hash.startsWith('#view=')")
    assert page.evaluate(VIEW)[1] == pytest.approx(1)
    page.click("#range-reset")
    page.wait_for_function("!location.hash.startsWith('#view=')")


def test_the_cursor_reads_every_panel_at_once(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    page.locator("[data-panel=power] .u-over").hover()
    outputs = page.locator(".chart output").all_inner_texts()
    assert sum(bool(text) for text in outputs) >= 7


def test_a_level_series_is_in_the_picture_though_its_points_are_not(runs: Runs, open_page: Open) -> None:
    """A level stretch keeps its two ends only: here both lie outside of what is shown."""
    report, trace = runs["gpu"]
    channels = tuple(
        dataclasses.replace(c, value=np.full(len(c.value), 310.0)) if c.unit == "W" else c
        for c in trace.channels
    )
    page = open_page(render_run(report, dataclasses.replace(trace, channels=channels))).page
    y = "(t => [t.charts[0].scales.y.min, t.charts[0].scales.y.max])"
    scale = f"page.timeline.then(t => t.settled().then(() => {y}(t)))"
    low, high = page.evaluate(scale)
    assert low <= 0 < 310 < high < 400
    page.evaluate("page.timeline.then(t => t.zoom(t.whole.to * 0.501, t.whole.to * 0.502))")
    low, high = page.evaluate(scale)
    assert low <= 0 < 310 < high < 400


def test_a_series_can_be_hidden(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    button = page.locator("[data-panel=power] .legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert page.evaluate("page.timeline.then(t => t.charts[0].series[1].show)") is False


def test_a_dear_step_is_shown_in_the_timeline(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    page.locator("[data-show]").first.click()
    page.wait_for_function("location.hash.startsWith('#view=')")
    _, start, end = page.evaluate(VIEW)
    assert end - start < 0.6


def test_tables_sort_both_ways_and_keep_unknown_values_last(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    table = page.locator("#steps table[data-sortable]")
    head = table.locator("thead th").nth(2)
    column = "e => [...e.tBodies[0].rows].map(r => Number(r.cells[2].dataset.v))"
    head.locator("button").click()
    rising = table.evaluate(column)
    assert rising == sorted(rising)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert table.evaluate(column) == sorted(rising, reverse=True)


def test_the_theme_goes_round_and_redraws(runs: Runs, open_page: Open) -> None:
    opened = open_page(render_run(*runs["gpu"]))
    page = opened.page
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.click("[data-do=theme]")
    page.click("[data-do=theme]")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(background) != light
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") is None
    assert opened.quiet


def test_downloads_hold_the_report_and_the_steps(runs: Runs, open_page: Open, tmp_path: Path) -> None:
    page, report = open_page(render_run(*runs["gpu"])).page, runs["gpu"][0]
    with page.expect_download() as waiting:
        page.click("[data-download=json]")
    waiting.value.save_as(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["run"]["id"] == report.run.id
    with page.expect_download() as waiting:
        page.click("[data-download=steps]")
    waiting.value.save_as(tmp_path / "steps.csv")
    rows = list(csv.DictReader((tmp_path / "steps.csv").read_text("utf-8").splitlines()))
    assert len(rows) == report.totals.steps
    assert sum(float(row["energy_j"]) for row in rows) == pytest.approx(
        sum(p.energy_j.value or 0 for p in report.phases if p.name.startswith("train")), rel=0.02
    )


def test_without_scripts_the_page_reads_and_the_timeline_is_drawn(runs: Runs, open_page: Open) -> None:
    page = open_page(render_run(*runs["gpu"]), scripts=False).page
    assert page.locator("#timeline-drawing .plot").count() == 8
    assert page.locator("#timeline-drawing .plot").first.is_visible()
    assert not page.locator(".tools").is_visible()
    assert not page.locator("[data-show]").first.is_visible()


@pytest.mark.parametrize("kind", ["gpu", "hostile", "ten-devices"])
def test_nothing_is_wider_than_the_page(runs: Runs, open_page: Open, kind: str) -> None:
    page = open_page(render_run(*runs[kind])).page
    for width in (1600, 800, 380):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("page.timeline.then(t => t.charts[0].width <= innerWidth)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_to_pdf_with_its_drawing(runs: Runs, open_page: Open, artefacts: Path) -> None:
    page = open_page(render_run(*runs["gpu"])).page
    page.emulate_media(media="print")
    assert page.locator("#timeline-drawing").is_visible()
    assert not page.locator("#timeline-charts").is_visible()
    pdf = page.pdf(path=artefacts / "run.pdf", format="A4")
    assert pdf[:5] == b"%PDF-"


def test_of_very_many_epochs_the_page_saves_all(runs: Runs, open_page: Open, tmp_path: Path) -> None:
    report, trace = runs["gpu"]
    epochs = tuple(dataclasses.replace(report.epochs[-1], index=k) for k in range(600))
    long = dataclasses.replace(report, epochs=epochs)
    page = open_page(render_run(long, trace)).page
    with page.expect_download() as waiting:
        page.click("[data-download=json]")
    waiting.value.save_as(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text("utf-8") == render_report(long)
