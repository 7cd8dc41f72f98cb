from __future__ import annotations

import pytest

from energyprof.sensors.ranks import Rank, rank_of
from energyprof.sensors.visibility import Visibility


@pytest.mark.parametrize(
    "environment",
    [{}, {"RANK": "0"}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "x", "WORLD_SIZE": "2"}],
)
def test_a_process_that_is_alone_has_no_rank(environment: dict[str, str]) -> None:
    assert rank_of(environment) is None


def test_a_rank_is_told_by_what_torchrun_sets() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert rank_of(environment) == Rank(number=5, local=1, local_count=4)
    assert rank_of({"RANK": "1", "WORLD_SIZE": "2"}) == Rank(number=1, local=1, local_count=2)


@pytest.mark.parametrize(("ranks", "gpus"), [(2, 2), (2, 8), (3, 8), (4, 4)])
def test_every_gpu_of_a_node_is_recorded_by_exactly_one_rank(ranks: int, gpus: int) -> None:
    dealt = [index for k in range(ranks) for index in Rank(number=k, local=k, local_count=ranks).gpus(gpus)]
    assert sorted(dealt) == list(range(gpus))


def test_a_rank_that_was_given_a_gpu_of_its_own_records_it() -> None:
    rank = Rank(number=3, local=3, local_count=4)
    assert list(rank.gpus(1)) == [0]
    assert any("share" in note for note in rank.notes(1))


def test_gpus_that_a_rank_was_shown_alone_are_its_own_where_there_are_enough_for_all() -> None:
    rank = Rank(number=1, local=1, local_count=2)
    assert rank.owns(2, 4, Visibility.OWN)
    assert not rank.owns(2, 3, Visibility.OWN)  # some are shown to both
    assert not rank.owns(2, 4, Visibility.SAME)
    assert not rank.owns(2, 4, Visibility.UNKNOWN)
    assert list(rank.gpus(2, own=True)) == [0, 1]
    assert "records all of them" in rank.notes(2, [0, 1], own=True)[-1]


def test_where_nobody_knows_what_the_others_see_the_note_says_what_may_be_missing() -> None:
    rank = Rank(number=0, local=0, local_count=2)
    (sure,) = rank.notes(2, [0])
    assert sure == "of the 2 GPUs that rank 0 sees it records gpu:0, the other ranks the rest"
    (unsure,) = rank.notes(2, [0], certain=False)
    assert "if each was shown GPUs of its own, nobody measures the rest" in unsure


def test_only_the_first_rank_of_a_node_counts_the_host() -> None:
    first, second = (Rank(number=k + 2, local=k, local_count=2) for k in range(2))
    assert first.counts_host
    assert not second.counts_host
    assert any("first rank" in note for note in second.notes(0))
    assert first.notes(0) == ()
