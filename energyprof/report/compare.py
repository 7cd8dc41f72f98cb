"""The page of a comparison: what may be compared first, then verdicts, then why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from energyprof.analysis.comparison import Comparison
from energyprof.report.comparing import curves, forest, pareto, phases, slopes, why
from energyprof.report.comparing.view import GroupView
from energyprof.report.comparison_json import comparison_json
from energyprof.report.headline import comparability_text, headline
from energyprof.report.latex import comparison_latex
from energyprof.report.markdown import comparison_markdown
from energyprof.report.page import render_page
from energyprof.report.section import Section
from energyprof.report.verdicts import group_title, rows_of
from energyprof.report.words import counted

__all__ = ["SECTIONS", "render_comparison"]

SECTIONS: Final[tuple[Callable[[GroupView], Section | None], ...]] = (
    forest.section,
    pareto.section,
    why.section,
    phases.section,
    curves.section,
    slopes.section,
)


def render_comparison(
    comparison: Comparison, links: Mapping[str, str] | None = None, index: str | None = None
) -> str:
    """Render a comparison as one HTML file that asks for nothing.

    Args:
        comparison: from :func:`energyprof.analysis.comparison.compare`.
        links: run id -> address of its page, relative to where this page will lie; a run without one is named
            but not linked.
        index: address of the index of all runs, or None.
    """
    many = len(comparison.groups) > 1
    views = [
        GroupView(comparison, group, f"g{index + 1}-" if many else "")
        for index, group in enumerate(comparison.groups)
    ]
    groups = [_group(view) for view in views]
    heading = f"Comparison of {counted(len(comparison.reports), 'run')}"
    return render_page(
        "compare.html",
        title=f"{heading} · energyprof",
        heading=heading,
        comparability=comparability_text(len(comparison.reports)),
        data={
            "kind": "comparison",
            "name": "comparison",
            "report": comparison_json(comparison),
            "markdown": comparison_markdown(comparison),
            "latex": comparison_latex(comparison),
        },
        scripts=("page.js", "compare.js"),
        contents=_contents(groups, many),
        comparison=comparison,
        groups=groups,
        links=dict(links or {}),
        index=index,
        energyprof=comparison.reports[0].environment.energyprof,
    )


def _group(view: GroupView) -> dict[str, object]:
    comparison, group = view.comparison, view.group
    return {
        "key": view.key,
        "title": group_title(comparison, group),
        "sentences": headline(comparison, group),
        "rows": list(zip(rows_of(comparison, group), group.arms, strict=True)),
        "sections": [section for build in SECTIONS if (section := build(view)) is not None],
        "warnings": group.warnings,
        "runs": [(position, comparison.reports[position]) for position in group.runs],
        "arm_of": {position: arm.arm.name for arm in group.arms for position in arm.arm.runs},
    }


def _contents(groups: list[dict[str, object]], many: bool) -> list[tuple[str, str]]:
    items = [("comparable", "May they be compared?")]
    for group in groups:
        key, sections = str(group["key"]), group["sections"]
        if many:
            items.append((f"{key}verdict", str(group["title"])))
        elif isinstance(sections, list):
            items.append(("verdict", "Verdict"))
            items += [(section.key, section.short or section.title) for section in sections]
    return [*items, ("runs", "Runs")]
