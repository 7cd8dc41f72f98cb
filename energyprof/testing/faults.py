"""What can go wrong with a stand-in's device or with a call to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

__all__ = ["FOR_EVER_NS", "Fault", "FaultKind", "NvmlCode"]

FOR_EVER_NS: Final = 2**63 - 1


class FaultKind(IntEnum):
    """How it goes wrong; the numbers are the C side's."""

    ERROR = 1  # the call fails with ``code``
    SLOW = 2  # the call takes ``delay_ns`` more
    COUNTER_RESET = 3  # the energy counter begins again at 0 at ``from_ns``
    COUNTER_FROZEN = 4  # the energy counter does not move
    BAD_STAMPS = 5  # field values carry the time stamp 0


class NvmlCode(IntEnum):
    """NVML's return codes that a driver is seen to give."""

    UNINITIALIZED = 1
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    DRIVER_NOT_LOADED = 9
    TIMEOUT = 10
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    UNKNOWN = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong from a time until another.

    Attributes:
        function: which NVML function, without its version suffix; ``"field:186"`` for one field value; None
            for every function. Only ``ERROR`` and ``SLOW`` look at it.
        device: the index of the device, or None for every device and the calls that name none.
        code: what the call returns.
        probability: how often it strikes, drawn from ``seed`` for each call of the function on the device.
    """

    kind: FaultKind = FaultKind.ERROR
    function: str | None = None
    device: int | None = None
    code: NvmlCode = NvmlCode.UNKNOWN
    delay_ns: int = 0
    probability: float = 1.0
    seed: int = 0
    from_ns: int = 0
    until_ns: int = FOR_EVER_NS

    def later(self, by_ns: int) -> Fault:
        """Return the fault with its times moved."""
        until_ns = self.until_ns if self.until_ns == FOR_EVER_NS else self.until_ns + by_ns
        return replace(self, from_ns=self.from_ns + by_ns, until_ns=until_ns)
