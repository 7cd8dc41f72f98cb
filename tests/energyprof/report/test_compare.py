from __future__ import annotations

import dataclasses
import re

import pytest

from energyprof.analysis.comparison import compare
from energyprof.analysis.reaching import parse_target
from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.compare import render_comparison
from energyprof.report.comparing.pareto import frontier

Runs = dict[str, tuple[Report, Trace]]


def ids(html: str) -> list[str]:
    return re.findall(r' id="([^"]+)"', html)


def test_a_comparison_says_first_what_may_be_compared(studied: list[Report]) -> None:
    html = render_comparison(compare(studied))
    assert html.index('id="comparable"') < html.index('id="verdict"') < html.index('id="ratios"')
    assert "mf used" in html
    assert len(ids(html)) == len(set(ids(html)))


def test_all_sections_are_there_for_a_study(studied: list[Report]) -> None:
    html = render_comparison(compare(studied, target=parse_target("validation_accuracy>=0.9")))
    wanted = {"comparable", "verdict", "ratios", "pareto", "why", "phases", "curves", "seeds", "runs"}
    assert wanted <= set(ids(html))


def test_groups_that_differ_are_shown_apart_and_say_why(studied: list[Report], runs: Runs) -> None:
    html = render_comparison(compare([*studied, runs["cpu"][0]]))
    assert {"g1-verdict", "g2-verdict"} <= set(ids(html))
    assert "must not be ranked together" in html
    assert "<code>dataset</code>" in html


def test_runs_are_linked_only_where_an_address_is_given(studied: list[Report]) -> None:
    html = render_comparison(compare(studied), {"run-bp-0": "run-bp-0/report.html"})
    assert '<a href="run-bp-0/report.html">run-bp-0</a>' in html
    assert html.count("/report.html") == 1


def test_groups_are_told_apart_by_their_titles(studied: list[Report]) -> None:
    longer = [
        dataclasses.replace(
            report,
            run=dataclasses.replace(report.run, id=f"{report.run.id}-longer"),
            workload=dataclasses.replace(report.workload, protocol={"rule": "patience", "patience": 9}),
        )
        for report in studied
    ]
    html = render_comparison(compare([*studied, *longer]))
    titles = re.findall(r'verdict-title">(.*?)</h2>', html)
    assert [title.rpartition(" · ")[2] for title in titles] == ["patience 5", "patience 9"]


