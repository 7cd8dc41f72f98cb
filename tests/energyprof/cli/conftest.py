from __future__ import annotations

from pathlib import Path

import pytest

import energyprof
from energyprof.cli.live import LineView


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small runs of the profiler, made without training anything."""
    out = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("first", "second")):
        with energyprof.Profiler(name, out=out, seed=seed) as prof:
            prof.describe(algo="bp", dataset="digits")
            for index in range(3):
                with prof.epoch(index):
                    for _ in prof.steps([[0] * 4] * 5):
                        sum(range(20_000))
                    prof.log(train_loss=1.0 / (index + 1), validation_loss=1.0, validation_accuracy=0.5)
    return out


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Let Ctrl-C come when so many epochs are over."""
    left = [epochs]

    def ended(_view: LineView, _epoch: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(LineView, "epoch_ended", ended)
