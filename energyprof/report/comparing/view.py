"""A group of comparable runs as its sections see it: arms with the styles they are drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.record.model import Report
from energyprof.report.chart import series_class
from energyprof.report.words import printable

__all__ = ["GroupView"]

_STYLES = 15  # five hues, each whole, dashed and dotted


@dataclass(frozen=True)
class GroupView:
    """One group of a comparison.

    Attributes:
        comparison: all of it.
        group: the group shown.
        key: a prefix for anchors that no other group has.
    """

    comparison: Comparison
    group: Group
    key: str

    @property
    def base(self) -> ArmResult | None:
        """Return the reference arm, or None."""
        return self.group.reference

    @property
    def others(self) -> list[ArmResult]:
        """Return the arms that are held against the reference."""
        return [arm for arm in self.group.arms if not arm.is_reference]

    def runs(self, arm: ArmResult) -> list[Report]:
        """Return the runs of an arm."""
        return [self.comparison.reports[p] for p in arm.arm.runs]

    def style(self, arm: ArmResult) -> str:
        """Return the classes in which an arm is drawn: by arm while they last, else by learner."""
        return series_class(self._index(arm))

    def fill(self, arm: ArmResult) -> str:
        """Return the class of an arm's filled marks."""
        return f"fill{self._index(arm) % 5 + 1}"

    @cached_property
    def legend(self) -> Markup:
        """Return a legend of the styles in use."""
        names = {arm.arm.name if self._by_arm else arm.arm.algo: self.style(arm) for arm in self.group.arms}
        item = Markup(
            '<li><svg viewBox="0 0 26 10" aria-hidden="true"><path class="line {}" d="M0 5h26"/></svg>{}</li>'
        )
        items = Markup("").join(
            item.format(style, printable(name, 80)) for name, style in list(names.items())[:_STYLES]
        )
        return Markup('<ul class="legend">{}</ul>').format(items)

    @cached_property
    def _by_arm(self) -> bool:
        return len(self.group.arms) <= _STYLES

    @cached_property
    def _order(self) -> dict[str, int]:
        names = [arm.arm.name if self._by_arm else arm.arm.algo for arm in self.group.arms]
        return {name: index for index, name in enumerate(dict.fromkeys(names))}

    def _index(self, arm: ArmResult) -> int:
        return self._order[arm.arm.name if self._by_arm else arm.arm.algo]
