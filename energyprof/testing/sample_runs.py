"""Made-up runs with known truth: a trace as a machine would have recorded it, and its report.

For whoever works on pages, exports or scripts and has no GPU at hand, or needs a run of a certain kind (no
sensor, no step, ten devices) without training for it. Nothing here is a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.summary import summarise
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import (
    Carbon,
    Environment,
    GpuInfo,
    MemoryByCause,
    Overhead,
    Provenance,
    Quality,
    Report,
    RunInfo,
    RunStatus,
    SensorInfo,
    WindowInfo,
    Workload,
)
from energyprof.record.trace import UNATTRIBUTED, Channel, Metrics, Segments, Trace

__all__ = ["Recipe", "sample_run"]

_IDLE_S: Final = 2.0  # recorded before and after the window
_PHASE_POWER_W: Final = {
    "data": 0.28,
    "forward": 0.72,
    "backward": 0.95,
    "local-update": 0.9,
    "optimizer": 0.6,
    "evaluate": 0.55,
    "checkpoint": 0.2,
    UNATTRIBUTED: 0.22,
}  # of a device's limit, by the last name of a phase
_IDLE_SHARE: Final = 0.18


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What run to make up.

    Attributes:
        algo: name of the learner.
        parts: phases of a step below ``train`` and their seconds.
        gpus: number of devices, each with a counter, instant power and state.
        gpu_limit_w: power limit of each.
        cpu: where the processor's joules come from.
        accuracy: validation accuracy that the run tends to.
        scale: all seconds are multiplied by this.
        poll_s: time between two readings of a sensor.
    """

    algo: str = "mf"
    dataset: str = "mnist"
    seed: int = 0
    epochs: int = 5
    steps: int = 100
    batch_size: int = 128
    parts: Mapping[str, float] = field(
        default_factory=lambda: {
            "data": 0.002,
            "layer1/forward": 0.002,
            "layer1/local-update": 0.004,
            "layer2/forward": 0.0015,
            "layer2/local-update": 0.003,
            "optimizer": 0.0015,
        }
    )
    evaluate_s: float = 0.25
    gpus: int = 1
    gpu_limit_w: float = 250.0
    cpu: Provenance = Provenance.COUNTER
    cpu_limit_w: float = 65.0
    accuracy: float = 0.98
    scale: float = 1.0
    poll_s: float = 0.1
    status: RunStatus = RunStatus.COMPLETED
    protocol: Mapping[str, object] = field(default_factory=lambda: {"rule": "fixed", "epochs": 5})
    config: Mapping[str, object] = field(default_factory=lambda: {"learning_rate": 1e-3, "threshold": 2.0})
    name: str | None = None
    run_id: str | None = None
    started_at: str = "2026-11-20T15:22:33Z"


def sample_run(recipe: Recipe) -> tuple[Report, Trace]:
    """Make up a run: the same recipe gives the same run."""
    random = np.random.default_rng(recipe.seed)
    segments, metrics, window = _training(recipe, random)
    duration_ns = window[1] + int(_IDLE_S * 1e9)
    sensors, channels = _sensors(recipe, segments, duration_ns, random)
    trace = Trace(
        segments=segments,
        channels=channels,
        metrics=metrics,
        window_ns=window,
        duration_ns=duration_ns,
        complete=recipe.status is not RunStatus.PARTIAL,
        problems=("the recording was cut off: at most a second is lost",)
        if recipe.status is RunStatus.PARTIAL
        else (),
    )
    return summarise(trace, _draft(recipe, sensors)), trace


def _draft(recipe: Recipe, sensors: tuple[SensorInfo, ...]) -> Report:
    name = recipe.name or f"{recipe.algo} on {recipe.dataset}"
    gpus = tuple(
        GpuInfo(
            domain=f"gpu:{k}",
            name="Sample GPU 40 GB",
            uuid=f"GPU-sample-{k}",
            architecture="Ampere",
            memory_bytes=40 << 30,
            power_limit_w=recipe.gpu_limit_w,
            driver="550.54",
        )
        for k in range(recipe.gpus)
    )
    report = Report(
        run=RunInfo(
            id=recipe.run_id or f"20261120-152233-{recipe.algo}-{recipe.dataset}-s{recipe.seed}-5a3e",
            name=name,
            status=recipe.status,
            started_at=recipe.started_at,
            seed=recipe.seed,
            command=f"energyprof run --algo {recipe.algo} --dataset {recipe.dataset} --seed {recipe.seed}",
        ),
        workload=Workload(
            algo=recipe.algo,
            dataset=recipe.dataset,
            dataset_sha256="a" * 64,
            arch="mlp:1000,1000",
            schedule="joint" if recipe.algo == "bp" else "concurrent",
            parameters=1_796_010,
            batch_size=recipe.batch_size,
            precision="float32",
            protocol=recipe.protocol,
            config=recipe.config,
        ),
        environment=Environment(
            energyprof="0.1.0",
            python="3.11.9",
            platform="Linux 6.1 x86_64",
            hostname_hash="0f1e2d3c4b5a",
            cpu="Sample CPU 16-core",
            logical_cpus=32,
            memory_bytes=64 << 30,
            device="cuda:0" if recipe.gpus else "cpu",
            gpus=gpus,
            threads=8,
            git_sha="0123456789abcdef",
            git_dirty=False,
            packages={"torch": "2.6.0", "numpy": "2.1.0"},
        ),
        window=WindowInfo(includes=("training", "evaluation", "data-loading")),
        sensors=sensors,
        carbon=Carbon(
            intensity_g_per_kwh=480.0, source="sample data, world average", year=2023, assumed=True
        ),
        memory=MemoryByCause(
            parameters=7 << 20, gradients=7 << 20, optimizer_state=14 << 20, activations=5 << 20
        ),
        overhead=Overhead(mark_s=2.1e-7, marks=2 * recipe.steps * recipe.epochs, sampler_cpu_s=0.021),
    )
    return replace(report, quality=Quality(test_accuracy=_accuracy_at(recipe, recipe.epochs)))


