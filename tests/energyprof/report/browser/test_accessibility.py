from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energyprof.analysis.comparison import compare
from energyprof.analysis.summary import summarise
from energyprof.record.model import Report
from energyprof.record.trace import Channel, Trace
from energyprof.report.compare import render_comparison
from energyprof.report.folder import FolderEntry
from energyprof.report.index import render_index
from energyprof.report.run import render_run

pytestmark = pytest.mark.browser

Runs = dict[str, tuple[Report, Trace]]
Open = Callable[..., Any]
PAGES = ["run", "run-estimated", "run-hostile", "run-ten-devices", "run-gaps", "comparison", "apart", "index"]


@pytest.fixture(scope="module")
def pages(runs: Runs, studied: list[Report], flagged: tuple[Report, Trace]) -> dict[str, str]:
    """The three kinds of pages, as a user would meet them."""
    entries = [FolderEntry(folder=report.run.id, report=report, page=True) for report in studied]
    broken = FolderEntry(folder="broken", report=None, reason="not whole JSON")
    return {
        "run": render_run(*flagged),
        "run-estimated": render_run(*runs["cpu"]),
        "run-hostile": render_run(*runs["hostile"]),
        "run-ten-devices": render_run(*runs["ten-devices"]),
        "run-gaps": render_run(*with_gaps(*runs["gpu"])),
        "comparison": render_comparison(compare(studied)),
        "apart": render_comparison(compare([*studied, runs["cpu"][0], runs["no-sensor"][0]])),
        "index": render_index([*entries, broken]),
    }


def with_gaps(report: Report, trace: Trace) -> tuple[Report, Trace]:
    """Cut a stretch out of every sensor's readings and work the report out again."""
    opened, closed = trace.window_ns
    gap = np.array([[opened + (closed - opened) // 3, opened + (closed - opened) // 2]])

    def cut(channel: Channel) -> Channel:
        kept = (channel.t_ns < gap[0, 0]) | (channel.t_ns > gap[0, 1])
        columns = {name: getattr(channel, name)[kept] for name in ("t_ns", "since_ns", "value")}
        return dataclasses.replace(channel, gap_ns=gap, **columns)

    holed = dataclasses.replace(trace, channels=tuple(cut(channel) for channel in trace.channels))
    made = summarise(holed, dataclasses.replace(report, flags=()))
    assert "sampling-gap" in {flag.code for flag in made.flags}
    return made, holed


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, from the package that carries it."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python is not installed: pip install '.[test]'"
    )
    return (Path(package.__file__).parent / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    pages: dict[str, str], axe: str, open_page: Open, name: str, theme: str
) -> None:
    page = open_page(pages[name], theme=theme).page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    grave = [
        (v["id"], v["impact"], [node["target"] for node in v["nodes"]][:3])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert grave == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_out_from_their_background_by_three_to_one(
    pages: dict[str, str], open_page: Open, theme: str
) -> None:
    page = open_page(pages["run"], theme=theme).page
    names = ["--surface", "--s1", "--s2", "--s3", "--s4", "--s5", "--mark"]
    colours = page.evaluate(
        "names => names.map(n => getComputedStyle(document.documentElement).getPropertyValue(n).trim())",
        names,
    )
    surface = luminance(colours[0])
    for name, colour in zip(names[1:], colours[1:], strict=True):
        low, high = sorted((surface, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 3, (theme, name)


def luminance(colour: str) -> float:
    """Return relative luminance (WCAG 2.2, definition) of ``#rgb`` or ``#rrggbb``."""
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_everything_that_can_be_pressed_is_reached_by_tab(pages: dict[str, str], open_page: Open) -> None:
    page = open_page(pages["run"]).page
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href],button:not(:disabled),input,summary,.charts')]"
        ".filter(e => e.offsetParent || getComputedStyle(e).position === 'fixed').length"
    )
    page.evaluate("window.seen = new Set()")
    for _ in range(wanted + 25):
        page.keyboard.press("Tab")
        page.evaluate("window.seen.add(document.activeElement)")
    missed = page.evaluate(
        "[...document.querySelectorAll('a[href],button:not(:disabled),input,summary,.charts')]"
        ".filter(e => e.offsetParent && !window.seen.has(e)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert missed == []


def test_motion_is_kept_still_for_who_asks(pages: dict[str, str], open_page: Open) -> None:
    page = open_page(pages["run"]).page
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.getElementById('status')).transitionDuration") == "0s"


@pytest.mark.parametrize("name", ["run", "comparison", "index"])
def test_screenshots_are_kept(pages: dict[str, str], open_page: Open, artefacts: Path, name: str) -> None:
    page = open_page(pages[name]).page
    for width in (380, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            picture = page.screenshot(path=artefacts / f"{name}-{width}-{theme}.png", full_page=True)
            assert len(picture) > 20_000
