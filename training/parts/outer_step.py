"""The outer step of MAML and MAESN: within a trust region of the *adapted* policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_adaptation import mean_over_tasks
from training.parts.ppo import masked_mean
from training.parts.trust_region import trust_region_step


def outer_step(
    loss: Callable[[], Tensor],
    policies: Callable[[], DiagonalGaussian],
    is_valid: Tensor,
    parameters: Sequence[Tensor],
    **trust_region: Any,
) -> dict[str, Tensor]:
    """Lower `loss` while the mean KL of `policies` (K, T, M) from what they were stays small.

    Both are functions of `parameters` through the inner steps. What came of it: `accepted` is 0
    where no step was taken. `trust_region`: see `trust_region_step`.
    """
    with torch.no_grad():
        before = policies().detached()
    step = trust_region_step(
        loss,
        lambda: mean_over_tasks(masked_mean, before.kl_from(policies()), is_valid),
        parameters,
        **trust_region,
    )
    figures = {
        "policy_loss": step.loss_before,
        "gain": step.loss_before - step.loss_after,
        "kl": step.kl,
        "accepted": float(step.is_accepted),
    }
    return {name: torch.tensor(value) for name, value in figures.items()}
