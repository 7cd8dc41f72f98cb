"""What a recording and the process that reads sensors for it say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from energyprof.record.model import GpuInfo, SensorInfo
from energyprof.recording.sample_rows import Columns, TimedValue
from energyprof.recording.sampler import SamplerProblem
from energyprof.sensors.base import ChannelSpec

__all__ = ["ENERGY", "LAST", "ROWS", "ROWS_OF_CUDA", "Hello", "Rows"]

#: Words to the process: read the counters now; send the rows so far (of a program that runs on CUDA by now);
#: read everything a last time, send what is left, and end. The process ends, too, where nobody can hear it.
ENERGY, ROWS, ROWS_OF_CUDA, LAST = b"energy", b"rows", b"rows, CUDA", b"last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The process's first words: what it found, and reads from now on."""

    channels: tuple[ChannelSpec, ...]
    sensor_names: tuple[str, ...]  # of each channel
    infos: tuple[SensorInfo, ...]
    gpus: tuple[GpuInfo, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Its answer to each word that asks for rows.

    Attributes:
        columns: rows since the answer before, numbered by the channels of its :class:`Hello`.
        latest: the latest good value of each channel.
        problems: all so far.
        infos: its sensors, with what was observed of them.
        cpu_s: CPU time of the process since it began to read.
    """

    columns: Columns
    latest: dict[str, TimedValue]
    problems: tuple[SamplerProblem, ...]
    infos: tuple[SensorInfo, ...]
    cpu_s: float
