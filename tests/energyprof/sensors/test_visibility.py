from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from energyprof.sensors.visibility import Visibility, launcher_environment, visibility

TWO = {"CUDA_VISIBLE_DEVICES": "0,1"}


@pytest.mark.parametrize(
    ("environment", "launcher", "shown"),
    [
        ({}, None, Visibility.SAME),
        (TWO, None, Visibility.UNKNOWN),
        (TWO, TWO, Visibility.SAME),
        (TWO, {}, Visibility.OWN),
        (TWO, {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, Visibility.OWN),
    ],
)
def test_what_differs_from_the_launchers_was_set_for_this_rank(
    environment: Mapping[str, str], launcher: Mapping[str, str] | None, shown: Visibility
) -> None:
    assert visibility(environment, launcher) is shown


RANK = """
import json, os
from energyprof.sensors.visibility import launcher_environment
found = launcher_environment(os.getpid(), os.environ)
print(json.dumps(found and found.get("CUDA_VISIBLE_DEVICES")))
"""
#: Starts a rank as torchrun does, by way of a script that shows it GPUs of its own.
LAUNCHER = """
import os, subprocess, sys
of_rank = {**os.environ, **({"TORCHELASTIC_RUN_ID": "none"} if sys.argv[2] == "torchrun" else {})}
script = 'export CUDA_VISIBLE_DEVICES=2,3; "$0" -c "$1"; true'
subprocess.run(["sh", "-c", script, sys.executable, sys.argv[1]], env=of_rank, check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems show no process's environment")
@pytest.mark.parametrize(("launcher", "told"), [("torchrun", "0,1,2,3"), ("a shell", None)])
def test_torchruns_environment_is_found_past_a_script_in_between(launcher: str, told: str | None) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TORCHELASTIC_RUN_ID"}
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, RANK, launcher],
        env={**environment, "CUDA_VISIBLE_DEVICES": "0,1,2,3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == told


def test_a_process_that_is_gone_has_no_launcher() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert launcher_environment(child.pid, {"TORCHELASTIC_RUN_ID": "none"}) is None
