"""Whether runs may be compared at all, and what stands in the way.

Two runs are comparable when everything that determines the figure, other than what is under test, is equal.
Most keys *refuse*: runs that differ in one are not compared. Driver, host, clocks, threads and the learner's
own settings only *warn*, and so do what CO2e is reckoned by and a second tool that measured. Precision and
compilation may differ between runs of one learner that are compared as arms: they are then what is under
test. Between two learners they refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from energyprof.record.model import EmbodiedCarbon, Environment, Provenance, Report, RunStatus

__all__ = [
    "Difference",
    "Strictness",
    "belongs_to_execution",
    "belongs_to_learner",
    "comparability_key",
    "comparable_groups",
    "differences",
    "key_differences",
    "strictness_of",
]


class Strictness(StrEnum):
    """What a differing key does to a comparison."""

    REFUSE = "refuse"
    WARN = "warn"


_WARNING: Final = (
    *("driver", "host", "clock_policy", "threads", "flush_denormal", "keeps_freed_memory"),
    *("carbon_intensity", "pue", "embodied", "measured_beside"),
)
_LEARNER: Final = ("algo", "arch", "schedule", "batch_size")
_EXECUTION: Final = ("precision", "compiled")
_ADAPTIVE: Final = ("patience", "target", "target_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A key in which runs differ.

    Attributes:
        key: ``dataset``, ``protocol.patience``, ``device`` ...
        values: the distinct values in order of appearance, as text; ``none`` where a run does not say.
        runs: for each value, the positions of the runs that have it.
    """

    key: str
    strictness: Strictness
    values: tuple[str, ...]
    runs: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        """Return ``device: NVIDIA A100 / NVIDIA H100``."""
        return f"{self.key}: {' / '.join(self.values)}"


def comparability_key(report: Report, *, across_learners: bool = False) -> dict[str, Any]:
    """Return what must be equal between runs that are compared, as plain JSON values.

    Args:
        report: a run.
        across_learners: leave out what makes the learner (algorithm, architecture, schedule, batch size,
            its settings), for comparisons of one learner with another on the same task.
    """
    key = {**_workload(report), **_device(report.environment), **_energy(report), **_soft(report)}
    if across_learners:
        return {name: value for name, value in key.items() if not belongs_to_learner(name)}
    return key


def belongs_to_learner(key: str) -> bool:
    """Tell whether a key makes the learner, not its task."""
    return key in _LEARNER or key.startswith("config.")


def belongs_to_execution(key: str) -> bool:
    """Tell whether a key says how a learner is executed: its precision, and what compiles it."""
    return key in _EXECUTION


def strictness_of(key: str) -> Strictness:
    """Return what a difference in a key does."""
    soft = key in _WARNING or key.startswith("config.")
    return Strictness.WARN if soft else Strictness.REFUSE


def differences(reports: Sequence[Report], *, across_learners: bool = False) -> tuple[Difference, ...]:
    """Return the keys in which reports differ, those that refuse first."""
    return key_differences(_keys(reports, across_learners))


