"""Public implementations of FF and CaFo, by the path of a checkout, against ours at their own settings.

Their code runs as it stands: packages it imports for data sets and progress bars are stood in for where they
are not installed, calls that move data to a GPU leave it on the CPU, and images come from memory, which is in
their favour. Both sides see the same images.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from torch import Tensor, nn

from learners.base import Batch, Learner
from learners.configuration import configure
from learners.data.dataset import Dataset
from learners.registry import build, entry
from learners.training.task import ImageTask

__all__ = ["CHECKOUTS", "Pair", "pairs"]

CHECKOUTS = {
    "ff": "the best-known PyTorch port of FF (src/ff_model.py, src/ff_mnist.py)",
    "minimal-ff": "the popular minimal port of FF (main.py)",
    "cafo": "the CaFo authors' code (model.py, block.py)",
}

_STAND_INS = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.transforms",
    "hydra",
    "hydra.utils",
    "omegaconf",
    "matplotlib",
    "matplotlib.pyplot",
)


@dataclass(frozen=True)
class Pair:
    """The same work by a public implementation and by ours."""

    title: str
    public: Callable[[], object]
    ours: Callable[[], object]
    rounds: int


def pairs(paths: Mapping[str, Path], images: int) -> Iterator[Pair]:
    """Yield what can be compared with the checkouts at hand, over that many images where a pass counts."""
    if "ff" in paths:
        yield from _ff_pairs(paths["ff"])
    if "minimal-ff" in paths:
        yield _minimal_ff_pair(paths["minimal-ff"], images)
    if "cafo" in paths:
        yield from _cafo_pairs(paths["cafo"], images)


def _ff_pairs(checkout: Path) -> Iterator[Pair]:
    """FF 784-3x1000, softmax head, peer normalisation, SGD, batch 100: a step, and a pass with its loader."""
    with _imports(checkout):
        utils: Any = import_module("src.utils")
        images = import_module("src.ff_mnist")
    data, batch_size = _dataset(4000), 100
    options: Any = SimpleNamespace(
        device="cpu",
        input=SimpleNamespace(batch_size=batch_size),
        model=SimpleNamespace(peer_normalization=0.03, momentum=0.9, hidden_dim=1000, num_layers=3),
        training=SimpleNamespace(
            learning_rate=1e-3,
            weight_decay=3e-4,
            momentum=0.9,
            downstream_learning_rate=1e-2,
            downstream_weight_decay=3e-3,
        ),
        seed=0,
    )
    with redirect_stdout(StringIO()):
        net, optimizer = utils.get_model_and_optimizer(options)
    unit = torch.from_numpy(data.train_x).float() / 255
    samples = [(image, int(label)) for image, label in zip(unit, data.train_y, strict=True)]
    utils.get_MNIST_partition = lambda *_: samples
    loader = torch.utils.data.DataLoader(
        images.FF_MNIST(options, "train"),
        batch_size=batch_size,
        drop_last=True,
        shuffle=True,
        num_workers=4,  # as it sets them
        persistent_workers=True,
    )

    def public_step(inputs: dict[str, Tensor], labels: dict[str, Tensor]) -> None:
        optimizer.zero_grad()
        outputs = net(inputs, labels)
        outputs["Loss"].backward()
        optimizer.step()
        for value in outputs.values():  # it logs every output of every step
            _ = value if isinstance(value, float) else value.item()

    learner = _learner(
        "ff",
        data,
        "mlp:1000,1000,1000",
        {"optimizer": "sgd", "inference": "one-pass", "peer": "0.03", "init": "fan-out"},
    )
    task = ImageTask(data, input_scale="unit", batch_size=batch_size)
    batch, inputs = next(iter(task.one_pass(0))), next(iter(loader))
    yield Pair("FF port 784-3x1000, a step", lambda: public_step(*inputs), lambda: learner.step(batch), 30)

    def public_pass() -> None:
        for inputs in loader:
            public_step(*inputs)

    yield Pair("FF port 784-3x1000, a pass over 4,000", public_pass, partial(_pass, learner, task), 5)


def _minimal_ff_pair(checkout: Path, images: int) -> Pair:
    """FF 784-500-500, Adam, all images in one batch: one update of each layer."""
    with _imports(checkout):
        module = _load(checkout, "main")
    data = _dataset(images)
    x = (torch.from_numpy(data.train_x).float().div(255).flatten(1) - 0.1307) / 0.3081
    y = torch.from_numpy(data.train_y).long()
    net = module.Net([784, 500, 500])
    for layer in net.layers:
        layer.num_epochs = 1
    right, wrong = module.overlay_y_on_x(x, y), module.overlay_y_on_x(x, y[torch.randperm(len(y))])

    def public() -> None:
        with redirect_stdout(StringIO()):
            net.train(right, wrong)

    learner = _learner(
        "ff", data, "mlp:500,500", {"optimizer": "adam", "goodness": "mean", "threshold": "2", "lr": "0.03"}
    )
    batch = Batch(torch.from_numpy(data.train_x).float() / 255, y)
    title = f"minimal FF 784-500-500, an update of all layers, {images:,} images at once"
    return Pair(title, public, lambda: learner.step(batch), 5)


def _cafo_pairs(checkout: Path, images: int) -> Iterator[Pair]:
    """CaFo 32/128/512: a whole training by the closed form, and a step of the first predictor by CE."""
    with _imports(checkout):
        module = [_load(checkout, name) for name in ("utils", "block", "model")][-1]
    data = _dataset(images)
    normal = [
        (torch.from_numpy(part).float() / 255 - 0.1307) / 0.3081 for part in (data.train_x, data.test_x)
    ]
    y = torch.from_numpy(data.train_y).long()

    def public(loss: str, blocks: int, x: Tensor, x_test: Tensor, epochs: int = 1) -> None:
        net = module.construct_CaFo("MNIST", loss, 10, epochs, 1, 1, 28, n_blocks=blocks)
        with torch.no_grad(), redirect_stdout(StringIO()):
            net.train(x, y[: len(x)], x_test)

    closed_form = _learner("cafo", data, "conv:32,128,512", {"predictor": "mse"})
    task = ImageTask(data, batch_size=500)  # any will do: the products are the same

    def ours() -> None:
        learner = copy.deepcopy(closed_form)
        for stage in learner.stages():
            for batch in task.one_pass(0):
                stage.step(batch)
        task.evaluate(learner, "test")

    yield Pair(
        f"CaFo closed form, a whole training and test, {images:,} images",
        partial(public, "MSE", 3, normal[0], normal[1]),
        ours,
        1 if images > 20_000 else 2,
    )
    rows, epochs = min(images, 1000), 5  # its gradient makes a tensor of rows x features x classes
    block = _learner("cafo", data, "conv:32", {"predictor": "ce", "optimizer": "sgd", "cache": "true"})
    stages = block.stages()
    next(stages)
    stage = next(stages)
    assert stage.frozen is not None
    features = stage.frozen

    def ours_by_gradient() -> None:
        batch = Batch(features(normal[0][:rows]), y[:rows])
        for _ in range(epochs):
            stage.step(batch)

    yield Pair(
        f"CaFo cross-entropy, {epochs} epochs of the first predictor, {rows:,} images at once",
        partial(public, "CE", 1, normal[0][:rows], normal[1][:1], epochs),
        ours_by_gradient,
        5,
    )


def _learner(algo: str, data: Dataset, arch: str, settings: dict[str, str]) -> Learner:
    return build(algo, data.spec, arch, configure(entry(algo).config, settings))


def _pass(learner: Learner, task: ImageTask) -> None:
    for batch in task.one_pass(0):
        learner.step(batch)


def _dataset(images: int) -> Dataset:
    """Return noise in MNIST's shape: time does not depend on what is seen."""
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (images + images // 5, 1, 28, 28), dtype=np.uint8)
    y = draw.integers(0, 10, images + images // 5, dtype=np.uint8)
    return Dataset(
        name="noise",
        train_x=x[:images],
        train_y=y[:images],
        test_x=x[images:],
        test_y=y[images:],
        classes=10,
        white=255,
        mean=(0.1307,),
        std=(0.3081,),
        validation_size=1,
        augmented=False,
        sha256="",
        source="random bytes",
        licence="none",
    )


def _load(checkout: Path, name: str) -> ModuleType:
    """Import one module of a checkout, with tensors that it makes on a GPU made on the CPU."""
    path = checkout / f"{name}.py"
    if not path.is_file():
        raise SystemExit(f"{checkout} holds no {path.name}: is it the right checkout?")
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    text = path.read_text(encoding="utf-8").replace("'cuda'", "'cpu'")
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


@contextmanager
def _imports(checkout: Path) -> Iterator[None]:
    """Let a checkout find its own modules, and stand-ins for packages that are not there."""
    absent: dict[str, Any] = {}
    for name in _STAND_INS:
        try:
            __import__(name)
        except ImportError:
            absent[name] = MagicMock()
    try:
        __import__("tqdm")
    except ImportError:
        absent["tqdm"] = SimpleNamespace(tqdm=lambda items: items)
    stays = lambda self, *_, **__: self  # noqa: E731
    nn.Module.cuda = Tensor.cuda = stays  # type: ignore[method-assign]
    with patch.dict(sys.modules, absent), patch.object(sys, "path", [str(checkout), *sys.path]):
        yield
