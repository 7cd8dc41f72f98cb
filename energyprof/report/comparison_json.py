"""A comparison, an explanation and another stopping rule as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from energyprof.analysis.comparability import Difference
from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.analysis.explanation import Explanation
from energyprof.analysis.reaching import Target
from energyprof.analysis.restopping import Restopped
from energyprof.report.encode import jsonable
from energyprof.report.headline import headline

__all__ = ["COMPARISON_SCHEMA", "comparison_json", "explanation_json", "restop_json"]

COMPARISON_SCHEMA: Final = "energyprof.comparison/1"


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON types; what is missing is null."""
    return _json(
        {
            "schema": COMPARISON_SCHEMA,
            "margin": comparison.margin,
            "target": None if comparison.target is None else _target(comparison.target),
            "comparable": len(comparison.groups) == 1,
            "refusals": [_difference(d) for d in comparison.refusals],
            "duplicates": comparison.duplicates,
            "runs": [report.run.id for report in comparison.reports],
            "groups": [_group(comparison, group) for group in comparison.groups],
        }
    )


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON types."""
    return _json({"schema": "energyprof.explanation/1", **asdict(explanation)})


def restop_json(results: list[Restopped]) -> dict[str, Any]:
    """Return runs under another stopping rule as JSON types."""
    return _json(
        {"schema": "energyprof.restop/1", "runs": [asdict(r) | {"epochs": r.epochs} for r in results]}
    )


def _json(value: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = jsonable(value)
    return made


def _target(target: Target) -> dict[str, Any]:
    return asdict(target) | {"text": str(target)}


def _difference(difference: Difference) -> dict[str, Any]:
    return {"key": difference.key, "values": difference.values, "runs": difference.runs}


def _group(comparison: Comparison, group: Group) -> dict[str, Any]:
    return {
        "runs": [comparison.reports[p].run.id for p in group.runs],
        "reference": group.reference.arm.name if group.reference else None,
        "summary": headline(comparison, group),
        "warnings": [_difference(d) for d in group.warnings],
        "arms": [_arm(comparison, arm) for arm in group.arms],
    }


def _arm(comparison: Comparison, result: ArmResult) -> dict[str, Any]:
    return {
        "name": result.arm.name,
        "algo": result.arm.algo,
        "settings": result.arm.settings,
        "runs": [comparison.reports[p].run.id for p in result.arm.runs],
        "is_reference": result.is_reference,
        "figures": {name: asdict(figure) for name, figure in result.figures.items()},
        "ratios": {name: asdict(ratio) for name, ratio in result.ratios.items()},
        "to_target": None if result.to_target is None else asdict(result.to_target),
        "target_ratio": None if result.target_ratio is None else asdict(result.target_ratio),
        "reached": result.reached,
        "reaches": [None if r is None else asdict(r) for r in result.reaches],
    }
