from __future__ import annotations

import pytest

from energyprof.sensors.architectures import traits_of
from energyprof.testing.cards import CARDS


@pytest.mark.parametrize("name", CARDS)
def test_the_table_agrees_with_the_stand_in_cards(name: str) -> None:
    card = CARDS[name]
    traits = traits_of(card.architecture, card.capability)
    assert traits.refresh_ns == card.sensor.refresh_ns
    assert traits.window_ns == card.sensor.window_ns
    assert traits.usage_is_average == card.sensor.usage_is_average


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    for architecture in (None, 10, 4711):
        traits = traits_of(architecture, None)
        assert traits.window_ns is None
        assert traits.seen_share is None


def test_the_share_of_time_that_readings_see_is_window_by_refresh() -> None:
    assert traits_of(9, (9, 0)).seen_share == 0.25
    assert traits_of(6, (7, 5)).seen_share == 1.0


def test_the_ga100_is_told_from_its_kin_by_compute_capability() -> None:
    assert traits_of(7, (8, 0)).architecture == "Ampere (GA100)"
    assert not traits_of(7, (8, 0)).usage_is_average
    assert traits_of(7, (8, 6)).usage_is_average
