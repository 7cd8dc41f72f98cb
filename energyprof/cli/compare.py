"""``energyprof compare``: runs side by side, comparability first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["EXAMPLE", "compare"]

EXAMPLE = "Example:  energyprof compare 20261120-15 20261120-16 --html compare.html"
