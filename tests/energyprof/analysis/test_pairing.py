from __future__ import annotations

import dataclasses

from energyprof.analysis.pairing import paired_runs, same_seeds
from energyprof.record.model import Environment, Report, RunInfo, RunStatus


def run(seed: int | None, minute: int, host: str | None = "abc") -> Report:
    return Report(
        run=RunInfo(
            id=f"{seed}-{minute}",
            name="r",
            status=RunStatus.COMPLETED,
            started_at=f"2026-01-01T00:{minute:02d}:00Z",
            seed=seed,
        ),
        environment=Environment(energyprof="0", python="3", platform="Linux", hostname_hash=host),
    )


def test_a_b_b_a_forms_pairs() -> None:
    base, head = [run(0, 0), run(1, 3)], [run(1, 2), run(0, 1)]
    assert paired_runs(base, head) == [(0, 1), (1, 0)]


def test_one_side_after_the_other_is_no_interleaving() -> None:
    assert paired_runs([run(k, k) for k in range(3)], [run(k, 10 + k) for k in range(3)]) is None


def test_a_seed_without_its_partner_breaks_the_design() -> None:
    assert paired_runs([run(0, 0), run(1, 2)], [run(0, 1), run(2, 3)]) is None


def test_runs_that_do_not_say_when_or_where_are_no_pairs() -> None:
    assert paired_runs([run(0, 0, None), run(1, 2, None)], [run(0, 1, None), run(1, 3, None)]) is None
    odd = run(0, 0)
    odd = dataclasses.replace(odd, run=dataclasses.replace(odd.run, started_at="yesterday"))
    assert paired_runs([odd, run(1, 2)], [run(0, 1), run(1, 3)]) is None


def test_a_seed_used_twice_pairs_with_nothing() -> None:
    assert same_seeds([run(0, 0), run(0, 1), run(1, 2)], [run(0, 3), run(1, 4), run(None, 5)]) == [(2, 1)]
