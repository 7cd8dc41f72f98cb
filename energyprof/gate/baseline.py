"""Promoted runs: what a team once accepted, committed beside its code. Never simply the previous run.

A baseline file holds a number a metric and run, what must be equal, the noise that its sittings showed, the
commit and the reason; about 2 KB a run. It is written by a person's ``energyprof baseline promote`` only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from energyprof.analysis.reaching import Target
from energyprof.analysis.statistics import Noise, between_noise
from energyprof.errors import ConfigError
from energyprof.gate.metric import Reading
from energyprof.gate.observation import Observation, parse_time
from energyprof.gate.sides import sittings
from energyprof.record.decoding import decode
from energyprof.record.model import RunStatus

__all__ = ["BASELINE_SCHEMA", "Baseline", "baseline_path", "noise_of", "read_baseline", "render_baseline"]

BASELINE_SCHEMA: Final = "energyprof.baseline/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Promoted runs.

    Attributes:
        budget: the budget they were promoted for.
        promoted_at: ISO 8601 in UTC.
        git_sha: the commit that they ran, with ``-dirty`` where it had changes; None where it is not known.
        reason: why, in the words of who promoted them.
        target: what counted as learned, where the budget has a target.
        noise: metric -> how much it moved within and between sittings.
    """

    budget: str
    promoted_at: str
    reason: str
    runs: tuple[Observation, ...]
    git_sha: str | None = None
    target: Target | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)


def baseline_path(template: str, budget: str, labels: Mapping[str, Any]) -> str:
    """Fill the placeholders of a baseline's path: ``baselines/{budget}/{device}.json``.

    Labels become safe parts of a path: what is no letter, digit, dot or hyphen becomes a hyphen.
    """
    filled = template.replace("{budget}", _part(budget))
    for name, value in labels.items():
        filled = filled.replace("{" + name + "}", _part("none" if value is None else str(value)))
    return filled


def _part(text: str) -> str:
    plain = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "-" for char in text)
    return "-".join(filter(None, (word.strip(".") for word in plain.split("-")))).lower() or "none"


def noise_of(runs: Sequence[Observation]) -> dict[str, Noise]:
    """Return how much each metric moved within and between the sittings of some runs."""
    groups = sittings(runs)
    names = dict.fromkeys(name for run in runs for name in run.readings)
    found = {}
    for name in names:
        values = [[v for run in group if (v := run.value(name)) is not None] for group in groups]
        values = [group for group in values if group]
        if all(value > 0 and math.isfinite(value) for group in values for value in group):
            noise = between_noise(values)
            if noise.within or noise.between is not None:
                found[name] = noise
    return found


def render_baseline(baseline: Baseline) -> str:
    """Return the baseline as JSON text; stable, so that a diff shows what changed."""
    target = baseline.target
    data = {
        "schema": BASELINE_SCHEMA,
        "budget": baseline.budget,
        "promoted_at": baseline.promoted_at,
        "git_sha": baseline.git_sha,
        "reason": baseline.reason,
        "target": None
        if target is None
        else {"metric": target.metric, "threshold": target.threshold, "sustained": target.sustained},
        "noise": {
            name: {"within": noise.within, "between": noise.between, "between_df": noise.between_df}
            for name, noise in sorted(baseline.noise.items())
        },
        "runs": [_run_to_json(run) for run in baseline.runs],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_baseline(path: Path, name: str) -> Baseline:
    """Read a baseline file.

    Args:
        path: where it is.
        name: what to call it in messages.

    Raises:
        ConfigError: it cannot be read, or is no baseline of this schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot read baseline {name}: {reason}") from error
    return _to_baseline(_parse(text, name), name)


def _run_to_json(run: Observation) -> dict[str, Any]:
    return {
        "id": run.id,
        "digest": run.digest,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "host": run.host,
        "seed": run.seed,
        "git_sha": run.git_sha,
        "device": run.device,
        "key": dict(run.key),
        "readings": {name: _reading_to_json(reading) for name, reading in sorted(run.readings.items())},
    }


def _reading_to_json(reading: Reading) -> dict[str, Any]:
    """Return a figure; an infinite one (a target never reached) is ``{"never": true}``."""
    if math.isinf(reading.value):
        return {"never": True}
    data: dict[str, Any] = {"value": reading.value}
    if reading.low is not None and reading.high is not None:
        data.update(low=reading.low, high=reading.high)
    return {**data, "estimated": True} if reading.estimated else data


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    value: float | None = None
    low: float | None = None
    high: float | None = None
    estimated: bool = False
    never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    id: str
    digest: str
    started_at: str | None = None
    ended_at: str | None = None
    host: str | None = None
    seed: int | None = None
    git_sha: str | None = None
    device: str | None = None
    key: Mapping[str, Any]
    readings: Mapping[str, _Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    budget: str
    promoted_at: str
    reason: str
    git_sha: str | None = None
    target: Target | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)
    runs: tuple[_Run, ...]


def _parse(text: str, name: str) -> _Document:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        told = str(error).splitlines()[0]
        raise ConfigError(f"baseline {name} is not whole JSON ({told}): restore it") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != BASELINE_SCHEMA:
        seen = "none" if schema is None else repr(schema)[:60]
        place = f"{name}:{_line_of('schema', text)}" if schema is not None else name
        raise ConfigError(f"baseline {place} has schema {seen}, not '{BASELINE_SCHEMA}': promote it anew")
    document, misfits = decode(_Document, data)
    if document is None:
        where = ".".join(map(str, misfits[0].path))
        wrong = "is missing" if misfits[0].kind == "missing" else f"should be {misfits[0].expected}"
        raise ConfigError(f"baseline {name}: {where} {wrong}: restore it, or promote it anew")
    return document


def _line_of(key: str, text: str) -> int:
    """Return the line on which a key of the outermost table stands first."""
    return text.count("\n", 0, text.find(f'"{key}"')) + 1


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which no figure can be")


def _to_baseline(document: _Document, name: str) -> Baseline:
    if not document.runs:
        raise ConfigError(f"baseline {name}: runs is empty: promote it anew")
    if any(
        sigma is not None and sigma < 0 for n in document.noise.values() for sigma in (n.within, n.between)
    ):
        raise ConfigError(f"baseline {name}: noise is negative: promote it anew")
    return Baseline(
        budget=document.budget,
        promoted_at=document.promoted_at,
        reason=document.reason,
        git_sha=document.git_sha,
        target=document.target,
        noise=document.noise,
        runs=tuple(map(_to_observation, document.runs)),
    )


def _to_observation(run: _Run) -> Observation:
    return Observation(
        id=run.id,
        digest=run.digest,
        status=RunStatus.COMPLETED,
        started_at=parse_time(run.started_at),
        ended_at=parse_time(run.ended_at),
        host=run.host,
        seed=run.seed,
        git_sha=run.git_sha,
        device=run.device,
        key=run.key,
        readings=dict(_readings(run.readings.items())),
    )


def _readings(figures: Iterable[tuple[str, _Figure]]) -> Iterable[tuple[str, Reading]]:
    for name, figure in figures:
        if figure.never:
            yield name, Reading(value=math.inf)
        elif figure.value is not None:
            yield (
                name,
                Reading(value=figure.value, low=figure.low, high=figure.high, estimated=figure.estimated),
            )
