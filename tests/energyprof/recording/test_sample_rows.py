"""Rows in, columns out."""

from __future__ import annotations

import math
import threading
from array import array

import numpy as np

from energyprof.recording.sample_rows import RowBuffer, as_columns, joined


def test_rows_come_out_as_columns_relative_to_the_origin_once() -> None:
    buffer = RowBuffer(("a", "b"), origin_ns=1_000)
    buffer.append(1, 900, 1_100, 2.5)
    buffer.append(0, 1_100, 1_200, math.nan, True)
    rows = buffer.drain()
    assert rows.channels == ("a", "b")
    assert rows.channel.tolist() == [1, 0]
    assert rows.since_ns.tolist() == [-100, 100]
    assert rows.t_ns.tolist() == [100, 200]
    assert rows.value[0] == 2.5
    assert math.isnan(rows.value[1])
    assert rows.gap.tolist() == [False, True]
    assert len(buffer.drain()) == 0


def test_columns_have_their_types_also_where_there_are_no_rows() -> None:
    buffer = RowBuffer((), origin_ns=0)
    for rows in (buffer.drain(),):
        assert rows.channel.dtype == np.int32
        assert rows.t_ns.dtype == rows.since_ns.dtype == np.int64
        assert rows.value.dtype == np.float64
        assert rows.gap.dtype == np.bool_


def test_no_row_is_lost_between_a_writer_and_a_reader_in_another_thread() -> None:
    buffer = RowBuffer(("a",), origin_ns=0)
    writer = threading.Thread(target=lambda: [buffer.append(0, k, k, float(k)) for k in range(20_000)])
    writer.start()
    seen: list[float] = []
    while writer.is_alive():
        seen.extend(buffer.drain().value.tolist())
    seen.extend(buffer.drain().value.tolist())
    assert seen == [float(k) for k in range(20_000)]


def test_what_is_taken_is_kept_by_nobody_and_what_is_collected_is_drained() -> None:
    buffer = RowBuffer(("a",), origin_ns=0)
    buffer.append(0, 1, 2, 3.0)
    assert buffer.take() == (
        array("i", [0]),
        array("q", [1]),
        array("q", [2]),
        array("d", [3.0]),
        array("b", [0]),
    )
    buffer.append(0, 2, 3, 4.0)
    chunks = [buffer.collect(), as_columns([(0, 5, 6, 7.0, True)])]
    assert buffer.drain().value.tolist() == [4.0]
    assert joined(chunks) == as_columns([(0, 2, 3, 4.0, False), (0, 5, 6, 7.0, True)])
    assert joined([]) == as_columns(())
