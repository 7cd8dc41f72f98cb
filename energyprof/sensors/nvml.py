"""Energy and power of one NVIDIA device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from energyprof.clock import Clock
from energyprof.errors import SensorError
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.architectures import PowerSensorTraits
from energyprof.sensors.base import ChannelSpec, Reading
from energyprof.sensors.calibration import Calibration
from energyprof.sensors.energy_counter import EnergyCounter
from energyprof.sensors.nvml_device import NvmlDevice
from energyprof.sensors.nvml_history import PowerHistory
from energyprof.sensors.nvml_library import DriverReloaded, NvmlLibrary
from energyprof.sensors.nvml_readout import RawValue, Readout, find_readout

__all__ = ["NvmlSensor"]

_NAMES: Final = {
    ChannelKind.ENERGY: ("energy", "J"),
    ChannelKind.POWER_INSTANT: ("power", "W"),
    ChannelKind.POWER_AVERAGE: ("power_average", "W"),
}
_POLLED_NS: Final = 50_000_000  # a faster sensor is not polled at each of its refreshes
_LIMIT_MARGIN: Final = 1.2  # how far above its limit a card is taken to go at most


class NvmlSensor:
    """Reads counter, instant power and 1 s average of one device, in one call where the driver can."""

    def __init__(
        self,
        library: NvmlLibrary,
        device: NvmlDevice,
        domain: str,
        clock: Clock,
        calibration: Calibration | None = None,
    ) -> None:
        """Find out what the device answers; holds ``library`` until closed.

        Args:
            library: the opened library; it is shared, the caller keeps its own hold.
            device: the device.
            domain: what to call it: ``"gpu:0"``.
            clock: the one clock.
            calibration: what was found out about this card, or None for its architecture's nominal figures.

        Raises:
            SensorUnavailable: neither energy nor power can be read.
            SensorLost: the GPU is gone.
        """
        if calibration is not None:
            device = replace(device, traits=_calibrated(device.traits, calibration))
        self._readout = find_readout(library, device.handle, usage_is_average=device.traits.usage_is_average)
        self._library: NvmlLibrary | None = library.share()
        self._device, self._clock, self._domain = device, clock, domain
        self._handle: Any = device.handle
        self._power_w: float | None = None
        self._history = self._find_history(library)
        #: Reads everything, in one call where that can be; see :class:`.base.DeferringSensor`.
        self.capture: Callable[[], tuple[object, Any]] = self._read_slowly
        self._stale = False
        self.edges = self._history is None
        self.refresh_ns = device.traits.refresh_ns
        self._counter = EnergyCounter(self.refresh_ns, ceiling_w=_ceiling_w(device))
        self._channel = {q.kind: f"{domain}/{_NAMES[q.kind][0]}" for q in self._readout.measurands}
        self.channels = tuple(
            ChannelSpec(name=name, domain=domain, kind=kind, unit=_NAMES[kind][1])
            for kind, name in self._channel.items()
        )
        self.info = _describe(device, domain, self._readout, calibration)

    def read(self) -> Sequence[Reading]:
        """Read everything that the device gives.

        Raises:
            SensorError: nothing could be read this time.
            SensorLost: the GPU is gone.
        """
        return self.decode(self.capture()[1], self._clock.now_ns())

    def _read_slowly(self) -> tuple[object, Any]:
        """Read by several calls, or by one that has to be looked at: its answer is not as usual."""
        library = self._library
        if library is None:
            raise SensorError("the sensor is closed")
        with self._watching():
            if self._stale:
                self._reconnect(library)
            if self._history is not None:
                return None, self._history.read(self._handle)
            if not self._readout.only_fields:
                return None, self._readout.read(self._handle)
            answer = self._readout.capture(self._handle)()
            if self._readout.known:
                self.capture = self._readout.capture(self._handle)
            return answer

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Understand what was captured at ``at_ns``.

        Raises:
            SensorError: nothing could be read that time.
            SensorLost: the GPU is gone.
        """
        if self._history is not None:
            return self._logged(raw)
        if self._readout.only_fields:
            with self._watching():
                raw = self._readout.understand(raw)
        return self._readings(raw, at_ns)

    def close(self) -> None:
        """Give the library back; a second call does nothing."""
        library, self._library = self._library, None
        self.capture = self._read_slowly
        if library is not None:
            library.close()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Connect anew with the next reading where the driver was reloaded."""
        try:
            yield
        except DriverReloaded:
            self._stale = True
            self.capture = self._read_slowly
            raise

    def _reconnect(self, library: NvmlLibrary) -> None:
        """Take hold of the device again after a driver reload."""
        library.reopen()
        self._handle = library.call("nvmlDeviceGetHandleByUUID", self._device.uuid)
        self._counter.reload()
        self._stale = False

    def _find_history(self, library: NvmlLibrary) -> PowerHistory | None:
        """Return the driver's log where readings come too fast to be polled and there is no counter."""
        kinds = {measurand.kind for measurand in self._readout.measurands}
        fast = self._device.traits.refresh_ns < _POLLED_NS
        if not fast or ChannelKind.ENERGY in kinds or ChannelKind.POWER_INSTANT not in kinds:
            return None
        history = PowerHistory(library, self._clock)
        return history if history.usable(self._handle) else None

    def _logged(self, entries: Sequence[tuple[int, int]]) -> list[Reading]:
        channel = self._channel[ChannelKind.POWER_INSTANT]
        return [Reading(channel, power_mw / 1e3, stamp_ns, logged=True) for stamp_ns, power_mw in entries]

    def _readings(self, values: Sequence[RawValue], at_ns: int) -> list[Reading]:
        readings, errors = [], 0
        for kind, value, stamp_ns, error in values:
            channel = self._channel[kind]
            if error is not None:
                readings.append(Reading(channel, math.nan, reason=str(error)))
                errors += 1
            elif kind is ChannelKind.ENERGY:
                counted = self._counter.take(value, at_ns, self._power_w)
                if counted.energy_j is not None:
                    readings.append(
                        Reading(channel, counted.energy_j, stamp_ns, counted.gap, reason=counted.reason)
                    )
            else:
                self._power_w = value / 1e3
                readings.append(Reading(channel, self._power_w, stamp_ns))
        if errors == len(values):
            raise next(value.error for value in values if value.error is not None)
        return readings


