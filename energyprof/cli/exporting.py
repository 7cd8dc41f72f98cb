"""Which exporter writes what where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from energyprof.errors import OutputError, UsageError

__all__ = ["export_run"]


def export_run(folder: Path, formats: Sequence[str], to: Path | None) -> list[Path]:
    """Write a run in each format.

    Args:
        folder: the run folder.
        formats: of ``perfetto``, ``csv``, ``parquet``.
        to: where to; None for the run folder.

    Raises:
        UsageError: no format.
        RecordError: the run cannot be read.
        OutputError: the folder cannot be written.
    """
    from energyprof.export.perfetto import write_perfetto
    from energyprof.export.tables import write_csv, write_parquet
    from energyprof.record.schema import read_report
    from energyprof.record.store import REPORT_JSON, read_trace

    if not formats:
        raise UsageError("export to what? give --perfetto, --csv or --parquet")
    report, trace = read_report(folder / REPORT_JSON), read_trace(folder)
    target = to or folder
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to '{target}': {error.strerror}") from error
    written: list[Path] = []
    if "perfetto" in formats:
        written.append(write_perfetto(report, trace, target / "trace.perfetto.json.gz"))
    if "csv" in formats:
        written += write_csv(report, trace, target)
    if "parquet" in formats:
        written += write_parquet(report, trace, target)
    return written
