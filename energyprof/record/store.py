"""The run folder: made in a run's first second, appended to while it runs, read back whatever ended it.

::

    reports/20261120-152233-mf-digits-s0-3f2a/
      report.json      written at the start as "partial", replaced at the end
      report.html
      steps.arrow      segments: start_ns, phase, step
      samples.arrow    readings: t_ns, since_ns, channel, value, gap; the channels stand in its metadata
      metrics.arrow    logged scalars: t_ns, name, value
      device.arrow     where marks were timed on a GPU too: row (of steps.arrow), device_ns
      journal.bin      while it runs: what the streams do not have yet (:mod:`.journal`)
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from energyprof.errors import OutputError, RecordError
from energyprof.record.appender import ArrowAppender
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.journal import JOURNAL, Journal
from energyprof.record.model import Report
from energyprof.record.run_lookup import REPORT_JSON, find_run, list_runs
from energyprof.record.schema import write_report
from energyprof.record.tail import with_tail
from energyprof.record.trace import UNATTRIBUTED, Channel, Metrics, Segments, Trace

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["REPORT_JSON", "RunFolder", "find_run", "list_runs", "new_run_id", "read_trace"]

_STEPS: Final = {"start_ns": "int64", "phase": "name", "step": "int64"}
_SAMPLES: Final = {"t_ns": "int64", "since_ns": "int64", "channel": "name", "value": "float64", "gap": "bool"}
_DEVICE: Final = {"row": "int64", "device_ns": "int64"}
_METRICS: Final = {"t_ns": "int64", "name": "name", "value": "float64"}


def new_run_id(name: str, started: datetime) -> str:
    """Return a folder name that sorts by time: ``20261120-152233-mf-digits-s0-3f2a``."""
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60].rstrip("-.") or "run"
    return f"{started:%Y%m%d-%H%M%S}-{plain}-{secrets.token_hex(2)}"


class RunFolder:
    """A run folder being written.

    Args:
        out: the folder of all runs; it is made where it is missing.
        run_id: see :func:`new_run_id`; lengthened where a folder of that name is there.
        channels: the channels that samples will be of: name, domain, kind, unit, sensor of each, as strings.
        device: whether marks are timed on a device too.

    Raises:
        OutputError: the folder cannot be written. Nothing has run by then.
    """

    def __init__(
        self, out: Path, run_id: str, channels: Sequence[Mapping[str, str]], device: bool = False
    ) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._given = _new_folder(out, run_id)
            self._at = self._given.absolute()
        except OSError as error:
            raise OutputError(
                f"cannot write to '{out}': {error.strerror}; choose another folder (out= in Python, "
                "--out on the command line)"
            ) from error
        try:
            self._make_streams(channels, device)
        except BaseException:  # a disk that refuses, or Ctrl-C: nothing that looks like a run stays behind
            shutil.rmtree(self._at, ignore_errors=True)
            raise

    def _make_streams(self, channels: Sequence[Mapping[str, str]], device: bool) -> None:
        self.steps = ArrowAppender(self._at / "steps.arrow", _STEPS)
        self.samples = ArrowAppender(
            self._at / "samples.arrow", _SAMPLES, {"channels": json.dumps(list(map(dict, channels)))}
        )
        self.metrics = ArrowAppender(self._at / "metrics.arrow", _METRICS)
        self.device = ArrowAppender(self._at / "device.arrow", _DEVICE) if device else None
        self.journal = Journal(self._at / JOURNAL)

    @property
    def path(self) -> Path:
        """Return the folder: as it was given, and absolute once the program works in another folder."""
        try:
            return self._given if self._given.absolute() == self._at else self._at
        except OSError:  # the program's working folder is gone
            return self._at

    @property
    def problems(self) -> tuple[str, ...]:
        """Say what could not be put on disk."""
        lost = [f"{s.path.name}: {s.lost_rows} rows were lost" for s in self._streams if s.lost_rows]
        late = [
            f"{s.path.name}: the last {s.refused_rows} rows did not fit there"
            for s in self._streams
            if s.refused_rows
        ]
        return (*[s.problem for s in self._streams if s.problem], *lost, *late)

    @property
    def trace_bytes(self) -> int:
        """Return the size of the trace on disk."""
        return sum(stream.size_bytes for stream in self._streams)

    def write_report(self, report: Report) -> None:
        """Replace ``report.json``; the folder is made anew where somebody removed it.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self._at.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to '{self.path}': {error.strerror}") from error
        write_report(report, self._at / REPORT_JSON)

    @property
    def has_report(self) -> bool:
        """Tell whether ``report.json`` is there: somebody may have removed it."""
        return os.path.exists(self._at / REPORT_JSON)  # no error where that may not be told

    @property
    def refused(self) -> bool:
        """Tell whether the disk still lacks rows that it refused."""
        return any(stream.refused_rows for stream in self._streams)

    def copy_to(self, folder: Path) -> None:
        """Write the trace to another folder, with what its own disk refused. For closed streams.

        Raises:
            OutputError: it cannot be written there, or not be read here.
        """
        try:
            folder.mkdir(parents=True)
            for stream in self._streams:
                stream.copy_to(folder / stream.path.name)
        except OSError as error:
            raise OutputError(f"cannot write to '{folder}': {error.strerror}") from error

    def discard(self) -> None:
        """Remove the folder of a run in which nothing has been recorded."""
        for stream in self._streams:
            stream.close()
        self.journal.close(remove=True)
        shutil.rmtree(self._at, ignore_errors=True)

    def close(self) -> None:
        """End the streams; the journal goes, where they have everything."""
        for stream in self._streams:
            stream.close()
        self.journal.close(remove=not self.refused)

    @property
    def _streams(self) -> tuple[ArrowAppender, ...]:
        return (self.steps, self.samples, self.metrics, *([self.device] if self.device else []))


