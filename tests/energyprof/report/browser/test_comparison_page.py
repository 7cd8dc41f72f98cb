from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energyprof.analysis.comparison import compare
from energyprof.analysis.reaching import parse_target
from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.compare import render_comparison

pytestmark = pytest.mark.browser

Runs = dict[str, tuple[Report, Trace]]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def page_text(studied: list[Report]) -> str:
    """The page of the study."""
    return render_comparison(compare(studied, target=parse_target("validation_accuracy>=0.9")))


def test_it_opens_from_disk_without_a_word_or_a_request(page_text: str, open_page: Open) -> None:
    assert open_page(page_text).quiet


def test_hostile_and_incomparable_runs_are_quiet_too(
    runs: Runs, studied: list[Report], open_page: Open
) -> None:
    opened = open_page(render_comparison(compare([*studied, *(report for report, _ in runs.values())])))
    assert opened.quiet
    assert opened.page.evaluate("window.hacked === undefined")
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scripts", [True, False])
def test_curves_change_their_alignment_even_without_scripts(
    page_text: str, open_page: Open, scripts: bool
) -> None:
    page = open_page(page_text, scripts=scripts).page
    tabs = page.locator(".tab")
    assert [tabs.nth(k).is_visible() for k in range(3)] == [True, False, False]
    page.click("label[for=align-samples]")
    assert [tabs.nth(k).is_visible() for k in range(3)] == [False, False, True]


def test_the_verdict_table_sorts(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    table = page.locator("#verdict table[data-sortable]").first
    table.locator("thead th").nth(2).locator("button").click()
    assert table.locator("tbody th").first.inner_text() == "mf"


def test_downloads_are_what_they_say(page_text: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(page_text).page
    begins = {"json": "{", "markdown": "All 6 runs", "latex": "% energyprof", "csv": "run,group,arm,"}
    for name, start in begins.items():
        with page.expect_download() as waiting:
            page.click(f"[data-download={name}]")
        waiting.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_text("utf-8").startswith(start)
    assert len(list(csv.reader((tmp_path / "csv").read_text("utf-8").splitlines()))) == 7


def test_a_formula_in_a_name_is_inert_in_the_csv(runs: Runs, open_page: Open, tmp_path: Path) -> None:
    import dataclasses

    report = runs["gpu"][0]
    named = dataclasses.replace(report, run=dataclasses.replace(report.run, id='=HYPERLINK("x")'))
    page = open_page(render_comparison(compare([named]))).page
    with page.expect_download() as waiting:
        page.click("[data-download=csv]")
    waiting.value.save_as(tmp_path / "csv")
    assert list(csv.reader((tmp_path / "csv").read_text("utf-8").splitlines()))[1][0] == '\'=HYPERLINK("x")'


@pytest.mark.parametrize("width", [380, 1600])
def test_nothing_is_wider_than_the_page(page_text: str, open_page: Open, width: int) -> None:
    page = open_page(page_text, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [380, 1600])
def test_tables_scroll_sideways_if_at_all(page_text: str, open_page: Open, width: int) -> None:
    boxes = open_page(page_text, width=width).page.locator(".table-box")
    assert boxes.count() > 4
    assert boxes.evaluate_all("boxes => boxes.every(box => box.scrollHeight <= box.clientHeight)")


def test_it_prints_with_all_alignments(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    page.emulate_media(media="print")
    assert all(page.locator(".tab").nth(k).is_visible() for k in range(3))
    assert page.pdf(format="A4")[:5] == b"%PDF-"


def test_on_a_telephone_captions_are_not_cut_nor_words_broken(page_text: str, open_page: Open) -> None:
    page = open_page(page_text, width=380).page
    cut = "found => found.filter(c => c.getBoundingClientRect().right > innerWidth).length"
    assert page.locator(".table-box caption").evaluate_all(cut) == 0
    broken = """found => found.filter(head => {
      const range = document.createRange();
      range.selectNodeContents(head);
      const lines = new Set([...range.getClientRects()].map(box => box.top));
      return lines.size > head.textContent.split(" ").length;
    }).length"""
    assert page.locator(".split tbody th").evaluate_all(broken) == 0
