"""One section of a page: its title and its body, made from a template of its own."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section, ready to be placed.

    Attributes:
        key: the anchor in the page, kebab-case.
        title: its heading.
        about: one or two sentences on how to read it, or empty.
        body: its HTML, already escaped.
        short: its name in the contents; the title where it is empty.
    """

    key: str
    title: str
    about: str
    body: Markup
    short: str = ""
