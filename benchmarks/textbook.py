"""Training steps as a textbook writes them: autograd, ``torch.optim.Adam`` with its defaults, a DataLoader.

What a reader of the papers would type first: the yardstick for ours, and a second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

__all__ = ["Images", "Step", "batches", "textbook_bp", "textbook_ff", "textbook_mf"]

Step = Callable[[Tensor, Tensor], Tensor]


class Images(Dataset[tuple[Tensor, int]]):
    """Bytes that become a normalised float image one sample at a time, as image data sets do it."""

    def __init__(self, shape: tuple[int, int, int], count: int = 4096) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
        self.labels = torch.randint(0, 10, (count,), generator=generator).tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.pixels[index].float().div(255)
        return (image - 0.1307) / 0.3081, self.labels[index]


def batches(images: Images, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled batches without end."""
    loader = DataLoader(images, batch_size=batch_size, shuffle=True, drop_last=True)
    while True:
        yield from loader


def textbook_bp(sizes: tuple[int, ...]) -> Step:
    """Return a step of backpropagation through ``nn.Sequential``."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    optimizer = torch.optim.Adam(net.parameters())

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    return step


def textbook_mf(sizes: tuple[int, ...]) -> Step:
    """Return a step of Mono-Forward: a detached input, a local loss and a backward for each layer."""
    layers = [nn.Linear(i, o) for i, o in pairwise(sizes[:-1])]
    heads = [nn.Linear(o, sizes[-1], bias=False) for o in sizes[1:-1]]
    pairs = list(zip(layers, heads, strict=True))
    optimizers = [torch.optim.Adam([*a.parameters(), *b.parameters()]) for a, b in pairs]

    def step(x: Tensor, y: Tensor) -> Tensor:
        a = x.flatten(1)
        for (layer, head), optimizer in zip(pairs, optimizers, strict=True):
            optimizer.zero_grad()
            a = F.relu(layer(a.detach()))
            loss = F.cross_entropy(head(a), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return loss

    return step


def textbook_ff(sizes: tuple[int, ...]) -> Step:
    """Return a step of Forward-Forward: positive and negative pass one after the other, a backward each."""
    layers = [nn.Linear(i, o) for i, o in pairwise(sizes[:-1])]
    optimizers = [torch.optim.Adam(layer.parameters()) for layer in layers]
    classes = sizes[-1]

    def labelled(x: Tensor, y: Tensor) -> Tensor:
        x = x.flatten(1).clone()
        x[:, :classes] = F.one_hot(y, classes)
        return x

    def normalised(a: Tensor) -> Tensor:
        return a / (a.pow(2).mean(1, keepdim=True).sqrt() + 1e-8)

    def step(x: Tensor, y: Tensor) -> Tensor:
        wrong = (y + torch.randint(1, classes, y.shape)) % classes
        positive, negative = labelled(x, y), labelled(x, wrong)
        for layer, optimizer in zip(layers, optimizers, strict=True):
            optimizer.zero_grad()
            positive = F.relu(layer(normalised(positive.detach())))
            negative = F.relu(layer(normalised(negative.detach())))
            theta = layer.out_features
            real, false = positive.pow(2).sum(1), negative.pow(2).sum(1)
            loss = F.softplus(theta - real) + F.softplus(false - theta)
            loss.mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return loss.mean()

    return step
