from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyprof.errors import OutputError, RecordError
from energyprof.record.model import Environment, Report, RunInfo, RunStatus, Workload
from energyprof.record.schema import (
    parse_report,
    read_report,
    render_report,
    report_json_schema,
    write_report,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_report_comes_back_as_it_went(report: Report) -> None:
    again = parse_report(render_report(report))
    assert again.totals == report.totals
    assert again.run == report.run
    assert render_report(again) == render_report(report)


@given(config=st.dictionaries(st.text(max_size=8), json_values, max_size=4), name=st.text(max_size=30))
def test_any_name_and_configuration_survive_the_round_trip(config: dict[str, Any], name: str) -> None:
    report = Report(
        run=RunInfo(id="r", name=name, status=RunStatus.PARTIAL, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="x"),
        workload=Workload(config=config),
    )
    again = parse_report(render_report(report))
    assert again == report


def test_what_is_not_finite_is_null_in_json(report: Report) -> None:
    assert json.loads(render_report(report))["workload"]["config"]["odd"] is None


def test_the_published_schema_accepts_what_is_written(report: Report) -> None:
    schema = report_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(render_report(report)), schema)


def test_the_published_schema_refuses_a_foreign_document() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": "other/1"}, report_json_schema())


def test_the_contract_fields_are_all_in_the_schema() -> None:
    text = json.dumps(report_json_schema())
    contract = (
        "idle_energy_j above_idle_energy_j energy_per_sample_j flops peak_device_memory_bytes co2e_kg "
        "peak_host_memory_bytes energy_by_domain_j intensity_g_per_kwh dataset_sha256 validation_accuracy "
        "test_accuracy p5 p50 p95 mean overhead flags phases epochs sensors"
    )
    assert [name for name in contract.split() if f'"{name}"' not in text] == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t[: len(t) // 2], "is not whole JSON"),
        (
            lambda t: t.replace("energyprof.report/1", "energyprof.report/9"),
            "has schema 'energyprof.report/9'",
        ),
        (lambda t: "[]", "is no energyprof report"),
        (lambda t: t.replace('"count": 0', '"count": "many"'), "steps.count"),
        (lambda t: t.replace('"duration_s": 0.0', '"duration_s": NaN'), "holds NaN"),
        (lambda t: t.replace('"duration_s": 0.0', '"duration_s": 1e999'), "holds 1e999"),
        (lambda t: "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_report_is_one_clear_line(report: Report, damage: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message) as caught:
        parse_report(damage(render_report(report)))
    assert "\n" not in str(caught.value)


def test_fields_that_stand_beside_the_known_ones_are_left_alone(report: Report) -> None:
    data = json.loads(render_report(report)) | {"added_later": 1}
    assert parse_report(json.dumps(data)).run.id == "r"


def test_writing_replaces_whole_and_leaves_nothing_behind(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(report, path)
    write_report(report, path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert read_report(path).run.id == "r"


def test_a_folder_that_is_not_there_is_an_output_error(report: Report, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_report(report, tmp_path / "none" / "report.json")
