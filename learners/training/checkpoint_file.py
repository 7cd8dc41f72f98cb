"""One file with all of a training at the end of an epoch: written whole or not at all, read without code.

A reader never sees half of it: it is written beside its place and renamed. It is read with
``torch.load(weights_only=True)``, which builds numbers, texts and tensors, and runs nothing.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from energyprof.errors import OutputError, RecordError

__all__ = ["CHECKPOINT", "read_checkpoint", "write_checkpoint"]

CHECKPOINT: Final = "checkpoint.pt"
_SCHEMA: Final = "energyprof.checkpoint/1"


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a checkpoint by rename, once the new one is safe on disk.

    Args:
        path: where to.
        content: plain data and tensors.

    Raises:
        OutputError: it cannot be written; nothing is left behind and an older checkpoint stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # somebody may have removed the run's folder
        with open(temporary, "wb") as file:
            torch.save({"schema": _SCHEMA, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch's writer of archives raises RuntimeError on a full disk
        reason = error.strerror if isinstance(error, OSError) else _reason(error)
        raise OutputError(
            f"cannot write the checkpoint {path}: {reason}; free some space, or leave out --checkpoint-every"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, all of it to the host.

    Raises:
        RecordError: it is missing, truncated, of another kind or of another version.
    """
    try:
        if path.exists() and not zipfile.is_zipfile(path):  # else torch would try older kinds of files
            raise ValueError("it does not end as one does")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecordError(
            f"there is no checkpoint {path}: the run was not started with --checkpoint-every, or ended "
            "before its first one"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise RecordError(
            f"{path} is no whole checkpoint ({_reason(error)}): it is truncated or something else; begin anew"
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != _SCHEMA:
        raise RecordError(
            f"{path} is no checkpoint of this energyprof: it has schema {schema!r}, not '{_SCHEMA}'"
        )
    return dict(content)


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError) and "Unsupported" in str(error):
        return "it holds more than numbers, texts and tensors"
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
