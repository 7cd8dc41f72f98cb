from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from energyprof.analysis.carbon import with_carbon_shares
from energyprof.record.model import (
    EmbodiedCarbon,
    Epoch,
    Flag,
    Provenance,
    Quality,
    Quantity,
    Report,
    Severity,
    Totals,
)
from energyprof.record.trace import Trace
from energyprof.report.carbon_lines import intensity_text
from energyprof.report.sections.answer import Answer, answers_of, lead_of

Runs = dict[str, tuple[Report, Trace]]


def titled(report: Report, start: str) -> Answer:
    return next(answer for answer in answers_of(report) if answer.title.startswith(start))


def with_(report: Report, **fields: Any) -> Report:
    return dataclasses.replace(report, **fields)


def test_what_stands_beside_the_carbon_is_told_under_it_and_is_not_in_it(runs: Runs) -> None:
    report = runs["gpu"][0]
    carbon = with_carbon_shares(
        dataclasses.replace(
            report.carbon, pue=1.5, embodied=EmbodiedCarbon(total_kg=100, lifetime_years=1, reserved=0.25)
        ),
        0.008,
        315.576,
    )
    answer = titled(with_(report, carbon=carbon), "CO")
    assert answer.figure == titled(report, "CO").figure
    assert answer.notes[-1] == "beside it: building 4.00 g, making 250 mg"
    assert "beside it" not in " ".join(titled(report, "CO").notes)


def test_the_six_figures_are_there_for_every_kind_of_run(runs: Runs) -> None:
    for report, _ in runs.values():
        titles = [answer.title for answer in answers_of(report)]
        assert len(titles) == 6
        assert titles[0] == "Energy"


def test_energy_carries_bounds_and_provenance(runs: Runs) -> None:
    answer = titled(runs["gpu"][0], "Energy")
    assert answer.source is Provenance.COUNTER
    assert answer.figure is not None
    assert answer.figure[1] == "kJ"
    assert answer.notes[0] == "1.86 to 1.87 kJ (−0.8 %, +0.1 %)"


def test_wide_bounds_are_drawn_and_close_ones_are_not(runs: Runs) -> None:
    assert titled(runs["gpu"][0], "Energy").span is None
    span = titled(runs["cpu"][0], "Energy").span
    assert span is not None
    left, width, mark = span
    assert left <= mark <= left + width <= 100


def test_unknown_energy_is_said_and_not_zero(runs: Runs) -> None:
    answer = titled(runs["no-sensor"][0], "Energy")
    assert answer.figure is None
    assert "sensor" in answer.absent
    assert "Its energy is not known" in lead_of(runs["no-sensor"][0])


def epochs(*accuracies: float | None) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            index=k,
            stage="train",
            start_s=k,
            end_s=k + 1.0,
            cumulative_energy_j=100.0 * (k + 1),
            validation_accuracy=accuracy,
        )
        for k, accuracy in enumerate(accuracies)
    )


def test_a_target_that_is_reached_gives_the_energy_until_then(bare: Report) -> None:
    work = dataclasses.replace(bare.workload, protocol={"target_accuracy": 0.9})
    report = with_(bare, workload=work, epochs=epochs(0.5, None, 0.92, 0.95))
    assert titled(report, "Energy to 90.0 %").figure == ("300", "J")


def test_a_target_that_is_not_reached_is_said(bare: Report) -> None:
    work = dataclasses.replace(bare.workload, protocol={"target_accuracy": 0.99})
    answer = titled(with_(bare, workload=work, epochs=epochs(0.5, 0.9)), "Energy to 99.0 %")
    assert (answer.figure, answer.absent) == (None, "not reached")
    assert answer.notes == ("best was 90.00 %",)


def test_a_target_without_any_accuracy_is_not_told_as_missed(bare: Report) -> None:
    work = dataclasses.replace(bare.workload, protocol={"target_accuracy": 0.99})
    answer = titled(with_(bare, workload=work, epochs=epochs(None, None)), "Energy to 99.0 %")
    assert (answer.figure, answer.absent, answer.notes) == (None, "no accuracy logged", ())


def test_a_target_that_is_reached_on_unknown_energy_is_not_told_as_missed(bare: Report) -> None:
    work = dataclasses.replace(bare.workload, protocol={"target_accuracy": 0.9})
    unmetered = tuple(dataclasses.replace(e, cumulative_energy_j=None) for e in epochs(0.5, 0.92))
    answer = titled(with_(bare, workload=work, epochs=unmetered), "Energy to 90.0 %")
    assert (answer.figure, answer.absent) == (None, "not known")
    assert answer.notes == ("reached in epoch 2, after 2.00 s",)


def test_without_a_target_the_best_accuracy_stands_in_and_that_is_said(bare: Report) -> None:
    answer = titled(with_(bare, epochs=epochs(0.5, 0.9, 0.8)), "Energy to best")
    assert answer.figure == ("200", "J")
    assert "no target was set" in answer.notes


