"""Calibrating one card: about a minute of polling, and what follows from it.

A load makes windows and lags visible; without one there are idle figures only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from energyprof.clock import Clock
from energyprof.errors import SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import GpuInfo
from energyprof.sensors.base import Sensor
from energyprof.sensors.calibration import Calibration
from energyprof.sensors.calibration_fit import Floats, fit_grid, fit_ramp, step_shares
from energyprof.sensors.calibration_session import CalibrationSession, Load, PolledTrack

__all__ = ["calibrate"]

_IDLE_SHARE: Final = 0.15  # of the time, before the load begins
_FEWEST_READINGS: Final = 20
_FLOOR_MARGIN: Final = 0.9
_AVERAGE_S: Final = 1.2  # the longest window that is thought of for the long average
_Grid = tuple[float, float, float]  # period, first edge, jitter


def calibrate(
    sensor: Sensor, gpu: GpuInfo, clock: Clock, *, seconds: float = 60.0, load: Load | None = None
) -> Calibration:
    """Find out how a card's energy and power sensors behave.

    Args:
        sensor: the card's energy and power sensor; nobody else may read it meanwhile.
        gpu: the card.
        clock: the one clock.
        seconds: how long to take.
        load: queues work that keeps the card busy for so many seconds from now on, and returns at once; None
            for idle figures only.

    Raises:
        SensorUnavailable: hardly any reading succeeded.
    """
    session = CalibrationSession(sensor, clock)
    session.idle(seconds * (_IDLE_SHARE if load is not None else 1.0))
    if load is not None:
        session.step(load, seconds - session.idle_s)
    if session.readings < _FEWEST_READINGS or 2 * session.failures > session.readings:
        raise SensorUnavailable(
            f"{gpu.name} cannot be calibrated: {session.failures} of {session.readings} readings failed"
            + (f" ({session.error})" if session.error else "; take more time")
        )
    made = datetime.now(UTC)
    return Calibration(
        id=f"{gpu.uuid[:12]} {made:%Y-%m-%d %H:%M}",
        uuid=gpu.uuid,
        driver=gpu.driver or "unknown",
        created_at=made.isoformat(timespec="seconds"),
        duration_s=session.now_s(),
        readings=session.readings,
        **_figures(session),
    )


def _figures(session: CalibrationSession) -> dict[str, Any]:
    """Return what follows from a session, by the names of :class:`Calibration`."""
    grids = {kind: _grid(track) for kind, track in session.tracks.items()}
    counter, power = grids.get(ChannelKind.ENERGY), grids.get(ChannelKind.POWER_INSTANT)
    figures: dict[str, Any] = {}
    notes: list[str] = []
    if counter is not None:
        figures.update(counter_refresh_s=counter[0], counter_jitter_s=counter[2])
    if power is not None:
        figures.update(power_refresh_s=power[0], power_jitter_s=power[2])
    elif ChannelKind.POWER_INSTANT in session.tracks:
        notes.append("the power reading hardly changed: its refresh period is not known")
    figures.update(_idle(session, power))
    if not session.on_s:
        notes.append("there was no load: windows and lags are not known")
    elif session.blocked:
        notes.append("the load did not return at once: windows and lags are not known")
    else:
        figures.update(_steps(session, grids, notes))
    if counter is not None and power is not None:
        figures["power_over_counter"] = _power_over_counter(session, power)
    return {**figures, "notes": tuple(notes)}


def _grid(track: PolledTrack) -> _Grid | None:
    """Fit the refreshes of a channel; its first value was there before."""
    return fit_grid(np.array(track.since_s[1:]), np.array(track.until_s[1:]))


def _refreshes(grid: _Grid, until_s: float) -> Floats:
    """Return the times of all refreshes, also of those that left the value as it was."""
    period, first, _ = grid
    start = first - np.floor(first / period) * period
    return np.arange(start, until_s, period)


def _idle(session: CalibrationSession, power: _Grid | None) -> dict[str, float]:
    track = session.tracks.get(ChannelKind.POWER_INSTANT) or session.tracks.get(ChannelKind.POWER_AVERAGE)
    if track is None or not track.value:
        return {}
    period = power[0] if power is not None else session.refresh_s
    shown = track.at(np.arange(period, session.idle_s, period))
    if not len(shown):
        return {}
    return {
        "idle_power_w": float(shown.mean()),
        "idle_noise_w": float(shown.std()),
        "power_floor_w": _FLOOR_MARGIN * min(track.value),
    }


def _steps(
    session: CalibrationSession, grids: dict[ChannelKind, _Grid | None], notes: list[str]
) -> dict[str, float]:
    """Return windows, lag and power under load, from the steps of the load."""
    on, off, long = np.array(session.on_s), np.array(session.off_s), np.array(session.long)
    figures: dict[str, float] = {}
    power, counter = grids.get(ChannelKind.POWER_INSTANT), grids.get(ChannelKind.ENERGY)
    average = grids.get(ChannelKind.POWER_AVERAGE)
    if power is not None:
        edges = _refreshes(power, session.now_s())
        shown = session.tracks[ChannelKind.POWER_INSTANT].at(edges + 0.5 * power[0])
        ramp = fit_ramp(*step_shares(edges, shown, on, off, 2.5 * power[0]), power[0])
        figures["load_power_w"] = float(shown[np.searchsorted(edges, off[long]) - 1].mean())
        if ramp is None:
            notes.append("too few steps fell into the power reading's window: it is not known")
        else:
            figures.update(power_lag_s=ramp[0], power_window_s=ramp[1])
    if counter is not None:
        edges, shown = _counted_power(session.tracks[ChannelKind.ENERGY])
        ramp = fit_ramp(*step_shares(edges, shown, on, off, 2.5 * counter[0]), counter[0])
        if ramp is not None:
            figures.update(counter_lag_s=ramp[0], counter_window_s=ramp[1])
    if average is not None:
        edges = _refreshes(average, session.now_s())
        shown = session.tracks[ChannelKind.POWER_AVERAGE].at(edges + 0.5 * average[0])
        ramp = fit_ramp(*step_shares(edges, shown, on[long], off[long], 1.2 * _AVERAGE_S), _AVERAGE_S)
        if ramp is not None:
            figures["average_window_s"] = ramp[1]
    return figures


def _counted_power(track: PolledTrack) -> tuple[Floats, Floats]:
    """Return the counter's movements as mean power since the one before: times and watts."""
    at = 0.5 * (np.array(track.since_s[1:]) + np.array(track.until_s[1:]))
    return at[1:], np.diff(np.array(track.value[1:])) / np.diff(at)


def _power_over_counter(session: CalibrationSession, power: _Grid) -> float | None:
    """Return integrated instant power by the counter's increment over the same time, less 1."""
    counter = session.tracks[ChannelKind.ENERGY]
    first_s, last_s = counter.until_s[1], counter.until_s[-1]
    counted_j = counter.value[-1] - counter.value[1]
    edges = _refreshes(power, session.now_s())
    within = edges[(edges > first_s) & (edges <= last_s)]
    if counted_j <= 0 or not len(within):
        return None
    shown = session.tracks[ChannelKind.POWER_INSTANT].at(within + 0.5 * power[0])
    return float(shown.mean()) * (last_s - first_s) / counted_j - 1
