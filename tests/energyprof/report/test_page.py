from __future__ import annotations

import hashlib
import json
from importlib import resources

import jinja2
import pytest

from energyprof.report.page import CONTENT_POLICY, asset, fragment

ASSETS = resources.files("energyprof.report") / "assets"


def test_vendored_files_are_the_ones_that_were_released() -> None:
    source = json.loads((ASSETS / "uplot.source.json").read_text("utf-8"))
    assert source["licence"] == "MIT"
    for name, about in source["files"].items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == about["sha256"]


def test_no_asset_names_an_address_that_would_be_fetched() -> None:
    names = {file.name for file in ASSETS.iterdir() if not file.name.startswith("uplot.")}
    assert {"page.js", "timeline.js", "compare.js", "index.js", "page.css"} <= names
    for name in names:
        text = asset(name)
        assert "</" + "script" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_the_policy_allows_no_source_from_outside() -> None:
    assert "default-src 'none'" in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY
    assert "*" not in CONTENT_POLICY


def test_a_template_that_shows_what_it_was_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        fragment("run_memory.html")
