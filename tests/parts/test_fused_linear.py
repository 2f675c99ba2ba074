"""The fast layer computes what the ordinary one does, and so do its gradients."""

import pytest
import torch
import torch.nn.functional as F

from training.parts.fused_linear import linear


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("leading", [(7,), (3, 5)])
def test_output_and_gradients_equal_the_ordinary_layer(
    relu: bool, leading: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 4)
    rows = torch.randn(*leading, 6, requires_grad=True)
    ordinary = F.linear(rows, layer.weight, layer.bias)
    ordinary = F.relu(ordinary) if relu else ordinary
    fast = linear(rows, layer, relu=relu)
    weights = torch.randn_like(fast)
    inputs = (rows, layer.weight, layer.bias)

    torch.testing.assert_close(fast, ordinary, atol=1e-6, rtol=1e-5)
    for got, expected in zip(
        torch.autograd.grad((fast * weights).sum(), inputs),
        torch.autograd.grad((ordinary * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_other_types_and_transforms_take_the_ordinary_layer() -> None:
    layer = torch.nn.Linear(6, 4).double()
    rows = torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(linear(rows, layer, relu=False), layer(rows))

    layer = torch.nn.Linear(6, 1)
    per_row = torch.func.vmap(torch.func.grad(lambda row: linear(row, layer, relu=False).sum()))
    gradient = per_row(torch.randn(5, 6))
    torch.testing.assert_close(gradient, layer.weight.detach().expand(5, 6))


def test_frozen_weights_get_no_gradient_and_inputs_do() -> None:
    layer = torch.nn.Linear(6, 4).requires_grad_(False)
    rows = torch.randn(3, 6, requires_grad=True)
    linear(rows, layer, relu=True).sum().backward()

    assert layer.weight.grad is None and layer.bias.grad is None
    assert rows.grad is not None


@pytest.mark.parametrize("relu", [False, True])
def test_m1_second_derivatives_equal_those_of_the_ordinary_layer(relu: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(6, 4)
    rows = torch.randn(5, 6, generator=generator, requires_grad=True)
    inputs = (rows, layer.weight, layer.bias)
    directions = [torch.randn(value.shape, generator=generator) for value in inputs]

    def products(output: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Hessian times `directions` of a loss that curves in its outputs."""
        slopes = torch.autograd.grad(output.sin().sum(), inputs, create_graph=True)
        along = sum((a * b).sum() for a, b in zip(slopes, directions, strict=True))
        return torch.autograd.grad(along, inputs)

    ordinary = F.linear(rows, layer.weight, layer.bias)
    expected = products(F.relu(ordinary) if relu else ordinary)
    for got, wanted in zip(products(linear(rows, layer, relu=relu)), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
