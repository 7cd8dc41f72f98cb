"""The data model of ``report.json``, schema ``energyprof.report/1``.

Plain frozen dataclasses, one for each JSON object. Units stand in the names (SI). Missing is ``None`` with a
:class:`Flag` whose ``field`` names the path that is missing; never 0 and never NaN. Times inside a run are
seconds since the window opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from energyprof.record.carbon import Carbon, EmbodiedCarbon
from energyprof.record.cross_check import CounterPowerGap, CrossCheck, EnergyBeside, ToolBeside
from energyprof.record.quantity import Provenance, Quantity

__all__ = [
    "SCHEMA",
    "WINDOW_PARTS",
    "Carbon",
    "CounterPowerGap",
    "CrossCheck",
    "Distribution",
    "EmbodiedCarbon",
    "EnergyBeside",
    "Environment",
    "Epoch",
    "Flag",
    "GpuInfo",
    "LedgerRow",
    "MemoryByCause",
    "Overhead",
    "PhaseEnergy",
    "Provenance",
    "Quality",
    "Quantity",
    "Report",
    "ResumedFrom",
    "RunInfo",
    "RunStatus",
    "Sampling",
    "SensorInfo",
    "Severity",
    "StepStatistics",
    "ToolBeside",
    "Totals",
    "WindowInfo",
    "Workload",
]

SCHEMA: Final = "energyprof.report/1"

#: What a measured interval can hold.
WINDOW_PARTS: Final = ("training", "evaluation", "checkpoints", "data-loading", "warm-up")


class RunStatus(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"  # Ctrl-C or SIGTERM: finished early, its report whole
    FAILED = "failed"  # the loss was not finite, or the training code raised
    PARTIAL = "partial"  # still running, or killed: rebuilt from what was on disk


class Sampling(StrEnum):
    """Who read the sensors."""

    PROCESS = "process"  # one of its own, beside the training
    THREAD = "thread"  # of the process that trained


class Severity(StrEnum):
    """What a flag means for who reads the figures."""

    INFO = "info"  # good to know
    WARNING = "warning"  # a figure is less than it seems
    ERROR = "error"  # a figure must not be relied on


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something a reader of the figures must know.

    Attributes:
        code: stable, kebab-case: ``input-bound``, ``missing-value``, ``sampling-gap`` ...
        message: one sentence in plain words: what was seen.
        advice: one sentence: what to do about it, or None.
        field: the JSON path that this flag explains, such as ``totals.flops``, or None.
        value: the figure behind it, or None.
    """

    code: str
    severity: Severity
    message: str
    advice: str | None = None
    field: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedFrom:
    """The part of a training that earlier runs did and that this run continues; in none of its totals.

    Attributes:
        run: id of the run whose checkpoint was read.
        stage: the stage that it was written in.
        epoch: epochs of that stage that were done.
        passes: over the data that were done, in all stages.
        energy_j: of the earlier runs, what they did after the checkpoint included; missing where a record is.
        duration_s: of their windows, or None.
    """

    run: str
    stage: str
    epoch: int
    passes: int
    energy_j: Quantity = field(default_factory=Quantity.missing)
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Which run this is. ``started_at`` and ``ended_at`` are ISO 8601 in UTC."""

    id: str
    name: str
    status: RunStatus
    started_at: str
    ended_at: str | None = None
    seed: int | None = None
    command: str | None = None
    error: str | None = None
    resumed_from: ResumedFrom | None = None  # None: the run began at the beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowInfo:
    """What lies inside the measured interval."""

    includes: tuple[str, ...] = ()  # of WINDOW_PARTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What was computed; everything that makes two runs comparable as work."""

    algo: str | None = None
    dataset: str | None = None
    dataset_sha256: str | None = None
    arch: str | None = None
    schedule: str | None = None
    twin_of: str | None = None
    parameters: int | None = None
    batch_size: int | None = None
    precision: str | None = None  # of products: "fp32", "tf32", "bf16"
    compiled: str | None = None  # by what steps were compiled: "inductor", "inductor, CUDA graphs"; None: not
    protocol: Mapping[str, Any] = field(default_factory=dict)  # stopping rule and budget
    config: Mapping[str, Any] = field(default_factory=dict)  # the learner's own settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInfo:
    """One NVIDIA device that the run could use."""

    domain: str  # "gpu:0", numbered among the devices this run measures
    name: str
    uuid: str
    architecture: str | None = None
    memory_bytes: int | None = None
    power_limit_w: float | None = None
    application_clock_hz: float | None = None  # SM clock that was asked for, where the driver tells
    driver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where it ran. Holds no IP, no place, no user name; the home folder is written ``~``."""

    energyprof: str
    python: str
    platform: str
    hostname_hash: str | None = None  # first 12 hex digits of sha256: tells hosts apart, names none
    cpu: str | None = None
    logical_cpus: int | None = None
    memory_bytes: int | None = None
    device: str | None = None  # "cpu", "cuda:0": what the learner ran on
    gpus: tuple[GpuInfo, ...] = ()
    threads: int | None = None
    flush_denormal: bool | None = None
    keeps_freed_memory: bool | None = None  # whether the allocator keeps freed memory for the next step
    git_sha: str | None = None
    git_dirty: bool | None = None
    packages: Mapping[str, str] = field(default_factory=dict)  # torch, numpy, codecarbon ...: versions
    variables: Mapping[str, str] = field(default_factory=dict)  # an allow-list: OMP_NUM_THREADS ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorInfo:
    """One sensor that was read, and what its readings mean.

    Attributes:
        name: ``nvml:gpu:0``, ``rapl:package-0``, ``cpu-model``.
        domains: the energy domains that it feeds; empty for state sensors.
        source: provenance of its joules.
        semantics: one plain sentence: what a reading of it means.
        refresh_s: how often its value moves (observed where observed, else nominal), or None.
        window_s: the interval that one power reading averages, or None.
        lag_s: how much later than its energy a reading shows (calibrated), or None.
        calibration: the id of the calibration used, or None.
        readings: how many times it was read.
        failures: how many of these failed.
    """

    name: str
    domains: tuple[str, ...] = ()
    source: Provenance
    semantics: str
    refresh_s: float | None = None
    window_s: float | None = None
    power_floor_w: float | None = None
    power_ceiling_w: float | None = None
    lag_s: float | None = None
    calibration: str | None = None
    readings: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of the whole window."""

    energy_j: Quantity = field(default_factory=Quantity.missing)
    energy_by_domain_j: Mapping[str, Quantity] = field(default_factory=dict)
    filled_energy_j: float | None = None  # of energy_j, filled in while a sensor could not be read
    idle_energy_j: Quantity = field(default_factory=Quantity.missing)
    above_idle_energy_j: Quantity = field(default_factory=Quantity.missing)
    duration_s: float = 0.0
    steps: int = 0
    samples: int | None = None  # training samples seen
    energy_per_sample_j: Quantity = field(default_factory=Quantity.missing)
    mean_power_w: float | None = None
    flops: float | None = None
    peak_device_memory_bytes: int | None = None
    peak_host_memory_bytes: int | None = None
    co2e_kg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the training reached; fractions in [0, 1]."""

    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    train_loss: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """Energy of one domain in one phase."""

    domain: str
    phase: str
    energy_j: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnergy:
    """One phase, all its occurrences together.

    ``energy_j`` is the bounded figure: the window figure with guaranteed bounds. ``modelled_power_w`` is the
    regression's mean power in this phase with its 95 % interval, or None where it does not apply.
    """

    name: str  # a path: "train/forward"; "unattributed" for time outside of every phase
    seconds: float
    count: int
    energy_j: Quantity
    modelled_energy_j: Quantity = field(default_factory=Quantity.missing)
    by_domain_j: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of one stage: figures at its end."""

    index: int
    stage: str
    start_s: float
    end_s: float
    train_s: float | None = None  # of it, in training phases
    samples: int | None = None  # cumulative training samples
    energy_j: Quantity = field(default_factory=Quantity.missing)  # within this epoch
    cumulative_energy_j: float | None = None  # since the window opened
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution over steps. None where there are no steps."""

    mean: float | None = None
    p5: float | None = None
    p50: float | None = None
    p95: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatistics:
    """The steps of a run: how long and how dear."""

    count: int = 0
    duration_s: Distribution = field(default_factory=Distribution)
    energy_j: Distribution = field(default_factory=Distribution)
    energy_source: Provenance = Provenance.MISSING
    method: str | None = None  # "bounded" or "modelled": which per-step figure energy_j summarises


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryByCause:
    """Training memory by cause, in bytes; None where it could not be told.

    ``cache`` is what was kept so as to be computed once, such as outputs of frozen layers; None: nothing was.
    """

    parameters: int | None = None
    gradients: int | None = None
    optimizer_state: int | None = None
    activations: int | None = None
    cache: int | None = None
    other: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What measuring cost, measured in the run itself."""

    mark_s: float | None = None  # one step mark, timed on this machine before the run
    marks: int = 0
    sampling: Sampling | None = None  # who read the sensors
    sampler_cpu_s: float | None = None  # in the process that trained
    process_cpu_s: float | None = None  # of the sampling process, beside the training
    sampler_readings: int = 0
    share_of_duration: float | None = None  # (marks x mark_s + sampler_cpu_s) / duration
    trace_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run, whole: what ``report.json`` holds."""

    schema: str = SCHEMA
    run: RunInfo
    workload: Workload = field(default_factory=Workload)
    environment: Environment
    window: WindowInfo = field(default_factory=WindowInfo)
    sensors: tuple[SensorInfo, ...] = ()
    totals: Totals = field(default_factory=Totals)
    carbon: Carbon = field(default_factory=Carbon)
    quality: Quality = field(default_factory=Quality)
    phases: tuple[PhaseEnergy, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    steps: StepStatistics = field(default_factory=StepStatistics)
    memory: MemoryByCause = field(default_factory=MemoryByCause)
    cross_check: CrossCheck = field(default_factory=CrossCheck)
    flags: tuple[Flag, ...] = ()
    overhead: Overhead = field(default_factory=Overhead)
