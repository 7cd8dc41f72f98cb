"""Puts what is recorded on disk: raw once a second, into the streams every 20 seconds.

What runs once a second runs with cold caches, and encoding a record batch is much code. The journal
(:mod:`energyprof.record.journal`) keeps the promise that at most the last second is lost; the streams get
larger batches, which are also smaller on disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.record.store import RunFolder
from energyprof.recording.cuda_timeline import DeviceTimeline
from energyprof.recording.marks import MarkBuffer
from energyprof.recording.sample_source import SampleSource

__all__ = ["TraceWriter"]

_SETTLE_NS: Final = 20_000_000_000


class TraceWriter:
    """Writes the trace of one recording; :meth:`log` may be called from any thread.

    Attributes:
        marks_written: how many marks are in the streams.
    """

    def __init__(
        self,
        folder: RunFolder,
        marks: MarkBuffer,
        sampler: SampleSource,
        timeline: DeviceTimeline | None,
        origin_ns: int,
    ) -> None:
        """Write to ``folder``; times count from ``origin_ns``."""
        self._folder, self._marks, self._sampler, self._timeline = folder, marks, sampler, timeline
        self._origin_ns = origin_ns
        self._log: list[tuple[int, str, float]] = []
        self._log_names: dict[str, int] = {}
        self._log_noted = 0  # of the log's rows, in the journal
        self._log_written = 0  # in the stream
        self._device: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._samples_written = 0
        self._samples_seen = self._marks_seen = self._device_seen = 0
        self._states_noted = 0
        self._settle_due_ns = 0
        self.marks_written = 0

    def log(self, now_ns: int, values: Mapping[str, float]) -> None:
        """Note scalars at a time; one that is not finite is kept as a gap."""
        at_ns = now_ns - self._origin_ns
        self._log.extend(
            (at_ns, name, value if math.isfinite(value) else math.nan) for name, value in values.items()
        )

    def flush(self, now_ns: int) -> bool:
        """Put everything so far on disk; tell whether the streams were written."""
        settles = now_ns >= self._settle_due_ns or not self._note()
        if settles:
            self.settle()
            self._settle_due_ns = now_ns + _SETTLE_NS
        return settles

    def settle(self) -> None:
        """Append everything so far to the streams, and begin the journal anew where they took it."""
        folder = self._folder
        self.resolve_device()
        rows = self._marks.drain()
        self.marks_written += len(rows.start_ns)
        folder.steps.append(
            {"start_ns": rows.start_ns - self._origin_ns, "phase": rows.phase, "step": rows.step},
            self._marks.phases,
        )
        samples = self._sampler.drain()
        columns = {name: getattr(samples, name) for name in ("t_ns", "since_ns", "channel", "value", "gap")}
        folder.samples.append(columns, samples.channels)
        self._samples_seen = self._samples_written = self._samples_written + len(samples)
        self._settle_log()
        self._settle_device()
        self._marks_seen = self.marks_written + len(self._marks.undecided[0])
        if not folder.refused:
            self._restart()

    def resolve_device(self) -> None:
        """Take in the times at which the device passed marks."""
        timeline = self._timeline
        if timeline is None or timeline.failed or self._folder.device is None:
            return
        rows, times_ns = timeline.resolve()
        if len(rows):
            at_ns = times_ns - self._origin_ns
            self._device.append((np.asarray(rows, np.int64), at_ns))
            self._folder.journal.add("device", self._device_seen, self._device[-1])
            self._device_seen += len(rows)

    def _note(self) -> bool:
        """Write what is new to the journal; tell whether the disk took it."""
        journal = self._folder.journal
        self.resolve_device()
        for times, codes in self._marks.collect():
            journal.add("marks", self._marks_seen, (times, codes))
            self._marks_seen += len(times)
        if len(self._marks.states) != self._states_noted:
            self._note_states()
        columns = self._sampler.collect()
        journal.add("samples", self._samples_seen, columns)
        self._samples_seen += len(columns[0])
        logged = len(self._log)
        if logged > self._log_noted:
            rows = self._log[self._log_noted : logged]
            journal.add_text("metrics", self._log_written + self._log_noted, rows)
            self._log_noted = logged
        return journal.write()

    def _note_states(self) -> None:
        states = list(self._marks.states)
        told = {"origin_ns": self._origin_ns, "phases": list(self._marks.phases), "states": states}
        self._folder.journal.add_text("states", 0, told)
        self._states_noted = len(states)

    def _restart(self) -> None:
        """Begin the journal anew with the marks that were not written: a wait that is still going on."""
        journal = self._folder.journal
        journal.restart()
        journal.add("marks", self.marks_written, self._marks.undecided)
        self._note_states()
        journal.write()

    def _settle_log(self) -> None:
        count = len(self._log)
        rows, index = self._log[:count], self._log_names
        del self._log[:count]
        self._log_written, self._log_noted = self._log_written + count, 0
        columns = {
            "t_ns": np.array([t for t, _, _ in rows], np.int64),
            "name": [index.setdefault(name, len(index)) for _, name, _ in rows],
            "value": [value for _, _, value in rows],
        }
        self._folder.metrics.append(columns, list(index))

    def _settle_device(self) -> None:
        parts, self._device = self._device, []
        if self._folder.device is not None:
            none = np.empty(0, np.int64)
            rows, times_ns = (np.concatenate(column) for column in zip((none, none), *parts, strict=True))
            self._folder.device.append({"row": rows, "device_ns": times_ns})
