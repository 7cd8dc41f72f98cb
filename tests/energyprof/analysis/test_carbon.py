from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.carbon import co2e_kg, embodied_share_kg, with_carbon_shares
from energyprof.record.model import Carbon, EmbodiedCarbon, Provenance, Quantity

KWH = Quantity(value=3.6e6, source=Provenance.COUNTER)


def test_co2e_is_energy_times_intensity_or_not_known() -> None:
    assert co2e_kg(KWH, Carbon(intensity_g_per_kwh=480.0)) == pytest.approx(0.48)
    assert co2e_kg(Quantity.missing(), Carbon(intensity_g_per_kwh=480.0)) is None
    assert co2e_kg(KWH, Carbon()) is None


def test_a_building_adds_its_pue_less_one_and_one_of_one_adds_nothing() -> None:
    assert with_carbon_shares(Carbon(pue=1.3), 2.0, 60.0).pue_co2e_kg == pytest.approx(0.6)
    assert with_carbon_shares(Carbon(pue=1.0), 2.0, 60.0).pue_co2e_kg == 0.0
    assert with_carbon_shares(Carbon(pue=1.3), None, 60.0).pue_co2e_kg is None
    assert with_carbon_shares(Carbon(), 2.0, 60.0) == Carbon()


def test_the_share_of_the_making_is_te_times_ts_times_rs() -> None:
    """Half a server of 1,000 kg that serves four years, for the 1,461 days of them and for one."""
    server = EmbodiedCarbon(total_kg=1000.0, lifetime_years=4.0, reserved=0.5)
    assert embodied_share_kg(server, 1461 * 86_400.0) == pytest.approx(500.0)
    assert embodied_share_kg(server, 86_400.0) == pytest.approx(500.0 / 1461)


def test_a_lifetime_that_somebody_edited_to_nothing_gives_no_figure() -> None:
    assert embodied_share_kg(EmbodiedCarbon(total_kg=1.0, lifetime_years=0.0), 1.0) is None


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1e5), st.floats(0.1, 30), st.floats(0.01, 1), st.floats(0, 1e7), st.integers(2, 5))
def test_the_shares_of_the_parts_of_a_run_add_up(
    total_kg: float, years: float, reserved: float, duration_s: float, parts: int
) -> None:
    embodied = EmbodiedCarbon(total_kg=total_kg, lifetime_years=years, reserved=reserved)
    whole, part = (embodied_share_kg(embodied, s) for s in (duration_s, duration_s / parts))
    assert whole == pytest.approx((part or 0.0) * parts)
