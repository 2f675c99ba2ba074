"""A step within a trust region: natural gradient, scaled to a divergence, tried out backwards.

Schulman et al. 2015 (TRPO), https://arxiv.org/abs/1502.05477, appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class TrustRegionStep(NamedTuple):
    """What a step did. Refused, it left every parameter as it was, and its changes are 0."""

    is_accepted: bool
    loss_before: float
    loss_after: float
    kl: float
    """mean divergence from before, at most the radius"""
    num_backtracks: int
    """how often the step was shortened; where refused, how often that was tried"""
    refusal: str
    """why nothing was done, empty where something was"""


def trust_region_step(
    surrogate_loss: Callable[[], Tensor],
    kl: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    *,
    max_kl: float,
    num_cg_iterations: int = 10,
    damping: float = 1e-5,
    backtrack_ratio: float = 0.8,
    max_backtracks: int = 15,
) -> TrustRegionStep:
    """Lower `surrogate_loss` () with `kl` () ≤ `max_kl`; both are of the current parameters.

    `kl` is KL(before || now), 0 with a gradient of 0 at the start, and twice differentiable. A
    step is accepted at the first length where the loss has fallen and the divergence holds.
    """
    parameters = list(parameters)
    before = [parameter.detach().clone() for parameter in parameters]
    loss = surrogate_loss()
    loss_before = float(loss.detach())
    gradient = _flat(torch.autograd.grad(loss, parameters, materialize_grads=True)).detach()
    product = fisher_vector_product(kl, parameters, damping=damping)
    direction = conjugate_gradient(product, -gradient, num_iterations=num_cg_iterations)
    curvature = float(direction @ product(direction))
    if not curvature > 0.0 or not math.isfinite(curvature):
        reason = "no direction: the gradient is zero, or the curvature is not positive"
        return TrustRegionStep(False, loss_before, loss_before, 0.0, 0, reason)
    step = direction * math.sqrt(2.0 * max_kl / curvature)
    for num_backtracks in range(max_backtracks):
        _assign(parameters, before, backtrack_ratio**num_backtracks * step)
        with torch.no_grad():
            loss_after, divergence = float(surrogate_loss()), float(kl())
        if loss_after < loss_before and divergence <= max_kl:  # false for NaN, too
            return TrustRegionStep(True, loss_before, loss_after, divergence, num_backtracks, "")
    _assign(parameters, before, torch.zeros_like(step))
    reason = "no length lowers the loss within the radius"
    return TrustRegionStep(False, loss_before, loss_before, 0.0, max_backtracks, reason)


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    target: Tensor,
    *,
    num_iterations: int = 10,
    tolerance: float = 1e-10,
) -> Tensor:
    """x (N,) with A x ≈ `target` (N,), for a symmetric positive definite A known by its products.

    Hestenes and Stiefel 1952. Stops when the squared residual is `tolerance` of what it was.
    """
    solution = torch.zeros_like(target)
    residual, direction = target.clone(), target.clone()
    squared = residual @ residual
    enough = tolerance * squared
    for _ in range(num_iterations):
        if squared <= enough:
            break
        image = product(direction)
        length = squared / (direction @ image)
        solution = solution + length * direction
        residual = residual - length * image
        following = residual @ residual
        direction = residual + following / squared * direction
        squared = following
    return solution


def fisher_vector_product(
    kl: Callable[[], Tensor], parameters: Sequence[Tensor], *, damping: float
) -> Callable[[Tensor], Tensor]:
    """Products (N,) to (N,) with the Hessian of `kl` plus `damping` times the identity.

    The divergence's gradient is taken once; every product is one more pass back through it.
    """
    gradient = _flat(
        torch.autograd.grad(kl(), parameters, create_graph=True, materialize_grads=True)
    )

    def product(vector: Tensor) -> Tensor:
        image = torch.autograd.grad(
            gradient @ vector, parameters, retain_graph=True, materialize_grads=True
        )
        return _flat(image) + damping * vector

    return product


def _flat(values: Sequence[Tensor]) -> Tensor:
    return torch.cat([value.reshape(-1) for value in values])


@torch.no_grad()
def _assign(parameters: Sequence[Tensor], before: Sequence[Tensor], step: Tensor) -> None:
    """`before` plus `step` (N,), in place; a step of zeros restores every bit."""
    pieces = step.split([value.numel() for value in before])
    for parameter, value, piece in zip(parameters, before, pieces, strict=True):
        parameter.copy_(value + piece.view_as(value))