def test_nothing_is_drawn_beyond_the_edge_of_the_accuracy_chart(studied: list[Report]) -> None:
    wild = [
        dataclasses.replace(
            report,
            totals=dataclasses.replace(
                report.totals,
                energy_j=dataclasses.replace(
                    report.totals.energy_j, value=10.0 ** (k // 2), low=None, high=None
                ),
            ),
            quality=dataclasses.replace(report.quality, test_accuracy=0.1 + 0.3 * (k // 2)),
        )
        for k, report in enumerate(studied)
    ]
    section = render_comparison(compare(wild)).split('id="pareto"')[1].split("</section>")[0]
    paths = re.findall(r'<path class="line [^"]*" d="([^"]*)"', section.split('class="plot ')[1])
    assert len(paths) == 5
    for path in paths:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path)]
        x, y = numbers[:2]
        for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
            x, y = x + dx, y + dy
            assert -0.2 <= x <= 1000.2, path
            assert -0.2 <= y <= 1000.2, path


def test_dots_of_interleaved_runs_are_ratios_to_their_own_pair(studied: list[Report]) -> None:
    """Scale seeds by ten each: against their pairs the ratios stay close, against the mean they would not."""
    spread = [
        dataclasses.replace(
            report,
            totals=dataclasses.replace(
                report.totals,
                energy_j=dataclasses.replace(
                    report.totals.energy_j, value=10.0 ** (k // 2) * (1 - 0.1 * (k % 2)), low=None, high=None
                ),
            ),
        )
        for k, report in enumerate(studied)
    ]
    block = render_comparison(compare(spread)).split('id="ratios"')[1].split("</table>")[0]
    dots = {float(x) for x in re.findall(r'class="dot [^"]*" d="M([\d.]+) 780', block)}
    (estimate,) = [float(x) for x in re.findall(r'class="estimate" d="M([\d.]+)', block)]
    assert dots == {estimate}


def test_slopes_name_both_sides(studied: list[Report]) -> None:
    section = render_comparison(compare(studied)).split('id="seeds"')[1].split("</section>")[0]
    ticks = section.split('class="plot-x"')[1].split("</div>")[0]
    assert re.findall(r">([^<]+)</span>", ticks) == ["bp", "mf"]


def test_the_change_explained_is_the_change_of_the_verdict(studied: list[Report]) -> None:
    from energyprof.analysis.explanation import explain, profile_of

    comparison = compare(studied)
    base, arm = comparison.groups[0].arms
    profiles = [profile_of([comparison.reports[p] for p in a.arm.runs], a.arm.name) for a in (arm, base)]
    assert explain(*profiles).ratio == pytest.approx(arm.ratios["energy_j"].value)


def test_the_index_is_linked_only_where_there_is_one(studied: list[Report]) -> None:
    assert "All runs" not in render_comparison(compare(studied))
    assert '<a href="../index.html">All runs</a>' in render_comparison(
        compare(studied), index="../index.html"
    )


@pytest.mark.parametrize("kind", ["hostile", "zero-steps", "no-sensor", "one-step", "ten-days"])
def test_a_single_run_of_any_kind_gives_a_page(runs: Runs, kind: str) -> None:
    html = render_comparison(compare([runs[kind][0]]))
    assert "This is one run of one arm: name another one to hold it against." in html
    assert "<img" not in html.split('<script type="application/json"')[0]


def test_hostile_runs_side_by_side_stay_text(runs: Runs) -> None:
    report = runs["hostile"][0]
    other = dataclasses.replace(
        report,
        run=dataclasses.replace(report.run, id=report.run.id + "2"),
        workload=dataclasses.replace(report.workload, algo="bp<b>"),
    )
    visible = render_comparison(compare([report, other])).split('<script type="application/json"')[0]
    assert "<img" not in visible
    assert "bp<b>" not in visible
    assert "\u202e" not in visible


def test_one_run_a_side_is_said_to_have_no_interval(studied: list[Report]) -> None:
    assert "gives no interval" in render_comparison(compare(studied[:2]))


def test_the_same_runs_give_the_same_bytes(studied: list[Report]) -> None:
    assert render_comparison(compare(studied)) == render_comparison(compare(studied))


def test_the_frontier_keeps_what_nothing_beats_in_both() -> None:
    points = [(1.0, 0.9), (2.0, 0.85), (3.0, 0.95), (3.0, 0.94), (4.0, 0.95)]
    assert frontier(points) == [(1.0, 0.9), (3.0, 0.95)]


def arms_of(reports: list[Report], count: int, key: str) -> list[Report]:
    """Return copies of the reports in so many arms, told apart by a setting."""
    return [
        dataclasses.replace(
            report,
            run=dataclasses.replace(report.run, id=f"{report.run.id}-{arm}"),
            workload=dataclasses.replace(report.workload, config={key: arm}),
        )
        for arm in range(count)
        for report in reports
    ]


def test_many_arms_share_styles_by_learner(studied: list[Report]) -> None:
    html = render_comparison(compare(arms_of(studied[:2], 10, "learning_rate")))
    legend = re.search(r'<ul class="legend">(.*?)</ul>', html, re.DOTALL)
    assert legend is not None
    assert legend[1].count("<li>") == 2


def test_what_is_not_drawn_of_many_arms_is_said(studied: list[Report]) -> None:
    comparison = compare(arms_of(studied, 8, "width"))
    page = render_comparison(comparison)
    arms = len(comparison.groups[0].arms)
    assert arms > 12
    assert f"{arms - 12} more arms are in the table above but not drawn here." in page
    assert f"{arms - 1 - 8} more are left to energyprof explain." in page
    assert f"{arms - 1 - 6} more are not drawn." in page
