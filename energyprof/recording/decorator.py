"""``@energyprof.profile``: a profiler around every call of a function."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from energyprof.recording.profiler import Profiler

__all__ = ["profile"]

P = ParamSpec("P")
R = TypeVar("R")


@overload
def profile(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def profile(function: None = None, **settings: Any) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def profile(function: Callable[P, R] | None = None, **settings: Any) -> Any:
    """Profile each call of a function as a run of its own.

    ::

        @energyprof.profile
        def train(): ...

        @energyprof.profile(out="energy", country="FRA")
        def train(): ...

    Args:
        function: the function; its name becomes the run's unless ``name`` is given.
        settings: what :class:`energyprof.Profiler` takes.
    """

    def wrap(inner: Callable[P, R]) -> Callable[P, R]:
        @wraps(inner)
        def profiled(*args: P.args, **kwargs: P.kwargs) -> R:
            with Profiler(**{"name": inner.__name__, **settings}):
                return inner(*args, **kwargs)

        return profiled

    return wrap if function is None else wrap(function)
