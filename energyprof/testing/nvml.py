"""The control side of the stand-in NVML library: devices with known truth, read through the real ``pynvml``.

::

    with StandInNvml(["hopper"]) as nvml, nvml.loaded():
        nvml.set_power(0, TruePower.steady(300))
        nvml.clock.advance_ns(10**9)
        ...  # pynvml.nvmlInit() and anything that reads through it
        nvml.true_energy_j(0, 0, nvml.clock.now_ns())
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self
from unittest.mock import patch

from energyprof.clock import Clock, SystemClock
from energyprof.errors import DeviceError, UnknownName, UsageError
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.clock import WALL_EPOCH_NS, VirtualClock
from energyprof.testing.devices import StandInDevice
from energyprof.testing.faults import Fault
from energyprof.testing.native_library import compile_library
from energyprof.testing.shared_block import MAX_DEVICES, MAX_FAULTS, SharedBlock
from energyprof.testing.true_power import TruePower

__all__ = ["BLOCK_VARIABLE", "StandInNvml"]

#: Names the shared block to the library in a child process.
BLOCK_VARIABLE: Final = "ENERGYPROF_STAND_IN"
#: Virtual time begins here, so that every window that ends in a run begins after time 0.
_VIRTUAL_START_NS: Final = 10_000 * 10**9
#: How long the devices have been counting when they are made.
_UPTIME_NS: Final = 1_000 * 10**9

#: What each library in this process has open.
_opened: dict[str, Path | None] = {}


class StandInNvml:
    """A machine with NVIDIA devices that are not there."""

    def __init__(
        self,
        cards: Sequence[Card | str] = ("hopper",),
        *,
        virtual: bool = True,
        missing: Sequence[str] = (),
        call_ns: int = 0,
    ) -> None:
        """Make the devices, each idle.

        Args:
            cards: one for each device: a :class:`Card` or the name of one in :data:`CARDS`.
            virtual: True for a :class:`VirtualClock`, False for the machine's own clock.
            missing: NVML functions that this driver does not have.
            call_ns: what each call on a device takes.

        Raises:
            UsageError: if there are more devices than the shared block holds.
            DeviceError: if there is no C compiler.
        """
        if len(cards) > MAX_DEVICES:
            raise UsageError(f"{len(cards)} devices are too many: the stand-in holds {MAX_DEVICES}")
        kinds = [_card(card) for card in cards]
        self.library = compile_library(missing)
        self._folder = tempfile.TemporaryDirectory(prefix="energyprof-stand-in-")
        self._shared = SharedBlock(Path(self._folder.name, "block"))
        block = self._shared.block
        block.is_virtual, block.call_ns = virtual, call_ns
        block.wall_offset_ns = WALL_EPOCH_NS if virtual else time.time_ns() - time.perf_counter_ns()
        block.driver_version, block.nvml_version, block.cuda_version = b"570.00", b"12.570.00", 12080
        self.clock: Clock = SystemClock()
        if virtual:
            self.clock = VirtualClock(_VIRTUAL_START_NS, cell=self._shared.now_cell())
        block.boot_ns = self.clock.now_ns() - _UPTIME_NS
        self.devices = tuple(StandInDevice(self._shared, k, card) for k, card in enumerate(kinds))
        block.device_count = len(self.devices)

    def device(self, index: int) -> StandInDevice:
        """Return one device, to look at or to change."""
        return self.devices[index]

    def set_power(self, index: int, power: TruePower | float) -> None:
        """Give a device its true power: a schedule, or constant watts from now on."""
        device = self.devices[index]
        if isinstance(power, TruePower):
            device.power = power
        else:
            device.power = device.power.then(self.clock.now_ns(), power)

    def true_energy_j(self, index: int, t0_ns: int, t1_ns: int) -> float:
        """Return what a device truly drew between two instants."""
        return self.devices[index].power.energy_j(t0_ns, t1_ns)

    def fault(self, fault: Fault) -> None:
        """Let something go wrong.

        Raises:
            UsageError: if there are too many faults already.
        """
        block = self._shared.block
        if block.fault_count >= MAX_FAULTS:
            raise UsageError(f"there are {MAX_FAULTS} faults already: clear them first")
        slot = block.faults[block.fault_count]
        slot.function = (fault.function or "").encode()
        slot.device = -1 if fault.device is None else fault.device
        for name in ("kind", "code", "delay_ns", "probability", "seed", "from_ns", "until_ns"):
            setattr(slot, name, getattr(fault, name))
        block.fault_count += 1

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._shared.block.fault_count = 0

    def calls(self, function: str | None = None, device: int | None = None) -> int:
        """Count the calls of one function (without its version suffix) or of all, on one device or on all."""
        counts = self.calls_by_function(device)
        if function is not None:
            return counts.get(function, 0)
        return sum(count for name, count in counts.items() if name.startswith("nvml"))

    def calls_by_function(self, device: int | None = None) -> Mapping[str, int]:
        """Return how often each function was called; ``field:<id>`` counts a field's readings."""
        block = self._shared.block
        return {
            slot.function.decode(): sum(slot.calls) if device is None else slot.calls[device]
            for slot in block.functions[: block.function_count]
        }

    def environment(self) -> dict[str, str]:
        """Return the variables with which a child process loads this library as its NVML."""
        paths = [str(self.library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"LD_LIBRARY_PATH": ":".join(filter(None, paths)), BLOCK_VARIABLE: str(self._shared.path)}

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Let this process's ``pynvml`` use the stand-in, and its own library again afterwards.

        Where it goes by the machine's own clock, processes that are started meanwhile use it as well.
        """
        import pynvml

        library = ctypes.CDLL(str(self.library))
        outer_path = _open(library, self._shared.path)
        before = _swap(pynvml, library, 0, {})
        variables = {} if self._shared.block.is_virtual else self.environment()
        try:
            with patch.dict(os.environ, variables):
                yield
        finally:
            _swap(pynvml, *before)
            _open(library, outer_path)

    def close(self) -> None:
        """Remove the shared block's file."""
        self._folder.cleanup()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _card(card: Card | str) -> Card:
    if isinstance(card, Card):
        return card
    if card not in CARDS:
        raise UnknownName("card", card, CARDS)
    return CARDS[card]


def _open(library: ctypes.CDLL, path: Path | None) -> Path | None:
    """Let a library open a block, and return the one it had open: however often loaded, it is one library."""
    text = None if path is None else os.fsencode(path)
    if library.energyprof_stand_in_open(text) != 0:
        raise DeviceError(
            f"the stand-in NVML library could not open {path}: it is not a block of its version"
        )
    before = _opened.get(library._name)
    _opened[library._name] = path
    return before


def _swap(
    pynvml: object, library: object, users: int, functions: dict[str, object]
) -> tuple[object, int, dict[str, object]]:
    """Exchange the library that pynvml has loaded, its count of users and its cache of functions."""
    module = vars(pynvml)
    with module["libLoadLock"]:
        cache = module["_nvmlGetFunctionPointer_cache"]
        before = (module["nvmlLib"], module["_nvmlLib_refcount"], dict(cache))
        module["nvmlLib"], module["_nvmlLib_refcount"] = library, users
        cache.clear()
        cache.update(functions)
    return before
