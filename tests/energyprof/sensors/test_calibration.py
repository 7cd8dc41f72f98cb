"""Keeping calibrations, and what a sensor makes of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from energyprof.errors import OutputError, RecordError
from energyprof.sensors.calibration import (
    Calibration,
    calibration_folder,
    calibration_path,
    load_calibration,
    other_drivers,
    save_calibration,
)
from energyprof.sensors.discovery import Discovery, discover
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]
UUID = "GPU-57a0d1e5-0000-4000-8000-000000000000"
MADE = Calibration(
    id="GPU-57a0d1e5 2026-01-02 03:04",
    uuid=UUID,
    driver="570.00",
    created_at="2026-01-02T03:04:05+00:00",
    duration_s=60.5,
    readings=30_000,
    counter_refresh_s=0.0953,
    counter_window_s=0.0953,
    counter_lag_s=0.0004,
    power_refresh_s=0.0953,
    power_window_s=0.021,
    power_lag_s=0.04,
    idle_power_w=71.2,
    power_floor_w=63.0,
    notes=("a note",),
)


def test_what_was_kept_comes_back_equal(tmp_path: Path) -> None:
    path = save_calibration(MADE, tmp_path / "new" / "folder")
    assert load_calibration(UUID, "570.00", path.parent) == MADE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_later_calibration_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    save_calibration(MADE, tmp_path)
    later = replace(MADE, idle_power_w=80.0)
    save_calibration(later, tmp_path)
    assert load_calibration(UUID, "570.00", tmp_path) == later


def test_another_driver_has_no_calibration_but_is_known_to_have_had_one(tmp_path: Path) -> None:
    save_calibration(MADE, tmp_path)
    assert load_calibration(UUID, "580.11", tmp_path) is None
    assert other_drivers(UUID, "580.11", tmp_path) == ("570.00",)
    assert other_drivers(UUID, "570.00", tmp_path) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "energyprof.calibration/1"}', '"x"'])
def test_a_file_that_cannot_be_read_is_named_with_advice(text: str, tmp_path: Path) -> None:
    calibration_path(UUID, "570.00", tmp_path).write_text(text)
    with pytest.raises(RecordError, match=r"cannot be read .*energyprof calibrate"):
        load_calibration(UUID, "570.00", tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = save_calibration(MADE, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": "energyprof.calibration/9"}))
    with pytest.raises(RecordError, match="schema"):
        load_calibration(UUID, "570.00", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="XDG_DATA_HOME"):
        save_calibration(MADE, tmp_path / "file" / "folder")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG folder is Linux's")
def test_calibrations_are_kept_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert calibration_folder() == tmp_path / "energyprof" / "calibrations"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibration_folder() == tmp_path / ".local" / "share" / "energyprof" / "calibrations"


def test_a_user_without_a_home_has_no_calibrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert load_calibration("GPU-of-nobody", "570") is None
    assert other_drivers("GPU-of-nobody", "570") == ()


def test_a_lag_below_what_polling_resolves_is_none_at_all() -> None:
    assert MADE.lag_s == 0.0
    assert replace(MADE, counter_lag_s=0.03).lag_s == 0.03
    assert replace(MADE, counter_refresh_s=None).lag_s == 0.04
    assert replace(MADE, counter_lag_s=None).lag_s is None


def look(nvml: StandInNvml, folder: Path) -> Discovery:
    found = discover(nvml.clock, environment={}, powercap=Path(os.devnull), calibrations=folder)
    for sensor in found.sensors:
        sensor.close()
    return found


def test_a_sensor_takes_its_figures_from_its_cards_calibration(make_nvml: MakeNvml, tmp_path: Path) -> None:
    save_calibration(MADE, tmp_path)
    sensor = look(make_nvml("hopper"), tmp_path).sensors[0]
    assert sensor.refresh_ns == 95_300_000
    assert sensor.info.refresh_s == 0.0953
    assert sensor.info.window_s == 0.021
    assert sensor.info.power_floor_w == 63.0
    assert sensor.info.lag_s == 0.0
    assert sensor.info.calibration == MADE.id
    assert "averages 21 ms" in sensor.info.semantics
    assert "Calibrated on this card (2026-01-02)" in sensor.info.semantics


def test_a_counter_that_sees_only_its_windows_says_so(make_nvml: MakeNvml, tmp_path: Path) -> None:
    save_calibration(replace(MADE, counter_window_s=0.024), tmp_path)
    assert "adds up only 24 ms" in look(make_nvml("hopper"), tmp_path).sensors[0].info.semantics


def test_without_a_calibration_the_nominal_figures_stand(make_nvml: MakeNvml, tmp_path: Path) -> None:
    info = look(make_nvml("hopper"), tmp_path).sensors[0].info
    assert (info.refresh_s, info.window_s, info.calibration, info.lag_s) == (0.1, 0.025, None, None)


def test_a_calibration_of_another_driver_is_not_used_and_that_is_said(
    make_nvml: MakeNvml, tmp_path: Path
) -> None:
    save_calibration(replace(MADE, driver="535.00"), tmp_path)
    found = look(make_nvml("hopper"), tmp_path)
    assert found.sensors[0].info.calibration is None
    assert any("calibrated under driver 535.00" in problem for problem in found.problems)


def test_a_broken_calibration_is_not_used_and_that_is_said(make_nvml: MakeNvml, tmp_path: Path) -> None:
    calibration_path(UUID, "570.00", tmp_path).write_text("{")
    found = look(make_nvml("hopper"), tmp_path)
    assert found.sensors[0].info.calibration is None
    assert any("energyprof calibrate" in problem for problem in found.problems)
