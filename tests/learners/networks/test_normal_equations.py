"""Normal equations, gathered in batches."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from learners.networks.normal_equations import NormalEquations


@pytest.mark.parametrize("features", [7, 600, 1024])  # less than a panel, a panel and a rest, two panels
def test_batches_give_the_solution_of_all_rows_at_once(features: int) -> None:
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(300, features, generator=generator, dtype=torch.float32)
    y = torch.randint(0, 3, (300,), generator=generator)
    equations = NormalEquations(features, 3, h.device)
    for rows in torch.arange(300).split(128):  # the last batch is smaller
        equations.add(h[rows], y[rows])
    solution = equations.solve(2.0)
    assert solution is not None
    exact = h.double()
    wanted = torch.linalg.solve(
        exact.t() @ exact + 2.0 * torch.eye(features, dtype=torch.float64),
        exact.t() @ F.one_hot(y, 3).double(),
    )
    torch.testing.assert_close(solution.t().double(), wanted, rtol=1e-3, atol=1e-4)


def test_equations_without_a_solution_say_so() -> None:
    equations = NormalEquations(4, 2, torch.device("cpu"))
    equations.add(torch.ones(3, 4), torch.tensor([0, 1, 0]))
    assert equations.solve(-10.0) is None


def test_no_value_that_is_not_finite_passes_as_a_solution() -> None:
    equations = NormalEquations(4, 2, torch.device("cpu"))
    equations.add(torch.full((3, 4), torch.nan), torch.tensor([0, 1, 0]))
    assert equations.solve(1.0) is None


def test_many_samples_of_features_that_go_together_still_have_a_solution() -> None:
    """Sums in fp32 would be off by more than the ridge: H'H + I would not be positive definite."""
    features, mix = 64, torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    equations, y = NormalEquations(features, 3, mix.device), torch.arange(128) % 3
    gram, cross = (torch.zeros(features, n, dtype=torch.float64) for n in (features, 3))
    for seed in range(400):
        factors = torch.randn(128, 4, generator=torch.Generator().manual_seed(seed))
        h = factors @ mix * 3 + 5
        equations.add(h, y)
        gram += h.double().t() @ h.double()
        cross += h.double().t() @ F.one_hot(y, 3).double()
    solution = equations.solve(1.0)
    assert solution is not None
    wanted = torch.linalg.solve(gram + torch.eye(features, dtype=torch.float64), cross)
    torch.testing.assert_close(h.double() @ solution.t().double(), h.double() @ wanted, rtol=0, atol=1e-4)


def test_features_that_never_vary_leave_nothing_to_round() -> None:
    """A border of images: constant values with long fractions, whose products round alike at every batch."""
    equations, y = NormalEquations(300, 3, torch.device("cpu")), torch.arange(96) % 3
    h = (torch.arange(300) * 0.7 + 11.3).sqrt().expand(96, 300)
    for _ in range(500):
        equations.add(h, y)
    assert equations.gram.abs().max() < 1e-6
    solution = equations.solve(1e-3)
    assert solution is not None
    torch.testing.assert_close(h @ solution.t(), torch.full((96, 3), 1 / 3), rtol=0, atol=1e-3)
