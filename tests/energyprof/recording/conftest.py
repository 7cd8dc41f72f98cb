from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.base import ChannelSpec, Reading


@dataclass
class SteadySensor:
    """A CPU package that draws 10 W by a clock of its own: every reading is a tenth of a second on."""

    name: str = "steady"
    domain: str = "cpu"
    fails: Callable[[int], BaseException | None] = lambda _: None
    readings: int = 0
    closed: int = 0
    refresh_ns: int = 1_000_000
    edges: bool = False
    channels: tuple[ChannelSpec, ...] = field(init=False)

    def __post_init__(self) -> None:
        spec = ChannelSpec(
            name=f"{self.domain}/energy", domain=self.domain, kind=ChannelKind.ENERGY, unit="J"
        )
        self.channels = (spec,)

    @property
    def info(self) -> SensorInfo:
        return SensorInfo(
            name=self.name,
            domains=(self.domain,),
            source=Provenance.COUNTER,
            semantics="a test's sensor",
            power_floor_w=0.0,
            power_ceiling_w=1e6,
        )

    def read(self) -> Sequence[Reading]:
        import time

        self.readings += 1
        error = self.fails(self.readings)
        if error is not None:
            raise error
        return [Reading(f"{self.domain}/energy", time.perf_counter_ns() * 1e-8)]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def sensor() -> SteadySensor:
    return SteadySensor()
