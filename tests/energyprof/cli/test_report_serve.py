from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from energyprof.cli import main

CODE = "import sys; from energyprof.cli import main; sys.exit(main())"


def test_serving_prints_the_address_and_ends_cleanly_at_ctrl_c(two_runs: Path, tmp_path: Path) -> None:
    before = sorted(path for path in two_runs.rglob("*"))
    command = [sys.executable, "-c", CODE, "report", "serve", "--out", str(two_runs)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, process_group=0
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=30) as answer:
            page = answer.read().decode()
        os.kill(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert url.startswith("http://127.0.0.1:")
    assert "first" in page
    assert (process.returncode, out) == (130, "")
    assert errors == f"'{two_runs}', to this machine only and read-only; Ctrl-C ends it\n"
    assert sorted(path for path in two_runs.rglob("*")) == before


def test_serving_a_folder_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "serve", "--out", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: no folder")