def _calibrated(traits: PowerSensorTraits, calibration: Calibration) -> PowerSensorTraits:
    """Return an architecture's nominal figures with those of the card in their place."""
    refresh_s, window_s = calibration.refresh_s, calibration.power_window_s
    return replace(
        traits,
        refresh_ns=traits.refresh_ns if refresh_s is None else round(refresh_s * 1e9),
        window_ns=traits.window_ns if window_s is None else round(window_s * 1e9),
    )


def _describe(
    device: NvmlDevice, domain: str, readout: Readout, calibration: Calibration | None
) -> SensorInfo:
    kinds = {measurand.kind for measurand in readout.measurands}
    traits = device.traits
    window_ns = traits.window_ns if ChannelKind.POWER_INSTANT in kinds else 1_000_000_000
    return SensorInfo(
        name=f"nvml:{domain}",
        domains=(domain,),
        source=Provenance.COUNTER if ChannelKind.ENERGY in kinds else Provenance.SAMPLED,
        semantics=" ".join(_sentences(device, readout, calibration)),
        refresh_s=traits.refresh_ns / 1e9,
        window_s=None if window_ns is None else window_ns / 1e9,
        power_floor_w=0.0 if calibration is None else calibration.power_floor_w or 0.0,
        power_ceiling_w=_ceiling_w(device),
        lag_s=None if calibration is None else calibration.lag_s,
        calibration=None if calibration is None else calibration.id,
    )


def _ceiling_w(device: NvmlDevice) -> float | None:
    return None if device.power_limit_w is None else _LIMIT_MARGIN * device.power_limit_w


def _sentences(device: NvmlDevice, readout: Readout, calibration: Calibration | None) -> list[str]:
    """Say in plain words what this device's readings mean."""
    traits = device.traits
    kinds = {measurand.kind: measurand for measurand in readout.measurands}
    every = f"about every {traits.refresh_ns / 1e6:.3g} ms"
    sentences = [f"{device.name} ({traits.architecture})."]
    if ChannelKind.ENERGY in kinds:
        sentences.append(f"Energy is the card's own counter, which moves {every}.")
    else:
        sentences.append("There is no energy counter: energy is power readings, integrated.")
    if ChannelKind.POWER_INSTANT in kinds:
        sentences.append(_window_sentence(device, every))
    if ChannelKind.POWER_AVERAGE in kinds:
        sentences.append(f"Average power covers the last 1 s, renewed {every}.")
    if calibration is not None:
        if calibration.partial_counter and calibration.counter_window_s is not None:
            seen_ms = 1e3 * calibration.counter_window_s
            sentences.append(
                f"The counter adds up only {seen_ms:.0f} ms of each refresh: the energy of a load that "
                "changes in step with it can be wrong."
            )
        sentences.append(f"Calibrated on this card ({calibration.created_at[:10]}).")
    if device.mig:
        sentences.append("The card is partitioned (MIG): its sensors cover all its instances together.")
    return sentences


def _window_sentence(device: NvmlDevice, every: str) -> str:
    traits = device.traits
    if traits.window_ns is None:
        return f"Instant power is renewed {every}; what it averages is not known for this architecture."
    share = traits.seen_share or 0.0
    seen = (
        "all of the time"
        if share >= 1
        else f"{share:.0%} of the time, so that it can miss what happens between"
    )
    return f"Instant power averages {traits.window_ns / 1e6:.3g} ms, renewed {every}: it sees {seen}."
