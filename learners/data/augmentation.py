"""Random crop and flip, on the device, for a whole batch in one gather.

Crop of an image padded by reflection, then a flip, is a permutation of pixels with repeats. All that can be
drawn, (2 pad + 1)^2 offsets x flipped or not, are laid down once as a table of pixel numbers; a batch then
costs one look-up of rows in that table and one gather.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from energyprof.errors import UsageError

__all__ = ["CropAndFlip"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CropAndFlip:
    """Crop to the same size after padding by reflection, and flip left to right half of the time.

    Attributes:
        table: (variants, H * W) int64, the pixel that each pixel is taken from.
    """

    table: Tensor

    @classmethod
    def build(
        cls, height: int, width: int, device: torch.device | str = "cpu", pad: int = 4, *, flip: bool = True
    ) -> CropAndFlip:
        """Lay down the table for images of this size.

        Raises:
            UsageError: the images are too small to be padded by reflection.
        """
        if pad >= min(height, width):
            raise UsageError(
                f"images of {height}x{width} cannot be padded by {pad} pixels by reflection: "
                "turn augmentation off"
            )
        rows = _reflected(height, pad)[:, None, :, None] * width  # (offset, 1, row, 1)
        columns = _reflected(width, pad)[None, :, None, :]  # (1, offset, 1, column)
        table = (rows + columns).reshape(-1, height, width)
        if flip:
            table = torch.cat([table, table.flip(2)])
        return cls(table=table.flatten(1).to(device))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return the variant of each of ``count`` images, on the table's device.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        return torch.randint(len(self.table), (count,), generator=generator).to(self.table.device)

    def apply(self, x: Tensor, variant: Tensor) -> Tensor:
        """Return augmented images (B, C, H, W) for images (B, C, H, W) and variants (B,)."""
        batch_size, channels = x.shape[:2]
        source = self.table.index_select(0, variant)[:, None].expand(batch_size, channels, -1)
        return x.flatten(2).gather(2, source).view_as(x)


def _reflected(size: int, pad: int) -> Tensor:
    """Return (2 pad + 1, size): for each offset of the crop, the index that each place is taken from."""
    place = torch.arange(size) + torch.arange(-pad, pad + 1)[:, None]
    return (size - 1 - (size - 1 - place).abs()).abs()
