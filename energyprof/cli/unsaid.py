"""What runs did not say of themselves, where that keeps them from being compared, and how to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from energyprof.analysis.comparison import Comparison

__all__ = ["say_what_was_not_said"]

#: keys that every run of ``energyprof run`` has -> the fact that tells them; others may rightly be none
_TOLD_BY: Final = {
    "precision": "precision",
    "dataset": "dataset",
    "dataset_sha256": "dataset_sha256",
    "protocol.rule": "protocol",
}
_MISSING: Final = "none"  # as a Difference words it


def say_what_was_not_said(comparison: Comparison) -> None:
    """Say on stderr which facts a loop has to describe before its runs can be compared with the others."""
    import typer

    unsaid = [d.key for d in comparison.refusals if _MISSING in d.values]
    facts = [f"{fact}=..." for key, fact in _TOLD_BY.items() if key in unsaid]
    if facts:
        typer.echo(
            f"hint: 'none' was not told. A loop of your own tells it with prof.describe({', '.join(facts)}), "
            "and what its window holds with prof.account(includes=...): see docs/own-loop.md",
            err=True,
        )
