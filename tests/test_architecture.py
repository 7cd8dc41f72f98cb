"""The rooms and the direction of imports between them, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# room -> rooms it may import from; its own room and the foundation are always allowed
FOUNDATION = {"errors", "units", "clock", ""}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "units": set(),
    "clock": set(),
    "record": set(),
    "carbon": {"record"},
    "analysis": {"record"},
    "report": {"record", "analysis"},
    "export": {"record", "analysis"},
    "gate": {"record", "analysis"},
    "sensors": {"record"},
    "recording": {"record", "sensors", "analysis", "carbon", "report"},
    "integrations": {"record", "analysis", "gate", "recording", "report"},
    "testing": {"record", "sensors", "recording", "analysis"},
    "cli": {
        *(
            "record",
            "analysis",
            "report",
            "export",
            "gate",
            "sensors",
            "recording",
            "integrations",
            "testing",
        ),
        *("carbon", "learners"),
    },
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules a file imports, those for type checking only left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str | None:
    """Return the room of a module of energyprof ('' for the package itself), 'learners', or None."""
    parts = module.split(".")
    if parts[0] == "learners":
        return "learners"
    if parts[0] != "energyprof":
        return None
    rooms = set(ALLOWED)
    return parts[1] if len(parts) > 1 and parts[1] in rooms else ""


@pytest.mark.parametrize("path", modules("energyprof"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_in_one_direction(path: Path) -> None:
    relative = path.relative_to(ROOT / "energyprof")
    room = relative.parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    allowed = ALLOWED[room] | FOUNDATION | {room}
    wrong = sorted(m for m in imported(path) if (r := room_of(m)) is not None and r not in allowed)
    assert wrong == [], f"{relative} may not import {wrong}"


@pytest.mark.parametrize("path", modules("learners"), ids=lambda p: str(p.relative_to(ROOT)))
def test_learners_use_the_public_names_of_energyprof_only(path: Path) -> None:
    import energyprof

    public = {f"energyprof.{name}" for name in energyprof.__all__} | {"energyprof"}
    public |= {m for m in imported(path) if m.startswith("energyprof.errors")}
    wrong = sorted(m for m in imported(path) if m.startswith("energyprof") and m not in public)
    assert wrong == []


def test_the_public_names_are_sorted_and_all_there() -> None:
    import energyprof

    assert energyprof.__all__ == sorted(energyprof.__all__)
    for name in energyprof.__all__:
        assert getattr(energyprof, name) is not None
    assert set(energyprof.__all__) == set(dir(energyprof))


def loaded_by(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "pandas", "codecarbon", "pyarrow", "pynvml", "numpy", "pydantic", "rich", "jinja2"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import energyprof") & HEAVY == set()


def test_importing_the_package_takes_next_to_no_time_beyond_the_interpreter() -> None:
    """The promise is 60 ms: it is kept by loading next to nothing."""
    bare = loaded_by("pass")
    ours = loaded_by("import energyprof") - bare
    assert len([m for m in ours if m.startswith("energyprof")]) <= 3
    assert len(ours) < 20


@pytest.mark.parametrize("room", ["record.model", "analysis.summary", "report.run", "gate.check"])
def test_a_report_is_rebuilt_and_gated_without_sensors_or_torch(room: str) -> None:
    loaded = loaded_by(f"import energyprof.{room}")
    assert loaded & {"torch", "pynvml", "codecarbon", "psutil"} == set()
    assert not [m for m in loaded if m.startswith(("energyprof.sensors", "energyprof.recording", "learners"))]


def test_no_module_name_says_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "common", "misc", "core"}
    assert [p for p in (*modules("energyprof"), *modules("learners")) if p.stem in empty_words] == []
