"""Policy, critics and temperature of a soft actor-critic, whatever it takes for a state.

What a learner sees, and what its critics' errors teach besides, is its own; see `parts.sac` for the
losses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from training.parts import sac
from training.parts.learner_state import LearnerState
from training.parts.networks import frozen_copy
from training.parts.schedule import set_learning_rate


class Settings(Protocol):
    """What its steps go by; see `SoftActorCriticSettings`."""

    @property
    def learning_rate(self) -> float: ...

    @property
    def final_learning_rate(self) -> float | None: ...

    @property
    def discount(self) -> float: ...

    @property
    def target_update_rate(self) -> float: ...

    @property
    def reward_scale(self) -> float: ...

    @property
    def target_entropy_per_action(self) -> float: ...


class SoftActorCritic:
    """Networks, targets and optimizers, kept in a learner's state, and a gradient step of each.

    Critics judge (B, S) states; the policy goes by (B, I) what is `seen` of them, often the same.
    """

    def __init__(
        self,
        networks: sac.Networks,
        settings: Settings,
        state: LearnerState,
        *,
        taught_besides: Iterable[Tensor] = (),
    ) -> None:
        """The critics' errors move `taught_besides` too, with the critics' optimizer."""
        self.networks, self._settings, self._state = networks, settings, state
        self.policy, self.critic, self.log_temperature = networks
        self.target = frozen_copy(self.critic)
        judges = [*self.critic.parameters(), *taught_besides]
        actors = [*self.policy.parameters(), self.log_temperature]
        rate = settings.learning_rate
        self.critic_optimizer = torch.optim.Adam(judges, lr=rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=rate, fused=True)
        state.keep(
            modules={"policy": self.policy, "critic": self.critic, "target": self.target},
            numbers={"log_temperature": self.log_temperature},
            optimizers={
                "critic_optimizer": self.critic_optimizer,
                "actor_optimizer": self.actor_optimizer,
            },
        )

    def set_learning_rates(self, progress: float) -> None:
        """Of its own optimizers alone, at `progress` in [0, 1] through the run."""
        first, last = self._settings.learning_rate, self._settings.final_learning_rate
        for optimizer in (self.critic_optimizer, self.actor_optimizer):
            set_learning_rate(optimizer, first, last, progress)

    def bellman_target(
        self, reward: Tensor, terminated: Tensor, next_state: Tensor, next_seen: Tensor
    ) -> Tensor:
        """(B,) scaled rewards and the discounted value of what follows."""
        return sac.bellman_target(
            self._settings.reward_scale * reward,
            terminated,
            sac.soft_value(
                self.networks, self.target, next_state, next_seen, self._state.generator
            ),
            discount=self._settings.discount,
        )

    def critic_step(self, state: Tensor, action: Tensor, target: Tensor) -> dict[str, Tensor]:
        """One of both critics, and of what is taught besides; see `sac.critic_step`."""
        return sac.critic_step(self.critic, self.critic_optimizer, state, action, target)

    def actor_step(self, state: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """One of policy and temperature; see `sac.actor_step`."""
        return sac.actor_step(
            self.networks,
            self.actor_optimizer,
            state,
            seen,
            target_entropy_per_action=self._settings.target_entropy_per_action,
            generator=self._state.generator,
        )

    def move_target(self) -> None:
        """The target critics, by their share of the way."""
        sac.move_towards(self.target, self.critic, self._settings.target_update_rate)

    @property
    def temperature(self) -> Tensor:
        """() what a nat of entropy is worth by now."""
        return self.log_temperature.detach().exp()
