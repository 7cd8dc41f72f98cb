"""Promoted runs: what a team once accepted, committed beside its code. Never simply the previous run.

A baseline file holds a number a metric and run, what must be equal, the noise that its sittings showed, the
commit and the reason; about 2 KB a run. It is written by a person's ``energyprof baseline promote`` only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from energyprof.analysis.reaching import Target
from energyprof.analysis.statistics import Noise, between_noise
from energyprof.errors import ConfigError
from energyprof.gate.metric import Reading
from energyprof.gate.observation import Observation, parse_time
from energyprof.gate.sides import sittings
from energyprof.record.decoding import decode
from energyprof.record.json_lines import line_of_literal, line_of_place, misfit_words
from energyprof.record.model import RunStatus

__all__ = ["BASELINE_SCHEMA", "Baseline", "baseline_path", "noise_of", "read_baseline", "render_baseline"]

BASELINE_SCHEMA: Final = "energyprof.baseline/1"
_MEND: Final = "restore it, or promote it anew"


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
        place: the file and line that name its budget, where it was read from a file.
    """

    budget: str
    promoted_at: str
    reason: str
    runs: tuple[Observation, ...]
    git_sha: str | None = None
    target: Target | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)
    place: str | None = None


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
    document = _parse(text, name)
    return _to_baseline(document, lambda *place: f"{name}:{line_of_place(text, place)}")


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
    data = _load(text, name)
    schema = data.pop("schema", None) if isinstance(data, dict) else None
    if schema != BASELINE_SCHEMA:
        seen = "none" if schema is None else repr(schema)[:60]
        told = f"it has schema {seen}, not '{BASELINE_SCHEMA}'"
        raise _mistake(name, line_of_place(text, ("schema",)), f"{told}: promote it anew")
    document, misfits = decode(_Document, data, refuse_unknown=True)
    if document is None:
        first = min(misfits, key=lambda misfit: line_of_place(text, misfit.path))
        more = f" (and {len(misfits) - 1} more)" if len(misfits) > 1 else ""
        raise _mistake(name, line_of_place(text, first.path), f"{misfit_words(first)}{more}; {_MEND}")
    _refuse_impossible(document, text, name)
    return document


def _load(text: str, name: str) -> Any:
    def refuse(literal: str) -> NoReturn:
        line = line_of_literal(text, lambda word: word == literal)
        raise _mistake(name, line, f"it holds {literal}, which no figure can be; {_MEND}")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise _mistake(name, error.lineno, f"it is not whole JSON ({error.msg}); restore it") from error
    except (ValueError, RecursionError) as error:
        told = str(error).splitlines()[0]
        raise ConfigError(f"baseline {name} is not whole JSON ({told}): restore it") from error


def _refuse_impossible(document: _Document, text: str, name: str) -> None:
    if not document.runs:
        raise _mistake(name, line_of_place(text, ("runs",)), "runs is empty: promote it anew")
    for metric, noise in document.noise.items():
        for key, sigma in (("within", noise.within), ("between", noise.between)):
            if sigma is not None and sigma < 0:
                place = ("noise", metric, key)
                told = f"{'.'.join(place)} is negative ({sigma:g}): promote it anew"
                raise _mistake(name, line_of_place(text, place), told)


def _mistake(name: str, line: int | None, told: str) -> ConfigError:
    place = name if line is None else f"{name}:{line}"
    return ConfigError(f"baseline {place}: {told}")


def _to_baseline(document: _Document, place_of: Callable[..., str]) -> Baseline:
    return Baseline(
        budget=document.budget,
        promoted_at=document.promoted_at,
        reason=document.reason,
        git_sha=document.git_sha,
        target=document.target,
        noise=document.noise,
        place=place_of("budget"),
        runs=tuple(_to_observation(run, index, place_of) for index, run in enumerate(document.runs)),
    )


def _to_observation(run: _Run, index: int, place_of: Callable[..., str]) -> Observation:
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
        readings={
            name: _to_reading(figure, partial(place_of, "runs", index, "readings", name))
            for name, figure in run.readings.items()
            if figure.never or figure.value is not None
        },
    )


def _to_reading(figure: _Figure, place: Callable[..., str]) -> Reading:
    value = math.inf if figure.never or figure.value is None else figure.value
    return Reading(
        value=value,
        low=figure.low,
        high=figure.high,
        estimated=figure.estimated,
        place=None if value > 0 else place("value"),
    )
