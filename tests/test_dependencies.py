"""What the project says it runs with is what it was run with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w-]+)==([\d.]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def lower_bounds() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = (re.fullmatch(r"([\w-]+)>=([\d.]+)", text) for text in project["dependencies"])
    bounds = {match[1].lower(): match[2] for match in found if match}
    assert len(bounds) == len(project["dependencies"])
    return bounds


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_every_dependency_has_a_lower_bound_which_is_the_oldest_release_it_was_tested_with() -> None:
    bounds, oldest = lower_bounds(), pins("constraints-oldest.txt")
    assert bounds.keys() <= oldest.keys()
    for package, bound in bounds.items():
        known = parts(oldest[package])
        assert known[: len(parts(bound))] == parts(bound), package
        assert not any(known[len(parts(bound)) :]), package


def test_the_pins_of_the_suite_are_no_older() -> None:
    newest = pins("constraints.txt")
    for package, bound in lower_bounds().items():
        assert parts(newest[package]) >= parts(bound), package
