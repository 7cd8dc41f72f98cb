from __future__ import annotations

import dataclasses
import html
import re

import numpy as np
import pytest

from energyprof.record.model import (
    EmbodiedCarbon,
    EnergyBeside,
    Epoch,
    Flag,
    MemoryByCause,
    PhaseEnergy,
    Provenance,
    Quantity,
    Report,
    ResumedFrom,
    Severity,
    ToolBeside,
    Totals,
)
from energyprof.record.trace import Trace
from energyprof.report.encode import unpack
from energyprof.report.sections import energy, learner, learning, memory, method, steps, timeline
from energyprof.report.sections.layers import layer_lines
from energyprof.report.timeline import panels_of
from energyprof.report.view import RunView

Runs = dict[str, tuple[Report, Trace]]


def test_layers_are_added_up_over_their_phases(runs: Runs) -> None:
    report, _ = runs["gpu"]
    lines = layer_lines(report)
    assert [line.name for line in lines] == ["layer1", "layer2"]
    assert set(lines[0].kinds) == {"forward", "local update"}
    assert lines[0].energy_j == sum(lines[0].kinds.values())


def test_layers_are_ordered_by_number(bare: Report) -> None:
    joules = Quantity(value=1.0, source=Provenance.COUNTER)
    phases = tuple(
        PhaseEnergy(name=f"train/layer{k}/forward", seconds=1, count=1, energy_j=joules) for k in (10, 2, 1)
    )

    report = dataclasses.replace(bare, phases=phases, totals=Totals(energy_j=joules))
    assert [line.name for line in layer_lines(report)] == ["layer1", "layer2", "layer10"]


def test_a_run_without_layers_has_no_table_of_layers(runs: Runs, bare: Report) -> None:
    assert layer_lines(bare) == []
    assert layer_lines(runs["hostile"][0]) == []


def test_a_ledger_that_does_not_add_up_says_so(runs: Runs) -> None:
    report, trace = runs["gpu"]
    wrong = dataclasses.replace(report, phases=report.phases[:2])
    assert "do not add up" in energy.section(RunView(wrong, trace)).body
    assert "The lines add up" in energy.section(RunView(report, trace)).body


def test_rounding_is_not_shown_as_energy_above_idle(busy_host: Report) -> None:
    body = energy.section(RunView(busy_host, None)).body
    assert "Above idle is not known: by the CPU's model the host was as busy" in html.unescape(body)


def test_estimated_bounds_are_not_called_guaranteed(runs: Runs) -> None:
    assert "guaranteed bounds" not in energy.section(RunView(*runs["cpu"])).body
    assert "guaranteed bounds" in energy.section(RunView(*runs["gpu"])).body


def test_memory_names_what_it_could_not_tell_apart(bare: Report) -> None:
    report = dataclasses.replace(bare, memory=MemoryByCause(parameters=1024, gradients=2048))
    body = memory.section(RunView(report, None)).body
    assert "not told apart: optimizer state, activations, the rest" in body
    assert "3.00 KiB" in body


def test_whose_the_peak_on_the_device_is_stands_beside_it(bare: Report) -> None:
    field = "totals.peak_device_memory_bytes"
    card = Flag(code="whole-card-memory", severity=Severity.INFO, message="By the driver.", field=field)
    report = dataclasses.replace(bare, totals=Totals(peak_device_memory_bytes=2**29))
    body = memory.section(RunView(report, None)).body
    assert re.search(r"Peak on the device</dt><dd>512 MiB", body)
    body = memory.section(RunView(dataclasses.replace(report, flags=(card,)), None)).body
    assert re.search(r"Peak in use on the whole card</dt><dd>512 MiB", body)


def test_a_peak_that_is_missing_says_why(bare: Report) -> None:
    field = "totals.peak_device_memory_bytes"
    message = f"{field} is not known: training ran on the CPU."
    none = Flag(code="missing-value", severity=Severity.INFO, message=message, field=field)
    body = memory.section(RunView(dataclasses.replace(bare, flags=(none,)), None)).body
    assert re.search(r"Peak on the device</dt><dd>training ran on the CPU<", body)


