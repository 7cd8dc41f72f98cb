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
from select import select
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import UnknownName
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.loads import TRAINING_STEP
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.peer_adapters import ADAPTERS, PACKAGES
from energyprof.testing.true_power import TruePower

__all__ = [
    "PEER_SCENARIOS",
    "PeerResult",
    "PeerScenario",
    "against",
    "installed",
    "make_home",
    "require_known",
]

_PATIENCE_S: Final = 90.0  # beyond the steps themselves, for imports, set-up and the last report


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerScenario:
    """A load that repeats on some devices for as long as it takes, and how many steps of it are measured.

    Attributes:
        shape: (phase, seconds, watts) of each part of a step.
    """

    name: str
    cards: tuple[Card, ...]
    shape: tuple[tuple[str, float, float], ...]
    steps: int

    @property
    def step_s(self) -> float:
        """Return how long a step takes."""
        return sum(seconds for _, seconds, _ in self.shape)

    def power(self, origin_ns: int) -> TruePower:
        """Return the true power of each device."""
        parts = [(seconds, power_w) for _, seconds, power_w in self.shape]
        return TruePower.of(parts, start_ns=origin_ns, repeat_from=0)


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
        name="50 ms steps, 100 ms counter", cards=(CARDS["hopper"],), shape=TRAINING_STEP, steps=200
    ),
    PeerScenario(
        name="steady 250 W, no counter, 1 s steps",
        cards=(CARDS["pascal"],),
        shape=(("train", 1.0, 250.0),),
        steps=8,
    ),
    PeerScenario(
        name="two GPUs, 50 ms steps", cards=(CARDS["ada"], CARDS["ada"]), shape=TRAINING_STEP, steps=120
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
    require_known(names)
    results = []
    for scenario in scenarios:
        for result in _run(scenario, installed(names)):
            results.append(result)
            if tell is not None:
                tell(result)
        results += [
            PeerResult(peer=name, version=None, scenario=scenario.name, note=_absent(name))
            for name in names
            if not _version(name)
        ]
    return results


def require_known(names: Sequence[str]) -> None:
    """Refuse a tool for which there is no adapter.

    Raises:
        UnknownName: there is none.
    """
    for name in names:
        if name not in ADAPTERS:
            raise UnknownName("tool", name, ADAPTERS)


def installed(names: Sequence[str] = tuple(ADAPTERS)) -> list[str]:
    """Return those of the tools that are installed."""
    return [name for name in names if _version(name)]


def _absent(name: str) -> str:
    return f"not installed: pip install {PACKAGES[name]}"


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
        origin_ns = nvml.clock.now_ns()
        power = scenario.power(origin_ns)
        for device in range(len(scenario.cards)):
            nvml.set_power(device, power)
        steps = (scenario.steps, origin_ns, round(scenario.step_s * 1e9))
        children = [_Child(name, steps, Path(folder), nvml.environment()) for name in names]
        deadline_s = time.monotonic() + scenario.steps * scenario.step_s + _PATIENCE_S
        try:
            return [_judge(child.name, scenario, child.answer(deadline_s), power) for child in children]
        finally:
            for child in children:
                child.end()


def _judge(name: str, scenario: PeerScenario, answer: dict[str, Any], power: TruePower) -> PeerResult:
    if "failed" in answer:
        return PeerResult(
            peer=name, version=_version(name), scenario=scenario.name, note=str(answer["failed"])
        )
    devices, times_ns = len(scenario.cards), np.array(answer["times_ns"], np.int64)
    truth_j = devices * power.energy_j(*answer["window_ns"])
    steps_truth_j = devices * power.energies_j(times_ns[:, 0], times_ns[:, 1])
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
        step_error=None if steps_j is None else _relative_rms(steps_j, steps_truth_j),
    )


def _relative_rms(reported: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((reported - truth) ** 2)) / np.mean(truth))


class _Child:
    """A process that runs one tool."""

    def __init__(
        self, name: str, steps: tuple[int, int, int], folder: Path, environment: dict[str, str]
    ) -> None:
        self.name = name
        home = folder / name
        make_home(home)
        self._read, write = os.pipe()
        self._errors = home / "stderr"
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "energyprof.testing.peer_child", name, *map(str, steps), str(write)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=home,
                env={**os.environ, **environment, "HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}"},
                pass_fds=[write],
            )
        os.close(write)

    def answer(self, deadline_s: float) -> dict[str, Any]:
        """Wait for what it says, until a monotonic time."""
        received = b""
        while (rest_s := deadline_s - time.monotonic()) > 0 and select([self._read], [], [], rest_s)[0]:
            part = os.read(self._read, 65536)
            if not part:
                break
            received += part
        try:
            said: dict[str, Any] = json.loads(received)
        except ValueError:
            return {"failed": f"it ended, or did not end, without an answer{self._last_words()}"}
        return said

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def end(self) -> None:
        os.close(self._read)
        self._process.kill()
        self._process.wait()


def make_home(home: Path) -> None:
    """Make a home folder with an ``nvidia-smi``: CodeCarbon reads GPUs only where there is one."""
    home.mkdir()
    program = home / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
