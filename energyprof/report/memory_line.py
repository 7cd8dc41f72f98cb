"""The peak of memory that a reader is told first, and whose it is: in the terminal as on the page."""

from __future__ import annotations

from energyprof.analysis.peak_memory import is_of_whole_card
from energyprof.record.model import Report

__all__ = ["leading_peak"]


def leading_peak(report: Report) -> tuple[int, str] | None:
    """Return the bytes of the peak on the device, else on the host, and whose it is; None for neither."""
    device, host = report.totals.peak_device_memory_bytes, report.totals.peak_host_memory_bytes
    if device is not None:
        return device, "of the whole card, by its driver" if is_of_whole_card(report) else "on the device"
    return None if host is None else (host, "of the process, on the host")
