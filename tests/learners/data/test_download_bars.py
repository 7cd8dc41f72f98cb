"""What a download shows: bars on a terminal, lines in a pipe, nothing where nothing is fetched."""

from __future__ import annotations

import io

from rich.console import Console

from learners.data.download_bars import download_bars


def shown(*, terminal: bool, steps: list[tuple[str, int, int | None]]) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, color_system=None)
    with download_bars(console) as progress:
        for step in steps:
            progress(*step)
    return out.getvalue()


STEPS: list[tuple[str, int, int | None]] = [
    ("a.gz", 0, 2_000_000),
    ("a.gz", 1_000_000, 2_000_000),
    ("a.gz", 2_000_000, 2_000_000),
    ("b.gz", 5, None),
]


def test_in_a_pipe_each_file_is_one_line() -> None:
    assert shown(terminal=False, steps=STEPS) == "fetching a.gz (2.0 MB)\nfetching b.gz\n"


def test_on_a_terminal_each_file_has_a_bar_that_ends_full() -> None:
    text = shown(terminal=True, steps=STEPS)
    assert "a.gz" in text
    assert "2.0/2.0 MB" in text


def test_nothing_is_shown_where_nothing_is_fetched() -> None:
    assert shown(terminal=False, steps=[]) == ""
    assert "━" not in shown(terminal=True, steps=[])
