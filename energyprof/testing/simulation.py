"""A run in virtual time: the project's own sensors, sampler and run folder, over a stand-in device.

Nothing of what is proved is replaced: readings come through ``pynvml``, are polled by the sampler, written to
a run folder and read back. Only the clock and the driver are stand-ins.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.summary import step_table, summarise
from energyprof.record.model import Environment, Report, RunInfo, RunStatus, SensorInfo
from energyprof.record.store import RunFolder, read_trace
from energyprof.record.trace import Segments, Trace
from energyprof.recording.sampler import Sampler
from energyprof.sensors.base import Sensor
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.testing.cards import Card
from energyprof.testing.faults import Fault
from energyprof.testing.loads import Load
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.true_power import TruePower

__all__ = ["Simulation", "simulate"]

_CALL_NS: Final = 100_000
_SECOND_NS: Final = 10**9
_SETTLING_NS: Final = 5 * _SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A recorded run whose truth is known.

    Attributes:
        trace: what was recorded.
        sensors: the sensors' descriptions after the run.
        truth: each device's true power on the trace's time axis (0 is when recording started).
        devices: how many there are, all alike.
        problems: what went wrong with reading, in words.
        calls_per_second: NVML calls a second once its refresh was learned (from 5 s on).
    """

    trace: Trace
    sensors: tuple[SensorInfo, ...]
    truth: TruePower
    devices: int
    problems: tuple[str, ...]
    calls_per_second: float

    @property
    def report(self) -> Report:
        """Return the report of the run, as a user gets it."""
        return summarise(self.trace, _draft(self.sensors))

    def steps(self) -> dict[str, NDArray[np.float64]]:
        """Return the table of steps, as a user gets it, with their true energy as ``truth_j``."""
        table = step_table(self.trace, self.sensors)
        start_ns = np.rint(table["start_s"] * 1e9).astype(np.int64) + self.trace.window_ns[0]
        end_ns = start_ns + np.rint(table["duration_s"] * 1e9).astype(np.int64)
        return {**table, "truth_j": self.true_energies_j(start_ns, end_ns)}

    def true_energies_j(self, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the true energy of each of (n,) windows, of all devices together."""
        return self.devices * self.truth.energies_j(start_ns, end_ns)

    def true_phases_j(self) -> dict[str, float]:
        """Return the true energy of each phase in the measured window."""
        segments, (open_ns, close_ns) = self.trace.segments, self.trace.window_ns
        edges = np.clip(np.append(segments.start_ns, segments.end_ns), open_ns, close_ns)
        energy = self.true_energies_j(edges[:-1], edges[1:])
        sums = np.bincount(segments.phase, weights=energy, minlength=len(segments.phases))
        return dict(zip(segments.phases, sums.tolist(), strict=True))


def simulate(
    card: Card,
    load: Load,
    *,
    faults: Iterable[Fault] = (),
    missing: Sequence[str] = (),
    devices: int = 1,
    idle_s: float = 2.0,
    seed: int = 0,
) -> Simulation:
    """Run a load on a card in virtual time and record it.

    Args:
        card: what the device is.
        load: what it does.
        faults: what goes wrong; their times count from when recording starts.
        missing: functions that the driver does not have.
        devices: how many such cards run it, all at once.
        idle_s: idle time recorded before and after the window.
        seed: of the sampling thread's late wake-ups.
    """
    with StandInNvml([card] * devices, missing=missing, call_ns=_CALL_NS) as nvml, nvml.loaded():
        for fault in faults:
            nvml.fault(fault.later(nvml.clock.now_ns()))
        sensors = _gpu_sensors(nvml)
        origin_ns = nvml.clock.now_ns()
        open_ns = int(idle_s * _SECOND_NS)
        end_ns = open_ns + load.total_ns + int(idle_s * _SECOND_NS)
        for k in range(devices):
            nvml.set_power(k, load.power(origin_ns + open_ns, card.idle_w))
        polled = _Polled(nvml, sensors, origin_ns, end_ns, np.random.default_rng(seed))
        for sensor in sensors:
            sensor.close()
    return Simulation(
        trace=_write_and_read(load, sensors, polled.sampler, (open_ns, end_ns)),
        sensors=polled.sampler.sensor_infos(),
        truth=load.power(open_ns, card.idle_w),
        devices=devices,
        problems=tuple(problem.reason for problem in polled.sampler.problems),
        calls_per_second=polled.calls_per_second,
    )


def _gpu_sensors(nvml: StandInNvml) -> list[Sensor]:
    library = NvmlLibrary.open()
    try:
        devices = enumerate(list_devices(library))
        return [NvmlSensor(library, device, f"gpu:{k}", nvml.clock) for k, device in devices]
    finally:
        library.close()  # each sensor has a hold of its own


class _Polled:
    """A sampler polled as the sampling thread does it: when something is due, and a little late."""

    def __init__(
        self,
        nvml: StandInNvml,
        sensors: list[Sensor],
        origin_ns: int,
        end_ns: int,
        random: np.random.Generator,
    ) -> None:
        clock, last_ns = nvml.clock, origin_ns + end_ns
        settled_ns, settled_calls = origin_ns + _SETTLING_NS, 0
        self.sampler = Sampler(sensors, clock, origin_ns)
        while (due_ns := self.sampler.next_due_ns()) < last_ns:
            late_ns = random.exponential(60_000.0) + (2_000_000.0 if random.random() < 0.01 else 0.0)
            clock.sleep_until_ns(max(due_ns, clock.now_ns()) + int(late_ns))
            self.sampler.poll()
            if clock.now_ns() < settled_ns:
                settled_calls = nvml.calls()
        clock.sleep_until_ns(last_ns)
        self.calls_per_second = (nvml.calls() - settled_calls) / ((last_ns - settled_ns) / _SECOND_NS)
        self.sampler.finish()


def _write_and_read(load: Load, sensors: list[Sensor], sampler: Sampler, times_ns: tuple[int, int]) -> Trace:
    """Put the run into a folder, as the recorder does, and read its trace back."""
    open_ns, end_ns = times_ns
    names = ("name", "domain", "kind", "unit")
    channels = [
        {**{name: str(getattr(channel, name)) for name in names}, "sensor": sensor.info.name}
        for sensor in sensors
        for channel in sensor.channels
    ]
    with tempfile.TemporaryDirectory(prefix="energyprof-scenario-") as out:
        folder = RunFolder(Path(out), "run", channels)
        segments = _segments(load, open_ns)
        folder.steps.append(
            {"start_ns": segments.start_ns, "phase": segments.phase, "step": segments.step}, segments.phases
        )
        rows = sampler.drain()
        columns = {name: getattr(rows, name) for name in ("t_ns", "since_ns", "channel", "value", "gap")}
        folder.samples.append(columns, rows.channels)
        marks = {"window_open": open_ns, "window_close": open_ns + load.total_ns, "recording_end": end_ns}
        folder.metrics.append(
            {
                "t_ns": np.array(list(marks.values()), np.int64),
                "name": np.arange(len(marks), dtype=np.int32),
                "value": np.zeros(len(marks)),
            },
            list(marks),
        )
        folder.close()
        return read_trace(folder.path)


def _segments(load: Load, open_ns: int) -> Segments:
    """Return the marks that the run's own code would have made: outside of the load, no phase and no step."""
    return Segments(
        start_ns=np.concatenate([[0], open_ns + load.start_ns, [open_ns + load.total_ns]]),
        phase=np.concatenate([[0], load.phase, [0]]).astype(np.int32),
        step=np.concatenate([[-1], load.step, [-1]]),
        phases=load.phases,
        end_ns=0,
    )


def _draft(sensors: tuple[SensorInfo, ...]) -> Report:
    return Report(
        run=RunInfo(id="scenario", name="scenario", status=RunStatus.COMPLETED, started_at=""),
        environment=Environment(energyprof="", python="", platform=""),
        sensors=sensors,
    )
