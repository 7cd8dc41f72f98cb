"""A finding in one line of plain words, with everything that a comparison owes its reader."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from energyprof.analysis.detectability import MOST_RUNS
from energyprof.gate.budget import Limit
from energyprof.gate.judgement import Finding
from energyprof.gate.metric import Metric
from energyprof.units import (
    format_bytes,
    format_count,
    format_duration,
    format_energy,
    format_mass,
    format_power,
    format_quantity,
)

__all__ = ["amount_text", "finding_text", "share_text"]

_LEAST: Final = 1e-3  # per cent: below, digits are of the arithmetic, not of what was measured

_RENDER: Final[dict[str, Callable[[float], str]]] = {
    "J": format_energy,
    "J/sample": lambda value: format_quantity(value, "J/sample"),
    "W": format_power,
    "s": format_duration,
    "B": format_bytes,
    "kg": format_mass,
    "FLOP": lambda value: format_quantity(value, "FLOP", 4),
    "count": format_count,
    "fraction": lambda value: f"{value * 100:.2f} %",
}


def amount_text(metric: Metric, value: float) -> str:
    """Render a figure of a metric in the unit that people read."""
    return "never" if math.isinf(value) else _RENDER[metric.dimension](value)


def share_text(share: float) -> str:
    """Render a spread or a change in per cent, with two digits and no exponent: ``0.26 %``, ``130 %``."""
    return f"{_percent(share)} %"


def finding_text(metric: Metric, limit: Limit, finding: Finding, n_head: int, n_base: int) -> str:
    """Say what was found: estimate, interval, limit, runs, design, what could have been seen, and why."""
    if finding.estimate is None:
        return finding.because
    parts = [*_figures(metric, limit, finding), _runs(limit, finding, n_head, n_base)]
    if finding.detectable and limit.kind.is_relative:
        parts.append(f"detectable {_detectable(metric, finding.detectable)}")
    parts.append(finding.because)
    if finding.runs_needed is not None:
        side = "runs a side" if limit.kind.is_relative else "runs"
        parts.append(f"about {finding.runs_needed} {side} would decide")
    elif finding.outcome == "inconclusive" and finding.detectable is not None:
        side = " a side" if limit.kind.is_relative else ""
        parts.append(f"not even {MOST_RUNS} runs{side} would decide")
    return "; ".join(part for part in parts if part)


def _figures(metric: Metric, limit: Limit, finding: Finding) -> list[str]:
    assert finding.estimate is not None
    say = _relative(metric) if limit.kind.is_relative else lambda value: amount_text(metric, value)
    shown = say(finding.estimate)
    if finding.low is not None and finding.high is not None and finding.low != finding.high:
        shown += f" ({say(finding.low)} to {say(finding.high)})"
    if limit.kind.is_relative:
        return [f"{shown} of the baseline" if metric.log else shown, f"limit {_limit(limit)}"]
    return [shown, f"limit {limit.text}"]


def _relative(metric: Metric) -> Callable[[float], str]:
    if metric.log:
        return lambda ratio: f"{ratio:.3f}x" if ratio < 1000 else "over 1000x"
    return lambda difference: f"{difference * 100:+.2f} pp"


def _limit(limit: Limit) -> str:
    return f"{'+' if limit.kind.is_upper else '-'}{limit.text}"


def _runs(limit: Limit, finding: Finding, n_head: int, n_base: int) -> str:
    count = f"{n_head} against {n_base} runs" if limit.kind.is_relative else f"{n_head} runs"
    count = "1 run" if count == "1 runs" else count
    return f"{count}, {finding.design}" if finding.design else count


def _detectable(metric: Metric, effect: float) -> str:
    return f"{_percent(effect)} {'%' if metric.log else 'pp'}"


def _percent(share: float) -> str:
    percent = share * 100
    if 0 < percent < _LEAST:
        return f"under {_LEAST:g}"
    return f"{percent:.2g}" if percent < 99.5 else f"{percent:.0f}" if percent < 1000 else "over 1000"
