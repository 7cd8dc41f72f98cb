"""The driver's management library (NVML) through ``pynvml``, and its errors in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import byref, c_int, c_uint32, c_uint64, sizeof
from types import ModuleType
from typing import Any, Final, NamedTuple

from energyprof.errors import SensorError, SensorLost, SensorUnavailable

__all__ = ["FIELD_VALUES", "FIELD_WORDS", "DriverReloaded", "FieldCall", "NvmlLibrary", "describe", "failure"]

# Return codes of NVML (nvml.h, nvmlReturn_t), by what they mean to a reader.
_NEVER: Final = frozenset({3, 4, 13})  # not supported, no permission, function not found
_NOT_FOUND: Final = 13
_OLDER: Final = "_v2"  # a function that pynvml asks for in version 3 by its plain name
_LOST: Final = frozenset({15})  # the GPU fell off the bus
_RELOADED: Final = frozenset({1, 2, 9, 18})  # uninitialised, stale handle, driver unloaded, version mismatch
_PASSING: Final = frozenset({10, 999})  # took too long, unknown: may succeed a moment later
_ATTEMPTS: Final = 5
#: The function that reads fields.
FIELD_VALUES: Final = "nvmlDeviceGetFieldValues"
#: A field as 64-bit integers (``nvmlFieldValue_t``): identifier and scope, time stamp, latency, type of the
#: value and return code, the value.
FIELD_WORDS: Final = 5
_WORDS: Final = {
    1: "the driver was unloaded or loaded anew meanwhile",
    2: "the driver does not know the device any more",
    3: "this card or driver does not support it",
    4: "no permission",
    6: "the driver does not find it",
    9: "the NVIDIA driver is not loaded",
    10: "the driver took too long",
    12: "libnvidia-ml.so.1 was not found",
    13: "this driver does not have it",
    15: "the GPU has fallen off the bus (`dmesg` tells why, as an Xid)",
    16: "the GPU must be reset (`nvidia-smi --gpu-reset`)",
    17: "the operating system does not let the driver reach the GPU",
    18: "driver and library have different versions",
    20: "the driver is out of memory",
    21: "the driver has no data yet",
    999: "the driver gave an unknown error",
}
_ADVICE: Final = {
    4: "run in a group that may open /dev/nvidia*",
    9: "load it (`sudo modprobe nvidia`), or restart after a driver update",
    12: "install the NVIDIA driver; in a container, start it with `--gpus all`",
    18: "restart the machine, or reload the driver, after its update",
}


class FieldCall(NamedTuple):
    """A call that reads fields: ``function(handle, count, address)``, then ``words()``.

    Attributes:
        function: the driver's; it returns the return code.
        count: of the fields.
        address: of the memory that it fills.
        words: returns that memory as :data:`FIELD_WORDS` integers a field.
    """

    function: Callable[[Any, Any, Any], int]
    count: Any
    address: Any
    words: Callable[[], list[int]]


class NvmlLibrary:
    """An opened NVML; every holder calls :meth:`close` once."""

    def __init__(self, pynvml: ModuleType) -> None:
        """Hold an initialised ``pynvml``; use :meth:`open`."""
        self._pynvml: Any = pynvml
        self._users = 1
        self._opened = 1  # times, each to be given back

    @classmethod
    def open(cls) -> NvmlLibrary:
        """Load and initialise the library.

        Raises:
            SensorUnavailable: there is no driver, or it may not be used; says what to do.
        """
        try:
            import pynvml
        except ImportError as error:
            raise SensorUnavailable(f"NVIDIA GPUs cannot be read: {error}; install nvidia-ml-py") from error
        for left in reversed(range(_ATTEMPTS)):
            try:
                pynvml.nvmlInit()
                break
            except pynvml.NVMLError as error:
                code = error.value
                if code in _PASSING and left:
                    continue  # a driver that is merely flaky is asked again
                words, advice = _WORDS.get(code, str(error)), _ADVICE.get(code, "see `nvidia-smi`")
                raise SensorUnavailable(f"NVIDIA GPUs cannot be read: {words}; {advice}") from error
        return cls(pynvml)

    def share(self) -> NvmlLibrary:
        """Return itself to one more holder."""
        self._users += 1
        return self

    def close(self) -> None:
        """Give it back; the last holder shuts it down."""
        self._users -= 1
        if self._users == 0:
            with suppress(self._pynvml.NVMLError):  # the driver is gone: nothing is left to shut down
                for _ in range(self._opened):
                    self._pynvml.nvmlShutdown()

    def reopen(self) -> None:
        """Initialise again after a driver reload; old handles are of no use then.

        Raises:
            SensorError: the driver is not back yet.
        """
        try:
            self._pynvml.nvmlInit()
        except self._pynvml.NVMLError as error:
            raise SensorError(f"the NVIDIA driver is not back: {describe(error.value)}") from error
        self._opened += 1

    def call(self, function: str, *arguments: object) -> Any:
        """Call an NVML function by name.

        Raises:
            SensorUnavailable: it can never be had here.
            SensorLost: the GPU is gone.
            SensorError: it failed this time.
        """
        try:
            return getattr(self._pynvml, function)(*arguments)
        except self._pynvml.NVMLError as error:
            raise failure(function, error.value) from error
        except self._pynvml.NVMLLibraryMismatchError as error:  # no kin of NVMLError: an older driver
            older = f"{function}{_OLDER}"
            if not function.endswith(_OLDER) and hasattr(self._pynvml, older):
                return self.call(older, *arguments)
            raise failure(function, _NOT_FOUND) from error

    def prepare_number(
        self, function: str, *arguments: int, member: str = "", words: int = 1, word: int = 0, bits: int = 32
    ) -> Callable[[Any], int]:
        """Return a function that asks for one number of a handle, into the same memory each time.

        It raises :class:`SensorError` and its kin, as :meth:`call` does. ``pynvml``'s own function is used
        where ``pynvml`` keeps the driver's to itself.

        Args:
            function: its name; in the driver it writes integers behind its last argument.
            arguments: what stands between the handle and that.
            member: which part of what ``pynvml``'s function returns is wanted, where that has parts.
            words: how many integers the driver's writes.
            word: which of them is wanted.
            bits: their size.
        """
        numbers = ((c_uint64 if bits == 64 else c_uint32) * words)()
        before, address = [c_int(argument) for argument in arguments], byref(numbers)

        def ask(handle: Any) -> int:
            if code := call(handle, *before, address):
                raise failure(function, code)
            return int(numbers[word])

        def ask_pynvml(handle: Any) -> int:
            answer = self.call(function, handle, *arguments)
            return int(getattr(answer, member) if member else answer)

        point = getattr(self._pynvml, "_nvmlGetFunctionPointer", None)
        if point is None:
            return ask_pynvml
        try:
            call = point(function)
        except self._pynvml.NVMLError:  # the driver has none: it says so when asked
            return ask_pynvml
        return ask

    def prepare_fields(self, fields: Sequence[int]) -> FieldCall | None:
        """Return what reads fields in one call into the same memory each time.

        None where ``pynvml`` keeps the driver's function to itself. Its own ``nvmlDeviceGetFieldValues``
        makes its arrays anew on every call, which costs more than the call itself.
        """
        point = getattr(self._pynvml, "_nvmlGetFunctionPointer", None)
        kind = self._pynvml.c_nvmlFieldValue_t
        if point is None or sizeof(kind) != 8 * FIELD_WORDS or sys.byteorder != "little":
            return None
        memory = bytearray(len(fields) * sizeof(kind))
        values = (kind * len(fields)).from_buffer(memory)
        for value, field in zip(values, fields, strict=True):
            value.fieldId = field
        words = memoryview(memory).cast("Q")
        return FieldCall(point(FIELD_VALUES), c_int(len(fields)), byref(values), words.tolist)

    def ask(self, function: str, *arguments: object, attempts: int = _ATTEMPTS) -> Any | None:
        """Call a function whose answer may be missing; return None where it is.

        A driver that is merely flaky is asked again.

        Raises:
            SensorLost: the GPU is gone.
        """
        for _ in range(attempts):
            try:
                return self.call(function, *arguments)
            except SensorUnavailable:
                return None
            except SensorLost:
                raise
            except SensorError:
                continue
        return None


class DriverReloaded(SensorError):  # noqa: N818 - it names what happened, as its kin do
    """The handle or the library is stale: open again, and expect counters to have begun anew."""


def describe(code: int) -> str:
    """Return an NVML return code in words."""
    return _WORDS.get(code, f"NVML error {code}")


def failure(what: str, code: int) -> SensorError:
    """Return the error that a return code of NVML stands for."""
    message = f"{what}: {describe(code)}"
    if code in _NEVER:
        return SensorUnavailable(message)
    if code in _LOST:
        return SensorLost(message)
    if code in _RELOADED:
        return DriverReloaded(message)
    return SensorError(message)
