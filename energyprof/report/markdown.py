"""A comparison in Markdown (GitHub's), for an issue, a pull request or a log book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from energyprof.analysis.comparison import Comparison, Group
from energyprof.report.headline import comparability_text, headline
from energyprof.report.verdicts import Row, group_title, rows_of
from energyprof.report.words import DASH

__all__ = ["comparison_markdown", "escape_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$@&:])")
_LONGEST = 200
_LONGEST_SENTENCE = 1000


def comparison_markdown(comparison: Comparison) -> str:
    """Render a comparison: what may be compared, a table a group, what it says."""
    lines = _comparability(comparison)
    for group in comparison.groups:
        lines += ["", *_group(comparison, group)]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str, longest: int = _LONGEST) -> str:
    """Make a text inert: one line, no markup, HTML, mention or direction marks; cut if it is long."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    short = printable if len(printable) <= longest else f"{printable[: longest - 1]}…"
    return _SPECIAL.sub(r"\\\1", short).strip() or " "


def _comparability(comparison: Comparison) -> list[str]:
    count = len(comparison.reports)
    if len(comparison.groups) == 1:
        return [comparability_text(count)]
    return [
        f"These {count} runs fall into {len(comparison.groups)} groups that must not be ranked together. "
        "They differ in:",
        "",
        *(f"- {escape_markdown(str(difference))}" for difference in comparison.refusals),
    ]


def _group(comparison: Comparison, group: Group) -> list[str]:
    rows = rows_of(comparison, group)
    title = escape_markdown(group_title(comparison, group))
    heads = ["Learner", "n", "Energy", "95 % interval", "Ratio (95 %)", "Verdict", "Time", "Accuracy"]
    heads += ["Energy to target"] if comparison.target is not None else []
    sentences = [escape_markdown(sentence, _LONGEST_SENTENCE) for sentence in headline(comparison, group)]
    return [
        f"### {title}",
        "",
        *sentences,
        "",
        _line(heads),
        _line(["---", "--:", "--:", "--:", "--:", "---", "--:", "--:", "--:"][: len(heads)]),
        *(_line(_cells(comparison, row)) for row in rows),
    ]


def _cells(comparison: Comparison, row: Row) -> Sequence[str]:
    cells = [
        row.arm,
        str(row.n),
        row.energy,
        row.interval or DASH,
        row.ratio,
        row.verdict,
        row.time,
        row.accuracy,
    ]
    cells += [row.to_target] if comparison.target is not None else []
    escaped = [escape_markdown(cell) for cell in cells]
    return [f"**{cell}**" if row.reference and k == 0 else cell for k, cell in enumerate(escaped)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
