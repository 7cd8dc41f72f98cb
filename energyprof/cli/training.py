"""A training run from the command line: prepare, watch, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import typer

from energyprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from energyprof.cli.live import Latest, LineView, LiveView
    from energyprof.record.model import ResumedFrom
    from energyprof.recording.profiler import Profiler
    from energyprof.recording.run import Run
    from learners.data.download import Progress
    from learners.experiment import Experiment
    from learners.resumption import Checkpoint

__all__ = ["parse_settings", "train_and_report"]

_OURS: Final = (Path(__file__).parents[1], Path(__file__).parents[2] / "learners")


def parse_settings(texts: list[str]) -> dict[str, str]:
    """Read ``key=value`` texts.

    Raises:
        UsageError: a text without a key or a value, or a key given twice.
    """
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--set {text} cannot be read: write --set key=value")
        if key in settings:
            raise UsageError(f"--set {key} is given twice: {settings[key]} and {value}")
        settings[key] = value
    return settings


def train_and_report(
    experiment: Experiment,
    profiling: Mapping[str, Any],
    checkpoint: Checkpoint | None = None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train, and print what came of it, whatever ended it.

    Args:
        experiment: what to train.
        profiling: what the profiler is told.
        checkpoint: where to go on from; None: begin at the beginning.
        quiet: print nothing but the result.
        as_json: print the report as JSON.

    Raises:
        EnergyprofError: what was asked for cannot be meant, or training failed.
    """
    from energyprof.cli.exhaustion import memory_running_out
    from energyprof.cli.indexing import refresh_index
    from energyprof.cli.rendering import show_run
    from energyprof.cli.resuming import earlier_part
    from energyprof.recording.profiler import Profiler
    from learners.experiment import prepare

    silent = quiet or as_json
    before = None if checkpoint is None else earlier_part(checkpoint)
    profiler = Profiler(experiment.title, seed=experiment.seed, resumed_from=before, **profiling)
    with _progress(silent) as progress, memory_running_out():
        prepared = prepare(experiment, progress)
    if checkpoint is not None:
        checkpoint.require_same(prepared)
    if not silent:
        _announce(experiment, before)
    try:
        with _plain_warnings(), memory_running_out(), profiler:
            profiler.describe(**prepared.facts)
            with _view(experiment.title, profiler, prepared.task.batch_size, silent) as view:
                prepared.train(profiler, view, None if checkpoint is None else checkpoint.content)
    finally:
        if profiler.finished and not (quiet and not as_json):
            show_run(profiler.run, as_json=as_json)
        if profiler.finished:
            refresh_index(profiling["out"])
            if not silent:
                _say_how_to_continue(profiler.run)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings about the run as the one line that they are, without the line of code they come from."""
    import warnings

    with warnings.catch_warnings():
        show = warnings.showwarning

        def plainly(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is RuntimeWarning and any(map(Path(filename).is_relative_to, _OURS)):
                typer.echo(f"warning: {message}", err=True)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = plainly
        yield


def _say_how_to_continue(run: Run) -> None:
    from energyprof.record.model import RunStatus
    from learners.training.checkpoint_file import CHECKPOINT

    if run.report.run.status is not RunStatus.COMPLETED and (run.path / CHECKPOINT).exists():
        typer.echo(f"continue it with  energyprof run --resume {run.path}", err=True)


def _announce(experiment: Experiment, before: ResumedFrom | None) -> None:
    if before is not None:
        passes = f"{before.passes} pass{'' if before.passes == 1 else 'es'} over the data"
        typer.echo(f"{experiment.title}, continuing {before.run} after {passes}", err=True)
        return
    ours = experiment.dataset == "digits"
    note = ", on the 8x8 digits that ship with the package (--dataset mnist for more)" if ours else ""
    typer.echo(f"{experiment.title}{note}", err=True)


@contextmanager
def _progress(silent: bool) -> Iterator[Progress | None]:
    """Show how a download goes on, on stderr, where that is a terminal."""
    if silent or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def update(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield update


def _view(
    title: str, profiler: Profiler, samples: int, silent: bool
) -> AbstractContextManager[LiveView | LineView | None]:
    from contextlib import nullcontext

    from rich.console import Console

    from energyprof.cli.live import LineView, LiveView

    latest: Latest = profiler.latest
    if silent:
        return nullcontext()
    if sys.stderr.isatty():
        return LiveView(title, latest, samples, Console(stderr=True))
    return LineView(lambda line: typer.echo(line, err=True), latest)
