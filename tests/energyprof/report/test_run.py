from __future__ import annotations

import dataclasses
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from energyprof.record.model import Report, RunStatus
from energyprof.record.schema import parse_report, render_report
from energyprof.record.trace import Trace
from energyprof.report.run import render_run

Runs = dict[str, tuple[Report, Trace]]
KINDS = [
    "gpu",
    "cpu",
    "no-sensor",
    "zero-steps",
    "one-step",
    "partial",
    "ten-devices",
    "ten-days",
    "hostile",
]
VOID = {"meta", "link", "path", "circle", "input", "br", "img", "use"}


class Outline(HTMLParser):
    """Collects tags, ids, headings and addresses; complains about tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [value for key, value in attrs if key in ("href", "src") and value]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def outline(html: str) -> Outline:
    """Parse a page."""
    parser = Outline()
    parser.feed(html)
    return parser


def page_data(html: str) -> dict[str, object]:
    """Return what the page's scripts read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_gives_a_whole_page(runs: Runs, kind: str) -> None:
    html = render_run(*runs[kind])
    found = outline(html)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("h1") == 1
    assert {"answer", "quality", "energy", "timeline", "steps", "learning", "memory", "method"} <= set(
        found.ids
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_but_files_beside_it(runs: Runs, kind: str) -> None:
    found = outline(render_run(*runs[kind]))
    allowed = {"data:,", "../index.html", "steps.arrow", "samples.arrow", "metrics.arrow"}
    assert {link for link in found.links if not link.startswith("#")} <= allowed
    assert found.handlers == []


def test_a_page_forbids_itself_everything_from_outside(runs: Runs) -> None:
    html = render_run(*runs["gpu"])
    assert "default-src 'none'" in unescape(html)
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_hostile_names_stay_text(runs: Runs) -> None:
    html = render_run(*runs["hostile"])
    found = outline(html)
    assert found.tags.count("script") == len(re.findall(r"<script", render_run(*runs["gpu"])))
    assert "img" not in found.tags
    for forbidden in ("\u202e", "\x1b", "{{7*7}}</b>49"):
        visible = html.replace(json_part(html), "")
        assert forbidden not in visible


def json_part(html: str) -> str:
    """Return the data block, in which every character is kept as it was."""
    found = re.search(r'<script type="application/json".*?</script>', html, re.DOTALL)
    return found[0] if found else ""


def test_a_ten_kilobyte_name_does_not_make_a_page_of_names(runs: Runs) -> None:
    html = render_run(*runs["hostile"])
    assert len(html.replace(json_part(html), "")) < 300_000


def test_the_report_can_be_taken_back_out_of_its_page(runs: Runs) -> None:
    report, trace = runs["gpu"]
    data = page_data(render_run(report, trace))
    assert parse_report(json.dumps(data["report"])) == parse_report(render_report(report))


def test_the_same_run_gives_the_same_bytes(runs: Runs) -> None:
    report, trace = runs["gpu"]
    again = parse_report(render_report(report))
    assert render_run(report, trace) == render_run(again, trace)


def test_without_a_trace_the_page_says_what_it_lacks(runs: Runs) -> None:
    html = render_run(runs["gpu"][0], None)
    assert "The trace files are not beside this report" in html
    assert "samples.arrow" not in html
    assert page_data(html)["steps"] is None


def test_a_report_of_nothing_says_so_section_by_section(bare: Report) -> None:
    html = render_run(bare, None)
    for sentence in (
        "Its energy is not known",
        "This run has no phases",
        "No steps were marked",
        "No epochs were logged",
        "Memory was not split by cause",
        "No sensor was read",
    ):
        assert sentence in html
    assert "uPlot" not in html


def test_data_quality_comes_before_any_chart(flagged: tuple[Report, Trace]) -> None:
    html = render_run(*flagged)
    quality, first_chart = html.index('id="quality"'), html.index('class="plot')
    assert quality < first_chart
    order = [html.index(text) for text in ("Do not rely on this:", "Warning:", "Note:")]
    assert order == sorted(order)


def test_what_is_not_counted_is_said(runs: Runs) -> None:
    html = render_run(*runs["cpu"])
    for text in ("power supply", "Cooling", "Network", "embodied carbon"):
        assert text in html


def test_a_lone_surrogate_in_a_name_does_not_stop_a_report(runs: Runs) -> None:
    report, trace = runs["one-step"]
    odd = dataclasses.replace(report, run=dataclasses.replace(report.run, name="a\ud800b"))
    render_run(odd, trace).encode("utf-8")


def test_an_empty_run_stays_small(bare: Report, runs: Runs) -> None:
    assert len(render_run(bare, None).encode()) < 150_000
    assert len(render_run(*runs["zero-steps"]).encode()) < 150_000


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_that_did_not_end_well_says_so_at_the_top(bare: Report, status: RunStatus) -> None:
    info = dataclasses.replace(bare.run, status=status, error="the loss became NaN at step 12")
    html = render_run(dataclasses.replace(bare, run=info), None)
    assert ("this run" in html.split("</header>")[0]) == (status is not RunStatus.COMPLETED)


def test_the_answer_keeps_a_number_and_its_unit_on_one_line(runs: Runs) -> None:
    page = render_run(*runs["gpu"])
    assert "<p>1.86 to 1.87&nbsp;kJ (−0.8&nbsp;%, +0.1&nbsp;%)</p>" in page.replace("1.86&nbsp;to", "1.86 to")
