"""The inner loop of gradient-based meta-learning: steps of gradient descent, batched over tasks.

Finn et al. 2017 (MAML), https://arxiv.org/abs/1703.03400; learnt step sizes from Li et al. 2017
(Meta-SGD), https://arxiv.org/abs/1707.09835. Parameters are dictionaries as `torch.func` takes
them; those of K tasks have a leading axis K. What comes out can be differentiated with respect to
initial parameters and step sizes by ordinary autograd: the outer loop.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from training.parts.ppo import masked_mean

Parameters: TypeAlias = Mapping[str, Tensor]
StepSize: TypeAlias = float | Tensor | Mapping[str, float | Tensor]
"""one for all parameters, or by name; each a number, or a tensor shaped as the parameter"""
InnerLoss: TypeAlias = Callable[[Parameters, Any], Tensor]
"""one task's parameters and data (a tensor, or tuples and dictionaries of them) to a loss ()"""


class MetaGradient(enum.Enum):
    """What the outer loop knows about the inner one."""

    SECOND_ORDER = "second_order"
    """that the inner gradient changes with the parameters it was taken at: MAML"""
    FIRST_ORDER = "first_order"
    """nothing: inner gradients are constants, which is cheaper and biased: first-order MAML"""


def parameters_of(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters by name, for `functional_call`."""
    return dict(module.named_parameters())


def for_each_task(parameters: Parameters, num_tasks: int) -> dict[str, Tensor]:
    """The same parameters for K tasks, (K, ...): views, no copies."""
    return {name: value.expand(num_tasks, *value.shape) for name, value in parameters.items()}


def of_task(parameters: Parameters, task: int) -> dict[str, Tensor]:
    """One task's own parameters out of (K, ...)."""
    return {name: value[task] for name, value in parameters.items()}


def inner_step(
    loss: InnerLoss,
    parameters: Parameters,
    data: Any,
    step_size: StepSize,
    *,
    meta_gradient: MetaGradient = MetaGradient.SECOND_ORDER,
    frozen: Collection[str] = (),
) -> dict[str, Tensor]:
    """One step down each task's own loss: parameters (K, ...) and data (K, ...) to (K, ...).

    Names in `frozen` stay as they are; every other one needs a step size. Raises `ValueError`
    for names that are not parameters, and for step sizes that miss some.
    """
    moved = [name for name in parameters if name not in frozen]
    sizes = step_size if isinstance(step_size, Mapping) else dict.fromkeys(moved, step_size)
    if set(sizes) != set(moved) or len(moved) + len(set(frozen)) != len(parameters):
        raise ValueError(
            f"step sizes for {sorted(sizes)}, frozen {sorted(frozen)}: parameters are "
            f"{sorted(parameters)}"
        )
    kept = {name: parameters[name] for name in frozen}

    def task_loss(of_moved: Parameters, of_kept: Parameters, of_data: Any) -> Tensor:
        return loss({**of_kept, **of_moved}, of_data)

    gradients = vmap(grad(task_loss))({name: parameters[name] for name in moved}, kept, data)
    if meta_gradient is MetaGradient.FIRST_ORDER:
        gradients = {name: gradient.detach() for name, gradient in gradients.items()}
    return {
        name: value if name in kept else value - sizes[name] * gradients[name]
        for name, value in parameters.items()
    }


def adapt(
    loss: InnerLoss,
    parameters: Parameters,
    batches: Sequence[Any],
    step_size: StepSize,
    *,
    num_tasks: int,
    meta_gradient: MetaGradient = MetaGradient.SECOND_ORDER,
    frozen: Collection[str] = (),
) -> dict[str, Tensor]:
    """A step per batch (each with leading K) from shared `parameters`: the tasks' own, (K, ...).

    Batch n was collected with the parameters after n steps. Several steps on the same data are
    the same batch several times.
    """
    adapted = for_each_task(parameters, num_tasks)
    for batch in batches:
        adapted = inner_step(
            loss, adapted, batch, step_size, meta_gradient=meta_gradient, frozen=frozen
        )
    return adapted


def call_for_each_task(policy: nn.Module, parameters: Parameters, rows: Tensor) -> Any:
    """A policy's distributions with every task's own parameters (K, ...) on rows (K, ..., I).

    `policy` returns a distribution of `training.parts.distributions`; its deviations, too, come
    out beside every action.
    """

    def call(own: dict[str, Tensor], own_rows: Tensor) -> Any:
        return functional_call(policy, own, (own_rows,)).expanded()

    return vmap(call)(dict(parameters), rows)


def log_likelihood_loss(log_density: Tensor, advantage: Tensor, is_valid: Tensor) -> Tensor:
    """() minus the advantage-weighted log-likelihood: the inner loss of MAML, and REINFORCE's."""
    return -masked_mean(log_density * advantage, is_valid)


def likelihood_ratio_loss(
    log_density: Tensor, old_log_density: Tensor, advantage: Tensor, is_valid: Tensor
) -> Tensor:
    """() minus the advantage times π / π_old: ProMP's inner loss, and the trust region's.

    Rothfuss et al. 2019, https://arxiv.org/abs/1810.06784. Where π is π_old its gradient is that
    of `log_likelihood_loss`; its second derivative credits actions taken before adapting.
    """
    return -masked_mean(torch.exp(log_density - old_log_density) * advantage, is_valid)
