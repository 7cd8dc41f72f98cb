"""Two processes of one training, as torchrun starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from energyprof.record.schema import read_report
from energyprof.record.store import list_runs

SCRIPT = """
import energyprof
with energyprof.Profiler("both", out={out!r}, html=False) as prof:
    for _ in prof.steps([[0] * 4] * 50):
        sum(range(20_000))
"""


def test_two_ranks_have_runs_of_their_own_and_count_the_host_once(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(out=str(tmp_path))],
            env={**os.environ, "RANK": str(k), "WORLD_SIZE": "2", "LOCAL_RANK": str(k)},
        )
        for k in range(2)
    ]
    assert [rank.wait(timeout=100) for rank in ranks] == [0, 0]
    reports = {r.run.name: r for r in (read_report(run / "report.json") for run in list_runs(tmp_path))}
    assert set(reports) == {"both-rank0", "both-rank1"}
    assert all(report.totals.steps == 50 for report in reports.values())
    assert "cpu" in reports["both-rank0"].totals.energy_by_domain_j
    assert "cpu" not in reports["both-rank1"].totals.energy_by_domain_j
    said = [flag.message for flag in reports["both-rank1"].flags]
    assert any("first rank" in message for message in said)
