"""Shows downloads on the terminal: a bar for each file, or a line where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from learners.data.download import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["download_bars"]


@contextmanager
def download_bars(console: Console | None = None) -> Iterator[Progress]:
    """Give a progress callback for :func:`learners.data.datasets.load`.

    Nothing is shown until the first download begins, so a data set that is at hand shows nothing.

    Args:
        console: where to; None for stderr.
    """
    from rich.console import Console

    bars = _Bars(console or Console(stderr=True))
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    """One bar a file on a terminal, one line a file otherwise."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = console
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        self._bars = RichProgress(*columns, console=console)
        self._tasks: dict[str, TaskID | None] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._begin(name, total)
        if (task := self._tasks[name]) is not None:
            self._bars.update(task, completed=done, total=total)

    def close(self) -> None:
        """Leave the bars as they stand."""
        if any(task is not None for task in self._tasks.values()):
            self._bars.stop()

    def _begin(self, name: str, total: int | None) -> TaskID | None:
        if self._console.is_terminal:
            self._bars.start()
            return self._bars.add_task(name, total=total)
        size = f" ({total / 1e6:.1f} MB)" if total else ""
        self._console.print(f"fetching {name}{size}", highlight=False)
        return None
