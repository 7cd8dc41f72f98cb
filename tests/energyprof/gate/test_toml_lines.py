from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.gate.toml_lines import key_lines, line_of

TEXT = '''schema = "x"  # line 1
why = """several
[not.a.header]
lines = 3
"""
[defaults]
alpha = 0.05
looks = [
  3,
  5, # ] in a comment
]
[[budget]]
name = "a # b"
metrics.energy_j.max = "1 J"
[budget.metrics."phase_energy_j.train/forward"]
max = 3
[[budget]]
name = 'b'
select = { algo = "mf", dataset = "x" }
[budget.metrics.energy_j]
'''


def test_every_key_is_found_on_its_line() -> None:
    lines = key_lines(TEXT)
    assert lines[("schema",)] == 1
    assert lines[("defaults", "alpha")] == 7
    assert lines[("defaults", "looks")] == 8
    assert lines[("budget", 0, "name")] == 13
    assert lines[("budget", 0, "metrics", "energy_j", "max")] == 14
    assert lines[("budget", 0, "metrics", "phase_energy_j.train/forward", "max")] == 16
    assert lines[("budget", 1, "name")] == 18
    assert lines[("budget", 1, "metrics", "energy_j")] == 20
    assert ("lines",) not in lines


def test_a_key_without_a_line_of_its_own_has_that_of_its_table() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("budget", 1, "select", "algo")) == 19
    assert line_of(lines, ("budget", 1, "metrics", "energy_j", "max")) == 20
    assert line_of(lines, ("nowhere",)) is None


@given(st.text(alphabet="ab=[]{}\"'#.\n\\ ,", max_size=80))
@settings(max_examples=300, deadline=None)
def test_the_scan_ends_and_never_raises_whatever_the_text(text: str) -> None:
    key_lines(text)


@given(
    st.lists(
        st.tuples(
            st.text("abcdef", min_size=1, max_size=4),
            st.sampled_from(["1", '"x"', "[1,\n 2]", '"""a\nb"""', "{k = 1}"]),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda entry: entry[0],
    )
)
@settings(max_examples=100, deadline=None)
def test_lines_agree_with_where_keys_were_written(entries: list[tuple[str, str]]) -> None:
    text, expected = "", {}
    for key, value in entries:
        expected[key] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    tomllib.loads(text)
    assert {key: key_lines(text)[(key,)] for key, _ in entries} == expected
