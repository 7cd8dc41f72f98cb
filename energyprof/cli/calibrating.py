"""Calibration of this machine's GPUs, with a load through torch where it has CUDA."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from energyprof.clock import SystemClock
from energyprof.errors import DeviceError, SensorError
from energyprof.record.environment import shorten_home
from energyprof.sensors.calibration import Calibration, save_calibration
from energyprof.units import format_duration, format_power

if TYPE_CHECKING:
    from rich.console import RenderableType

    from energyprof.record.model import GpuInfo
    from energyprof.sensors.base import Sensor

__all__ = ["Calibrated", "ProductLoad", "calibrate_gpus", "render_calibration"]

_LEAST_LAUNCH_S: Final = 4e-3  # a queue holds about a thousand launches: longer ones, or queueing would wait
_IDLE_UTILISATION: Final = 0.05
_LARGEST: Final = 16384  # three matrices of 0.5 GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A GPU with its fresh calibration and where that is kept."""

    gpu: GpuInfo
    calibration: Calibration
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"domain": self.gpu.domain, "name": self.gpu.name, **asdict(self.calibration)}


class ProductLoad:
    """Keeps a GPU busy for a while with matrix products; returns as soon as they are queued.

    How many products that takes is learned from the time that those of the call before took: a card clocks up
    when it gets work, and down when it gets hot.

    Args:
        uuid: of the GPU.

    Raises:
        DeviceError: torch has no CUDA here, or does not see this GPU.
    """

    def __init__(self, uuid: str) -> None:
        import torch

        wanted = uuid.removeprefix("GPU-")
        devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
        uuids = {k: getattr(torch.cuda.get_device_properties(k), "uuid", None) for k in devices}
        seen = [k for k, found in uuids.items() if str(found) == wanted]
        if not seen:
            why = "does not see it" if uuids else "has no CUDA here, or no GPU that it can use"
            raise DeviceError(f"no load can be put on {uuid}: torch {why}; calibrate with --idle-only")
        self._torch: Any = torch
        self._device = torch.device("cuda", seen[0])
        size, each_s = 2048, 0.0
        try:
            while each_s < _LEAST_LAUNCH_S and size < _LARGEST:
                size *= 2
                each_s = self._make(size)
        except RuntimeError as error:  # of CUDA: no memory left, above all
            first = str(error).partition("\n")[0]
            raise DeviceError(
                f"no load can be put on {uuid}: {first}; free its memory, or calibrate with --idle-only"
            ) from error
        self._seconds_each = each_s
        self._begin, self._end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._count = 0

    def __call__(self, seconds: float) -> None:
        """Queue work for so many seconds."""
        if self._count and self._end.query():
            self._seconds_each = float(self._begin.elapsed_time(self._end)) / 1e3 / self._count
        self._count = max(1, round(seconds / self._seconds_each))
        with self._torch.cuda.device(self._device):
            self._begin.record()
            for _ in range(self._count):
                self._torch.matmul(self._left, self._right, out=self._out)
            self._end.record()

    def _make(self, size: int, count: int = 10) -> float:
        """Make matrices of this size and return the seconds that a product of them takes."""
        torch, cuda = self._torch, self._torch.cuda
        self._left = torch.randn(size, size, device=self._device, dtype=torch.float16)
        self._right, self._out = torch.randn_like(self._left), torch.empty_like(self._left)
        begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        with cuda.device(self._device):
            for _ in range(2):  # the second time is warm
                begin.record()
                for _ in range(count):
                    torch.matmul(self._left, self._right, out=self._out)
                end.record()
                cuda.synchronize(self._device)
        return float(begin.elapsed_time(end)) / 1e3 / count


