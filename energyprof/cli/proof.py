"""``doctor --prove``: the scenario suite as a table, and other tools beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from energyprof.testing.peers import PeerResult
    from energyprof.testing.promises import ScenarioResult

__all__ = ["proof_dict", "prove_here", "render_peers", "render_proof", "show_proof"]


def show_proof(peers: Sequence[str], *, as_json: bool) -> int:
    """Prove, print, and return the exit code: 1 if a promise is broken."""
    from energyprof.cli.rendering import print_json, show

    results, theirs = prove_here(peers)
    if as_json:
        print_json(proof_dict(results, theirs))
    else:
        show(render_proof(results))
        if theirs:
            show("")
            show(render_peers(theirs))
    return 0 if all(result.kept for result in results) else 1


def prove_here(peers: Sequence[str]) -> tuple[list[ScenarioResult], list[PeerResult]]:
    """Run the scenario suite, and the named tools on its shortened scenarios, with progress on stderr."""
    import sys

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from energyprof.testing.peers import against, require_known
    from energyprof.testing.scenarios import prove

    tools = list(dict.fromkeys(["energyprof", *peers])) if peers else []
    require_known(tools)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("proving")
        results = prove(lambda result: bar.update(task, description=f"{result.sensor}: {result.scenario}"))
        bar.update(task, description="other tools, on a real clock")
        return results, against(tools) if tools else []


def proof_dict(results: Sequence[ScenarioResult], peers: Sequence[PeerResult]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "schema": "energyprof.proof/1",
        "kept": all(result.kept for result in results),
        "scenarios": [asdict(result) for result in results],
        "peers": [asdict(result) for result in peers],
    }


def render_proof(results: Sequence[ScenarioResult]) -> RenderableType:
    """Render each promise in each scenario: truth, what was reported, error, interval coverage."""
    from rich.console import Group
    from rich.text import Text

    broken = [result for result in results if not result.kept]
    verdict = (
        Text(f"All {len(results)} promises are kept on this machine.", style="bold green")
        if not broken
        else Text(f"{len(broken)} of {len(results)} promises are broken on this machine.", style="bold red")
    )
    return Group(_proof_table(results), Text(), verdict)


def render_peers(results: Sequence[PeerResult]) -> RenderableType:
    """Render the same loads as other tools saw them."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for title in ("Scenario", "Tool"):
        table.add_column(title, overflow="fold")
    for title in ("Truth", "Reported", "Error", "Steps as 0 J", "Step RMS error"):
        table.add_column(title, justify="right", no_wrap=True)
    for r in results:
        tool = r.peer if r.version is None else f"{r.peer} {r.version}"
        if r.reported_j is None or r.truth_j is None:
            table.add_row(r.scenario, tool, Text(r.note or "no figure", style="dim"))
            continue
        zeros = "-" if r.zero_steps is None else f"{r.zero_steps} of {r.steps}"
        rms = "-" if r.step_error is None else f"{r.step_error:.0%}"
        table.add_row(
            *(r.scenario, tool, f"{r.truth_j:.1f} J", f"{r.reported_j:.1f} J", _percent(r.error), zeros, rms)
        )
    return table


def _proof_table(results: Sequence[ScenarioResult]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("")
    for title, ratio in (("Scenario", 5), ("Sensor", 4), ("Promise", 8)):
        table.add_column(title, overflow="fold", ratio=ratio)
    for title in ("Truth", "Reported", "Error", "Covered"):
        table.add_column(title, justify="right", no_wrap=True)
    for r in results:
        sign = Text("✓", style="green") if r.kept else Text("✗", style="bold red")
        promise = r.promise if r.kept or not r.note else f"{r.promise}: {r.note}"
        covered = "" if r.coverage is None else f"{r.coverage:.0%}"
        table.add_row(
            *(sign, r.scenario, r.sensor, promise, _figure(r.truth, r.unit), _figure(r.reported, r.unit)),
            *(_percent(r.error), covered),
        )
    return table


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if unit == "1" else f"{value:.1f} {unit}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:+.2%}"
