"""What was found out about one card's sensors, kept by GPU and driver for later runs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from energyprof.errors import OutputError, RecordError

__all__ = [
    "Calibration",
    "calibration_folder",
    "calibration_path",
    "load_calibration",
    "other_drivers",
    "save_calibration",
]

_RESOLUTION_S: Final = 0.002
_PARTIAL_SHARE: Final = 0.8
_SCHEMA: Final = "energyprof.calibration/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One card's sensors under one driver. What could not be found out is None, and ``notes`` says why.

    Attributes:
        id: names it in reports: the beginning of the UUID, and when it was made.
        uuid: the GPU.
        driver: its driver.
        created_at: ISO 8601, UTC.
        duration_s: how long it took.
        readings: how many readings it rests on.
        counter_refresh_s: time between movements of the energy counter.
        counter_jitter_s: standard deviation of these about an even grid.
        counter_window_s: what the counter sums up of each refresh: all of it, or only a part.
        counter_lag_s: how much later than the power the counter moves.
        power_refresh_s: time between changes of the instant power.
        power_jitter_s: standard deviation of these about an even grid.
        power_window_s: what an instant reading averages.
        power_lag_s: how much later than the power a reading shows.
        average_window_s: what the average power covers.
        power_over_counter: integrated instant power by counter, less 1.
        idle_power_w: mean power with nothing to do.
        idle_noise_w: standard deviation of the readings meanwhile.
        power_floor_w: a power that the card stays above, a tenth below the least that was seen.
        load_power_w: mean power under the load, or None where there was none.
        notes: what could not be found out, and why.
    """

    id: str
    uuid: str
    driver: str
    created_at: str
    duration_s: float
    readings: int
    counter_refresh_s: float | None = None
    counter_jitter_s: float | None = None
    counter_window_s: float | None = None
    counter_lag_s: float | None = None
    power_refresh_s: float | None = None
    power_jitter_s: float | None = None
    power_window_s: float | None = None
    power_lag_s: float | None = None
    average_window_s: float | None = None
    power_over_counter: float | None = None
    idle_power_w: float | None = None
    idle_noise_w: float | None = None
    power_floor_w: float | None = None
    load_power_w: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def lag_s(self) -> float | None:
        """Return the lag of what joules are taken from: the counter, else instant power.

        A lag that polling could not tell from none is 0.
        """
        lag_s = self.power_lag_s if self.counter_refresh_s is None else self.counter_lag_s
        return 0.0 if lag_s is not None and lag_s < _RESOLUTION_S else lag_s

    @property
    def partial_counter(self) -> bool:
        """Tell whether the counter sums up only a part of each refresh."""
        seen, refresh = self.counter_window_s, self.counter_refresh_s
        return seen is not None and refresh is not None and seen < _PARTIAL_SHARE * refresh

    @property
    def refresh_s(self) -> float | None:
        """Return the refresh period of what is followed: the counter, else instant power."""
        return self.counter_refresh_s or self.power_refresh_s


def calibration_folder() -> Path:
    """Return where this user's calibrations are kept; it need not be there yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or _home() / ".local" / "share"
    return Path(base) / "energyprof" / "calibrations"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without an entry, as containers have them
        return Path("/")


def calibration_path(uuid: str, driver: str, folder: Path | None = None) -> Path:
    """Return the file of a GPU's calibration under a driver."""
    return (folder or calibration_folder()) / f"{uuid}@{driver}.json"


def save_calibration(calibration: Calibration, folder: Path | None = None) -> Path:
    """Keep a calibration, in place of an older one of this GPU and driver.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = calibration_path(calibration.uuid, calibration.driver, folder)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"schema": _SCHEMA, **asdict(calibration)}, indent=2)
        fresh.write_text(f"{text}\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise OutputError(
            f"the calibration cannot be kept in {path.parent}: {error.strerror}; set XDG_DATA_HOME to a "
            "folder that can be written"
        ) from error
    return path


def load_calibration(uuid: str, driver: str, folder: Path | None = None) -> Calibration | None:
    """Return the calibration of a GPU under a driver, or None where there is none.

    Raises:
        RecordError: there is one, but it cannot be read.
    """
    path = calibration_path(uuid, driver, folder)
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Calibration)}
        values = {name: value for name, value in data.items() if name in known}
        calibration = Calibration(**{**values, "notes": tuple(values.get("notes", ()))})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f"the calibration {path} cannot be read ({error}): make it anew with `energyprof calibrate`"
        ) from error
    if data.get("schema") != _SCHEMA:
        raise RecordError(
            f"the calibration {path} is of schema '{data.get('schema')}', not '{_SCHEMA}': make it anew with "
            "`energyprof calibrate`"
        )
    return calibration


def other_drivers(uuid: str, driver: str, folder: Path | None = None) -> tuple[str, ...]:
    """Return the drivers, other than this one, under which a GPU was calibrated."""
    found = (folder or calibration_folder()).glob(f"{uuid}@*.json")
    return tuple(sorted({path.stem.partition("@")[2] for path in found} - {driver}))
