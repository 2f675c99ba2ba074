"""Credit for actions: discounted returns and generalised advantages, and how they are scaled.

Schulman et al. 2016, https://arxiv.org/abs/1506.02438. All are (T, B), T steps of B trials; marks
are 0 or 1. The two kinds of credit differ in where the sum over later steps is cut:

* *over trials*: only the end of a trial cuts, so that an early episode is paid for what a later
  one makes of it;
* *within episodes*: every end of an episode cuts, and value lies beyond it only at a time limit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sim2real.runtime.linear_baseline import LinearBaseline


def advantages(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    continues: Tensor,
    is_valid: Tensor,
    *,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """(T, B) generalised advantages; those past a trial's end (`is_valid` 0) come out as 0.

    `next_value` is the value where the step ended, 0 where none lies beyond; `continues` is 1
    where credit flows back from the next step.
    """
    advantage = torch.zeros_like(reward)
    following = torch.zeros_like(reward[0])
    for step in reversed(range(len(reward))):
        error = reward[step] + discount * next_value[step] - value[step]
        credit = torch.where(continues[step] > 0, following, 0.0)
        following = error + discount * gae_lambda * credit
        following = torch.where(is_valid[step] > 0, following, 0.0)
        advantage[step] = following
    return advantage


def trial_advantages(
    reward: Tensor, value: Tensor, is_valid: Tensor, *, discount: float, gae_lambda: float
) -> Tensor:
    """(T, B) advantages over whole trials: credit flows from later episodes to earlier ones.

    Only the end of the trial ends the sum; the ends of its episodes, time limits and terminations
    alike, do not. Steps past a trial's end (`is_valid` 0) count as nothing and come out as 0.
    """
    return advantages(
        reward,
        value,
        _shifted(torch.where(is_valid > 0, value, 0.0)),
        torch.ones_like(reward),
        is_valid,
        discount=discount,
        gae_lambda=gae_lambda,
    )


def episode_advantages(
    reward: Tensor,
    value: Tensor,
    final_value: Tensor,
    is_last: Tensor,
    terminated: Tensor,
    is_valid: Tensor,
    *,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """(T, B) advantages within episodes: their ends cut.

    `final_value` is the value of each step's next observation, read only where an episode ended
    at a time limit; where it terminated, no value lies beyond.
    """
    beyond = torch.where(terminated > 0, 0.0, final_value)
    return advantages(
        reward,
        value,
        torch.where(is_last > 0, beyond, _shifted(value)),
        1.0 - is_last,
        is_valid,
        discount=discount,
        gae_lambda=gae_lambda,
    )


def discounted_returns(
    reward: Tensor, continues: Tensor, is_valid: Tensor, *, discount: float
) -> Tensor:
    """(T, B) discounted sums of this and later rewards, as far as `continues` lets them flow.

    `torch.ones_like(reward)` for trials, `1 - is_last` for episodes.
    """
    nothing = torch.zeros_like(reward)
    return advantages(
        reward, nothing, nothing, continues, is_valid, discount=discount, gae_lambda=1.0
    )


def standardise_per_task(advantage: Tensor, is_valid: Tensor, num_tasks: int) -> Tensor:
    """Zero mean and unit deviation over each task's valid steps; padding comes out as 0.

    (T, K·M), a task's M trials side by side. A task whose advantages are all equal gets zeros.
    """
    grouped = advantage.unflatten(1, (num_tasks, -1))
    mask = is_valid.unflatten(1, (num_tasks, -1)) > 0
    count = mask.sum((0, 2), keepdim=True).clamp(min=1)
    centred = grouped - torch.where(mask, grouped, 0.0).sum((0, 2), keepdim=True) / count
    variance = torch.where(mask, centred.square(), 0.0).sum((0, 2), keepdim=True) / count
    return torch.where(mask, centred / (variance.sqrt() + 1e-8), 0.0).flatten(1)


def linear_baseline_values(
    observation: Tensor, step: Tensor, returns: Tensor, is_valid: Tensor, num_tasks: int
) -> Tensor:
    """(T, K·M) values of a linear baseline per task, fitted on its own valid steps (in-sample).

    `observation` is (T, K·M, O), `step` counts within the episode. What a robot subtracts is
    computed by the same code. Padding gets 0.
    """
    values = torch.zeros_like(returns)
    for columns in torch.arange(returns.shape[1]).view(num_tasks, -1):
        mask = is_valid[:, columns] > 0
        seen = observation[:, columns][mask].cpu().numpy()
        when = step[:, columns][mask].cpu().numpy()
        baseline = LinearBaseline.fitted(seen, when, returns[:, columns][mask].cpu().numpy())
        fitted = torch.from_numpy(baseline.values(seen, when))
        part = torch.zeros_like(returns[:, columns])
        part[mask] = fitted.to(returns)
        values[:, columns] = part
    return values


def _shifted(values: Tensor) -> Tensor:
    """Each step's successor in (T, B); 0 behind the last."""
    return torch.cat([values[1:], torch.zeros_like(values[:1])])