def _accuracy_at(recipe: Recipe, epoch: int) -> float | None:
    return recipe.accuracy - 0.25 * float(np.exp(-0.9 * epoch)) if recipe.epochs and recipe.steps else None


def _training(recipe: Recipe, random: np.random.Generator) -> tuple[Segments, Metrics, tuple[int, int]]:
    names = [f"train/{part}" for part in recipe.parts]
    phases = (*names, "evaluate", UNATTRIBUTED)
    nowhere, evaluate = len(phases) - 1, len(phases) - 2
    count, parts = recipe.steps, len(names)
    step_s = np.array(list(recipe.parts.values())) * recipe.scale
    opened = int(_IDLE_S * 1e9)
    starts: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
    phase: list[NDArray[np.int32]] = [np.full(1, nowhere, np.int32)]
    step: list[NDArray[np.int64]] = [np.full(1, -1, np.int64)]
    rows: list[tuple[int, int, str, float]] = [(opened, 0, "batch_samples", recipe.batch_size)]
    now = opened
    for epoch in range(recipe.epochs):
        rows.append((now, epoch * count, "epoch_begin/train", epoch))
        jitter = random.gamma(200.0, 1 / 200.0, (count, parts))
        slow = random.random(count) < 0.01
        lengths = (jitter * step_s * np.where(slow, 2.5, 1.0)[:, None] * 1e9).astype(np.int64)
        edges = now + np.concatenate([[0], np.cumsum(lengths.ravel())])
        starts.append(edges[:-1])
        phase.append(np.tile(np.arange(parts, dtype=np.int32), count))
        step.append(np.repeat(np.arange(epoch * count, (epoch + 1) * count), parts))
        now = int(edges[-1])
        if count:
            rows += _log(recipe, epoch, now, (epoch + 1) * count, random)
        starts.append(np.array([now]))
        phase.append(np.array([evaluate], np.int32))
        step.append(np.array([-1]))
        now += int(recipe.evaluate_s * recipe.scale * 1e9)
        rows.append((now, (epoch + 1) * count, "epoch_end/train", epoch))
    starts.append(np.array([now]))
    phase.append(np.array([nowhere], np.int32))
    step.append(np.array([-1]))
    window = (opened, now + int(0.05e9))
    segments = Segments(
        start_ns=np.concatenate(starts),
        phase=np.concatenate(phase),
        step=np.concatenate(step),
        phases=phases,
        end_ns=window[1] + int(_IDLE_S * 1e9),
    )
    return segments, _metrics(rows), window


def _log(
    recipe: Recipe, epoch: int, now: int, steps: int, random: np.random.Generator
) -> list[tuple[int, int, str, float]]:
    wobble = float(random.normal(0, 0.002))
    loss = 0.08 + 1.6 * float(np.exp(-0.8 * (epoch + 1)))
    values = {
        "train_loss": loss,
        "validation_loss": loss * 1.1 + wobble,
        "validation_accuracy": (_accuracy_at(recipe, epoch + 1) or 0.0) + wobble,
    }
    if "layer1/forward" in recipe.parts:
        values |= {f"layer{k}/local_loss": loss * (1 + 0.3 / k) for k in (1, 2)}
    return [(now, steps, name, value) for name, value in values.items()]


def _metrics(rows: list[tuple[int, int, str, float]]) -> Metrics:
    return Metrics(
        t_ns=np.array([row[0] for row in rows], np.int64),
        step=np.array([row[1] for row in rows], np.int64),
        name=tuple(row[2] for row in rows),
        value=np.array([row[3] for row in rows], np.float64),
    )


