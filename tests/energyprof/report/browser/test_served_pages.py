from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energyprof.record.model import Report
from energyprof.record.schema import write_report
from energyprof.record.trace import Trace
from energyprof.report.run import render_run
from energyprof.report.server import ReportServer

pytestmark = pytest.mark.browser

Runs = dict[str, tuple[Report, Trace]]


@pytest.fixture
def url(runs: Runs, tmp_path: Path) -> Iterator[str]:
    """A folder of two runs, one with hostile names, served on a free port."""
    for name in ("gpu", "hostile"):
        folder = tmp_path / f"2026-{name}"
        folder.mkdir()
        write_report(runs[name][0], folder / "report.json")
        (folder / "report.html").write_text(render_run(*runs[name]), "utf-8")
    with ReportServer(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def test_a_reader_goes_from_the_index_to_a_run_and_back_and_nothing_is_refused(
    browser: Any, url: str, tmp_path: Path
) -> None:
    with browser.new_context(accept_downloads=True) as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        page.click("a[href='2026-gpu/report.html']")
        page.wait_for_url("**/2026-gpu/report.html")  # by default until loaded, so its script has run
        page.wait_for_function("page.timeline.then(t => t.charts.length === 8)")
        with page.expect_download() as waiting:
            page.click("[data-download=json]")
        waiting.value.save_as(tmp_path / "saved.json")
        page.click("text=All runs")
        page.wait_for_selector("#runs-table")
        page.goto(url + "2026-hostile/report.html")
        assert page.evaluate("window.hacked === undefined")
        assert said == []
        assert all(address.startswith((url, "blob:", "data:")) for address in asked)


def test_a_page_from_elsewhere_cannot_read_a_report(browser: Any, url: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text("<!doctype html><title>elsewhere</title>")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(elsewhere.as_uri())
        target = url + "2026-gpu/report.json"
        for mode in ("cors", "no-cors"):
            read = f"fetch({target!r}, {{mode: {mode!r}}}).then(r => r.type, () => 'refused')"
            assert page.evaluate(read) == "refused"
