"""A run's trace in memory: segments between marks, sensor readings, logged metrics.

Times are int64 nanoseconds since recording started (``t = 0``), all on the monotonic clock. The measured
window lies inside the recording: idle power is recorded before it opens and after it closes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.record.channel_kind import ChannelKind

__all__ = ["UNATTRIBUTED", "Channel", "Metrics", "Segments", "Trace"]

UNATTRIBUTED: Final = "unattributed"  # the phase of time that lies in no phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The marks of a run: the window cut into segments, each in one phase and at most one step.

    Segment ``k`` runs from ``start_ns[k]`` to ``start_ns[k + 1]``, the last one to ``end_ns``.

    Attributes:
        start_ns: (n,) int64, non-decreasing, >= 0.
        phase: (n,) int32, index into ``phases``.
        step: (n,) int64, the step's number, or -1 outside of steps. A step's segments are contiguous.
        phases: names as paths: ``"train/forward"``. Exclusive: time in ``train/forward`` is not in ``train``.
        end_ns: where the last segment ends.
        device_start_ns: (n,) int64, when each segment began on the GPU (it runs behind the host); None where
            marks were not timed there. GPU energy is split at these times, host energy at ``start_ns``.
    """

    start_ns: NDArray[np.int64]
    phase: NDArray[np.int32]
    step: NDArray[np.int64]
    phases: tuple[str, ...]
    end_ns: int
    device_start_ns: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One sensor value over time.

    A reading says: at some time in ``[since_ns[k], t_ns[k]]`` the sensor took the value ``value[k]``. For an
    energy channel that is the refresh edge: ``since_ns`` is the time just before the last poll that still
    showed the older value, ``t_ns`` the time just after the first poll that showed the new one. A row whose
    value repeats the row before is a hold: the sensor was polled and had not moved.

    Attributes:
        name: unique: ``"gpu:0/energy"``, ``"cpu/energy"``, ``"host/memory"``.
        domain: ``"gpu:0"``, ``"cpu"``, ``"dram"``, ``"host"``.
        sensor: the name of the :class:`~energyprof.record.model.SensorInfo` it belongs to.
        unit: SI: J, W, B, 1, degC, Hz.
        gap_ns: (g, 2) intervals in which reading it failed or the counter was reset: energy in them is not
            known from this channel.
    """

    name: str
    domain: str
    kind: ChannelKind
    sensor: str
    unit: str
    t_ns: NDArray[np.int64]
    since_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    gap_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What the training code logged: loss, accuracy, anything scalar. Rows in time order.

    Reserved names, written by the profiler: ``samples`` (training samples seen by then, exact),
    ``batch_samples`` (samples a step from then on), ``epoch_begin/<stage>`` and ``epoch_end/<stage>`` (value:
    the epoch's index within its stage, from 0); what is logged between the two belongs to that epoch.
    """

    t_ns: NDArray[np.int64]
    step: NDArray[np.int64]  # number of steps finished by then
    name: tuple[str, ...]
    value: NDArray[np.float64]  # NaN where a value was not finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that a run recorded.

    Attributes:
        window_ns: when the measured window opened and closed; ``0 <= open <= close <= duration_ns``.
        duration_ns: when recording ended.
        complete: False where the files were cut short; ``problems`` says what was lost.
    """

    segments: Segments
    channels: tuple[Channel, ...]
    metrics: Metrics
    window_ns: tuple[int, int]
    duration_ns: int
    complete: bool = True
    problems: tuple[str, ...] = ()