def calibrate_gpus(seconds: float, *, load: bool) -> list[Calibrated]:
    """Calibrate every GPU that this process may use, one after another.

    Args:
        seconds: for each GPU.
        load: whether to put a load on it; without one, windows and lags stay unknown.

    Raises:
        DeviceError: there is no GPU, or torch cannot put a load on it.
        SensorUnavailable: hardly any reading succeeded.
        OutputError: the calibration cannot be kept.
    """
    from energyprof.sensors.calibration_run import calibrate
    from energyprof.sensors.discovery import discover

    clock = SystemClock()
    found = discover(clock)
    try:
        if not found.gpus:
            reason = next((p for p in found.problems if "NVIDIA" in p or "CUDA" in p), "none was found")
            raise DeviceError(f"no GPU to calibrate: {reason}")
        done = []
        for gpu in found.gpus:
            sensor = next((s for s in found.sensors if gpu.domain in s.info.domains), None)
            if sensor is None:
                reason = next(
                    (p for p in found.problems if p.startswith(gpu.domain)), f"{gpu.domain}: no answer"
                )
                raise DeviceError(f"a GPU cannot be calibrated: {reason}; see `energyprof doctor`")
            state = next((s for s in found.sensors if s.info.name == f"nvml-state:{gpu.domain}"), None)
            busy = _in_use(state)
            work = ProductLoad(gpu.uuid) if load else None
            calibration = calibrate(sensor, gpu, clock, seconds=seconds, load=work)
            if busy:
                calibration = _without_idle(calibration, busy)
            done.append(Calibrated(gpu=gpu, calibration=calibration, path=save_calibration(calibration)))
        return done
    finally:
        for each in found.sensors:
            each.close()


def _in_use(state: Sensor | None) -> str:
    """Say what uses a card before its calibration begins; empty where it idles, or does not tell."""
    if state is None:
        return ""
    try:
        now = {reading.channel.rpartition("/")[2]: reading.value for reading in state.read()}
    except SensorError:
        return ""
    if now.get("other_processes", 0.0) > 0:
        return f"{now['other_processes']:.0f} other process(es) used the card"
    if now.get("utilisation", 0.0) > _IDLE_UTILISATION:
        return f"the card was busy {now['utilisation']:.0%} of the time before it began"
    return ""


def _without_idle(calibration: Calibration, why: str) -> Calibration:
    """Leave out what a card that does not idle cannot show: a floor that is too high would break bounds."""
    return replace(
        calibration,
        idle_power_w=None,
        idle_noise_w=None,
        power_floor_w=None,
        notes=(
            *calibration.notes,
            f"{why}: its idle power is not known; calibrate again with it to yourself",
        ),
    )


def render_calibration(done: Calibrated) -> RenderableType:
    """Render what was found out of one card."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    found = done.calibration
    table = Table.grid(padding=(0, 2, 0, 0))
    rows = (
        ("counter moves every", _seconds(found.counter_refresh_s, found.counter_jitter_s)),
        ("counter sums up", _seconds(found.counter_window_s)),
        ("counter lags by", _seconds(found.counter_lag_s)),
        ("power renewed every", _seconds(found.power_refresh_s, found.power_jitter_s)),
        ("a power reading covers", _seconds(found.power_window_s)),
        ("power lags by", _seconds(found.power_lag_s)),
        ("average power covers", _seconds(found.average_window_s)),
        ("integrated power over counter", _share(found.power_over_counter)),
        ("idle power", _watts(found.idle_power_w, found.idle_noise_w)),
        ("power under load", _watts(found.load_power_w)),
    )
    for title, value in rows:
        table.add_row(title, value)
    head = Text(f"{done.gpu.domain}: {done.gpu.name}, driver {found.driver}", style="bold")
    notes = [Text(f"· {note}") for note in found.notes]
    return Group(head, table, *notes, Text(f"kept in {shorten_home(str(done.path))}, used by later runs\n"))


def _seconds(value: float | None, jitter: float | None = None) -> str:
    if value is None:
        return "not known"
    return format_duration(value) + ("" if jitter is None else f" ± {format_duration(jitter)}")


def _watts(value: float | None, noise: float | None = None) -> str:
    if value is None:
        return "not known"
    return format_power(value) + ("" if noise is None else f" ± {format_power(round(noise, 3))}")


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.1%}"
