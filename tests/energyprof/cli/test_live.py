from __future__ import annotations

import pytest

from energyprof.cli.live import LineView, PowerMeter
from learners.training.evaluation import Evaluation
from learners.training.outcome import EpochOutcome

SECOND = 1_000_000_000


class Readings:
    """The latest values as a profiler gives them: new ones once a second."""

    def __init__(self, **values: float) -> None:
        self._now = {name.replace("_", "/", 1): (value, 0) for name, value in values.items()}

    def __call__(self) -> dict[str, tuple[float, int]]:
        return self._now

    def come(self, name: str, value: float, at_s: float) -> None:
        self._now = self._now | {name: (value, round(at_s * SECOND))}


def test_watts_go_by_the_readings_own_times() -> None:
    readings = Readings(cpu_energy=100.0)
    meter = PowerMeter(readings)
    meter.update()
    for second, seen_s in ((1, 0.9), (2, 2.0), (3, 2.5)):  # the last of a second's readings lies anywhere
        readings.come("cpu/energy", 100.0 + 60.0 * seen_s, seen_s)
        for _ in range(4):  # a view looks more often than there is something new
            meter.update()
            assert meter.power_w == pytest.approx(60.0), second
    assert meter.energy_j == pytest.approx(150.0)


def test_counters_add_up_and_one_that_has_not_moved_is_no_zero() -> None:
    readings = Readings(cpu_energy=5.0)
    meter = PowerMeter(readings)
    meter.update()
    meter.update()
    assert (meter.power_w, meter.energy_j) == (None, None)
    readings.come("gpu:0/energy", 1000.0, 0.5)
    readings.come("cpu/energy", 15.0, 1.0)
    meter.update()
    assert (meter.power_w, meter.energy_j) == (pytest.approx(10.0), pytest.approx(10.0))
    readings.come("gpu:0/energy", 1300.0, 1.5)
    meter.update()
    assert (meter.power_w, meter.energy_j) == (pytest.approx(310.0), pytest.approx(310.0))


def test_without_a_counter_power_is_what_sensors_show() -> None:
    readings = Readings()
    meter = PowerMeter(readings)
    meter.update()
    assert meter.power_w is None
    readings.come("gpu:0/power_instant", 250.0, 0.1)
    readings.come("host/memory", 1e9, 0.1)
    meter.update()
    assert (meter.power_w, meter.energy_j) == (250.0, None)


def epoch(index: int) -> EpochOutcome:
    validation = Evaluation(loss=0.3, accuracy=0.912, samples=100)
    return EpochOutcome(stage="train", index=index, train_loss=0.25, validation=validation, best=True)


def test_a_line_an_epoch_tells_joules_once_there_are_some() -> None:
    readings, lines = Readings(cpu_energy=0.0), []
    view = LineView(lines.append, readings)
    view.training_began((("train", 2),), 10)
    view.epoch_ended(epoch(0))
    readings.come("cpu/energy", 8.0, 1.0)
    view.epoch_ended(epoch(1))
    assert lines == [
        "train epoch 1/2  loss 0.2500  validation 91.20%",
        "train epoch 2/2  loss 0.2500  validation 91.20%  8.00 J so far",
    ]
