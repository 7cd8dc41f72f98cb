"""The best weights of a stage, kept in memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BestWeights"]


class BestWeights:
    """A copy of a module's parameters and buffers; its memory is allocated once."""

    def __init__(self, kept: dict[str, Tensor] | None = None) -> None:
        """Begin with nothing kept, or with what another one held."""
        self._kept = kept

    @property
    def kept(self) -> dict[str, Tensor] | None:
        """Return the copy by name, or None."""
        return self._kept

    def move(self, device: torch.device) -> None:
        """Bring the copy to a device."""
        if self._kept is not None:
            self._kept = {name: value.to(device) for name, value in self._kept.items()}

    @torch.no_grad()
    def keep(self, module: nn.Module) -> None:
        """Copy what the module holds now."""
        state = module.state_dict()
        if self._kept is None:
            self._kept = {name: value.clone() for name, value in state.items()}
            return
        for name, value in state.items():
            self._kept[name].copy_(value)

    @torch.no_grad()
    def restore(self, module: nn.Module) -> None:
        """Write the copy back, if there is one."""
        if self._kept is not None:
            module.load_state_dict(self._kept)