def key_differences(keys: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Return the differences between keys made by :func:`comparability_key` (or read from a baseline)."""
    names = dict.fromkeys(name for key in keys for name in key)
    found = (_difference(name, [key.get(name) for key in keys]) for name in names)
    return tuple(sorted((d for d in found if d is not None), key=lambda d: d.strictness is Strictness.WARN))


def comparable_groups(
    reports: Sequence[Report], *, across_learners: bool = False
) -> tuple[tuple[int, ...], ...]:
    """Return the positions of the reports in groups that may be compared, in order of appearance."""
    groups: dict[str, list[int]] = {}
    for position, key in enumerate(_keys(reports, across_learners)):
        strict = {name: value for name, value in key.items() if strictness_of(name) is Strictness.REFUSE}
        present = {name: value for name, value in strict.items() if value is not None}
        groups.setdefault(_text(present), []).append(position)
    return tuple(map(tuple, groups.values()))


def _keys(reports: Sequence[Report], across_learners: bool) -> list[dict[str, Any]]:
    """Return the keys of runs, without what is under test."""
    keys = [comparability_key(report, across_learners=across_learners) for report in reports]
    if not across_learners or len({report.workload.algo for report in reports}) > 1:
        return keys
    return [{n: v for n, v in key.items() if not belongs_to_execution(n)} for key in keys]


def _workload(report: Report) -> dict[str, Any]:
    workload = report.workload
    key: dict[str, Any] = {name: getattr(workload, name) for name in (*_LEARNER, *_EXECUTION)}
    key["dataset"] = workload.dataset
    key["dataset_sha256"] = workload.dataset_sha256
    key.update({f"protocol.{name}": _plain(value) for name, value in workload.protocol.items()})
    if not _stops_by_itself(workload.protocol):
        key["samples_seen"] = report.totals.samples
    key["extent"] = _extent(report)
    warm_up = {"warm-up"} if workload.compiled else set()  # compiling has a key of its own
    key["window"] = sorted({*report.window.includes} - warm_up)
    return key


def _extent(report: Report) -> str | None:
    """Return which part of a training a run is, to be held against that of another; None for a whole one."""
    before = report.run.resumed_from
    parts = [] if before is None else [f"from pass {before.passes + 1} on, continuing {before.run}"]
    if report.run.status is not RunStatus.COMPLETED:
        parts.append(report.run.status.value)
    return ", ".join(parts) or None


def _stops_by_itself(protocol: Mapping[str, Any]) -> bool:
    """Tell whether training ends when something is reached: then the samples seen are an outcome."""
    return any(protocol.get(name) is not None for name in _ADAPTIVE)


def _device(environment: Environment) -> dict[str, Any]:
    on_gpu = bool(environment.gpus) and not (environment.device or "").startswith("cpu")
    names = [gpu.name for gpu in environment.gpus] if on_gpu else [environment.cpu or environment.platform]
    limits = [gpu.power_limit_w for gpu in environment.gpus] if on_gpu else []
    torch = environment.packages.get("torch")
    return {
        "device": sorted(set(names)),
        "device_count": len(names),
        "power_limit_w": [None if limit is None else round(limit) for limit in limits],
        "torch": None if torch is None else ".".join(torch.split(".")[:2]),
    }


def _energy(report: Report) -> dict[str, Any]:
    by_domain = report.totals.energy_by_domain_j.items()
    return {
        "energy_source": report.totals.energy_j.source.value,
        "energy_scope": sorted(d for d, q in by_domain if q.source is not Provenance.MISSING),
    }


def _soft(report: Report) -> dict[str, Any]:
    environment, beside = report.environment, report.cross_check.codecarbon
    return {
        "driver": sorted({gpu.driver for gpu in environment.gpus if gpu.driver}),
        "clock_policy": sorted({g.application_clock_hz for g in environment.gpus if g.application_clock_hz}),
        "host": environment.hostname_hash,
        "threads": environment.threads,
        "flush_denormal": environment.flush_denormal,
        "keeps_freed_memory": environment.keeps_freed_memory,
        "carbon_intensity": report.carbon.intensity_g_per_kwh,
        "pue": report.carbon.pue,
        "embodied": _embodied(report.carbon.embodied),
        "measured_beside": None if beside is None else beside.tool,
        **{f"config.{name}": _plain(value) for name, value in report.workload.config.items()},
    }


def _embodied(embodied: EmbodiedCarbon | None) -> str | None:
    """Return what making the hardware has emitted, as one value: its parts mean nothing alone."""
    if embodied is None:
        return None
    share = "" if embodied.reserved == 1 else f", {embodied.reserved:g} of it reserved"
    return f"{embodied.total_kg:g} kg over {embodied.lifetime_years:g} years{share}"


def _difference(name: str, values: Sequence[Any]) -> Difference | None:
    runs: dict[str, list[int]] = {}
    for position, value in enumerate(values):
        runs.setdefault(_text(value), []).append(position)
    if len(runs) < 2:
        return None
    return Difference(
        key=name,
        strictness=strictness_of(name),
        values=tuple(runs),
        runs=tuple(map(tuple, runs.values())),
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON would give it back, so that a stored key equals a fresh one."""
    return json.loads(json.dumps(value, sort_keys=True, default=str))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return ", ".join(map(_text, value)) or "none"
    return json.dumps(value, sort_keys=True)
