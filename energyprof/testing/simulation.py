"""A run in virtual time: the project's own sensors, sampler and run folder, over a stand-in device.

Nothing of what is proved is replaced: readings come through ``pynvml``, are polled by the sampler, written to
a run folder and read back. Only the clock and the driver are stand-ins.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.summary import step_table, summarise
from energyprof.clock import Clock
from energyprof.record.model import Environment, Report, RunInfo, RunStatus, SensorInfo
from energyprof.record.store import RunFolder, read_trace
from energyprof.record.trace import Segments, Trace
from energyprof.recording.sampler import Sampler
from energyprof.sensors.base import Sensor
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.sensors.nvml_state import NvmlStateSensor
from energyprof.sensors.rapl import find_zones, open_zones
from energyprof.testing.cards import Card
from energyprof.testing.clock import VirtualClock
from energyprof.testing.faults import Fault
from energyprof.testing.loads import Load
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.powercap import FakePowercap
from energyprof.testing.true_power import TruePower

__all__ = ["Event", "Simulation", "simulate", "simulate_host"]

#: Seconds since recording started, and what happens to the machine then.
Event = tuple[float, Callable[[StandInNvml], object]]

_CALL_NS: Final = 100_000
_SECOND_NS: Final = 10**9
_SETTLING_NS: Final = 5 * _SECOND_NS
_HOST_START_NS: Final = 1_000 * _SECOND_NS
_PACKAGE_IDLE_W: Final = 30.0
_DRAM_W: Final = 6.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A recorded run whose truth is known.

    Attributes:
        trace: what was recorded.
        sensors: the sensors' descriptions after the run.
        truths: the true power of each domain on the trace's time axis (0 is when recording started).
        problems: what went wrong with reading, in words.
        calls_per_second: NVML calls a second once its refresh was learned (from 5 s on).
    """

    trace: Trace
    sensors: tuple[SensorInfo, ...]
    truths: tuple[TruePower, ...]
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

    def true_energy_j(self) -> float:
        """Return the true energy of the measured window, over all domains."""
        return sum(truth.energy_j(*self.trace.window_ns) for truth in self.truths)

    def true_energies_j(self, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the true energy of each of (n,) windows, over all domains."""
        each = [truth.energies_j(start_ns, end_ns) for truth in self.truths]
        return np.asarray(np.sum(each, axis=0), np.float64)

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
    stall_s: tuple[float, float] | None = None,
    events: Sequence[Event] = (),
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
        stall_s: from when until when the sampling thread does not get to run, since recording started.
        events: what else happens, when; with any, the devices' state is recorded too.
        idle_s: idle time recorded before and after the window.
        seed: of the sampling thread's late wake-ups.
    """
    with StandInNvml([card] * devices, missing=missing, call_ns=_CALL_NS) as nvml, nvml.loaded():
        for fault in faults:
            nvml.fault(fault.later(nvml.clock.now_ns()))
        sensors = _gpu_sensors(nvml, state=bool(events))
        stage = _Stage(nvml.clock, load, idle_s, seed, stall_s)
        for k in range(devices):
            nvml.set_power(k, load.power(stage.origin_ns + stage.open_ns, card.idle_w))
        truths = (load.power(stage.open_ns, card.idle_w),) * devices
        script = _Script(nvml, events, stage.origin_ns)
        return stage.record(sensors, truths, calls=nvml.calls, before_poll=script.catch_up)


def simulate_host(
    load: Load, *, packages: int = 2, dead: int = 0, range_uj: int = 400_000_000, seed: int = 0
) -> Simulation:
    """Run a load on the CPU packages of a host and record it through their RAPL counters.

    Args:
        load: what each package does.
        packages: how many sockets there are, each with a DRAM counter; the first shows up a second time.
        dead: how many of the sockets, from the last, have a counter that stands still.
        range_uj: where the counters wrap.
        seed: of the sampling thread's late wake-ups.
    """
    clock = VirtualClock(_HOST_START_NS)
    with tempfile.TemporaryDirectory(prefix="energyprof-powercap-") as folder:
        tree = FakePowercap(Path(folder), clock)
        stage = _Stage(clock, load, 2.0, seed)
        power, dram = load.power(stage.origin_ns + stage.open_ns, _PACKAGE_IDLE_W), TruePower.steady(_DRAM_W)
        for k in range(packages):
            shown = TruePower.steady(0.0) if k >= packages - dead else power
            package = tree.add(f"package-{k}", shown, start_uj=k * 123_456_789, range_uj=range_uj)
            tree.add("dram", dram, parent=package.key, range_uj=range_uj)
        tree.add("package-0", power, control="intel-rapl-mmio", range_uj=range_uj)
        sensors, _ = open_zones(find_zones(tree.root), clock)
        truths = (load.power(stage.open_ns, _PACKAGE_IDLE_W), dram) * packages
        return stage.record(list(sensors), truths, before_poll=tree.advance)


def _gpu_sensors(nvml: StandInNvml, *, state: bool) -> list[Sensor]:
    library = NvmlLibrary.open()
    try:
        devices = list(enumerate(list_devices(library)))
        sensors: list[Sensor] = [NvmlSensor(library, device, f"gpu:{k}", nvml.clock) for k, device in devices]
        if state:
            sensors += [NvmlStateSensor(library, device, f"gpu:{k}") for k, device in devices]
        return sensors
    finally:
        library.close()  # each sensor has a hold of its own


class _Script:
    """What happens to the machine while it is recorded."""

    def __init__(self, nvml: StandInNvml, events: Sequence[Event], origin_ns: int) -> None:
        self._nvml = nvml
        self._coming = deque((origin_ns + int(at_s * _SECOND_NS), event) for at_s, event in events)

    def catch_up(self) -> None:
        """Let happen what is due by now."""
        while self._coming and self._coming[0][0] <= self._nvml.clock.now_ns():
            self._coming.popleft()[1](self._nvml)


class _Stage:
    """The times of a simulated run, and the loop that polls the sampler as the sampling thread does."""

    def __init__(
        self,
        clock: Clock,
        load: Load,
        idle_s: float,
        seed: int,
        stall_s: tuple[float, float] | None = None,
    ) -> None:
        self._clock, self._load, self._random = clock, load, np.random.default_rng(seed)
        self.origin_ns = clock.now_ns()
        self.open_ns = int(idle_s * _SECOND_NS)
        self.end_ns = self.open_ns + load.total_ns + int(idle_s * _SECOND_NS)
        self._stall_ns = [self.origin_ns + int(at_s * _SECOND_NS) for at_s in stall_s or (0.0, 0.0)]

    def record(
        self,
        sensors: Sequence[Sensor],
        truths: tuple[TruePower, ...],
        calls: Callable[[], int] = lambda: 0,
        before_poll: Callable[[], None] = lambda: None,
    ) -> Simulation:
        sampler = Sampler(sensors, self._clock, self.origin_ns)
        settled_ns, settled_calls = self.origin_ns + _SETTLING_NS, -1
        while (due_ns := sampler.next_due_ns()) < self.origin_ns + self.end_ns:
            self._wake_at(due_ns)
            before_poll()
            sampler.poll()
            if settled_calls < 0 and self._clock.now_ns() >= settled_ns:
                settled_calls = calls()
        self._clock.sleep_until_ns(self.origin_ns + self.end_ns)
        before_poll()
        rate = (calls() - settled_calls) / ((self.end_ns - _SETTLING_NS) / _SECOND_NS)
        sampler.finish()
        trace = _write_and_read(self._load, sensors, sampler, (self.open_ns, self.end_ns))
        for sensor in sensors:
            sensor.close()
        return Simulation(
            trace=trace,
            sensors=sampler.sensor_infos(),
            truths=truths,
            problems=tuple(problem.reason for problem in sampler.problems),
            calls_per_second=rate,
        )

    def _wake_at(self, due_ns: int) -> None:
        """Wake up a little late, now and then by 2 ms; after a stall, when it is over."""
        if self._stall_ns[0] <= due_ns < self._stall_ns[1]:
            due_ns = self._stall_ns[1]
        late_ns = self._random.exponential(60_000.0) + (2_000_000.0 if self._random.random() < 0.01 else 0.0)
        self._clock.sleep_until_ns(max(due_ns, self._clock.now_ns()) + int(late_ns))


def _write_and_read(
    load: Load, sensors: Sequence[Sensor], sampler: Sampler, times_ns: tuple[int, int]
) -> Trace:
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
