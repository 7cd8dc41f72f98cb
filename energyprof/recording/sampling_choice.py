"""Who reads the sensors of a run: a process of its own where there can be one, else a thread of this one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from energyprof.clock import Clock
from energyprof.errors import SensorUnavailable, UnknownName, UsageError
from energyprof.record.model import GpuInfo, Sampling
from energyprof.recording.relayed_sampler import RelayedSampler
from energyprof.recording.sample_source import SampleSource
from energyprof.recording.sampler import Sampler
from energyprof.sensors.base import Sensor
from energyprof.sensors.discovery import discover

__all__ = ["Sensing", "chosen_sampling", "sense"]

_VARIABLE: Final = "ENERGYPROF_SAMPLING"  # chooses where the caller does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensing:
    """What is read, and by whom.

    Attributes:
        sampler: gives the readings.
        sampling: who reads.
        gpus: the devices that are measured.
        missing: what cannot be measured or done as asked, and why: a sentence each.
    """

    sampler: SampleSource
    sampling: Sampling
    gpus: tuple[GpuInfo, ...] = ()
    missing: tuple[str, ...] = ()


def chosen_sampling(asked: str | None, *, given: bool) -> Sampling | None:
    """Return who is to read the sensors; None: who can do it best.

    Args:
        asked: by the caller; None for the environment's choice, where there is one.
        given: whether sensors or a clock are, which a process cannot have: then a thread, unless asked.

    Raises:
        UnknownName: nobody of that name.
    """
    if given and asked is None:
        return Sampling.THREAD
    name = asked or os.environ.get(_VARIABLE)
    if not name:
        return None
    try:
        return Sampling(name)
    except ValueError as error:
        raise UnknownName("sampling", name, Sampling) from error


def sense(asked: Sampling | None, clock: Clock, sensors: Sequence[Sensor] | None) -> Sensing:
    """Find the sensors, and who reads them.

    Args:
        asked: see :func:`chosen_sampling`.
        clock: the one clock; a process of its own reads the machine's.
        sensors: those to read, which only a thread can; None for all that this machine has.

    Raises:
        UsageError: a process cannot read the sensors that were given.
    """
    if sensors is not None:
        if asked is Sampling.PROCESS:
            raise UsageError("sensors that are given are read by a thread: leave sampling='process' out")
        return Sensing(sampler=Sampler(sensors, clock, clock.now_ns()), sampling=Sampling.THREAD)
    why: tuple[str, ...] = ()
    if asked is not Sampling.THREAD:
        try:
            relayed = RelayedSampler(clock)
            return Sensing(
                sampler=relayed, sampling=Sampling.PROCESS, gpus=relayed.gpus, missing=relayed.missing
            )
        except SensorUnavailable as error:
            why = (f"no process of its own reads the sensors ({error}): a thread of this program does",)
    found = discover()
    sampler = Sampler(found.sensors, clock, clock.now_ns())
    return Sensing(
        sampler=sampler, sampling=Sampling.THREAD, gpus=found.gpus, missing=(*why, *found.problems)
    )
