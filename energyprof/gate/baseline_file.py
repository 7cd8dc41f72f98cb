"""Baselines as files: JSON, stable and short (under 2 KB a run); mistakes are named with their line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from energyprof.analysis.reaching import Target
from energyprof.analysis.statistics import Noise
from energyprof.errors import ConfigError
from energyprof.gate.baseline import Baseline
from energyprof.gate.metric import Reading
from energyprof.gate.observation import Observation, parse_time
from energyprof.record.decoding import decode
from energyprof.record.json_lines import line_of_byte, line_of_literal, line_of_place, misfit_words
from energyprof.record.model import RunStatus

__all__ = ["BASELINE_SCHEMA", "read_baseline", "render_baseline"]

BASELINE_SCHEMA: Final = "energyprof.baseline/1"
_MEND: Final = "restore it, or promote it anew"
_SHORT: Final = 3  # entries of a table that is written on one line


def render_baseline(baseline: Baseline) -> str:
    """Return the baseline as JSON text; stable, so that a diff shows what changed."""
    target, shared = baseline.target, _shared([_known(run.key) for run in baseline.runs])
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
        "key": shared,
        "runs": [_run_to_json(run, shared, baseline.git_sha) for run in baseline.runs],
    }
    return _text(data) + "\n"


def _text(value: Any, indent: int = 0) -> str:
    """Lay JSON out for diffs: a line a figure; what is short, and lists of names, on one line."""
    entries: list[str] = []
    if isinstance(value, dict) and (len(value) > _SHORT or any(isinstance(v, dict) for v in value.values())):
        entries = [f"{_text(key)}: {_text(item, indent + 1)}" for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        entries = [_text(item, indent + 1) for item in value]
    if not entries:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    first, last = "{}" if isinstance(value, dict) else "[]"
    rows = ",\n".join(" " * (indent + 1) + entry for entry in entries)
    return f"{first}\n{rows}\n{' ' * indent}{last}"


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
    except UnicodeDecodeError as error:
        raise _mistake(name, line_of_byte(error), "it is not UTF-8 text; restore it") from error
    except OSError as error:
        raise ConfigError(f"cannot read baseline {name}: {error.strerror}") from error
    document = _parse(text, name)
    return _to_baseline(document, lambda *place: f"{name}:{line_of_place(text, place)}")


def _run_to_json(run: Observation, shared: Mapping[str, Any], git_sha: str | None) -> dict[str, Any]:
    """Return what a later check reads of a run; what is not known, or stands above for all, is left out."""
    key = {name: value for name, value in _known(run.key).items() if name not in shared}
    found = {
        "id": run.id,
        "digest": run.digest,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "host": run.host,
        "seed": run.seed,
        "git_sha": run.git_sha if git_sha is None else None,
        "device": run.device,
        "key": key or None,
        "readings": {name: _reading_to_json(reading) for name, reading in sorted(run.readings.items())},
    }
    return _known(found)


def _shared(keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries that all keys have."""
    absent = object()
    return {n: v for n, v in keys[0].items() if all(key.get(n, absent) == v for key in keys)} if keys else {}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _reading_to_json(reading: Reading) -> dict[str, Any]:
    """Return a figure; an infinite one (a target never reached) is ``{"never": true}``."""
    if math.isinf(reading.value):
        return {"never": True}
    return {"value": reading.value, "estimated": True} if reading.estimated else {"value": reading.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    value: float | None = None
    low: float | None = None  # of older files: a side's runs are held against each other by value
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
    key: Mapping[str, Any] = field(default_factory=dict)  # what is not the same for all runs
    readings: Mapping[str, _Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    budget: str
    promoted_at: str
    reason: str
    git_sha: str | None = None
    target: Target | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=dict)
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
        runs=tuple(
            _to_observation(run, document.key, partial(place_of, "runs", index))
            for index, run in enumerate(document.runs)
        ),
    )


def _to_observation(run: _Run, shared: Mapping[str, Any], place_of: Callable[..., str]) -> Observation:
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
        key={**shared, **run.key},
        readings={
            name: _to_reading(figure, partial(place_of, "readings", name))
            for name, figure in run.readings.items()
            if figure.never or figure.value is not None
        },
    )


def _to_reading(figure: _Figure, place: Callable[..., str]) -> Reading:
    value = math.inf if figure.never or figure.value is None else figure.value
    return Reading(
        value=value,
        estimated=figure.estimated,
        place=None if value > 0 else place("value"),
    )
