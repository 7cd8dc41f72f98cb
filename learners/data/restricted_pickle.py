"""Reads the pickles of CIFAR, and nothing that a pickle can do beyond holding arrays of bytes.

A pickle is a program. The only globals let through are those that these files need to describe an array, and
they stand for classes of this module: nothing of the pickle's choice is called, not even in numpy.
Dictionaries, lists, numbers and strings are built by the format itself.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import DataError

__all__ = ["PickledArray", "load_restricted"]

_BYTE_TYPES: Final = ("u1", b"u1", "|u1", b"|u1", "B", b"B")


class _ByteType:
    """Stands for ``numpy.dtype``: 8-bit unsigned integers, or an error."""

    def __init__(self, name: object, *_flags: object) -> None:
        if name not in _BYTE_TYPES:
            raise pickle.UnpicklingError(f"it holds an array of {name!r}, not of unsigned bytes")

    def __setstate__(self, _state: object) -> None:
        """Ignore byte order and alignment: a byte has none."""


class PickledArray:
    """Stands for ``numpy.ndarray``: a shape and bytes."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.content = b""

    def __setstate__(self, state: Any) -> None:
        """Take numpy's state (version, shape, dtype, fortran order, bytes), if it makes sense."""
        try:
            _version, shape, dtype, fortran, content = state
            sizes = tuple(int(size) for size in shape)
        except (TypeError, ValueError) as error:
            raise pickle.UnpicklingError("it holds an array whose state is not numpy's") from error
        if not isinstance(dtype, _ByteType) or fortran or not isinstance(content, bytes):
            raise pickle.UnpicklingError("it holds an array that is not one of bytes in C order")
        if min(sizes, default=0) < 0 or math.prod(sizes) != len(content):
            raise pickle.UnpicklingError(f"it holds an array of shape {sizes} with {len(content)} bytes")
        self.shape, self.content = sizes, content

    def array(self) -> NDArray[np.uint8]:
        """Return the array, read-only."""
        return np.frombuffer(self.content, np.uint8).reshape(self.shape)


class _Reconstruct:
    """Stands for ``numpy.core.multiarray._reconstruct``."""

    __slots__ = ()  # a pickle may set attributes of what it gets: there must be none

    def __call__(self, *_arguments: object) -> PickledArray:
        return PickledArray()


class _Encode:
    """Stands for ``_codecs.encode``, by which protocol 2 of Python 3 writes bytes."""

    __slots__ = ()

    def __call__(self, text: object, encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError(f"it encodes {type(text).__name__} as {encoding!r}")
        return text.encode("latin1")


_ALLOWED: Final = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _Encode(),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for an allowed global; refuse all others."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data set needs") from None

    def persistent_load(self, _reference: object) -> Any:
        """Refuse objects that live outside of the file."""
        raise pickle.UnpicklingError("it refers to an object outside of the file")


def load_restricted(name: str, content: bytes) -> dict[str, Any]:
    """Return the dictionary in a pickle, written by Python 2 or 3; arrays as :class:`PickledArray`.

    Args:
        name: the file, as messages name it.
        content: its bytes.

    Raises:
        DataError: it is no pickle of a dictionary, is cut short, or asks for anything but arrays of bytes.
    """
    try:
        loaded = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise DataError(f"{name} was not read: {_line(error)}; give the published file") from error
    except (
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise DataError(
            f"{name} is no readable pickle ({type(error).__name__}: {_line(error)}): give the published file"
        ) from error
    if not isinstance(loaded, dict):
        raise DataError(f"{name} holds a {type(loaded).__name__}, not a dictionary: give the published file")
    return {_text(key): value for key, value in loaded.items()}


def _line(error: Exception) -> str:
    """Return the message on one line: a pickle may name a module with line ends in it."""
    return " ".join(str(error).split())


def _text(key: object) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)
