"""Linear layers through oneDNN on the CPU: the same float32 maths, about twice as fast.

`torch.nn.functional.linear` calls MKL, which runs at less than half of an AMD core's float32
peak; oneDNN, which torch ships too, is fast on AMD and Intel and fuses the bias and the ReLU. Its
operator is not a public one, which the exact pin of torch permits; wherever it does not apply,
the ordinary layer computes the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_IS_AVAILABLE = torch.backends.mkldnn.is_available()


def _affine(rows: Tensor, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Tensor:
    """rows (B, I) times weight (J, I) transposed, plus bias (J,): (B, J)."""
    activation = "relu" if relu else "none"
    output: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, activation, [], "")
    return output


def _affine_product(left: Tensor, right: Tensor) -> Tensor:
    """left (B, J) times right (J, I), quickly."""
    return _affine(left, right.t(), None)


def _differentiable_product(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


class _FusedLinear(torch.autograd.Function):
    """The layer and its derivatives; where a second one is asked for, they are ordinary ones."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
        output = _affine(rows, weight, bias, relu=relu)
        ctx.save_for_backward(rows, weight, output if relu else None)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, output = ctx.saved_tensors
        if output is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        needs_rows, needs_weight, needs_bias, _ = ctx.needs_input_grad
        # Grad mode is on here exactly where the caller passed `create_graph`.
        product = _differentiable_product if torch.is_grad_enabled() else _affine_product
        return (
            product(gradient, weight) if needs_rows else None,
            product(gradient.t(), rows) if needs_weight else None,
            gradient.sum(0) if needs_bias else None,
            None,
        )


def linear(rows: Tensor, layer: nn.Module, *, relu: bool) -> Tensor:
    """rows (..., I) through an `nn.Linear` and, if asked, a ReLU: (..., J)."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor) and isinstance(bias, Tensor)
    if not _applies_to(rows):
        output = F.linear(rows, weight, bias)
        return F.relu(output) if relu else output
    if not torch.is_grad_enabled() and rows.dim() == 2:  # acting: fewer calls
        return _affine(rows, weight, bias, relu=relu)
    flat = rows.reshape(-1, rows.shape[-1])
    output = _FusedLinear.apply(flat, weight, bias, relu)
    fused: Tensor = output.reshape(*rows.shape[:-1], output.shape[-1])
    return fused


def _applies_to(rows: Tensor) -> bool:
    return (
        _IS_AVAILABLE
        and rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and not torch.compiler.is_compiling()  # tracing for export sees ordinary layers
        and torch._C._functorch.peek_interpreter_stack() is None  # torch.func needs plain ones
    )
