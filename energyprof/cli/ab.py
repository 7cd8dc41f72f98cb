"""``energyprof ab``: two versions in one sitting, interleaved, until decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import (
    GithubOption,
    JunitFileOption,
    MarkdownFileOption,
    OpenmetricsFileOption,
    QuietOption,
    VerdictFileOption,
    refuse_bare_share,
)

__all__ = ["EXAMPLE", "ab"]

EXAMPLE = 'Example:  energyprof ab --base-ref main --head "energyprof run --algo mf --dataset mnist"'


def ab(
    head: Annotated[str, typer.Option(help="Command of the new side; {seed} and {out} are filled in.")],
    base: Annotated[str | None, typer.Option(help="Command of the old side (the head command).")] = None,
    base_ref: Annotated[
        str | None, typer.Option(help="Commit of the old side, checked out in a git worktree.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Most runs a side (the budget's last look, 8).")] = None,
    cooldown: Annotated[
        str, typer.Option(help="Pause between runs: auto (a tenth of a run, at most 30 s) or seconds.")
    ] = "auto",
    config: Annotated[Path | None, typer.Option(help="Budget file (energyprof.toml).")] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            callback=refuse_bare_share, help="Judge one metric by this margin instead of the budgets."
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="The metric of --margin.")] = "energy_j",
    across_learners: Annotated[
        bool, typer.Option("--across-learners", help="One learner against another on the same task.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="An undecided end counts: exit 3.")] = False,
    json_file: VerdictFileOption = None,
    markdown: MarkdownFileOption = None,
    junit: JunitFileOption = None,
    openmetrics: OpenmetricsFileOption = None,
    github: GithubOption = False,
    quiet: QuietOption = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the sitting (reports/ab-TIME).")] = None,
) -> None:
    """Run two sides interleaved (A B B A), seeds paired; look after 3, 5 and 8 runs, stop when decided."""
    from energyprof.cli.verdict_printing import (
        VerdictOutputs,
        new_sitting_folder,
        print_progress,
        print_verdict,
    )
    from energyprof.gate.ab_session import AbRequest, parse_cooldown, run_ab

    folder = out or new_sitting_folder()
    request = AbRequest(
        head=head, base=base, base_ref=base_ref, out=folder, seeds=seeds, config=config, margin=margin,
        metric=metric, across_learners=across_learners, strict=strict, cooldown_s=parse_cooldown(cooldown),
    )  # fmt: skip
    sitting = run_ab(request, print_progress(quiet))
    outputs = VerdictOutputs(
        json=json_file, markdown=markdown, junit=junit, openmetrics=openmetrics, github=github, quiet=quiet
    )
    raise typer.Exit(print_verdict(sitting.verdict, outputs))
