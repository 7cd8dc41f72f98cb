"""Forward-Forward: each layer tells real from false data by its goodness.

Hinton, arXiv 2212.13345:

    g(x) = sum_j a_j(x)^2, or the mean;  p(positive) = sigmoid(g - theta)            (eq. 1)
    L_i = mean over the batch of softplus(theta - g(x+)) + softplus(g(x-) - theta)   (its negative log)
    between layers a / (sqrt(mean a^2) + eps), also of the input; no gradient into a layer's input (section 2)

With s = 1 for positive and -1 for negative rows, dL_i/dg = -s sigmoid(s (theta - g)) / B. For the sum,
dg/dz = 2 a, zero where the ReLU is: dL_i/dW_i = (2 a dL_i/dg)' h, h the layer's normalised input.

Supervised data (section 3.3): the first C pixels hold the label, right for x+ and wrong for x-, beside pixels
in [0, 1]. Both halves go through the net as one batch of 2 B rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energyprof.errors import UsageError
from learners.base import Batch, Learner, Metrics
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.dense import Dense, drop_gradients
from learners.networks.initialisation import normal
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import FusedOptimizer, UpdateConfig
from learners.networks.product import widened
from learners.networks.stack import register

__all__ = ["ForwardForward", "ForwardForwardConfig", "ForwardForwardLayer"]

_EPS: Final = 1e-8
_PEER_MOMENTUM: Final = 0.9  # of the running mean activity of a unit; Hinton's published Matlab code
_PEER_START: Final = 0.5
_HEAD: Final = {"inference": "one-pass", "negatives": "hard"}  # either needs a softmax head


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardForwardConfig(UpdateConfig):
    """Settings of Forward-Forward."""

    goodness: Literal["sum", "mean"] = setting(
        "sum", "goodness of a layer: sum or mean of squares", source="Hinton 2022, eq. 1"
    )
    threshold: float | None = setting(
        None,
        "theta; none: the layer's width for the sum, 2 for the mean",
        source="Hinton 2022, section 3",
        low=0.0,
        only_with={"loss": "bce"},
    )
    loss: Literal["bce", "symba"] = setting(
        "bce",
        "bce: each row against theta; symba: softplus(-alpha (g+ - g-))",
        source="Lee and Song, arXiv 2303.08418",
    )
    alpha: float = setting(
        4.0,
        "alpha of symba",
        source="Lee and Song, arXiv 2303.08418",
        low=0.0,
        only_with={"loss": "symba"},
    )
    peer: float = setting(
        0.0,
        "weight of peer normalisation (.03 in the published code)",
        source="Hinton 2022, Matlab code",
        low=0.0,
    )
    inference: Literal["label-trial", "one-pass"] = setting(
        "label-trial",
        "label-trial: C passes, the label of most goodness; one-pass: a softmax head on a neutral label",
        source="Hinton 2022, section 3.3",
    )
    negatives: Literal["uniform", "hard"] = setting(
        "uniform",
        "wrong labels: uniform, or as the one-pass head confuses them",
        source="Hinton 2022, section 3.3",
    )
    init: Literal["fan-in", "fan-out"] = setting(
        "fan-in",
        "first weights N(0, 1/fan_in) or N(0, 1/fan_out)",
        source="fan-out: the published PyTorch port",
    )
    head_lr: float = setting(
        1e-2,
        "learning rate of the softmax head",
        source="Hinton 2022, Matlab code",
        low=0.0,
        only_with=_HEAD,
    )
    head_weight_decay: float = setting(
        3e-3,
        "weight decay of the softmax head",
        source="Hinton 2022, Matlab code",
        low=0.0,
        only_with=_HEAD,
    )
    lr: float = setting(
        1e-3, "as of every learner, here of the layers", source="Hinton 2022, Matlab code", low=0.0
    )
    weight_decay: float = setting(
        3e-4, "as of every learner, here of the layers", source="Hinton 2022, Matlab code", low=0.0
    )
    cooldown: bool = setting(
        True,
        "let the learning rates fall linearly from half of the epochs on",
        source="Hinton 2022, Matlab code",
    )

    @property
    def has_head(self) -> bool:
        """Tell whether a softmax head is trained."""
        return self.inference == "one-pass" or self.negatives == "hard"


class ForwardForwardLayer(nn.Module):
    """A fully connected ReLU layer trained by its goodness; gradients in closed form.

    Attributes:
        dense: W_i (d_i, d_{i-1}) and b_i.
        activity: (d_i,), running mean activity of each unit on positive rows, for peer normalisation.
        threshold: theta.
    """

    activity: Tensor

    def __init__(self, inputs: int, outputs: int, blueprint: Blueprint, config: ForwardForwardConfig) -> None:
        super().__init__()
        fan = inputs if config.init == "fan-in" else outputs
        weight = normal((outputs, inputs), fan**-0.5, blueprint.generator, blueprint.device)
        self.dense = Dense(weight, nn.Parameter(torch.zeros(outputs, device=blueprint.device)))
        self.config = config
        self.scale = 1.0 if config.goodness == "sum" else 1.0 / outputs
        default = float(outputs) if config.goodness == "sum" else 2.0
        self.threshold = default if config.threshold is None else config.threshold
        self.register_buffer("activity", torch.full((outputs,), _PEER_START, device=blueprint.device))

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return a_i (B, d_i) and its sum of squares (B,) for the normalised input (B, d_{i-1})."""
        a = self.dense(h).relu_()
        return a, _squares(a)

    def set_gradient(self, a: Tensor, squares: Tensor, h: Tensor) -> Tensor:
        """Set the gradients of L_i from 2 B rows, the positive half first; return L_i.

        Args:
            a: (2 B, d_i) activations.
            squares: (2 B,) their sums of squares.
            h: (2 B, d_{i-1}) normalised inputs.
        """
        loss, slope = self.loss_and_slope(squares)
        delta = a * slope.mul_(2.0 * self.scale)[:, None]  # dL/dz: zero where a is
        if self.config.peer:
            loss = loss + self._add_peer_gradient(a, delta)
        self.dense.set_gradient(delta, h)
        return loss

    def loss_and_slope(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Return L_i and dL_i/dg (2 B,) from the sums of squares (2 B,), the positive half first."""
        goodness, batch_size = squares * self.scale, squares.shape[0] // 2
        if self.config.loss == "symba":
            margin = goodness[batch_size:] - goodness[:batch_size]  # g- less g+
            slope = torch.sigmoid(margin * self.config.alpha).mul_(self.config.alpha / batch_size)
            return F.softplus(margin * self.config.alpha).mean(), torch.cat([-slope, slope])
        wrong = goodness - self.threshold
        wrong[:batch_size].neg_()  # s (theta - g): how far on the wrong side
        slope = torch.sigmoid(wrong).div_(batch_size)
        slope[:batch_size].neg_()
        return F.softplus(wrong).sum() / batch_size, slope

    def _add_peer_gradient(self, a: Tensor, delta: Tensor) -> Tensor:
        """Add the gradient of peer mean_j (mean_k m_k - m_j)^2 to the positive rows; return the penalty.

        The ReLU's backward is the identity here, so that a dead unit is revived.
        """
        batch_size, width = a.shape[0] // 2, a.shape[1]
        self.activity.mul_(_PEER_MOMENTUM).add_(widened(a[:batch_size]).mean(0), alpha=1 - _PEER_MOMENTUM)
        gap = self.activity - self.activity.mean()  # m_j less the mean over units
        delta[:batch_size] += gap * (self.config.peer * 2 / width * (1 - _PEER_MOMENTUM) / batch_size)
        return self.config.peer * gap.square().mean()


class ForwardForward(Learner):
    """A stack of layers, each trained to give much goodness to right labels and little to wrong ones."""

    input_scale = "unit"
    schedule = "concurrent"

    def __init__(self, blueprint: Blueprint, config: ForwardForwardConfig) -> None:
        super().__init__()
        blueprint.architecture.require("mlp", "ff")
        self.classes = blueprint.spec.classes
        if self.classes > blueprint.spec.features:
            raise UsageError(
                f"ff cannot write {self.classes} labels into {blueprint.spec.features} pixels: use larger "
                "images or another algorithm"
            )
        self.config = config
        sizes = (blueprint.spec.features, *blueprint.architecture.widths)
        pairs = pairwise(sizes)
        self.layers = register(
            self, "layer", (ForwardForwardLayer(i, o, blueprint, config) for i, o in pairs)
        )
        self.first_read = min(1, len(self.layers) - 1)  # layer 1 is not read, but where it is the only one
        self.head = self._make_head(sizes[1:], blueprint) if config.has_head else None
        self._optimizers = [self._make_optimizer(layer) for layer in self.layers]
        self._head_optimizer = self._make_optimizer(self.head, head=True) if self.head is not None else None
        self._names = [
            (f"layer{i}/forward", f"layer{i}/local-update") for i in range(1, len(self.layers) + 1)
        ]
        self._draw = blueprint.device_generator()

    def on_epoch(self, epoch: int, epochs: int) -> None:
        """Let the learning rates fall linearly over the second half, if so configured."""
        if self.config.cooldown:
            factor = min(1.0, 2.0 * (epochs - epoch) / epochs)
            for optimizer in (*self._optimizers, *filter(None, [self._head_optimizer])):
                optimizer.scale(factor)

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Update every layer, and the head if there is one, from one batch."""
        x, y = batch.x.flatten(1), batch.y
        logits = None if self.head is None else self._learn_head(self.head, x, y)
        with self.phase("labels"):
            wrong = self._wrong_labels(y) if logits is None else self._confused_labels(logits, y)
            h = self._halves(x, y, wrong)
        losses, goodness = [], []
        for index, layer in enumerate(self.layers):
            h, loss, found = self._learn(index, layer, h)
            losses.append(loss)
            goodness.append(found)
        local, of_halves = torch.stack(losses), torch.stack(goodness, 1)
        return {
            "loss": local.mean(),
            "local_loss": local,
            "positive_goodness": of_halves[0],
            "negative_goodness": of_halves[1],
        }

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return each label's goodness (C passes), or the head's logits (one pass), (B, C)."""
        x = x.flatten(1)
        if self.head is not None and self.config.inference == "one-pass":
            return widened(self.head(self._features(x)))
        labels = torch.arange(self.classes, device=x.device)[:, None].expand(-1, x.shape[0])
        return torch.stack([self._goodness(_with_label(x, y, self.classes)) for y in labels], 1)

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """Return the mean over layers of L_i without learning; row k's wrong label: y + 1 + k mod (C - 1)."""
        shift = 1 + torch.arange(batch.y.shape[0], device=batch.y.device) % (self.classes - 1)
        h = self._halves(batch.x.flatten(1), batch.y, (batch.y + shift) % self.classes)
        losses = []
        for layer in self.layers:
            a, squares = layer(h)
            losses.append(layer.loss_and_slope(squares)[0])
            h = _normalise(a, squares)
        return torch.stack(losses).mean()

    def _learn(self, index: int, layer: ForwardForwardLayer, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Update one layer from its input (2 B, d_{i-1}).

        Returns:
            Its normalised activation (2 B, d_i), its loss, and the mean goodness of both halves (2,).
        """
        forward, update = self._names[index]
        with self.phase(forward):
            a, squares = layer(h)
        with self.phase(update):
            loss = layer.set_gradient(a, squares, h)
        with self.phase("optimizer"):
            self._optimizers[index].step()
            drop_gradients(layer)  # so that one layer's gradient exists at a time
        return _normalise(a, squares), loss, squares.view(2, -1).mean(1) * layer.scale

    def _learn_head(self, head: Dense, x: Tensor, y: Tensor) -> Tensor:
        """Update the head by CE on a neutral-label pass, where no label can be copied; return its logits."""
        with self.phase("head/forward"):
            features = self._features(x)
            logits = head(features)
        with self.phase("head/local-update"):
            head.set_gradient(cross_entropy_error(logits, y)[1], features)
        if self._head_optimizer is not None:
            with self.phase("optimizer"):
                self._head_optimizer.step()
        return logits  # type: ignore[no-any-return]

    def _wrong_labels(self, y: Tensor) -> Tensor:
        """Draw, for each row, one of the other C - 1 labels."""
        shift = torch.randint(1, self.classes, y.shape, generator=self._draw, device=y.device)
        return (y + shift) % self.classes

    def _confused_labels(self, logits: Tensor, y: Tensor) -> Tensor:
        """Draw wrong labels from the head's softmax without the right one, if so configured."""
        if self.config.negatives == "uniform":
            return self._wrong_labels(y)
        uniform = torch.rand(logits.shape, generator=self._draw, device=logits.device).clamp_(1e-7, 1 - 1e-7)
        gumbel = (
            logits - (-uniform.log()).log()
        )  # the argmax of logits + Gumbel noise is a draw from the softmax
        return gumbel.scatter_(1, y[:, None], -torch.inf).argmax(1)

    def _halves(self, x: Tensor, y: Tensor, wrong: Tensor) -> Tensor:
        """Return the normalised input (2 B, D): rows with the right label, then the same with a wrong one."""
        h = _with_label(x.repeat(2, 1), torch.cat([y, wrong]), self.classes)
        return _normalise(h, _squares(h))

    def _goodness(self, labelled: Tensor) -> Tensor:
        """Return the goodness (B,) of all layers that are read, summed, for a labelled input (B, D)."""
        squares = _squares(labelled)
        h, total = _normalise(labelled, squares), torch.zeros_like(squares)
        for index, layer in enumerate(self.layers):
            a, squares = layer(h)
            if index >= self.first_read:
                total += squares * layer.scale
            h = _normalise(a, squares)
        return total

    def _features(self, x: Tensor) -> Tensor:
        """Return the normalised activations of the layers that are read, for a neutral label (1/C each)."""
        h = x.clone()
        h[:, : self.classes] = 1.0 / self.classes
        h, features = _normalise(h, _squares(h)), []
        for index, layer in enumerate(self.layers):
            h = _normalise(*layer(h))
            if index >= self.first_read:
                features.append(h)
        return torch.cat(features, 1)

    def _make_head(self, widths: tuple[int, ...], blueprint: Blueprint) -> Dense:
        """Return a linear softmax head that starts at zero."""
        features = sum(widths[self.first_read :])
        weight = torch.zeros(self.classes, features, device=blueprint.device)
        return Dense(nn.Parameter(weight), nn.Parameter(torch.zeros(self.classes, device=blueprint.device)))

    def _make_optimizer(self, part: nn.Module, *, head: bool = False) -> FusedOptimizer:
        if head:
            lr, weight_decay = self.config.head_lr, self.config.head_weight_decay
            return self.config.make_optimizer(part.parameters(), lr=lr, weight_decay=weight_decay)
        return self.config.make_optimizer(part.parameters())


def _squares(a: Tensor) -> Tensor:
    """Return the sum of squares of each row, (B,), in fp32 also where autocast has narrowed the rows."""
    squares: Tensor
    if torch.is_autocast_enabled(a.device.type):  # it would narrow the sum, where one part in 256 is a lot
        squares = torch.linalg.vector_norm(a, dim=1, dtype=torch.float32).square_()
    else:
        squares = torch.linalg.vecdot(a, a)
    return squares


def _normalise(a: Tensor, squares: Tensor) -> Tensor:
    """Scale each row in place to a mean square of one: a / (sqrt(mean a^2) + eps)."""
    return a.div_((squares / a.shape[1]).sqrt_().add_(_EPS)[:, None])


def _with_label(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return a copy of (B, D) pixels whose first C hold onehot(y)."""
    h = x.clone()
    h[:, :classes] = 0.0
    return h.scatter_(1, y[:, None], 1.0)
