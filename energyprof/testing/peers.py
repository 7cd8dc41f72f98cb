"""The same scenarios for other tools: each in a process of its own, on the real clock, over the stand-in.

A tool that is not installed is reported as such. Truth is taken between the very instants at which each
process began and ended the run and its steps, so neither set-up nor a late wake-up costs anybody anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from energyprof.errors import UnknownName
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.loads import TRAINING_STEP, Load, steady, training
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.peer_adapters import ADAPTERS, PACKAGES
from energyprof.testing.true_power import TruePower

__all__ = ["PEER_SCENARIOS", "PeerResult", "PeerScenario", "against"]

_READY_S: Final = 60.0
_LEAD_NS: Final = 200_000_000
_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerScenario:
    """A load on some devices, short enough to wait for."""

    name: str
    cards: tuple[Card, ...]
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """What one tool said of one scenario.

    Attributes:
        version: of the tool, or None where it is not installed.
        truth_j: true energy of the run, from just after the tool began to measure until just before it ended.
        reported_j: what the tool said, or None.
        error: (reported - truth) / truth.
        steps: how many steps there were.
        zero_steps: how many of them the tool gives no energy; None where it does not tell steps apart.
        step_error: RMS error of the energy of a step, as a share of the mean step.
        note: why there is no figure, where there is none.
    """

    peer: str
    version: str | None
    scenario: str
    truth_j: float | None = None
    reported_j: float | None = None
    error: float | None = None
    steps: int = 0
    zero_steps: int | None = None
    step_error: float | None = None
    note: str = ""


PEER_SCENARIOS: Final = (
    PeerScenario(
        name="50 ms steps, 100 ms counter",
        cards=(CARDS["hopper"],),
        load=training(TRAINING_STEP, 10.0, name="50 ms steps"),
    ),
    PeerScenario(
        name="steady 250 W, no counter, 1 s steps",
        cards=(CARDS["pascal"],),
        load=steady(250.0, 8.0, step_s=1.0),
    ),
    PeerScenario(
        name="two GPUs, 50 ms steps",
        cards=(CARDS["ada"], CARDS["ada"]),
        load=training(TRAINING_STEP, 6.0, name="50 ms steps"),
    ),
)


def against(
    names: Sequence[str],
    scenarios: Sequence[PeerScenario] = PEER_SCENARIOS,
    tell: Callable[[PeerResult], None] | None = None,
) -> list[PeerResult]:
    """Run scenarios for tools, all tools of a scenario at once.

    Args:
        names: of :data:`~energyprof.testing.peer_adapters.ADAPTERS`.
        scenarios: what to run.
        tell: called with each result as soon as it is there.

    Raises:
        UnknownName: a tool for which there is no adapter.
        DeviceError: there is no C compiler to make the stand-in driver with.
    """
    for name in names:
        if name not in ADAPTERS:
            raise UnknownName("tool", name, ADAPTERS)
    results = []
    for scenario in scenarios:
        for result in _run(scenario, [name for name in names if _version(name)]):
            results.append(result)
            if tell is not None:
                tell(result)
        absent = (
            PeerResult(peer=n, version=None, scenario=scenario.name, note="not installed") for n in names
        )
        results.extend(result for result in absent if not _version(result.peer))
    return results


def _version(name: str) -> str | None:
    try:
        return metadata.version(PACKAGES[name])
    except metadata.PackageNotFoundError:
        return None


def _run(scenario: PeerScenario, names: Sequence[str]) -> list[PeerResult]:
    with (
        tempfile.TemporaryDirectory(prefix="energyprof-peers-") as folder,
        StandInNvml(scenario.cards, virtual=False) as nvml,
    ):
        steps = int(scenario.load.step[-1]) + 1
        children = [_Child(name, steps, Path(folder), nvml.environment()) for name in names]
        try:
            for child in children:
                child.wait_until_ready()
            open_ns = time.perf_counter_ns() + _LEAD_NS
            powers = [scenario.load.power(open_ns, card.idle_w) for card in scenario.cards]
            for device, power in enumerate(powers):
                nvml.set_power(device, power)
            for child in children:
                child.begin(_boundaries(scenario.load, open_ns))
            patience_s = scenario.load.total_ns / 1e9 + _AFTER_S
            return [_judge(child.name, scenario, child.answer(patience_s), powers) for child in children]
        finally:
            for child in children:
                child.end()


def _boundaries(load: Load, open_ns: int) -> list[int]:
    first = np.flatnonzero(np.diff(load.step, prepend=-1))
    return [*(open_ns + load.start_ns[first]).tolist(), open_ns + load.total_ns]


def _judge(
    name: str, scenario: PeerScenario, answer: dict[str, Any], powers: Sequence[TruePower]
) -> PeerResult:
    note = answer.get("missing") or answer.get("failed")
    if note is not None:
        return PeerResult(peer=name, version=_version(name), scenario=scenario.name, note=note)
    window_ns, times_ns = answer["window_ns"], np.array(answer["times_ns"], np.int64)
    truth_j = sum(power.energy_j(*window_ns) for power in powers)
    steps_truth_j = sum(power.energies_j(times_ns[:, 0], times_ns[:, 1]) for power in powers)
    steps_j = None if answer["steps_j"] is None else np.array(answer["steps_j"], np.float64)
    return PeerResult(
        peer=name,
        version=_version(name),
        scenario=scenario.name,
        truth_j=truth_j,
        reported_j=answer["total_j"],
        error=answer["total_j"] / truth_j - 1.0,
        steps=len(times_ns),
        zero_steps=None if steps_j is None else int(np.sum(~(steps_j > 0))),
        step_error=None
        if steps_j is None
        else float(np.sqrt(np.mean((steps_j - steps_truth_j) ** 2)) / np.mean(steps_truth_j)),
    )


class _Child:
    """A process that runs one tool."""

    def __init__(self, name: str, steps: int, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        home = folder / name
        _make_home(home)
        self._read, write = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "energyprof.testing.peer_child", name, str(steps), str(write)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={**os.environ, **environment, "HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}"},
            pass_fds=[write],
            text=True,
        )
        os.close(write)
        self._received = b""

    def wait_until_ready(self) -> None:
        self._receive(_READY_S, at_least=1)

    def begin(self, boundaries_ns: list[int]) -> None:
        assert self._process.stdin is not None
        if self._process.poll() is None and self._received == b"R":
            self._process.stdin.write(f"{json.dumps(boundaries_ns)}\n")
            self._process.stdin.flush()

    def answer(self, patience_s: float) -> dict[str, Any]:
        self._receive(patience_s, at_least=None)
        try:
            said: dict[str, Any] = json.loads(self._received.removeprefix(b"R"))
        except ValueError:
            return {"failed": "it ended, or did not end, without an answer"}
        return said

    def end(self) -> None:
        os.close(self._read)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def _receive(self, patience_s: float, at_least: int | None) -> None:
        """Read until so many bytes, or all, have come, for so long."""
        import select

        deadline_s = time.monotonic() + patience_s
        while at_least is None or len(self._received) < at_least:
            rest_s = deadline_s - time.monotonic()
            if rest_s <= 0 or not select.select([self._read], [], [], rest_s)[0]:
                return
            part = os.read(self._read, 65536)
            if not part:
                return
            self._received += part


def _make_home(home: Path) -> None:
    """Make a home folder with an ``nvidia-smi``: CodeCarbon reads GPUs only where there is one."""
    home.mkdir()
    program = home / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