def test_the_driver_s_figure_of_a_card_is_not_told_as_the_run_s_own(bare: Report) -> None:
    field = "totals.peak_device_memory_bytes"
    card = Flag(code="whole-card-memory", severity=Severity.INFO, message="By the driver.", field=field)
    known = with_(bare, totals=Totals(peak_device_memory_bytes=2**29, peak_host_memory_bytes=2**30))
    assert titled(known, "Peak memory").notes == ("on the device", "host 1.00 GiB")
    named = titled(with_(known, flags=(card,)), "Peak memory")
    assert named.notes == ("of the whole card, by its driver", "host 1.00 GiB")


def test_an_assumed_place_is_named_as_an_assumption(runs: Runs) -> None:
    assert any("assumed" in note for note in titled(runs["gpu"][0], "CO").notes)


@pytest.mark.parametrize(
    ("duration_s", "rate"),
    [(1.0, "100 samples a second"), (250.0, "0.4 samples a second"), (100.0, "1 sample a second")],
)
def test_a_slow_rate_is_not_rounded_to_nothing(bare: Report, duration_s: float, rate: str) -> None:
    report = with_(bare, totals=Totals(duration_s=duration_s, samples=100, steps=1))
    assert titled(report, "Time").notes[-1] == rate


def test_no_samples_are_not_counted_out(bare: Report) -> None:
    assert titled(with_(bare, totals=Totals(samples=0)), "Energy a sample").notes == ()


@pytest.mark.parametrize(
    ("intensity", "shown"), [(0.4, "0.4"), (56.04, "56"), (480.0, "480"), (1234.0, "1234"), (0.0, "0")]
)
def test_an_intensity_is_told_with_the_digits_that_it_has(intensity: float, shown: str) -> None:
    assert intensity_text(intensity) == f"at {shown} g/kWh"


def test_the_lead_names_what_ran_as_far_as_it_is_known(bare: Report) -> None:
    def begins(**work: str | None) -> str:
        named = with_(
            bare, workload=dataclasses.replace(bare.workload, **{"algo": None, "dataset": None, **work})
        )
        part = flagged(named, "part-of-run", Severity.WARNING)
        return f"{lead_of(named).partition(' ran')[0]} | {lead_of(part).partition(' ran')[0]}"

    assert begins(algo="mf", dataset="mnist") == "mf on mnist | This part of a resumed run, mf on mnist,"
    assert begins(dataset="mnist") == "A loop on mnist | This part of a resumed run, a loop on mnist,"
    assert begins() == "A program | This part of a resumed run, a program,"


def test_a_gap_of_nothing_is_not_told(bare: Report) -> None:
    told = "an energy sensor could not be read"
    assert told in lead_of(flagged(energised(bare), "sampling-gap", Severity.WARNING, 0.02))
    assert told not in lead_of(flagged(energised(bare), "sampling-gap", Severity.WARNING, 0.0001))


def energised(report: Report) -> Report:
    return with_(
        report, totals=Totals(energy_j=Quantity(value=5.0, low=4.0, high=6.0, source=Provenance.COUNTER))
    )


@pytest.mark.parametrize(("steps", "words"), [(0, "ran for"), (1, "ran 1 step in"), (20, "ran 20 steps in")])
def test_the_lead_counts_steps_in_words(bare: Report, steps: int, words: str) -> None:
    totals = Totals(duration_s=3.0, steps=steps)
    assert words in lead_of(with_(bare, totals=totals))


def test_the_lead_says_that_an_estimate_is_one(bare: Report) -> None:
    joules = Quantity(value=5.0, low=1.0, high=9.0, source=Provenance.ESTIMATED)
    report = with_(bare, totals=Totals(energy_j=joules), quality=Quality(validation_accuracy=0.5))
    assert lead_of(report).endswith("reaching 50.0 % validation accuracy. The joules are a model's estimate, "
                                    "not a measurement.")  # fmt: skip


def flagged(report: Report, code: str, severity: Severity, value: float | None = None) -> Report:
    flag = Flag(code=code, severity=severity, message="told elsewhere", value=value)
    return with_(report, flags=(*report.flags, flag))


def test_a_part_of_a_resumed_run_is_never_told_as_the_whole(runs: Runs) -> None:
    whole = runs["gpu"][0]
    part = flagged(whole, "part-of-run", Severity.WARNING)
    assert lead_of(part).startswith("This part of a resumed run, mf on mnist, ran 500 steps")
    assert "without what came before this part" in titled(part, "Energy to").notes
    assert "resumed" not in lead_of(whole)
    assert "without what came before this part" not in titled(whole, "Energy to").notes


def test_the_first_sentence_says_for_how_long_a_sensor_was_silent(runs: Runs) -> None:
    gone = flagged(runs["gpu"][0], "sampling-gap", Severity.WARNING, 0.925)
    assert "For 92.5 % of the time an energy sensor could not be read." in lead_of(gone)
    brief = flagged(runs["gpu"][0], "sampling-gap", Severity.INFO, 0.004)
    assert "could not be read" not in lead_of(brief)
