from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from learners.networks.losses import cross_entropy_error, onehot, sparsemax, sparsemax_error, squared_error

LOGITS = torch.randn(16, 10, generator=torch.Generator().manual_seed(0)) * 3
Y = torch.arange(16) % 10


def test_cross_entropy_and_its_gradient_equal_autograd():
    logits = LOGITS.clone().requires_grad_()
    expected = F.cross_entropy(logits, Y)
    expected.backward()
    loss, error = cross_entropy_error(LOGITS, Y)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(error, logits.grad, rtol=1e-5, atol=1e-7)


def test_cross_entropy_of_huge_logits_stays_finite():
    loss, error = cross_entropy_error(torch.tensor([[1e30, 0.0], [0.0, 1e4]]), torch.tensor([0, 0]))
    assert loss.item() == pytest.approx(5e3)
    assert bool(torch.isfinite(error).all())


@pytest.mark.parametrize("y", [torch.tensor([10]), torch.tensor([-1])])
def test_a_label_out_of_range_is_an_error_and_no_silent_gradient(y):
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        cross_entropy_error(torch.zeros(1, 10), y)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=12))
@settings(max_examples=100, deadline=None)
def test_sparsemax_is_the_nearest_point_of_the_simplex(values):
    z = torch.tensor([values], dtype=torch.float64)
    p = sparsemax(z)[0]
    assert float(p.sum()) == pytest.approx(1.0)
    assert bool((p >= 0).all())
    gradient = p - z[0]  # of the squared distance: equal on the support, no smaller off it (KKT)
    tau = gradient[p > 0].mean()
    torch.testing.assert_close(gradient[p > 0], tau.expand(int((p > 0).sum())), rtol=0, atol=1e-9)
    assert bool((gradient >= tau - 1e-9).all())


def test_sparsemax_of_two_classes_is_a_clipped_line():
    t = torch.tensor([-2.0, -0.5, 0.0, 0.3, 5.0])
    p = sparsemax(torch.stack([t, torch.zeros(5)], 1))[:, 0]
    torch.testing.assert_close(p, ((t + 1) / 2).clamp(0, 1))


def test_the_sparsemax_loss_has_the_gradient_that_is_returned():
    logits = LOGITS.double().requires_grad_()
    _, error = sparsemax_error(logits.detach(), Y)
    steps = torch.eye(10, dtype=torch.float64) * 1e-6
    for row in range(4):
        for column in range(10):
            moved = logits.detach().clone()
            moved[row] += steps[column]
            up = sparsemax_error(moved, Y)[0]
            moved[row] -= 2 * steps[column]
            slope = (up - sparsemax_error(moved, Y)[0]) / 2e-6
            assert float(slope) == pytest.approx(float(error[row, column]), abs=1e-6)


def test_the_sparsemax_loss_is_zero_where_the_margin_is_one_and_never_negative():
    confident = torch.tensor([[2.0, 1.0, 0.0]])
    assert float(sparsemax_error(confident, torch.tensor([0]))[0]) == pytest.approx(0.0)
    assert float(sparsemax_error(LOGITS, Y)[0]) >= 0


def test_one_hot_rows_are_those_of_torch():
    assert torch.equal(onehot(Y, 12), F.one_hot(Y, 12).float())
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        onehot(torch.tensor([3]), 3)


def test_the_squared_error_is_half_the_squared_distance_to_the_label():
    assert float(
        squared_error(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), torch.tensor([1, 0]))
    ) == pytest.approx(2.5)
