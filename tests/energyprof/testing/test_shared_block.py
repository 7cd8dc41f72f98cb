from __future__ import annotations

import ctypes
from pathlib import Path

from energyprof.testing.native_library import compile_library
from energyprof.testing.shared_block import Block, SharedBlock


def test_python_and_the_library_agree_on_the_size_of_the_block() -> None:
    library = ctypes.CDLL(str(compile_library()))
    library.energyprof_stand_in_block_bytes.restype = ctypes.c_int64
    assert library.energyprof_stand_in_block_bytes() == ctypes.sizeof(Block)


def test_the_block_takes_little_room_until_it_is_used(tmp_path: Path) -> None:
    shared = SharedBlock(tmp_path / "block")
    assert shared.path.stat().st_blocks * 512 < 2**20
    shared.remove()
    assert not shared.path.exists()
