from __future__ import annotations

import pytest

from energyprof.analysis.repeated_seeds import repeated_seeds_text


@pytest.mark.parametrize("seeds", [[], [None, None], [3], [0, 1, 2], [0, 1, None, None]])
def test_seeds_that_differ_or_are_not_told_are_not_spoken_of(seeds: list[int | None]) -> None:
    assert repeated_seeds_text("runs of mf", seeds) is None


def test_runs_of_one_seed_differ_by_the_machine() -> None:
    text = repeated_seeds_text("head runs", [7, 7, 7])
    assert text == (
        "all 3 head runs have seed 7: they differ by the machine alone, and their interval says nothing of "
        "other seeds"
    )


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ([0, 0, 1], "2 of the 3 runs of mf share seed 0: "),
        ([0, 0, None], "2 of the 3 runs of mf share seed 0: "),
        ([2, 0, 2, 0, 0, 5], "5 of the 6 runs of mf share seeds 0, 2: "),
        ([0, 1, 2, 3] * 2, "8 of the 8 runs of mf share seeds 0, 1, 2, ...: "),
    ],
)
def test_some_that_repeat_are_counted_and_named(seeds: list[int | None], told: str) -> None:
    text = repeated_seeds_text("runs of mf", seeds)
    assert text is not None
    assert text.startswith(told)
    assert text.endswith("may be too narrow")
