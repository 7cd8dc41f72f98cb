"""What the docs say is there, and what is there they say: options, flags, fields, keys, exit codes, links."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

import energyprof
from energyprof.analysis.peak_memory import WHOLE_CARD
from energyprof.cli.app import app
from energyprof.gate.budget import QUALITY_FLAGS
from energyprof.gate.budget_schema import budget_json_schema
from energyprof.gate.observation import SELECTABLE
from energyprof.gate.verdict import Outcome, Reason
from energyprof.integrations import pytest_plugin
from energyprof.record.schema import report_json_schema

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "ci" / "README.md"]
OF_OTHERS = {"--gpus", "--part", "--old"}  # of docker, of our benchmarks, of a user's script


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def coded(text: str) -> set[str]:
    """Return what stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def sections(text: str, level: int) -> dict[str, str]:
    """Return headings of one level with what stands below them, backticks around a heading left out."""
    mark = "#" * level
    parts = re.split(rf"(?m)^{mark} (.+)$", text)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {head.strip("` "): re.split(rf"(?m)^#{{1,{level}}} ", body)[0] for head, body in pairs}


def walk(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(walk(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    return {word for param in command.params for word in param.opts if word.startswith("-")} - {
        "--help",
        "-h",
    }


def test_each_help_ends_with_an_example_of_a_command_that_is_there() -> None:
    whole: Any = typer.main.get_command(app)
    groups = [group for group in whole.commands.values() if hasattr(group, "commands")]
    for command in (*COMMANDS.values(), *groups):
        begin, _, words = (command.epilog or "").partition("energyprof ")
        assert begin == "Example:  ", command.name
        assert any(words.startswith(path) for path in COMMANDS), command.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_described_in_its_section(name: str) -> None:
    assert options(COMMANDS[name]) - coded(sections(text_of("commands.md"), 2)[name]) == set()


def test_no_section_describes_a_command_or_an_option_that_is_not_there() -> None:
    described = sections(text_of("commands.md"), 2)
    assert set(described) == set(COMMANDS)
    for name, text in described.items():
        rows = " ".join(re.findall(r"(?m)^\| (`-.+?) \|", text))
        assert coded(rows) - options(COMMANDS[name]) == set(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = set().union(*map(options, COMMANDS.values()))
    known |= {"--help", "--version", "--install-completion", "--show-completion"}
    known |= set(re.findall(r'addoption\("(--[a-z-]+)"', Path(pytest_plugin.__file__).read_text()))
    blocks = re.sub(r"```(?!\n)\w+\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in blocks.splitlines() if not re.match(r"(for seed|pip|make) ", line)]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(lines)))
    assert named - known - OF_OTHERS == set()


def shell_commands() -> list[list[str]]:
    """Return the commands of all code blocks that begin with energyprof."""
    blocks = [
        b for p in PAGES for b in re.findall(r"```\n(.*?)```", p.read_text(encoding="utf-8"), re.DOTALL)
    ]
    lines = [line for block in blocks for line in block.splitlines()]
    inner = [part.strip() for line in lines for part in re.split(r"; do |; done", line)]
    return [shlex.split(line, comments=True)[1:] for line in inner if line.startswith("energyprof ")]


@pytest.mark.parametrize("words", shell_commands(), ids=" ".join)
def test_every_command_of_a_code_block_can_be_parsed(words: list[str]) -> None:
    name = next((path for path in (" ".join(words[:2]), words[0]) if path in COMMANDS), None)
    assert name is not None, words
    rest = ["3" if word.startswith("$") else word for word in words[len(name.split()) :]]
    with contextlib.suppress(SystemExit):
        assert COMMANDS[name].make_context(name, rest, resilient_parsing=False) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        heads = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8")) if heading else []
        slugs = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
        if "://" not in target and not (file.exists() and (not heading or heading in slugs)):
            broken.append(target)
    assert broken == []


def flag_codes() -> set[str]:
    """Return the codes of all flags that the code raises."""
    sources = [p.read_text(encoding="utf-8") for p in (ROOT / "energyprof").rglob("*.py")]
    made = r"Flag\(\s*code=([^,]+),"
    found = [code for text in sources for code in re.findall(made, text)]
    found += [f'"{c}"' for text in sources for c in re.findall(r'\.note\("([a-z-]+)"', text)]
    plain = {code.strip('"') for code in found if re.fullmatch(r'"[a-z-]+"', code)}
    others = {code for code in found if not re.fullmatch(r'"[a-z-]+"', code)} - {"code", "WHOLE_CARD"}
    assert others == {"f\"{name.partition(':')[0]}-missing\"", 'f"{what}-in-window"'}, "say what they become"
    made_up = {"cpu-missing", "dram-missing", "gpu-missing", "evaluation-in-window", "checkpoint-in-window"}
    return plain | made_up | {WHOLE_CARD}


def test_every_flag_is_explained_and_no_other() -> None:
    table = sections(text_of("reading.md"), 2)["Flags"]
    explained = set(re.findall(r"(?m)^\| `([a-z-]+)` \|", table))
    assert len(flag_codes()) > 25
    assert explained == flag_codes()


def objects(schema: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the fields of each object of a schema by the path at which it stands first."""
    definitions, found = schema["$defs"], {"report": set(schema["properties"])}
    shared = {"Quantity": "quantity", "Distribution": "distribution"}
    queue = [("", schema)]
    while queue:
        path, thing = queue.pop(0)
        for name, field in thing["properties"].items():
            for reference, array in references(field):
                inner = definitions[reference]
                if "properties" not in inner:
                    continue
                at = shared.get(reference, f"{path}.{name}".strip(".") + ("[]" if array else ""))
                if at not in found:
                    found[at] = set(inner["properties"])
                    queue.append((at, inner))
    return found


def references(field: Any, array: bool = False) -> Iterator[tuple[str, bool]]:
    if isinstance(field, list):
        for part in field:
            yield from references(part, array)
    elif isinstance(field, dict):
        if "$ref" in field:
            yield field["$ref"].rpartition("/")[2], array
        for key in ("anyOf", "additionalProperties"):
            yield from references(field.get(key), array)
        yield from references(field.get("items"), True)


FIELDS = objects(report_json_schema())


@pytest.mark.parametrize("place", FIELDS)
def test_every_field_of_a_report_is_described_where_it_stands(place: str) -> None:
    described = sections(text_of("reading.md"), 3)[place]
    named = {code for row in re.findall(r"(?m)^\| (`.+?) \|", described) for code in coded(row)}
    assert named == FIELDS[place]


def test_every_word_that_a_report_chooses_from_is_described() -> None:
    schema = report_json_schema()
    words = {word for thing in schema["$defs"].values() for word in thing.get("enum", ())}
    assert words - coded(text_of("reading.md")) == set()


def test_every_key_of_a_budget_and_every_word_of_a_verdict_is_described() -> None:
    schema, named = budget_json_schema(), coded(text_of("gate.md"))
    keys = set(schema["properties"]) | {k for d in schema["$defs"].values() for k in d["properties"]}
    assert keys - named == set()
    assert {*SELECTABLE, *QUALITY_FLAGS, *map(str, Outcome), *map(str, Reason)} - named == set()


def test_the_budget_that_the_docs_show_can_be_used(tmp_path: Path) -> None:
    from energyprof.gate.budget_file import review_budgets

    (shown,) = re.findall(r"```toml\n(.*?)```", text_of("gate.md"), re.DOTALL)
    book, problems = review_budgets(shown, "energyprof.toml")
    assert (problems, book is not None) == ([], True)


def test_exit_codes_are_the_same_wherever_they_are_told() -> None:
    import energyprof.cli

    table = set(re.findall(r"(?m)^\| (\d+) \|", text_of("commands.md")))
    assert table == {"0", "1", "2", "3", "4", "70", "130"}
    told = [
        re.search(r"Exit codes: (.+?)\.", text, re.DOTALL)
        for text in (ROOT.joinpath("README.md").read_text(), text_of("gate.md"), energyprof.cli.__doc__ or "")
    ]
    for match in told:
        assert match is not None
        assert set(re.findall(r"\b(\d+) ", match[1])) == table


def test_every_argument_of_the_profiler_and_every_variable_is_described() -> None:
    import inspect

    arguments = set(inspect.signature(energyprof.Profiler.__init__).parameters) - {"self"}
    assert arguments - coded(text_of("own-loop.md")) == set()
    sources = [p for room in ("energyprof", "learners") for p in (ROOT / room).rglob("*.py")]
    read = {v for p in sources for v in re.findall(r"\bENERGYPROF_[A-Z]+\b", p.read_text(encoding="utf-8"))}
    assert read - coded(text_of("commands.md")) - {"ENERGYPROF_STAND"} == set()


def python_blocks() -> list[Any]:
    pages = [p for p in PAGES if "python\n" in p.read_text(encoding="utf-8")]
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in pages
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    ]


@pytest.mark.parametrize("block", python_blocks())
def test_python_that_a_page_shows_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {
        "loader": [([0.0] * 4, [0] * 4)] * 3,
        "model": lambda *_: 0.5,
        "accuracy": lambda _model: 0.9,
    }
    exec(compile(block.replace("idle_s=1", "idle_s=0"), "block", "exec"), given)
    if "prof" in given:
        assert given["prof"].finished
        assert len(given["prof"].run.steps) > 0


#: messages that are put together from parts, each by whoever raises it
PUT_TOGETHER = {
    "'5 J' is in J, not in %",
    "12 runs match no budget",
    "describe: protocol should be a table, seen '5 epochs'",
    "No such option",
    "has no report.json (it was killed)",
    "names 3 runs in reports",
    "no baseline at baselines/...",
    "the base command ended with 2 ...",
    "unknown budget 'digit-mf'",
    "unknown part of the window 'trainin'",
    "unknown sampling 'proc'",
}


def test_messages_that_the_docs_explain_are_those_of_the_code() -> None:
    sources = [p for room in ("energyprof", "learners") for p in (ROOT / room).rglob("*.py")]
    joined = re.sub(r'"\s*\n\s*f?"', "", "\n".join(p.read_text(encoding="utf-8") for p in sources))
    tables = [t for p in PAGES for t in re.findall(r"(?s)\| you see \|.*?(?:\n\n|\Z)", p.read_text("utf-8"))]
    cells = [cell for table in tables for cell in re.findall(r"(?m)^\| (`.+?`)[^|]* \|", table)]
    messages = {message for cell in cells for message in coded(cell)}
    assert len(messages) > 30
    stale = []
    for message in messages - PUT_TOGETHER:
        parts = [part.strip() for part in re.split(r"'[^']*'|\.\.\.|\d+|:", message)]
        if not any(len(part) > 8 and part in joined for part in parts):
            stale.append(message)
    assert stale == []


def test_the_sections_of_the_page_are_called_as_the_docs_call_them() -> None:
    titles = re.findall(r"(?m)^\| ([A-Z][^|]+) \|", sections(text_of("reading.md"), 2)["The page"])
    room = ROOT / "energyprof" / "report"
    shown = "".join(p.read_text(encoding="utf-8") for p in (*room.rglob("*.py"), *room.rglob("*.html")))
    assert len(titles) > 7
    assert [title for title in titles if title not in shown] == []
