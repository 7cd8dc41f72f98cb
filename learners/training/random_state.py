"""The process's own random generators: torch's on the host and on the device, numpy's and Python's.

The order of batches and their augmentation need no state: they follow from the seed and the number of a pass.
A learner's own generators are part of its state.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["capture_generators", "restore_generators"]


def capture_generators(device: torch.device) -> dict[str, Any]:
    """Return the states of the generators, as plain data and tensors."""
    state: Any = np.random.get_state(legacy=True)
    name, keys, position, has_gauss, gauss = state
    return {
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [
            str(name),
            torch.from_numpy(keys.astype(np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": random.getstate(),
    }


def restore_generators(state: Mapping[str, Any], device: torch.device) -> None:
    """Put the generators into states of :func:`capture_generators`."""
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and state["device"] is not None:
        torch.cuda.set_rng_state(state["device"].cpu(), device)
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
