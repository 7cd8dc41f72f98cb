from __future__ import annotations

import pytest
import torch

from energyprof.errors import DataError
from learners.base import DataSpec, check_data

SPEC = DataSpec(shape=(1, 2, 2), classes=3)


def test_good_data_pass_also_with_a_class_missing():
    check_data(torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 1, 0]), SPEC)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 1, 2, 2), torch.tensor([0, 3]), "labels must be int64 from 0 to 2, seen 0 to 3"),
        (torch.zeros(2, 1, 2, 2), torch.tensor([-1, 1]), "seen -1 to 1"),
        (torch.zeros(2, 1, 2, 2), torch.tensor([0, 1], dtype=torch.int32), "as torch.int32"),
        (torch.zeros(0, 1, 2, 2), torch.zeros(0, dtype=torch.int64), "seen none"),
        (torch.zeros(2, 1, 2, 2), torch.tensor([1, 1]), "all 2 labels are 1"),
        (
            torch.tensor([0.0, torch.nan]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2),
            torch.tensor([0, 1]),
            "4 input values",
        ),
        (torch.zeros(2, 1, 2, 3), torch.tensor([0, 1]), r"must be \(n, 1, 2, 2\)"),
        (torch.zeros(3, 1, 2, 2), torch.tensor([0, 1]), r"labels \(2,\)"),
    ],
)
def test_bad_data_are_refused_in_one_line(x, y, message):
    with pytest.raises(DataError, match=message):
        check_data(x, y, SPEC)
