"""The switches of a precision: set, put back, and refused where a device lacks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from energyprof.errors import DeviceError, UnknownName, UsageError
from learners.base import Batch, Learner, Metrics, Stage
from learners.training.execution import Execution
from learners.training.loop import train
from learners.training.precision import Precision, computing, find_precision
from learners.training.protocol import Protocol

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def switches() -> tuple[str, bool, bool]:
    convolution: bool = torch.backends.cudnn.allow_tf32
    return torch.get_float32_matmul_precision(), convolution, torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(
    ("precision", "inside"),
    [
        (Precision.FP32, ("highest", False, False)),
        (Precision.TF32, ("high", True, False)),
        (Precision.BF16, ("highest", False, True)),
    ],
)
def test_switches_are_set_inside_and_put_back(precision: Precision, inside: tuple[str, bool, bool]) -> None:
    before = switches()
    with computing(precision, CPU):
        assert switches() == inside
    assert switches() == before


def test_switches_are_put_back_whatever_ended_the_run() -> None:
    before = switches()
    with pytest.raises(KeyboardInterrupt), computing(Precision.BF16, CPU):
        raise KeyboardInterrupt
    assert switches() == before


def test_autocast_keeps_no_copies_of_weights() -> None:
    """It would be of the weight before its update."""
    weight, x = torch.nn.Parameter(torch.ones(1, 1)), torch.ones(1, 1)
    with computing(Precision.BF16, CPU):
        before = torch.nn.functional.linear(x, weight).detach()
        with torch.no_grad():
            weight.fill_(2.0)
        after = torch.nn.functional.linear(x, weight).detach()
    assert torch.equal(after, 2 * before)


@pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="torch before 2.9 has one interface"
)
def test_a_process_that_uses_the_newer_switches_is_told_so() -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        with (
            pytest.raises(UsageError, match="fp32_precision, which cannot be told"),
            computing(Precision.FP32, CPU),
        ):
            pass
    finally:
        matmul.fp32_precision = before


def test_a_name_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match="did you mean 'bf16'"):
        find_precision("bf17", CPU)


def test_tf32_on_a_cpu_says_what_it_needs() -> None:
    with pytest.raises(DeviceError, match=r"tf32 needs tensor cores .* seen --device cpu: give"):
        find_precision("tf32", CPU)


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_an_older_gpu_is_named_with_its_capability(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    with pytest.raises(DeviceError, match=rf"{name} needs .* seen 7.5 \(Tesla T4\): give --precision fp32"):
        find_precision(name, GPU)
    assert find_precision("fp32", GPU) is Precision.FP32


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_an_ampere_gpu_takes_every_precision(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    assert find_precision(name, GPU) == name


class Looking(Learner):
    """Notes what autocast is at every act of a training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, 16))
        self.seen: dict[str, bool] = {}

    def stages(self) -> Iterator[Stage]:
        for name in ("one", "two"):
            yield Stage(name=name, step=self.step)
            self.look("closing")

    def look(self, act: str) -> None:
        self.seen[act] = torch.is_autocast_enabled("cpu")

    def step(self, batch: Batch) -> Metrics:
        self.look("step")
        return {"loss": torch.ones(())}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        self.look("scores")
        return x.flatten(1) @ self.weight.t()


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_steps_closing_acts_and_evaluations_are_computed_alike(
    precision: Precision, tiny_task: object, meter: object
) -> None:
    learner = Looking()
    execution = Execution(device=CPU, precision=precision)
    train(learner, tiny_task, Protocol.fixed(1), meter, execution=execution)  # type: ignore[arg-type]
    assert learner.seen == dict.fromkeys(["step", "scores", "closing"], precision is Precision.BF16)
    assert not torch.is_autocast_enabled("cpu")
