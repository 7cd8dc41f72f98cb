from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from learners.networks.dense import Dense, drop_gradients, relu_backward_
from learners.networks.product import product, product_by_columns


def tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (128, 64, 100), (2, 1000, 10)])
def test_products_of_any_strides_equal_torch(shape):
    m, k, n = shape
    a, b, bias = tensor(m, k), tensor(n, k, seed=1), tensor(n, seed=2)
    torch.testing.assert_close(product(a, b, bias), F.linear(a, b, bias), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(product(a.t().contiguous().t(), b), a @ b.t(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(product(a, b.t().contiguous().t()), a @ b.t(), rtol=1e-5, atol=1e-4)


def test_products_in_double_precision_equal_torch():
    a, b = tensor(5, 3).double(), tensor(4, 3, seed=1).double()
    torch.testing.assert_close(product(a, b), a @ b.t())


def test_the_flop_counter_sees_every_product():
    with FlopCounterMode(display=False) as counter:
        product(tensor(5, 3), tensor(4, 3))
        product(tensor(5, 3).double(), tensor(4, 3).double())
    assert counter.get_total_flops() == 2 * (2 * 5 * 3 * 4)


def test_the_same_product_gives_the_same_bits():
    a, b = tensor(128, 784), tensor(300, 784, seed=1)
    assert torch.equal(product(a, b), product(a, b))


def test_gradients_equal_autograd():
    dense = Dense.standard(7, 5, torch.Generator().manual_seed(0), torch.device("cpu"))
    x, delta = tensor(6, 7), tensor(6, 5, seed=1)
    inputs = x.clone().requires_grad_()
    linear = nn.Linear(7, 5)
    linear.load_state_dict(dense.state_dict())
    linear(inputs).backward(delta)
    with torch.no_grad():
        dense.set_gradient(delta, x)
        torch.testing.assert_close(dense.input_gradient(delta), inputs.grad)
        torch.testing.assert_close(dense(x), linear(x))
    torch.testing.assert_close(dense.weight.grad, linear.weight.grad)
    torch.testing.assert_close(dense.bias.grad, linear.bias.grad)
    drop_gradients(dense)
    assert dense.weight.grad is None


def test_standard_weights_are_drawn_like_those_of_torch():
    dense = Dense.standard(400, 300, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert dense.weight.detach().abs().max() <= 400**-0.5
    assert dense.weight.detach().std().item() == pytest.approx((3 * 400) ** -0.5, rel=0.02)
    kaiming = Dense.kaiming(400, 300, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert kaiming.weight.detach().std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)


def test_the_backward_of_relu_zeroes_where_the_unit_is_silent():
    delta = torch.tensor([[1.0, 2.0, 3.0]])
    assert relu_backward_(delta, torch.tensor([[0.0, 0.5, 0.0]])).tolist() == [[0.0, 2.0, 0.0]]
    assert delta.tolist() == [[0.0, 2.0, 0.0]]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("count", [1, 5, 16])
def test_a_product_by_columns_is_the_product(count: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 7, generator=generator) for n in (count, 12))
    added = torch.randn(12, generator=generator) if bias else None
    for left in (a, a.t().contiguous().t()):  # by rows, and by columns
        torch.testing.assert_close(product_by_columns(left, b, added), product(a, b, added))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(product_by_columns(a, b, added), product(a, b, added))


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="torch's own product is used")
def test_its_columns_are_contiguous_where_that_saves_a_copy() -> None:
    assert product_by_columns(torch.ones(4, 3), torch.ones(5, 3)).t().is_contiguous()