def test_what_was_kept_to_be_computed_once_is_a_cause_where_there_is_any(bare: Report) -> None:
    for cache, said in ((None, False), (4096, True)):
        report = dataclasses.replace(bare, memory=MemoryByCause(parameters=1024, cache=cache))
        body = memory.section(RunView(report, None)).body
        assert ("cache" in body) is said
        assert ("4.00 KiB" in body) is said


def test_a_run_that_continues_another_says_so(bare: Report) -> None:
    before = ResumedFrom(run="20260101-first", stage="layer2", epoch=1, passes=6)
    report = dataclasses.replace(bare, run=dataclasses.replace(bare.run, resumed_from=before))
    body = method.section(RunView(report, None)).body
    assert "20260101-first, after 1 epoch of layer2 (pass 6)" in body
    assert "Continues" not in method.section(RunView(bare, None)).body


def test_what_the_total_leaves_out_depends_on_what_was_read(runs: Runs) -> None:
    assert any("processor" in text for text in method.not_counted(runs["no-sensor"][0]))
    assert not any("processor:" in text for text in method.not_counted(runs["gpu"][0]))


OWN = {"rule": "own-convergence", "epochs": 100, "patience": 20}


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ({**OWN, "watched": "validation_loss"}, "20 epochs without a better validation loss, or after 100,"),
        (
            {**OWN, "patience": 1, "watched": "validation_accuracy"},
            "1 epoch without a better validation accuracy, or after 100, with the weights of its best epoch",
        ),
        ({"rule": "own-convergence", "patience": 3}, "3 epochs without a better validation loss, with the"),
    ],
)
def test_learning_says_by_which_figure_training_ended(
    runs: Runs, protocol: dict[str, object], said: str
) -> None:
    report, trace = runs["gpu"]
    work = dataclasses.replace(report.workload, protocol=protocol)
    body = learning.section(RunView(dataclasses.replace(report, workload=work), trace)).body
    assert said in body


@pytest.mark.parametrize(
    "protocol",
    [{}, {"rule": "fixed-epochs", "epochs": 5}, {"rule": "own-convergence", "patience": "much"}],
)
def test_learning_says_nothing_of_a_rule_that_watches_nothing(
    runs: Runs, protocol: dict[str, object]
) -> None:
    report, trace = runs["gpu"]
    work = dataclasses.replace(report.workload, protocol=protocol)
    body = learning.section(RunView(dataclasses.replace(report, workload=work), trace)).body
    assert "The rule:" not in body


def test_learning_marks_where_the_target_was_met(runs: Runs) -> None:
    report, trace = runs["gpu"]
    work = dataclasses.replace(report.workload, protocol={"target_accuracy": 0.9})
    body = learning.section(RunView(dataclasses.replace(report, workload=work), trace)).body
    assert "target after" in body


def test_a_learners_own_figures_are_grouped_by_what_they_are(bare: Report) -> None:

    metrics = {"layer1/goodness": 1.0, "layer2/goodness": 2.0, "sparsity": 0.5, "test_accuracy": 0.9}
    epochs = tuple(Epoch(index=k, stage="train", start_s=0, end_s=1, metrics=metrics) for k in range(2))
    report = dataclasses.replace(bare, epochs=epochs)
    found = learner.families(report)
    assert found["goodness"] == {"layer1": "layer1/goodness", "layer2": "layer2/goodness"}
    assert list(found) == ["goodness", "sparsity"]
    made = learner.section(RunView(report, None))
    assert made is not None
    assert "goodness by epoch of layer1, layer2" in made.body


def test_layers_that_take_turns_have_their_local_losses_shown(bare: Report) -> None:
    epochs = tuple(
        Epoch(index=k % 2, stage=f"layer{k // 2 + 1}", start_s=k, end_s=k + 1, train_loss=1.0 / (k + 1))
        for k in range(4)
    )
    made = learner.section(RunView(dataclasses.replace(bare, epochs=epochs), None))
    assert made is not None
    assert "local loss by stage by epoch of layer1, layer2" in made.body
    short = learner.section(RunView(dataclasses.replace(bare, epochs=epochs[:3]), None))
    assert short is not None
    assert 'class="dot s2' in short.body
    one = dataclasses.replace(bare, epochs=tuple(dataclasses.replace(e, stage="train") for e in epochs))
    assert learner.section(RunView(one, None)) is None


def test_a_learner_that_logs_nothing_has_no_section_of_its_own(bare: Report) -> None:
    assert learner.section(RunView(bare, None)) is None


