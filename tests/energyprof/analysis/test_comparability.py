from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from energyprof.analysis.comparability import (
    Strictness,
    comparability_key,
    comparable_groups,
    differences,
    key_differences,
)
from energyprof.record.model import (
    Carbon,
    EmbodiedCarbon,
    Environment,
    GpuInfo,
    Provenance,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    ToolBeside,
    Totals,
    WindowInfo,
    Workload,
)


def gpu(name: str = "NVIDIA A100-SXM4-40GB", limit_w: float = 400, **more: Any) -> GpuInfo:
    return GpuInfo(
        domain="gpu:0", name=name, uuid="GPU-1", power_limit_w=limit_w, **{"driver": "550.54", **more}
    )


def report() -> Report:
    joules = Quantity(value=100.0, low=99.0, high=101.0, source=Provenance.COUNTER)
    return Report(
        run=RunInfo(
            id="r", name="r", status=RunStatus.COMPLETED, started_at="2026-01-01T00:00:00+00:00", seed=0
        ),
        workload=Workload(
            algo="mf",
            dataset="mnist",
            dataset_sha256="ab",
            arch="mlp:10",
            schedule="concurrent",
            batch_size=128,
            precision="fp32",
            protocol={"name": "matched", "epochs": 5},
            config={"lr": 0.001},
        ),
        environment=Environment(
            energyprof="0.1.0",
            python="3.11",
            platform="Linux",
            hostname_hash="aa",
            cpu="EPYC",
            device="cuda:0",
            threads=2,
            gpus=(gpu(),),
            packages={"torch": "2.6.0+cu124"},
        ),
        window=WindowInfo(includes=("training", "evaluation")),
        totals=Totals(energy_j=joules, energy_by_domain_j={"gpu:0": joules}, samples=300_000),
        carbon=Carbon(intensity_g_per_kwh=400.0),
    )


MAKING = EmbodiedCarbon(total_kg=150, lifetime_years=4, reserved=0.5)


def with_(part: str, **changes: Any) -> Report:
    base = report()
    return replace(base, **{part: replace(getattr(base, part), **changes)})


