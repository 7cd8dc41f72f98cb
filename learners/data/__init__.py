"""Data sets in their original formats, as tensors on the device."""
