"""What a learner is built from, apart from its settings."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from learners.base import DataSpec
from learners.networks.architecture import Architecture

__all__ = ["Blueprint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The data's shape, the net's shape, the source of randomness and the device.

    Attributes:
        generator: on the CPU, seeded with the run's seed; first weights are drawn from it, in order.
    """

    spec: DataSpec
    architecture: Architecture
    generator: torch.Generator
    device: torch.device

    def device_generator(self) -> torch.Generator:
        """Return a generator on the device, with the run's seed, for what a learner draws while it learns."""
        return torch.Generator(self.device).manual_seed(self.generator.initial_seed())