def _new_folder(out: Path, run_id: str) -> Path:
    """Make a run's folder; where another run of the same second took its name, under a longer one."""
    while True:
        with suppress(FileExistsError):
            (out / run_id).mkdir()
            return out / run_id
        run_id += secrets.token_hex(2)


def read_trace(folder: Path) -> Trace:
    """Read the trace of a run, as much of it as is whole.

    Raises:
        RecordError: there is no trace at all.
    """
    problems: list[str] = []
    steps, _ = _read(folder / "steps.arrow", _STEPS, problems)
    samples, metadata = _read(folder / "samples.arrow", _SAMPLES, problems)
    metrics, _ = _read(folder / "metrics.arrow", _METRICS, problems)
    if steps is None and samples is None and metrics is None:
        raise RecordError(f"no trace in {folder}: {'; '.join(problems)}")
    tables = {"steps": steps, "samples": samples, "metrics": metrics}
    if steps is not None and (folder / "device.arrow").exists():
        tables["device"] = _read(folder / "device.arrow", _DEVICE, problems)[0]
    if (folder / JOURNAL).exists():
        tables = with_tail(folder / JOURNAL, tables, list(_described(metadata)))
    steps, samples, metrics = (tables[name] for name in ("steps", "samples", "metrics"))
    segments = _segments(steps)
    if "device" in tables:
        segments = replace(segments, device_start_ns=_device_times(tables["device"], segments))
    logged = _metrics(metrics, segments)
    marks = {name: int(t) for name, t in zip(logged.name, logged.t_ns, strict=True) if name in _WINDOW_MARKS}
    last_seen = max(
        _last(steps, "start_ns"), _last(samples, "t_ns"), int(logged.t_ns[-1]) if logged.t_ns.size else 0
    )
    duration_ns = marks.get("recording_end", last_seen)
    if "recording_end" not in marks:
        problems.append(
            "the recording was cut off: what came after the last flush (at most a second) is lost"
        )
    window_ns = (marks.get("window_open", 0), marks.get("window_close", duration_ns))
    return Trace(
        segments=replace(segments, end_ns=duration_ns),
        channels=_channels(samples, metadata, problems),
        metrics=_without_marks(logged),
        window_ns=window_ns,
        duration_ns=duration_ns,
        complete=not problems,
        problems=tuple(problems),
    )


_WINDOW_MARKS: Final = ("window_open", "window_close", "recording_end")


def _read(
    path: Path, columns: Iterable[str], problems: list[str]
) -> tuple[pa.Table | None, dict[bytes, bytes]]:
    import pyarrow as pa

    try:
        if not path.stat().st_size:  # killed before the first second was written
            problems.append(f"{path.name} is empty")
            return None, {}
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            schema, batches = reader.schema, []
            if not set(columns) <= set(schema.names):
                problems.append(f"{path.name} has other columns than an energyprof trace")
                return None, {}
            try:
                batches.extend(reader)
            except (OSError, pa.ArrowInvalid):
                problems.append(f"{path.name} is cut off after {sum(b.num_rows for b in batches)} rows")
            table = pa.Table.from_batches(batches, schema).unify_dictionaries()
    except FileNotFoundError:
        problems.append(f"{path.name} is missing")
        return None, {}
    except (OSError, pa.ArrowInvalid) as error:
        problems.append(f"{path.name} cannot be read: {str(error).splitlines()[0]}")
        return None, {}
    return table, dict(schema.metadata or {})


