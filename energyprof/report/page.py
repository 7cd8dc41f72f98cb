"""The shell of every page: templates with auto-escaping, inlined assets, one strict content policy.

A page is one file that asks for nothing: styles, scripts and data stand in it, and its policy
(``default-src 'none'``) lets the browser refuse everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from energyprof import units
from energyprof.record.model import Quantity
from energyprof.report import words
from energyprof.report.encode import json_for_html

__all__ = ["CONTENT_POLICY", "GENERATOR", "asset", "fragment", "render_page"]

GENERATOR: Final = '<meta name="generator" content="energyprof">'  # by which our pages are known
LONGEST_TEXT: Final = 400  # characters of one text in a page; the JSON holds them all
_UNIT: Final = re.compile(r"(\d) (?=[^\W\d]{1,3}\b|[%±])")  # a space between a number and its unit
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def render_page(template: str, *, data: Mapping[str, Any], scripts: tuple[str, ...], **context: Any) -> str:
    """Render a page as one self-contained HTML text.

    Args:
        template: name of the template, such as ``run.html``.
        data: what the page's scripts read; goes through :func:`json_for_html`.
        scripts: names of script assets, inlined in this order.
        context: what the template shows.
    """
    page = _environment().get_template(template)
    text = page.render(
        policy=CONTENT_POLICY,
        generator=Markup(GENERATOR),
        data=Markup(json_for_html(data)),
        styles=Markup(asset("uplot.min.css") + asset("page.css")),
        scripts=[Markup(asset(name)) for name in scripts],
        **context,
    )
    return text.encode("utf-8", "replace").decode(
        "utf-8"
    )  # a lone surrogate in a name must not stop a report


def fragment(template: str, **context: Any) -> Markup:
    """Render a template to HTML that may be placed in another."""
    return Markup(_environment().get_template(template).render(**context))


@cache
def asset(name: str) -> str:
    """Return the text of a file in ``assets/``."""
    return (resources.files("energyprof.report") / "assets" / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("energyprof.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters())
    environment.globals.update(
        DASH=words.DASH,
        provenance_meaning=words.PROVENANCE_MEANING,
        status_meaning=words.STATUS_MEANING,
    )
    return environment


def _shown(value: Any) -> Any:
    """Take what cannot be shown out of every text that a template puts out, and cut what is far too long."""
    return words.printable(value, LONGEST_TEXT) if type(value) is str else value


def _bound(text: str) -> Markup:
    """Hold numbers and their units together, so that no line begins with ``%`` or ``s``."""
    held = _UNIT.sub("\\1&nbsp;", str(escape(words.printable(text, LONGEST_TEXT))))
    return Markup(held)


def _filters() -> dict[str, Any]:
    def optional(render: Any) -> Any:
        return lambda value: words.DASH if value is None else render(value).replace("-", "−")

    return {
        "energy": optional(units.format_energy),
        "power": optional(units.format_power),
        "duration": optional(units.format_duration),
        "bytes": optional(units.format_bytes),
        "count": optional(units.format_count),
        "mass": optional(units.format_mass),
        "percent": words.percent,
        "plain": words.plain,
        "setting": words.setting_text,
        "bound": _bound,
        "long": lambda text: escape(words.printable(text, 8000)),
        "name": lambda text: words.printable(text, 120),
        "settings": lambda mapping: [(key, words.setting_text(value)) for key, value in mapping.items()],
        "domain": words.domain_word,
        "kwh": optional(words.kwh_text),
        "half_width": words.half_width,
        "between": lambda low, high: words.between_text(low, high),
        "figure": lambda quantity: words.figure_text(quantity),
        "range": _range,
        "points": words.points_text,
    }


def _range(quantity: Quantity) -> str:
    return words.range_text(quantity)
