"""How each peer is asked for the energy of a run and of its steps.

An adapter is made before the run begins (imports and constructors are not what is compared) and returns a
function that lives through the steps and gives joules of the GPUs. The figures are the peer's own, in joules;
nothing is corrected but what stands beside it.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from energyprof.units import J_PER_KWH

__all__ = ["ADAPTERS", "PACKAGES", "PeerEnergy", "Work"]


class Work(Protocol):
    """A run: :meth:`begin` once it is being measured, every step, :meth:`end` before measuring ends."""

    @property
    def count(self) -> int:
        """Return how many there are."""
        ...

    def begin(self) -> None:
        """Wait for the first step; what is measured from here on counts."""
        ...

    def step(self, k: int) -> None:
        """Live through step ``k``."""
        ...

    def end(self) -> None:
        """Say that what is measured from here on does not count."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEnergy:
    """What a peer says: joules of the run, and of each step where it tells them apart."""

    total_j: float
    steps_j: list[float] | None = None


Measure = Callable[[Work], PeerEnergy]


def energyprof() -> Measure:
    """Measure with this package: a profiler, and the modelled energy of each step."""
    from energyprof.recording.profiler import Profiler

    profiler = Profiler("peer", out="runs", html=False, cuda="off")

    def measure(work: Work) -> PeerEnergy:
        with profiler:
            work.begin()
            for k in profiler.steps(range(work.count)):
                work.step(k)
            work.end()
        energy_j = profiler.run.energy_by_domain_j
        gpus = [energy.value or 0.0 for domain, energy in energy_j.items() if domain.startswith("gpu")]
        return PeerEnergy(total_j=sum(gpus), steps_j=profiler.run.steps["gpu_energy_modelled_j"].tolist())

    return measure


def zeus(*, approximate: bool = False) -> Measure:
    """Measure with ``ZeusMonitor``: a window around the run, and one around each step."""
    monitor = importlib.import_module("zeus.monitor").ZeusMonitor(
        cpu_indices=[], approx_instant_energy=approximate
    )

    def end(name: str) -> float:
        return float(sum(monitor.end_window(name, sync_execution=False).gpu_energy.values()))

    def measure(work: Work) -> PeerEnergy:
        steps_j = []
        monitor.begin_window("run", sync_execution=False)
        work.begin()
        for k in range(work.count):
            monitor.begin_window("step", sync_execution=False)
            work.step(k)
            steps_j.append(end("step"))
        work.end()
        return PeerEnergy(total_j=end("run"), steps_j=steps_j)

    return measure


def zeus_approximate() -> Measure:
    """Measure with ``ZeusMonitor(approx_instant_energy=True)``."""
    return zeus(approximate=True)


def codecarbon() -> Measure:
    """Measure with CodeCarbon: its tracker around the run, and a task for each step."""
    tracker = importlib.import_module("codecarbon").OfflineEmissionsTracker(
        country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True
    )

    def measure(work: Work) -> PeerEnergy:
        steps_j = []
        tracker.start()
        work.begin()
        for k in range(work.count):
            tracker.start_task(f"step {k}")
            work.step(k)
            steps_j.append(tracker.stop_task().gpu_energy * J_PER_KWH)
        work.end()
        tracker.stop()
        return PeerEnergy(total_j=tracker.final_emissions_data.gpu_energy * J_PER_KWH, steps_j=steps_j)

    return measure


def carbontracker() -> Measure:
    """Measure with carbontracker: the run is an epoch; its data-centre overhead (PUE) is taken out again."""
    module: Any = importlib.import_module("carbontracker.tracker")
    tracker = module.CarbonTracker(epochs=2, components="gpu", update_interval=1, verbose=0)
    thread, pue = tracker.tracker, module.constants.PUE_2023

    def measure(work: Work) -> PeerEnergy:
        tracker.epoch_start()
        work.begin()
        for k in range(work.count):
            work.step(k)
        work.end()
        tracker.epoch_end()
        total_kwh = float(thread.total_energy_per_epoch().sum()) / pue
        with contextlib.suppress(Exception):  # it goes on to look for its place in the world
            tracker.stop()
        return PeerEnergy(total_j=total_kwh * J_PER_KWH)

    return measure


def perun() -> Measure:
    """Measure with perun: the run is an application, sampled at its default of 1 Hz."""
    module: Any = importlib.import_module("perun")

    def measure(work: Work) -> PeerEnergy:
        @module.perun(data_out="perun")  # type: ignore[untyped-decorator]
        def run() -> None:
            module.register_callback(_note_gpu_energy)
            work.begin()
            for k in range(work.count):
                work.step(k)
            work.end()

        run()
        return PeerEnergy(total_j=_noted_j.pop())

    return measure


#: What perun's callback found; it keeps one callback of a name, so that a second run calls the first one's.
_noted_j: list[float] = []


def _note_gpu_energy(node: Any) -> None:
    _noted_j.append(_gpu_energy_j(node))


def _gpu_energy_j(node: Any) -> float:
    """Add up the energy of the GPUs in perun's tree of results."""
    own = [metric for kind, metric in node.metrics.items() if kind.name == "GPU_ENERGY"]
    if own:
        value = getattr(own[0], "value", None)
        return float(own[0].sum if value is None else value)
    return sum(_gpu_energy_j(child) for child in node.nodes.values())


ADAPTERS: Final[Mapping[str, Callable[[], Measure]]] = {
    "energyprof": energyprof,
    "zeus": zeus,
    "zeus-approximate": zeus_approximate,
    "codecarbon": codecarbon,
    "carbontracker": carbontracker,
    "perun": perun,
}
#: The distribution that each adapter needs.
PACKAGES: Final[Mapping[str, str]] = {name: name.partition("-")[0] for name in ADAPTERS}
