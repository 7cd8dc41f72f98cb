from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from energyprof.errors import DeviceError, OutputError
from energyprof.testing.native_library import LIBRARY_NAME, compile_library


def test_a_library_is_compiled_once(tmp_path: Path) -> None:
    library = compile_library(folder=tmp_path)
    built_ns = library.stat().st_mtime_ns
    assert library.name == LIBRARY_NAME
    assert compile_library(folder=tmp_path) == library
    assert library.stat().st_mtime_ns == built_ns
    assert [path.name for path in library.parent.iterdir()] == [LIBRARY_NAME]


def test_a_function_left_out_is_not_in_the_library(tmp_path: Path) -> None:
    whole = ctypes.CDLL(str(compile_library(folder=tmp_path)))
    older = ctypes.CDLL(
        str(compile_library(["nvmlDeviceGetFieldValues", "nvmlDeviceGetCount"], folder=tmp_path))
    )
    for name in ("nvmlDeviceGetFieldValues", "nvmlDeviceGetCount", "nvmlDeviceGetCount_v2"):
        assert hasattr(whole, name)
        assert not hasattr(older, name)
    assert hasattr(older, "nvmlDeviceGetPowerUsage")


def test_without_a_compiler_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(DeviceError, match="install one"):
        compile_library(folder=tmp_path)


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho no target machine >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(DeviceError, match="no target machine"):
        compile_library(folder=tmp_path)


def test_a_cache_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        compile_library(folder=tmp_path / "file")
