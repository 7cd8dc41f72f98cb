from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.folder import FolderEntry
from energyprof.report.index import render_index

pytestmark = pytest.mark.browser

Runs = dict[str, tuple[Report, Trace]]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def page_text(runs: Runs) -> str:
    """An index of all kinds of runs, one of them broken."""
    entries = [
        FolderEntry(folder=f"2026-{name}", report=report, page=True) for name, (report, _) in runs.items()
    ]
    odd = FolderEntry(folder="it's $(odd)", report=runs["gpu"][0], page=True)
    return render_index([*entries, odd, FolderEntry(folder="broken", report=None, reason="not whole JSON")])


def shown(page: Any) -> int:
    """Count the rows that are not filtered away."""
    count: int = page.locator("#runs-table tbody tr:not([hidden])").count()
    return count


def test_it_opens_from_disk_without_a_word_or_a_request(page_text: str, open_page: Open) -> None:
    opened = open_page(page_text)
    assert opened.quiet
    assert opened.page.evaluate("window.hacked === undefined")
    assert shown(opened.page) == 10


def test_filters_narrow_the_rows_and_stand_in_the_address(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    page.select_option("#filter-data", "digits")
    page.wait_for_function("location.hash.startsWith('#show:')")
    assert shown(page) == 1
    assert "1 of 10 shown" in page.locator("#shown").inner_text()
    page.go_back()
    page.wait_for_function("!document.querySelector('#runs-table tbody tr[hidden]')")
    assert shown(page) == 10
    assert not page.evaluate("location.hash.startsWith('#show:')")


def test_a_link_opens_with_its_filters(page_text: str, open_page: Open) -> None:
    page = open_page(page_text, anchor="#show:find=ten-days").page
    assert shown(page) == 1
    assert page.input_value("#filter-text") == "ten-days"


def test_finding_goes_by_words_and_by_key(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    page.keyboard.press("/")
    page.keyboard.type("partial mnist")
    assert shown(page) == 1


def test_ticked_runs_give_the_command_to_compare_them(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    assert not page.locator("#tray").is_visible()
    page.check("[aria-label='Compare 2026-gpu']")
    assert "tick one more" in page.locator("#tray-count").inner_text()
    page.check('[aria-label="Compare it\'s $(odd)"]')
    command = page.locator("#tray-command").inner_text()
    assert command == "energyprof compare 'it'\\''s $(odd)' 2026-gpu"
    page.click("#tray-clear")
    assert not page.locator("#tray").is_visible()


def test_columns_sort_by_value_and_not_by_text(page_text: str, open_page: Open) -> None:
    page = open_page(page_text).page
    head = page.locator("#runs-table thead th").nth(6)
    head.locator("button").click()
    values = page.locator("#runs-table").evaluate(
        "e => [...e.tBodies[0].rows].map(r => r.cells[6].dataset.v)"
    )
    numbers = [float(v) for v in values if v]
    assert numbers == sorted(numbers)
    assert values[-1] == ""


def test_without_scripts_all_rows_and_reasons_are_there(page_text: str, open_page: Open) -> None:
    page = open_page(page_text, scripts=False).page
    assert shown(page) == 10
    assert "not whole JSON" in page.locator("#unreadable").inner_text()
    assert not page.locator(".filters").is_visible()


@pytest.mark.parametrize("width", [380, 1600])
def test_nothing_is_wider_than_the_page(page_text: str, open_page: Open, width: int) -> None:
    page = open_page(page_text, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
