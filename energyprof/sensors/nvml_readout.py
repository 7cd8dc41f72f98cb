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
from energyprof.record.trace import ChannelKind
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
        read_fields: reads all fields of a handle, or None where there are none.
        usual: types and return codes of the fields, as they were when all was well; None until then.
    """

    def __init__(self, library: NvmlLibrary, measurands: Sequence[Measurand]) -> None:
        """Read ``measurands``, fields in one call."""
        self._library = library
        self.measurands = tuple(measurands)
        fields = [(m.kind, m.field) for m in measurands if m.field is not None]
        self._kinds = [kind for kind, _ in fields]
        self.read_fields = library.prepare_fields([field for _, field in fields]) if fields else None
        self._calls = [(m.kind, m.function) for m in measurands if m.function is not None]
        self.usual: list[int] | None = None
        self._numbers: list[tuple[ChannelKind, Callable[[int], int]]] = []

    @property
    def only_fields(self) -> bool:
        """Tell whether one call reads everything."""
        return self.read_fields is not None and not self._calls

    def read(self, handle: Any) -> list[RawValue]:
        """Read everything; a value of its own that failed carries its error.

        Raises:
            SensorError: a call failed as a whole.
        """
        values = [] if self.read_fields is None else self.understand(self.read_fields(handle))
        for kind, function in self._calls:
            values.append(self._read_call(kind, function, handle))
        return values

    def understand(self, answer: Any) -> list[RawValue]:
        """Return the values in what :attr:`read_fields` returned.

        Raises:
            SensorError: the call failed as a whole.
        """
        if isinstance(answer, int):
            raise failure(FIELD_VALUES, answer)
        if not isinstance(answer, list):
            return [_raw_value(kind, field) for kind, field in zip(self._kinds, answer, strict=True)]
        if answer[TYPE_AND_CODE::FIELD_WORDS] == self.usual:
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
            self.usual = answer[TYPE_AND_CODE::FIELD_WORDS]
            self._numbers = [
                (kind, _NUMBER[types]) for kind, types in zip(self._kinds, self.usual, strict=True)
            ]
        return values

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
        values = library.ask(
            "nvmlDeviceGetFieldValues", handle, [measurand.field for measurand in open_fields]
        )
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
