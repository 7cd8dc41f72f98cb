"""The live view of a run: progress, watts, joules, loss; plain lines where stdout is no terminal.

On the training thread it only takes note of numbers; rich draws in a thread of its own, four times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from energyprof.units import format_bytes, format_duration, format_energy, format_power, format_quantity

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from learners.training.outcome import EpochOutcome

__all__ = ["LineView", "LiveView", "PowerMeter"]

Latest = Callable[[], Mapping[str, tuple[float, int]]]
_SHORTEST_NS: Final = 400_000_000  # between two values of a counter that watts are worked out from


class PowerMeter:
    """Watts now and joules so far, from the profiler's latest readings.

    A view for eyes: the report's figures are worked out from the whole trace.

    Args:
        latest: gives the latest value of every channel by name, and when it was read in ns. New ones come
            about once a second, of several readings at once: watts go by the readings' own times.

    Attributes:
        power_w: what all counters together drew between their last two values, or None where none moved yet.
        energy_j: what they counted since the first update, or None where none moved yet.
    """

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._counters: dict[str, _Counter] = {}
        self.power_w: float | None = None
        self.energy_j: float | None = None

    def update(self) -> None:
        """Take the latest readings in."""
        readings = self._latest()
        for name, (value, t_ns) in readings.items():
            if name.split("/")[1].startswith("energy"):
                self._counters.setdefault(name, _Counter(value, t_ns)).take(value, t_ns)
        if not self._counters:
            instant = [v for name, (v, _) in readings.items() if name.endswith(("power_instant", "power"))]
            self.power_w = sum(instant) if instant else None
            return
        moved = [counter for counter in self._counters.values() if counter.power_w is not None]
        if moved:
            self.energy_j = sum(counter.energy_j for counter in moved)
            self.power_w = sum(counter.power_w or 0.0 for counter in moved)


class _Counter:
    """One energy counter as a view sees it."""

    def __init__(self, value_j: float, t_ns: int) -> None:
        self._first_j = value_j
        self._before = (value_j, t_ns)
        self.energy_j = 0.0
        self.power_w: float | None = None

    def take(self, value_j: float, t_ns: int) -> None:
        """Take a value in; one that was there before says nothing new."""
        before_j, before_ns = self._before
        if t_ns - before_ns >= _SHORTEST_NS:
            self.power_w = (value_j - before_j) / ((t_ns - before_ns) / 1e9)
            self._before = (value_j, t_ns)
            self.energy_j = value_j - self._first_j


class LiveView:
    """Progress by epoch and step with what it draws, redrawn in place. Use as a context manager.

    Args:
        title: what is run.
        latest: the profiler's latest readings.
        samples_per_step: the batch size.
        console: where to draw.
    """

    def __init__(self, title: str, latest: Latest, samples_per_step: int, console: Console) -> None:
        from rich.live import Live

        self._title, self._latest, self._samples = title, latest, samples_per_step
        self._meter = PowerMeter(latest)
        self._began_s = time.perf_counter()
        self._steps_per_epoch, self._epochs = 1, 1
        self._epoch = self._step = self._done = self._before = 0
        self._stage, self._doing = "train", "training"
        self._last: EpochOutcome | None = None
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveView:
        """Start to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the view away."""
        self._live.stop()

    def training_began(
        self, stages: tuple[tuple[str, int], ...], steps_per_epoch: int, epochs_before: int = 0
    ) -> None:
        """Take what is to come."""
        self._began_s = time.perf_counter()
        self._epochs, self._steps_per_epoch = sum(count for _, count in stages), steps_per_epoch
        self._done = self._before = epochs_before

    def epoch_began(self, stage: str, epoch: int) -> None:
        """Take note."""
        self._stage, self._epoch, self._doing, self._step = stage, epoch, "training", 0

    def step_ended(self, step: int) -> None:
        """Take note."""
        self._step = step

    def epoch_ended(self, epoch: EpochOutcome) -> None:
        """Take note."""
        self._last, self._done, self._step = epoch, self._done + 1, 0

    def evaluation_began(self, part: str) -> None:
        """Take note."""
        self._doing = f"evaluating on {part}"

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        self._meter.update()
        total = self._epochs * self._steps_per_epoch
        steps = min(total, self._done * self._steps_per_epoch + self._step)
        took_s = time.perf_counter() - self._began_s
        own = steps - self._before * self._steps_per_epoch  # an earlier run did the others
        left = f"{format_duration(took_s / own * (total - steps))} left" if own else "starting"
        head = Text.assemble((self._title, "bold"), f"  {self._doing}")
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"{self._stage} epoch {self._epoch + 1}, step {self._step}/{self._steps_per_epoch}"),
            ProgressBar(total=total, completed=steps, width=30),
            Text(f"{format_duration(took_s)}, {left}", style="dim"),
        )
        return Group(head, line, Text("   ".join(self._figures(own))))

    def _figures(self, steps: int) -> list[str]:
        meter, last = self._meter, self._last
        memory, _ = self._latest().get("host/memory", (None, 0))
        figures = []
        if meter.power_w is not None:
            figures.append(format_power(meter.power_w))
        if meter.energy_j is not None:
            figures.append(format_energy(meter.energy_j))
            if steps:
                figures.append(format_quantity(meter.energy_j / (steps * self._samples), "J/sample"))
        if last is not None:
            figures.append(f"loss {last.train_loss:.4f}")
            if last.validation is not None:
                figures.append(f"validation {last.validation.accuracy:.2%}")
        if memory:
            figures.append(f"memory {format_bytes(memory)}")
        return figures


class LineView:
    """One line an epoch, for pipes and logs.

    Args:
        write: takes a line.
        latest: the profiler's latest readings.
    """

    def __init__(self, write: Callable[[str], None], latest: Latest) -> None:
        self._write, self._meter = write, PowerMeter(latest)
        self._epochs: Mapping[str, int] = {}

    def __enter__(self) -> LineView:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def training_began(
        self, stages: tuple[tuple[str, int], ...], steps_per_epoch: int, epochs_before: int = 0
    ) -> None:
        """Take what is to come."""
        self._epochs = dict(stages)
        self._meter.update()

    def epoch_began(self, stage: str, epoch: int) -> None:
        """Do nothing."""

    def step_ended(self, step: int) -> None:
        """Do nothing."""

    def epoch_ended(self, epoch: EpochOutcome) -> None:
        """Write the epoch's line."""
        self._meter.update()
        parts = [
            f"{epoch.stage} epoch {epoch.index + 1}/{self._epochs[epoch.stage]}",
            f"loss {epoch.train_loss:.4f}",
        ]
        if epoch.validation is not None:
            parts.append(f"validation {epoch.validation.accuracy:.2%}")
        if self._meter.energy_j is not None:
            parts.append(f"{format_energy(self._meter.energy_j)} so far")
        self._write("  ".join(parts))

    def evaluation_began(self, part: str) -> None:
        """Do nothing."""
