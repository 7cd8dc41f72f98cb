"""Compile the stand-in NVML library, once for each version of its source and compiler."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from energyprof.errors import DeviceError, OutputError

__all__ = ["LIBRARY_NAME", "compile_library"]

LIBRARY_NAME: Final = "libnvidia-ml.so.1"
_HERE: Final = Path(__file__).parent
_FLAGS: Final = (
    "-std=gnu11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wno-attribute-alias",
    "-pthread",
)


def compile_library(missing: Iterable[str] = (), folder: Path | None = None) -> Path:
    """Return the path of the library; compile it where no earlier call did.

    Args:
        missing: functions to leave out, as an older driver does.
        folder: where compiled libraries are kept; the user's cache folder by default.

    Raises:
        DeviceError: if there is no C compiler, or it fails.
        OutputError: if the cache folder cannot be written.
    """
    sources = sorted(_HERE.glob("nvml_stand_in*.c"))
    export_map = _export_map(sorted(set(missing)))
    compiler = _compiler()
    digest = hashlib.sha256(f"{compiler}\n{_version(compiler)}\n{_FLAGS}\n{export_map}".encode())
    for source in [*sources, _HERE / "nvml_stand_in.h"]:
        digest.update(source.read_bytes())
    library = (folder or _cache_folder()) / digest.hexdigest()[:20] / LIBRARY_NAME
    if not library.exists():
        _compile(compiler, sources, export_map, library)
    return library


def _compile(compiler: str, sources: list[Path], export_map: str, library: Path) -> None:
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            script, built = Path(folder, "exports.map"), Path(folder, LIBRARY_NAME)
            script.write_text(export_map)
            command = [
                compiler,
                *_FLAGS,
                f"-Wl,--version-script={script}",
                "-o",
                str(built),
                *map(str, sources),
            ]
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
            if outcome.returncode != 0:
                first = (outcome.stderr.strip().splitlines() or ["no message"])[0]
                raise DeviceError(f"the stand-in NVML library did not compile: {compiler} said '{first}'")
            os.replace(built, library)
    except OSError as error:
        raise OutputError(
            f"cannot write the stand-in NVML library to {library.parent}: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _export_map(missing: list[str]) -> str:
    """Return the linker's version script that hides some functions, with their later versions."""
    hidden = "".join(f" {name}; {name}_v2; {name}_v3;" for name in missing)
    return f"{{ global: nvml*; energyprof_stand_in_*; local:{hidden} stand_in_*; }};\n"


def _compiler() -> str:
    for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        found = shutil.which(name)
        if found is not None:
            return found
    raise DeviceError(
        "the stand-in NVML library needs a C compiler, and none of cc, gcc, clang is on the PATH: "
        "install one (such as the package gcc), or name one in CC"
    )


@cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "energyprof" / "stand-in"
