"""A figure with its bounds, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Provenance", "Quantity"]


class Provenance(StrEnum):
    """Where a joule comes from, best first; a sum carries the worst of its parts."""

    COUNTER = "counter"  # difference of a hardware energy counter
    SAMPLED = "sampled"  # power readings, integrated
    ESTIMATED = "estimated"  # a model (utilisation x TDP), not a measurement
    MISSING = "missing"  # not known; the value is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A value with its bounds and its provenance.

    ``low`` and ``high`` are guaranteed bounds for ``counter`` and ``sampled``, and the range of the model for
    ``estimated``. All three are None when ``source`` is ``missing``.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    source: Provenance

    @classmethod
    def missing(cls) -> Quantity:
        """Return the quantity that nothing is known of."""
        return cls(value=None, source=Provenance.MISSING)
