"""Where a run happens: versions, machine, an allow-list of variables. No IP, no place, no user name."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from energyprof.record.model import Environment, GpuInfo

__all__ = ["collect_environment", "seed_of_environment", "shorten_home"]

_PACKAGES: Final = ("torch", "numpy", "nvidia-ml-py", "codecarbon", "psutil", "pyarrow", "pandas")
_VARIABLES: Final = (
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "RANK",
    "WORLD_SIZE",
)


def collect_environment(gpus: tuple[GpuInfo, ...] = ()) -> Environment:
    """Describe this process's machine and software.

    Args:
        gpus: the devices that are measured, as discovery found them.
    """
    import energyprof

    sha, dirty = _git()
    return Environment(
        energyprof=energyprof.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        hostname_hash=hashlib.sha256(platform.node().encode()).hexdigest()[:12],
        cpu=cpu_name(),
        logical_cpus=os.cpu_count(),
        memory_bytes=_memory_bytes(),
        gpus=gpus,
        git_sha=sha,
        git_dirty=dirty,
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def shorten_home(text: str) -> str:
    """Write the home folder as ``~``, wherever it occurs in a text."""
    try:
        home = str(Path.home())
    except RuntimeError:  # a user without an entry, as containers have them
        return text
    return text.replace(home, "~") if home not in ("/", "") else text


@cache
def cpu_name() -> str | None:
    """Return the processor's model name as the system gives it, or None."""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
                names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
                return next(names, None) or platform.processor() or None
        except OSError:
            return None
    return platform.processor() or None


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _memory_bytes() -> int | None:
    import psutil

    try:
        return int(psutil.virtual_memory().total)
    except (OSError, psutil.Error):  # the kernel's figures are hidden, as in some sandboxes
        return None


def _git() -> tuple[str | None, bool | None]:
    """Return the commit of the working folder and whether it has changes, or None where there is no git."""
    # Without locks: a status that renews the index would get in the way of the user's own git.
    command = ("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    lines = done.stdout.splitlines()
    sha = next((line.split()[2] for line in lines if line.startswith("# branch.oid")), "(initial)")
    return None if sha == "(initial)" else sha[:12], any(not line.startswith("#") for line in lines)


def seed_of_environment() -> int | None:
    """Return the seed that a sitting gave this run, or None."""
    text = os.environ.get("ENERGYPROF_SEED", "")
    return int(text) if text.isdecimal() else None
