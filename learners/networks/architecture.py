"""Architectures as people write them: ``mlp:1000,1000`` or ``conv:32,128,512``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from energyprof.errors import UnknownName, UsageError
from learners.base import DataSpec

__all__ = ["ARCHITECTURE_KINDS", "Architecture", "parse_architecture"]

_WIDEST: Final = 1_000_000  # units: beyond it a typing slip is likelier than a net
_KINDS: Final[tuple[Literal["mlp", "conv"], ...]] = ("mlp", "conv")

#: kind -> an example and what it is
ARCHITECTURE_KINDS: Final = {
    "mlp": ("mlp:1000,1000", "fully connected layers of these widths"),
    "conv": ("conv:32,128,512", "3x3 convolutions with these channels, each with a 2x2 pool"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The hidden part of a net; the input and the number of classes come from the data.

    Attributes:
        kind: ``"mlp"`` (fully connected) or ``"conv"`` (3x3 convolutions, each with a 2x2 pool).
        widths: units of each hidden layer, or channels of each block.
    """

    kind: Literal["mlp", "conv"]
    widths: tuple[int, ...]

    def __str__(self) -> str:
        """Return the text that parses to this architecture."""
        return f"{self.kind}:{','.join(map(str, self.widths))}"

    def layer_shapes(self, spec: DataSpec) -> tuple[tuple[int, ...], ...]:
        """Return a sample's shape after each hidden layer: ``(units,)`` or ``(channels, height, width)``.

        Raises:
            UsageError: a block is left with no pixels to pool.
        """
        if self.kind == "mlp":
            return tuple((width,) for width in self.widths)
        _, height, width = spec.shape
        shapes: list[tuple[int, ...]] = []
        for number, channels in enumerate(self.widths, start=1):
            height, width = height // 2, width // 2  # an odd row or column is dropped, as MaxPool2d does
            if not (height and width):
                raise UsageError(
                    f"{self} is too deep for {spec.shape[1]}x{spec.shape[2]} images: block {number} has no "
                    f"2x2 window left to pool; use at most {number - 1} blocks"
                )
            shapes.append((channels, height, width))
        return tuple(shapes)

    def require(self, kind: str, learner: str, *, hidden: int = 1) -> None:
        """Refuse an architecture that a learner cannot train.

        Args:
            kind: the kind that the learner needs, or ``"any"``.
            learner: its name, for the message.
            hidden: the least number of hidden layers.

        Raises:
            UsageError: another kind, or too few hidden layers.
        """
        if kind not in ("any", self.kind):
            raise UsageError(
                f"{learner} cannot train '{self}': it needs {kind} layers, such as {_EXAMPLES[kind]}"
            )
        if len(self.widths) < hidden:
            raise UsageError(
                f"{learner} cannot train '{self}': it needs {hidden} hidden layer{'s' * (hidden > 1)} or "
                f"more, such as {_EXAMPLES[self.kind]}"
            )


_EXAMPLES: Final = {"mlp": "mlp:1000,1000", "conv": "conv:32,128,512"}


def parse_architecture(text: str) -> Architecture:
    """Read ``kind:width,width,...``; ``mlp:`` alone is a linear classifier.

    Raises:
        UnknownName: the kind is neither ``mlp`` nor ``conv``.
        UsageError: a width is no whole number from 1 to 1,000,000, or ``conv`` has no block.
    """
    kind_text, _, rest = text.strip().partition(":")
    kind = next((known for known in _KINDS if known == kind_text.strip().lower()), None)
    if kind is None:
        raise UnknownName("architecture", kind_text, _KINDS)
    widths = tuple(_width(part, text) for part in rest.split(",")) if rest.strip() else ()
    if kind == "conv" and not widths:
        raise UsageError(f"architecture '{text}' has no block: write for example {_EXAMPLES['conv']}")
    return Architecture(kind=kind, widths=widths)


def _width(part: str, text: str) -> int:
    word = part.strip()
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= _WIDEST):
        raise UsageError(
            f"architecture '{text}' has width '{word}': each must be a whole number from 1 to {_WIDEST:,}"
        )
    return int(word)
