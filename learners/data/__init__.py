"""Data sets in their original formats, as tensors on the device.

This room owns where a data set's files come from (the package, a folder, a verified download), how they are
read, and how they become batches. It trains nothing.
"""
