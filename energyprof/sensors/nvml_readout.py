"""How power and energy are read from one NVIDIA device: all in one call where the driver can.

``nvmlDeviceGetFieldValues`` gives counter, instant and average power in one call, each with its own time
stamp. Older drivers and cards have ``nvmlDeviceGetTotalEnergyConsumption`` and ``nvmlDeviceGetPowerUsage``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from energyprof.errors import SensorError, SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.sensors.nvml_library import FIELD_VALUES, FIELD_WORDS, NvmlLibrary, failure

__all__ = ["STAMP", "TYPE_AND_CODE", "VALUE", "Measurand", "RawValue", "Readout", "find_readout"]

_ENERGY: Final = 83  # NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
_AVERAGE: Final = 185  # NVML_FI_DEV_POWER_AVERAGE
_INSTANT: Final = 186  # NVML_FI_DEV_POWER_INSTANT
_ATTEMPTS: Final = 5
#: Which of a field's words holds its time stamp, its type and return code, its value.
STAMP: Final = 1
TYPE_AND_CODE: Final = 3
VALUE: Final = 4
_HALF: Final = 1 << 32
#: What the word of a value means, by nvmlValueType_t (double, unsigned int, long, long long, signed ones).
_NUMBER: Final[tuple[Callable[[int], int], ...]] = (
    lambda word: int(struct.unpack("d", word.to_bytes(8, "little"))[0]),
    lambda word: word % _HALF,
    lambda word: word,
    lambda word: word,
    lambda word: (word ^ 1 << 63) - (1 << 63),
    lambda word: (word % _HALF ^ 1 << 31) - (1 << 31),
    lambda word: word % (1 << 16),
)
_UNION: Final = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # by nvmlValueType_t


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurand:
    """One thing that is read: what it is and which call gives it."""

    kind: ChannelKind
    field: int | None = None  # of nvmlDeviceGetFieldValues
    function: str | None = None  # where it is no field


class RawValue(NamedTuple):
    """One value as NVML gives it: millijoules or milliwatts, or why it could not be read."""

    kind: ChannelKind
    value: int
    stamp_ns: int | None = None
    error: SensorError | None = None


_FIELDS: Final = (
    Measurand(kind=ChannelKind.ENERGY, field=_ENERGY),
    Measurand(kind=ChannelKind.POWER_INSTANT, field=_INSTANT),
    Measurand(kind=ChannelKind.POWER_AVERAGE, field=_AVERAGE),
)


class Readout:
    """The calls that read one device.

    Attributes:
        measurands: what is read.
        only_fields: whether one call, of which memory is made only once, reads everything.
    """

    def __init__(self, library: NvmlLibrary, measurands: Sequence[Measurand]) -> None:
        """Read ``measurands``, fields in one call."""
        self._library = library
        self.measurands = tuple(measurands)
        fields = [(m.kind, m.field) for m in measurands if m.field is not None]
        self._kinds = [kind for kind, _ in fields]
        self._fields = [field for _, field in fields]
        self._field_call = library.prepare_fields(self._fields) if fields else None
        self._calls = [(m.kind, m.function) for m in measurands if m.function is not None]
        self.only_fields = self._field_call is not None and not self._calls
        self._usual: list[int] | None = None  # types and return codes of the fields when all is well
        self._numbers: list[tuple[ChannelKind, Callable[[int], int]]] = []

    def read(self, handle: Any) -> list[RawValue]:
        """Read everything; a value of its own that failed carries its error.

        Raises:
            SensorError: a call failed as a whole.
        """
        values: list[RawValue] = []
        if self._field_call is not None:
            values = self.understand(self.capture(handle)()[1])
        elif self._fields:
            fields = self._library.call(FIELD_VALUES, handle, self._fields)
            values = [_raw_value(kind, field) for kind, field in zip(self._kinds, fields, strict=True)]
        for kind, function in self._calls:
            values.append(self._read_call(kind, function, handle))
        return values

    def capture(self, handle: Any) -> Callable[[], tuple[int | None, int | list[int]]]:
        """Return a function that reads all fields of a handle and does no more, where that can be.

        It returns the first field's value (None where something is not as it was when all was well), and what
        :meth:`understand` takes.
        """
        call, usual = self._field_call, self._usual
        if call is None:
            raise SensorError("pynvml keeps the driver's functions to itself")
        function, count, address, words = call

        def capture() -> tuple[int | None, int | list[int]]:
            if code := function(handle, count, address):
                return None, code
            answer = words()
            return (answer[VALUE] if answer[TYPE_AND_CODE::FIELD_WORDS] == usual else None), answer

        return capture

    def understand(self, answer: int | list[int]) -> list[RawValue]:
        """Return the values in what a capture returned.

        Raises:
            SensorError: the call failed as a whole.
        """
        if isinstance(answer, int):
            raise failure(FIELD_VALUES, answer)
        if answer[TYPE_AND_CODE::FIELD_WORDS] == self._usual:
            return [
                RawValue(kind, number(value), stamp_us * 1000 or None)
                for (kind, number), stamp_us, value in zip(
                    self._numbers, answer[STAMP::FIELD_WORDS], answer[VALUE::FIELD_WORDS], strict=True
                )
            ]
        values = [
            _value_in_words(kind, answer[k : k + FIELD_WORDS])
            for kind, k in zip(self._kinds, range(0, len(answer), FIELD_WORDS), strict=True)
        ]
        if all(value.error is None for value in values):
            self._usual = answer[TYPE_AND_CODE::FIELD_WORDS]
            self._numbers = [
                (kind, _NUMBER[types]) for kind, types in zip(self._kinds, self._usual, strict=True)
            ]
        return values

    @property
    def known(self) -> bool:
        """Tell whether it is known what fields look like when all is well."""
        return self._usual is not None

    def _read_call(self, kind: ChannelKind, function: str, handle: Any) -> RawValue:
        try:
            return RawValue(kind, int(self._library.call(function, handle)))
        except SensorError as error:
            if len(self.measurands) == 1:
                raise
            return RawValue(kind, 0, error=error)


def find_readout(library: NvmlLibrary, handle: Any, *, usage_is_average: bool) -> Readout:
    """Find out which calls this device and driver answer.

    Args:
        library: the opened library.
        handle: the device.
        usage_is_average: whether ``nvmlDeviceGetPowerUsage`` is an average over 1 s.

    Raises:
        SensorUnavailable: neither energy nor power can be read.
        SensorLost: the GPU is gone.
    """
    measurands = _supported_fields(library, handle)
    found = {measurand.kind for measurand in measurands}
    usage = ChannelKind.POWER_AVERAGE if usage_is_average else ChannelKind.POWER_INSTANT
    others = [Measurand(kind=ChannelKind.ENERGY, function="nvmlDeviceGetTotalEnergyConsumption")]
    if ChannelKind.POWER_INSTANT not in found:
        others.append(Measurand(kind=usage, function="nvmlDeviceGetPowerUsage"))
    for measurand in others:
        if measurand.kind not in found and library.ask(str(measurand.function), handle) is not None:
            measurands.append(measurand)
    if not measurands:
        raise SensorUnavailable("neither energy nor power can be read on this card with this driver")
    return Readout(library, measurands)


def _supported_fields(library: NvmlLibrary, handle: Any) -> list[Measurand]:
    """Return the fields that answer; a field that is merely flaky is asked again."""
    open_fields, supported = list(_FIELDS), []
    for _ in range(_ATTEMPTS):
        values = library.ask(FIELD_VALUES, handle, [measurand.field for measurand in open_fields])
        if values is None:
            break
        asked, open_fields = open_fields, []
        for measurand, value in zip(asked, values, strict=True):
            if value.nvmlReturn == 0:
                supported.append(measurand)
            elif not isinstance(failure("field", value.nvmlReturn), SensorUnavailable):
                open_fields.append(measurand)
        if not open_fields:
            break
    return [measurand for measurand in _FIELDS if measurand in supported]


def _value_in_words(kind: ChannelKind, words: Sequence[int]) -> RawValue:
    identifier, stamp_us, _, type_and_code, value = words
    code, value_type = divmod(type_and_code, _HALF)
    if code != 0:
        return RawValue(kind, 0, error=failure(f"NVML field {identifier % _HALF}", code))
    return RawValue(kind, _NUMBER[value_type](value), stamp_us * 1000 or None)


def _raw_value(kind: ChannelKind, field: Any) -> RawValue:
    if field.nvmlReturn != 0:
        return RawValue(kind, 0, error=failure(f"NVML field {field.fieldId}", field.nvmlReturn))
    value = getattr(field.value, _UNION[field.valueType])
    return RawValue(kind, int(value), field.timestamp * 1000 or None)
