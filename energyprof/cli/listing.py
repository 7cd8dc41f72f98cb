"""``energyprof list``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption

__all__ = ["app"]

app = typer.Typer(
    help="List what there is to choose from.",
    epilog="Example:  energyprof list algos --settings mf",
    no_args_is_help=True,
)


@app.command("algos", epilog="Example:  energyprof list algos --settings mf")
def algos(
    settings: Annotated[str | None, typer.Option(help="List the settings of this learner.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the learners, or one learner's settings for --set key=value."""
    from learners.configuration import describe
    from learners.registry import entries, entry

    if settings is None:
        rows = [(e.name, e.title, e.summary, e.paper) for e in entries().values()]
        _show(("name", "learner", "what it is", "paper"), rows, as_json)
        return
    infos = describe(entry(settings).config)
    rows = [(i.name, str(i.default), i.wanted, i.meaning) for i in infos]
    _show(("setting", "default", "must be", "meaning"), rows, as_json)


@app.command("datasets", epilog="Example:  energyprof list datasets --json")
def datasets(as_json: JsonOption = False) -> None:
    """List the data sets, and where each comes from."""
    from learners.data.datasets import DATASETS

    rows = [(d.name, d.summary, d.licence) for d in DATASETS.values()]
    _show(("name", "what it is", "licence"), rows, as_json)


@app.command("archs", epilog="Example:  energyprof list archs")
def archs(as_json: JsonOption = False) -> None:
    """List the kinds of architecture that --arch takes."""
    from learners.networks.architecture import ARCHITECTURE_KINDS

    rows = [(kind, *words) for kind, words in ARCHITECTURE_KINDS.items()]
    _show(("kind", "example", "what it is"), rows, as_json)


@app.command("sensors", epilog="Example:  energyprof list sensors")
def sensors(as_json: JsonOption = False) -> None:
    """List the sensors found on this machine; 'energyprof doctor' explains them."""
    from energyprof.sensors.discovery import discover

    found = [sensor.info for sensor in discover().sensors]
    rows = [(i.name, ", ".join(i.domains), str(i.source), i.semantics) for i in found]
    _show(("sensor", "domains", "source", "what a reading means"), rows, as_json)


@app.command("metrics", epilog="Example:  energyprof list metrics")
def metrics(as_json: JsonOption = False) -> None:
    """List the figures that a budget can limit, by the names that energyprof.toml gives them."""
    from energyprof.gate.metric import FAMILIES, METRICS, metric_named

    listed = [*METRICS.values(), *(metric_named(f"{family}.NAME") for family in FAMILIES)]
    rows = [
        (m.name, m.dimension, "deterministic" if m.deterministic else "statistical", m.meaning)
        for m in listed
    ]
    _show(("metric", "unit", "kind", "meaning"), rows, as_json)


def _show(heads: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    from rich.table import Table

    from energyprof.cli.rendering import print_json, show

    if as_json:
        print_json([dict(zip(heads, row, strict=True)) for row in rows])
        return
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    show(table)