REFUSED = {
    "algo": with_("workload", algo="bp"),
    "dataset": with_("workload", dataset="digits"),
    "dataset_sha256": with_("workload", dataset_sha256=None),
    "arch": with_("workload", arch="mlp:20"),
    "schedule": with_("workload", schedule="sequential"),
    "batch_size": with_("workload", batch_size=64),
    "precision": with_("workload", precision="bf16"),
    "compiled": with_("workload", compiled="inductor"),
    "protocol.epochs": with_("workload", protocol={"name": "matched", "epochs": 6}),
    "protocol.cadence": with_("workload", protocol={"name": "matched", "epochs": 5, "cadence": 1}),
    "samples_seen": with_("totals", samples=299_000),
    "window": with_("window", includes=("training", "evaluation", "checkpoints")),
    "device": with_("environment", gpus=(gpu("NVIDIA H100"),)),
    "device_count": with_("environment", gpus=(gpu(), gpu())),
    "power_limit_w": with_("environment", gpus=(gpu(limit_w=300),)),
    "torch": with_("environment", packages={"torch": "2.7.0"}),
    "energy_source": with_("totals", energy_j=Quantity(value=1.0, source=Provenance.ESTIMATED)),
    "energy_scope": with_(
        "totals", energy_by_domain_j={"cpu": Quantity(value=1.0, source=Provenance.COUNTER)}
    ),
}
WARNED = {
    "driver": with_("environment", gpus=(gpu(driver="560.1"),)),
    "clock_policy": with_("environment", gpus=(gpu(application_clock_hz=1.41e9),)),
    "host": with_("environment", hostname_hash="bb"),
    "threads": with_("environment", threads=4),
    "config.lr": with_("workload", config={"lr": 0.002}),
    "carbon_intensity": with_("carbon", intensity_g_per_kwh=56.0),
    "pue": with_("carbon", intensity_g_per_kwh=400.0, pue=1.3),
    "embodied": with_("carbon", intensity_g_per_kwh=400.0, embodied=MAKING),
    "measured_beside": with_("cross_check", codecarbon=ToolBeside(tool="CodeCarbon 3.3.2")),
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_hard_key_that_differs_refuses_the_comparison_and_is_named(key: str) -> None:
    found = differences([report(), REFUSED[key]])
    assert key in [d.key for d in found if d.strictness is Strictness.REFUSE]
    assert comparable_groups([report(), REFUSED[key]]) == ((0,), (1,))


@pytest.mark.parametrize("key", WARNED)
def test_a_soft_key_that_differs_only_warns(key: str) -> None:
    (found,) = differences([report(), WARNED[key]])
    assert (found.key, found.strictness) == (key, Strictness.WARN)
    assert comparable_groups([report(), WARNED[key]]) == ((0, 1),)


def test_what_carbon_is_reckoned_by_is_named_in_a_difference() -> None:
    other = with_("carbon", pue=1.3, embodied=replace(MAKING, reserved=1.0))
    words = {str(d) for d in differences([with_("carbon", pue=1.1, embodied=MAKING), other])}
    assert words == {
        "pue: 1.1 / 1.3",
        "embodied: 150 kg over 4 years, 0.5 of it reserved / 150 kg over 4 years",
    }


def test_equal_runs_differ_in_nothing_whatever_their_id_and_seed() -> None:
    assert differences([report(), with_("run", id="other", seed=7)]) == ()


def test_a_difference_names_its_values_and_runs() -> None:
    found = differences([report(), WARNED["config.lr"], report(), REFUSED["device"]])
    assert [str(d) for d in found] == [
        "device: NVIDIA A100-SXM4-40GB / NVIDIA H100",
        "config.lr: 0.001 / 0.002",
    ]
    assert found[0].runs == ((0, 1, 2), (3,))


def test_samples_seen_do_not_matter_where_training_stops_by_itself() -> None:
    patient = with_("workload", protocol={"name": "own-convergence", "patience": 20})
    longer = replace(patient, totals=replace(patient.totals, samples=1))
    assert differences([patient, longer]) == ()


def test_across_learners_the_learner_does_not_count_but_the_task_does() -> None:
    other = with_("workload", algo="bp", arch="mlp:20", config={"lr": 1}, batch_size=64)
    assert differences([report(), other], across_learners=True) == ()
    found = differences([report(), REFUSED["dataset"]], across_learners=True)
    assert [d.key for d in found] == ["dataset"]


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"compiled": "inductor"}], ids=str)
def test_across_learners_both_must_be_executed_alike(change: dict[str, str]) -> None:
    (key,) = change
    other = with_("workload", algo="bp", **change)
    assert [d.key for d in differences([report(), other], across_learners=True)] == [key]
    assert comparable_groups([report(), other], across_learners=True) == ((0,), (1,))


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"compiled": "inductor"}], ids=str)
def test_one_learner_may_be_compared_with_itself_executed_otherwise(change: dict[str, str]) -> None:
    other = with_("workload", **change)
    assert differences([report(), other], across_learners=True) == ()
    assert comparable_groups([report(), other], across_learners=True) == ((0, 1),)


def test_warming_up_to_compile_is_told_by_what_compiled() -> None:
    warm = replace(report(), window=WindowInfo(includes=("training", "evaluation", "warm-up")))
    assert [d.key for d in differences([report(), warm])] == ["window"]
    compiled = replace(warm, workload=replace(warm.workload, compiled="inductor"))
    assert [d.key for d in differences([report(), compiled])] == ["compiled"]


def test_a_baseline_that_knows_nothing_of_compiling_equals_a_run_that_was_not() -> None:
    key = comparability_key(report())
    older = {name: value for name, value in key.items() if name != "compiled"}
    assert key_differences([older, key]) == ()


def test_a_cpu_run_is_known_by_its_processor_even_beside_a_gpu() -> None:
    key = comparability_key(with_("environment", device="cpu"))
    assert (key["device"], key["device_count"], key["power_limit_w"]) == (["EPYC"], 1, [])


def test_a_key_survives_json_unchanged() -> None:
    key = comparability_key(with_("workload", config={"b": (1, 2), "a": {"y": 1, "x": None}}))
    assert key_differences([key, json.loads(json.dumps(key))]) == ()