def test_the_steps_of_the_page_are_those_of_the_run(runs: Runs) -> None:
    view = RunView(*runs["gpu"])
    data = steps.data(view)
    assert data is not None
    assert view.steps is not None
    assert data["size"] == 1
    assert len(unpack(data["columns"]["duration_s"])) == len(view.steps.duration_s)


def test_the_drawing_without_scripts_keeps_to_the_window(runs: Runs) -> None:
    report, trace = runs["gpu"]
    for panel in panels_of(report, trace):
        text = timeline.drawing(panel, report.totals.duration_s)
        starts = [float(x) for x in re.findall(r'class="line [^"]*" d="M([-\d.]+) ', text)]
        assert starts
        assert all(0 <= x <= 1000 for x in starts)


def test_a_level_that_spans_the_window_is_drawn_across_it(runs: Runs) -> None:
    report, trace = runs["gpu"]
    clocks = next(p for p in panels_of(report, trace) if p.key == "clocks")
    found = re.search(r'class="line [^"]*" d="M([-\d.]+) [-\d.]+l([^"]*)"', timeline.drawing(clocks, 8.0))
    assert found is not None
    moves = [float(x) for x in re.findall(r"-?[\d.]+", found[2])][::2]
    assert float(found[1]) == 0
    assert sum(moves) == pytest.approx(1000, abs=20)


def test_a_histogram_of_equal_steps_is_left_out() -> None:
    assert steps.histogram("time", np.full(50, 0.01), "s", str) is None
    assert steps.histogram("time", np.array([1.0, 2.0]), "s", str) is None


def test_a_histogram_says_how_many_lie_beyond() -> None:
    values = np.concatenate([np.linspace(1.0, 1.1, 97), [9.0, 9.5, 10.0]])
    made = steps.histogram("time", values, "s", str)
    assert made is not None
    assert (made["longer"], made["greatest"]) == (3, "10.0")


def test_what_was_given_of_building_and_making_is_reckoned_and_no_longer_listed_as_left_out(
    runs: Runs,
) -> None:
    report, trace = runs["gpu"]
    making = EmbodiedCarbon(total_kg=100, lifetime_years=2)
    carbon = dataclasses.replace(
        report.carbon, pue=1.5, pue_co2e_kg=0.004, embodied=making, embodied_co2e_kg=0.00025
    )
    told = dataclasses.replace(report, carbon=carbon)
    left_out = " ".join(method.not_counted(told))
    assert "PUE" not in left_out
    assert "embodied" not in left_out
    assert "power supply" in left_out
    body = html.unescape(method.section(RunView(told, trace)).body)
    assert "This alone is the run's CO₂e." in body
    assert "4.00 g, the CO₂e of the energy × (PUE − 1), with a PUE of 1.5 as given" in body
    assert "250 mg, the run's share of 100 kg over 2 years" in body
    assert "This alone" not in html.unescape(method.section(RunView(report, trace)).body)


def test_a_pue_that_gave_no_figure_is_still_listed_as_left_out(bare: Report) -> None:
    told = dataclasses.replace(bare, carbon=dataclasses.replace(bare.carbon, pue=1.5))
    assert any("PUE" in text for text in method.not_counted(told))


def test_another_tool_beside_is_held_against_the_record_and_named_in_what_measuring_cost(runs: Runs) -> None:
    report, trace = runs["gpu"]
    energies = (
        EnergyBeside(kind="gpu", energy_j=900.0, ours_j=1000.0, relative_gap=-0.1),
        EnergyBeside(kind="ram", energy_j=20.0),
    )
    tool = ToolBeside(tool="CodeCarbon 3.3.2", duration_s=99.0, gpus=1, energies=energies)
    check = dataclasses.replace(report.cross_check, codecarbon=tool)
    told = dataclasses.replace(report, cross_check=check)
    body = html.unescape(energy.section(RunView(told, trace)).body)
    assert "GPU: CodeCarbon counted 900 J, this record 1.00 kJ: 10.0 % less." in body
    assert "It counted for 1 min 39 s, and the window is" in body
    assert "nothing that it counted is in the totals" in body
    assert "in none of these figures" in method.section(RunView(told, trace)).body
    assert "Another tool" not in energy.section(RunView(report, trace)).body