def _column(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy()


def _names(table: pa.Table, name: str) -> tuple[np.ndarray[Any, np.dtype[np.int32]], tuple[str, ...]]:
    """Return the indices and the dictionary of a name column (its chunks share one dictionary)."""
    column = table.column(name)
    if column.num_chunks == 0:
        return np.empty(0, np.int32), ()
    indices = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    return indices.astype(np.int32, copy=False), tuple(column.chunk(0).dictionary.to_pylist())


def _last(table: pa.Table | None, name: str) -> int:
    return 0 if table is None or table.num_rows == 0 else int(_column(table, name).max())


def _segments(table: pa.Table | None) -> Segments:
    if table is None or table.num_rows == 0:
        return Segments(
            start_ns=np.zeros(1, np.int64),
            phase=np.zeros(1, np.int32),
            step=np.full(1, -1, np.int64),
            phases=(UNATTRIBUTED,),
            end_ns=0,
        )
    phase, phases = _names(table, "phase")
    return Segments(
        start_ns=_column(table, "start_ns"),
        phase=phase,
        step=_column(table, "step"),
        phases=phases,
        end_ns=0,
    )


def _device_times(table: pa.Table | None, segments: Segments) -> Any:
    """Return when each segment began on the device; where that is not known, when it began on the host.

    A device never runs ahead of the host, and passes marks in order.
    """
    begun = segments.start_ns.copy()
    if table is not None:
        rows, times = _column(table, "row"), _column(table, "device_ns")
        known = rows < begun.size
        begun[rows[known]] = np.maximum(begun[rows[known]], times[known])
    return np.maximum.accumulate(begun)


def _metrics(table: pa.Table | None, segments: Segments) -> Metrics:
    if table is None:
        empty = np.empty(0, np.int64)
        return Metrics(t_ns=empty, step=empty, name=(), value=np.empty(0))
    indices, names = _names(table, "name")
    t_ns = _column(table, "t_ns")
    return Metrics(
        t_ns=t_ns,
        step=_steps_finished(segments, t_ns),
        name=tuple(names[i] for i in indices),
        value=_column(table, "value"),
    )


def _steps_finished(segments: Segments, t_ns: Any) -> Any:
    """Count the steps that were over at each time: all before the one that is going on."""
    begun = np.maximum.accumulate(segments.step) + 1
    at = np.searchsorted(segments.start_ns, t_ns, side="right") - 1
    going_on = segments.step[at] >= 0
    return np.where(at < 0, 0, begun[at] - going_on)


def _without_marks(metrics: Metrics) -> Metrics:
    keep = np.array([name not in _WINDOW_MARKS for name in metrics.name], bool)
    return Metrics(
        t_ns=metrics.t_ns[keep],
        step=metrics.step[keep],
        name=tuple(name for name in metrics.name if name not in _WINDOW_MARKS),
        value=metrics.value[keep],
    )


def _described(metadata: dict[bytes, bytes]) -> dict[str, dict[str, str]]:
    """Return what the metadata of samples say of each channel."""
    try:
        return {spec["name"]: spec for spec in json.loads(metadata.get(b"channels", b"[]"))}
    except (ValueError, TypeError, KeyError):
        return {}


def _channels(
    table: pa.Table | None, metadata: dict[bytes, bytes], problems: list[str]
) -> tuple[Channel, ...]:
    if table is None:
        return ()
    described = _described(metadata)
    indices, names = _names(table, "channel")
    unknown = sorted(set(names) - set(described))
    if unknown:
        problems.append(f"samples.arrow does not describe its channels {', '.join(unknown)}")
    columns = {name: _column(table, name) for name in ("t_ns", "since_ns", "value", "gap")}
    return tuple(
        _channel(described[name], columns, np.flatnonzero(indices == index))
        for index, name in enumerate(names)
        if name in described
    )


def _channel(spec: dict[str, str], columns: dict[str, Any], rows: Any) -> Channel:
    rows = rows[np.argsort(columns["t_ns"][rows], kind="stable")]
    gaps = rows[columns["gap"][rows]]
    read = rows[~np.isnan(columns["value"][rows])]
    return Channel(
        name=spec["name"],
        domain=spec["domain"],
        kind=ChannelKind(spec["kind"]),
        sensor=spec["sensor"],
        unit=spec["unit"],
        t_ns=columns["t_ns"][read],
        since_ns=columns["since_ns"][read],
        value=columns["value"][read],
        gap_ns=np.column_stack([columns["since_ns"][gaps], columns["t_ns"][gaps]]),
    )