def _sensors(
    recipe: Recipe, segments: Segments, duration_ns: int, random: np.random.Generator
) -> tuple[tuple[SensorInfo, ...], tuple[Channel, ...]]:
    poll_ns = int(recipe.poll_s * 1e9)
    t_ns = np.arange(poll_ns // 2, duration_ns, poll_ns) + random.integers(0, 800_000)
    infos: list[SensorInfo] = []
    channels: list[Channel] = []
    for index in range(recipe.gpus):
        info, found = _gpu(recipe, segments, t_ns + 1_700_000 * index, index, random)
        infos.append(info)
        channels += found
    if recipe.cpu is not Provenance.MISSING:
        info, channel = _cpu(recipe, segments, t_ns)
        infos.append(info)
        channels.append(channel)
    infos.append(
        SensorInfo(
            name="memory",
            source=Provenance.MISSING,
            semantics="resident memory of this process",
            refresh_s=recipe.poll_s,
            readings=len(t_ns),
        )
    )
    memory = (3 << 29) + (1 << 28) * (1 - np.exp(-(t_ns - t_ns[0]) / 8e9))
    channels.append(_channel("host/memory", "host", ChannelKind.MEMORY, "memory", "B", t_ns, memory.round()))
    return tuple(infos), tuple(channels)


def _gpu(
    recipe: Recipe, segments: Segments, t_ns: NDArray[np.int64], index: int, random: np.random.Generator
) -> tuple[SensorInfo, list[Channel]]:
    name, domain = f"nvml:gpu:{index}", f"gpu:{index}"
    energy, busy = _truth(segments, t_ns, recipe.gpu_limit_w * (1 - 0.03 * index))
    power = (
        np.diff(energy, prepend=energy[0] - recipe.gpu_limit_w * _IDLE_SHARE * recipe.poll_s) / recipe.poll_s
    )
    power = np.maximum(power + random.normal(0, 1.5, len(power)), 5.0)
    heat = 38 + 34 * np.convolve(busy, np.ones(60) / 60)[: len(busy)]
    state = {
        "utilisation": (
            ChannelKind.UTILISATION,
            "1",
            np.clip(busy + random.normal(0, 0.02, len(busy)), 0, 1),
        ),
        "memory": (ChannelKind.MEMORY, "B", np.where(busy > 0.1, 2.1, 1.4) * (1 << 30)),
        "temperature": (ChannelKind.TEMPERATURE, "degC", heat.round()),
        "sm_clock": (ChannelKind.CLOCK, "Hz", np.where(busy > 0.1, 1.41e9, 0.21e9)),
    }
    channels = [
        _channel(f"{domain}/energy", domain, ChannelKind.ENERGY, name, "J", t_ns, energy.round(3)),
        _channel(f"{domain}/power", domain, ChannelKind.POWER_INSTANT, name, "W", t_ns, power.round(2)),
    ]
    for tail, (kind, unit, values) in state.items():
        channels.append(_channel(f"{domain}/{tail}", domain, kind, name, unit, t_ns[::4], values[::4]))
    info = SensorInfo(
        name=name,
        domains=(domain,),
        source=Provenance.COUNTER,
        semantics="energy counter of the whole board, millijoules since the driver was loaded",
        refresh_s=recipe.poll_s,
        window_s=0.025,
        power_floor_w=20.0,
        power_ceiling_w=recipe.gpu_limit_w * 1.2,
        readings=len(t_ns),
    )
    return info, channels


def _cpu(recipe: Recipe, segments: Segments, t_ns: NDArray[np.int64]) -> tuple[SensorInfo, Channel]:
    energy, _ = _truth(segments, t_ns, recipe.cpu_limit_w)
    estimated = recipe.cpu is Provenance.ESTIMATED
    name = "cpu-model" if estimated else "rapl:package-0"
    info = SensorInfo(
        name=name,
        domains=("cpu",),
        source=recipe.cpu,
        semantics="processor utilisation times its rated power"
        if estimated
        else "energy counter of the package",
        refresh_s=recipe.poll_s,
        power_floor_w=0.1 * recipe.cpu_limit_w,
        power_ceiling_w=1.2 * recipe.cpu_limit_w,
        readings=len(t_ns),
    )
    return info, _channel("cpu/energy", "cpu", ChannelKind.ENERGY, name, "J", t_ns, energy)


def _truth(
    segments: Segments, t_ns: NDArray[np.int64], limit_w: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the true energy at each time, and how busy the device was since the time before."""
    share = np.array([_PHASE_POWER_W.get(name.rpartition("/")[2], 0.5) for name in segments.phases])
    power = share[segments.phase] * limit_w
    edges = np.append(segments.start_ns, segments.end_ns) / 1e9
    joules = np.concatenate([[0.0], np.cumsum(power * np.diff(edges))])
    seconds_busy = np.concatenate([[0.0], np.cumsum((share[segments.phase] > 0.5) * np.diff(edges))])
    at = t_ns / 1e9
    busy = np.diff(np.interp(at, edges, seconds_busy), prepend=0.0) / np.diff(at, prepend=at[0] - 1.0)
    return np.interp(at, edges, joules), np.clip(busy, 0.0, 1.0)


def _channel(
    name: str,
    domain: str,
    kind: ChannelKind,
    sensor: str,
    unit: str,
    t_ns: NDArray[np.int64],
    value: NDArray[np.float64],
) -> Channel:
    return Channel(
        name=name,
        domain=domain,
        kind=kind,
        sensor=sensor,
        unit=unit,
        t_ns=t_ns,
        since_ns=t_ns - 1_000_000,
        value=np.asarray(value, np.float64),
    )
