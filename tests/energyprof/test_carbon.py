from __future__ import annotations

import math
from pathlib import Path

import pytest

import energyprof
from energyprof.carbon import carbon_beside, carbon_intensity, embodied_carbon
from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import Carbon, EmbodiedCarbon

GIVEN = EmbodiedCarbon(total_kg=150.0, lifetime_years=4.0, reserved=0.5)


@pytest.mark.parametrize("code", ["FRA", "fra", "FR", "fr"])
def test_a_country_is_named_by_either_code_of_iso_3166(code: str) -> None:
    carbon = carbon_intensity(code)
    assert carbon == carbon_intensity("FRA")
    assert carbon.country == "FRA"
    assert str(carbon.source).endswith(", France")


def test_a_code_of_no_country_is_no_nearest_country_but_those_that_begin_alike() -> None:
    with pytest.raises(UnknownName, match=r"known are .*GBR \(United Kingdom\), .*UKR \(Ukraine\)") as caught:
        carbon_intensity("UK")
    assert "did you mean" not in str(caught.value)
    with pytest.raises(UnknownName, match=r"known are ABW, AFG"):
        carbon_intensity("")


def test_a_country_without_data_is_unknown_by_either_code() -> None:
    for code in ("MC", "MCO"):  # Monaco is in ISO 3166, not in CodeCarbon's table
        with pytest.raises(UnknownName, match=f"unknown country code .* '{code}'"):
            carbon_intensity(code)


def test_a_country_beside_an_intensity_is_refused_as_one_would_go_unused() -> None:
    with pytest.raises(UsageError, match="country FRA and an intensity of 5 g/kWh are two figures"):
        carbon_intensity("FRA", 5.0)
    assert carbon_intensity(None, 5.0) == Carbon(intensity_g_per_kwh=5.0, source="given by the user")


def test_nothing_stands_beside_where_nothing_was_given() -> None:
    plain = carbon_intensity(None, 100.0)
    assert carbon_beside(plain, None, None) == plain
    assert embodied_carbon(None, None, None) is None


def test_what_was_given_is_kept_and_worked_out_only_when_the_run_is_over() -> None:
    carbon = carbon_beside(Carbon(intensity_g_per_kwh=100.0), 1.3, GIVEN)
    assert (carbon.pue, carbon.embodied) == (1.3, GIVEN)
    assert (carbon.pue_co2e_kg, carbon.embodied_co2e_kg) == (None, None)


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.0, math.inf, math.nan])
def test_a_pue_below_one_or_not_finite_is_one_clear_line(pue: float) -> None:
    with pytest.raises(UsageError, match=r"PUE .*: give a number of at least 1") as caught:
        carbon_beside(Carbon(), pue, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("total_kg", "years", "reserved", "message"),
    [
        (-1.0, 4.0, 1.0, "-1 kg: give a number of at least 0"),
        (math.inf, 4.0, 1.0, "inf kg"),
        (150.0, 0.0, 1.0, "lifetime of 0 years: give a number above 0"),
        (150.0, math.nan, 1.0, "lifetime of nan years"),
        (150.0, 4.0, 0.0, "give a share above 0, at most 1"),
        (150.0, 4.0, 1.01, "1.01 of the hardware reserved"),
    ],
)
def test_an_embodied_figure_that_cannot_be_meant_is_refused(
    total_kg: float, years: float, reserved: float, message: str
) -> None:
    embodied = EmbodiedCarbon(total_kg=total_kg, lifetime_years=years, reserved=reserved)
    with pytest.raises(UsageError, match=message):
        carbon_beside(Carbon(), None, embodied)


def test_kilograms_and_years_go_together_and_all_of_the_hardware_is_the_runs_own() -> None:
    assert embodied_carbon(150.0, 4.0, None) == EmbodiedCarbon(total_kg=150.0, lifetime_years=4.0)
    assert embodied_carbon(150.0, 4.0, 0.5) == GIVEN
    with pytest.raises(UsageError, match=r"add --lifetime-years$"):
        embodied_carbon(150.0, None, None)
    with pytest.raises(UsageError, match=r"add --embodied-kg$"):
        embodied_carbon(None, 4.0, None)
    with pytest.raises(UsageError, match=r"add --embodied-kg and --lifetime-years$"):
        embodied_carbon(None, None, 0.5)


def test_a_profiler_refuses_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="PUE"):
        energyprof.Profiler("t", out=tmp_path / "runs", pue=0.5)
    assert not (tmp_path / "runs").exists()


def test_a_profiler_takes_both_and_its_report_has_both(tmp_path: Path) -> None:
    given = energyprof.EmbodiedCarbon(total_kg=1e6, lifetime_years=1.0)
    with energyprof.Profiler("t", out=tmp_path, sensors=[], html=False, pue=1.2, embodied=given) as prof:
        pass
    report = prof.run.report
    assert report.carbon.embodied_co2e_kg == pytest.approx(report.totals.duration_s / 31_557_600 * 1e6)
    assert report.carbon.pue_co2e_kg is None  # no sensor, no energy, no CO2e to multiply
    told = [flag.message for flag in report.flags if flag.field == "carbon.pue_co2e_kg"]
    assert told == ["carbon.pue_co2e_kg is not known: CO2e of the energy is not known."]
