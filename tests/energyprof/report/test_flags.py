from __future__ import annotations

from energyprof.record.model import Flag, Severity
from energyprof.report.flags import gathered


def flag(code: str, severity: Severity = Severity.INFO, field: str | None = None) -> Flag:
    return Flag(code=code, severity=severity, message=code, field=field)


def test_the_gravest_come_first() -> None:
    flags = [flag("a"), flag("b", Severity.WARNING), flag("c", Severity.ERROR)]
    assert [item.flag.code for item in gathered(flags)] == ["c", "b", "a"]


def test_many_of_one_kind_become_one_with_the_others_behind_it() -> None:
    (item,) = gathered([flag("short")] * 10)
    assert len(item.others) == 9


def test_two_of_one_kind_are_both_shown() -> None:
    assert [item.others for item in gathered([flag("short")] * 2)] == [(), ()]


def test_reasons_for_missing_fields_are_never_gathered() -> None:
    fields = [flag("missing-value", field=name) for name in "abcd"]
    assert len(gathered(fields)) == 4
