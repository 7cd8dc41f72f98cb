"""The adapters against stand-ins of the tools: what each is asked, and how its answer becomes joules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from energyprof.testing.peer_adapters import ADAPTERS, PACKAGES
from energyprof.units import J_PER_KWH


class Work:
    """Three steps, noting what happens."""

    count = 3

    def __init__(self) -> None:
        self.seen: list[str] = []

    def begin(self) -> None:
        self.seen.append("begin")

    def step(self, k: int) -> None:
        self.seen.append(f"step {k}")

    def end(self) -> None:
        self.seen.append("end")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(name: str, **attributes: Any) -> None:
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, _ = name.rpartition(".")
        if parent:
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))

    return put


@pytest.mark.parametrize(("name", "approximate"), [("zeus", False), ("zeus-approximate", True)])
def test_zeus_gets_a_window_for_the_run_and_one_for_each_step(
    install: Callable[..., None], name: str, approximate: bool
) -> None:
    windows: list[str] = []

    class ZeusMonitor:
        def __init__(self, cpu_indices: list[int], approx_instant_energy: bool) -> None:
            assert approx_instant_energy is approximate

        def begin_window(self, window: str, sync_execution: bool) -> None:
            windows.append(window)

        def end_window(self, window: str, sync_execution: bool) -> SimpleNamespace:
            return SimpleNamespace(gpu_energy={0: 60.0, 1: 40.0} if window == "run" else {0: 1.0, 1: 2.0})

    install("zeus.monitor", ZeusMonitor=ZeusMonitor)
    said = ADAPTERS[name]()(Work())
    assert windows == ["run", "step", "step", "step"]
    assert (said.total_j, said.steps_j) == (100.0, [3.0, 3.0, 3.0])


def test_codecarbon_gets_a_task_for_each_step_and_its_kilowatt_hours_become_joules(
    install: Callable[..., None],
) -> None:
    class OfflineEmissionsTracker:
        final_emissions_data = SimpleNamespace(gpu_energy=1e-5)

        def __init__(self, **options: Any) -> None:
            assert options["save_to_file"] is False
            self.tasks: list[str] = []

        def start(self) -> None: ...
        def stop(self) -> None: ...
        def start_task(self, task: str) -> None: ...
        def stop_task(self) -> SimpleNamespace:
            return SimpleNamespace(gpu_energy=1e-6)

    install("codecarbon", OfflineEmissionsTracker=OfflineEmissionsTracker)
    said = ADAPTERS["codecarbon"]()(Work())
    assert said.total_j == pytest.approx(1e-5 * J_PER_KWH)
    assert said.steps_j == pytest.approx([1e-6 * J_PER_KWH] * 3)


def test_carbontracker_loses_its_data_centre_overhead_and_tells_no_steps(
    install: Callable[..., None],
) -> None:
    import numpy as np

    class CarbonTracker:
        def __init__(self, **options: Any) -> None:
            self.tracker = SimpleNamespace(total_energy_per_epoch=lambda: np.array([1.58e-4]))

        def epoch_start(self) -> None: ...
        def epoch_end(self) -> None: ...
        def stop(self) -> None:
            raise RuntimeError("no network")

    install("carbontracker.tracker", CarbonTracker=CarbonTracker, constants=SimpleNamespace(PUE_2023=1.58))
    said = ADAPTERS["carbontracker"]()(Work())
    assert said.total_j == pytest.approx(1e-4 * J_PER_KWH)
    assert said.steps_j is None


def test_perun_adds_up_the_gpus_of_its_tree(install: Callable[..., None]) -> None:
    callbacks: list[Callable[[Any], None]] = []

    def leaf(joules: float | None) -> SimpleNamespace:
        kind = _Kind("GPU_ENERGY") if joules is not None else _Kind("RUNTIME")
        return SimpleNamespace(metrics={kind: SimpleNamespace(value=joules or 0.0)}, nodes={})

    def perun(**options: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        def wrap(function: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                function()
                tree = SimpleNamespace(metrics={}, nodes={0: leaf(70.0), 1: leaf(None), 2: leaf(30.0)})
                callbacks[0](tree)

            return run

        return wrap

    install("perun", perun=perun, register_callback=callbacks.append)
    work = Work()
    said = ADAPTERS["perun"]()(work)
    assert work.seen == ["begin", "step 0", "step 1", "step 2", "end"]
    assert (said.total_j, said.steps_j) == (100.0, None)


class _Kind:
    def __init__(self, name: str) -> None:
        self.name = name


def test_every_adapter_names_the_distribution_it_needs() -> None:
    assert set(PACKAGES) == set(ADAPTERS)
    assert PACKAGES["zeus-approximate"] == "zeus"
