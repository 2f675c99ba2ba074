"""E-MAML: MAML that also credits exploring with what adapting made of it.

Stadie et al. 2018, https://arxiv.org/abs/1803.01118. MAML's gradient takes the exploration
episodes as given. The additional term is REINFORCE over them: a task's actions before adapting
get credit for how well the task went afterwards, compared with the other tasks of the batch.

Two forms of that credit are in use, and differ in what "well" is:

* `rewards`: of single steps, as in ProMP's code;
* `advantages`: of returns to go, as in the authors' own (https://github.com/episodeyang/e-maml).
  They compare with a value function that all tasks share; here it is the mean over all
  episodes of the batch at the same step, so that tasks that do equally well get exactly 0. A
  baseline per task, as elsewhere in the loss, would leave nothing for any task.

Differs from both: the term is a ratio to what collected, whose gradient is that of the
log-likelihood, but which the line search cannot make better without bound. In the authors' code
a mismatch of names leaves the term out silently; here every form is checked, and none is "off".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from training.algorithms.maml import Maml, MamlConfig
from training.parts.checked import Positive
from training.parts.gradient_adaptation import Credit, Stage, surrogate_loss
from training.parts.ppo import standardise

CreditForm = Literal["rewards", "advantages"]
"""what exploring is credited with"""


@dataclass(frozen=True, kw_only=True)
class EMamlConfig(MamlConfig):
    """Settings of E-MAML: MAML's, and the additional term's."""

    exploration_credit: CreditForm = "rewards"
    """of a task's later episodes, for actions before adapting"""
    exploration_weight: Positive = 1.0
    """of the additional term"""


def adaptation_credit(after: Stage, form: CreditForm, credit: Credit) -> Tensor:
    """(K,) how well each task went `after` adapting, against the other tasks; 0 where all equal."""
    reward = after.reward.transpose(0, 1).flatten(1)  # (T, K·M)
    is_valid = after.is_valid.transpose(0, 1).flatten(1)
    worth = reward.double()  # sums of equal numbers are exact, and so is what they leave: 0
    if form == "advantages":
        to_go = credit.returns(reward, is_valid).double()
        at_this_step = torch.where(is_valid > 0, to_go, 0.0).sum(1, keepdim=True)
        worth = to_go - at_this_step / is_valid.sum(1, keepdim=True).clamp(min=1.0)
    worth = standardise(worth, is_valid).unflatten(1, after.reward.shape[::2])
    num_steps = after.is_valid.sum((1, 2))
    per_task: Tensor = (worth.sum((0, 2)) / num_steps).to(reward)
    return per_task


class EMaml(Maml):
    """The learner: MAML with one more term in what the outer step lowers."""

    config: EMamlConfig
    config_type: type[MamlConfig] = EMamlConfig

    def loss(self, stages: list[Stage]) -> Tensor:
        return super().loss(stages) + self.config.exploration_weight * self.exploration_loss(stages)

    def exploration_loss(self, stages: list[Stage]) -> Tensor:
        """() minus the credit of what every task did before its last inner step."""
        form, credit = self.config.exploration_credit, self.explorer.outer_credit
        worth = adaptation_credit(stages[-1], form, credit)[:, None, None]
        losses = [
            surrogate_loss(explorers, stage, worth.expand_as(stage.is_valid))
            for explorers, stage in zip(self.adaptation.policies(stages)[:-1], stages, strict=False)
        ]
        return torch.stack(losses).mean()
