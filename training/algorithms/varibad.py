"""VariBAD: a latent that explains a whole trial, and a policy on the belief about it.

Zintgraf et al. 2020, https://arxiv.org/abs/1910.08348. A recurrent cell reads a Gaussian over a
latent out of the transitions so far. At every time that belief has to explain the rewards of the
whole trial, those still to come included, and where dynamics vary the next states too; how far it
moves at each step costs. The policy sees mean and log-variance, so that it can act on how much is
known; what it learns does not reach the belief.

Differs from the published code, whose faults are listed with the tests:

* Reconstruction and divergence are both means over trials.
* A trial's first belief knows nothing of the trial before it.
* Credit flows from later episodes to earlier ones; the value is cut where the trial ends.
* No remembered step joins two episodes, so none that cannot be is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from training.algorithms.belief_policy import BeliefPolicy, BeliefPolicySettings, Remembered
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import why_choices_not_deployable
from training.parts.checked import Count, CountOrNone, NonNegative, Sizes
from training.parts.elbo import Decoder, Steps, chained_kl, over_beliefs, pick, reconstruction
from training.parts.read_out import gaussian_of
from training.parts.recurrent_actor import RecurrentActor
from training.tasks.task import Task, dynamics_vary


@dataclass(frozen=True, kw_only=True)
class VariBadConfig(BeliefPolicySettings):
    """Settings of VariBAD; the defaults suit small state spaces on a CPU."""

    latent_size: Count = 5
    """dimensions of the belief"""
    decoder_hidden_sizes: Sizes = (64, 32)
    """hidden layers of the decoders"""
    kl_weight: NonNegative = 0.1
    """of a belief's divergence from the one before, beside the log-likelihood of a trial"""
    num_beliefs: CountOrNone = 16
    """moments of a trial, drawn anew at each step, whose beliefs are judged; 0: all"""
    num_decoded_steps: CountOrNone = 32
    """steps of a trial, drawn anew, that they are judged by; 0: all"""
    has_binary_rewards: bool = False
    """a step is paid or not: the decoder says how likely; otherwise how much"""
    pays_for_outcome: bool = False
    """what a step is paid depends on where it ended alone: the decoder is shown no more"""

    @classmethod
    def smallest(cls) -> Self:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_size=8,
            hidden_sizes=(16,),
            decoder_hidden_sizes=(8,),
            latent_size=2,
            num_trials=6,
            num_minibatches=2,
            num_epochs=2,
            belief_batch_size=4,
            num_belief_steps=3,
            replay_capacity=12,
            num_beliefs=4,
            num_decoded_steps=8,
        )


class VariBad:
    """The learner: belief, decoders, and a policy on the belief."""

    config_type = VariBadConfig
    adapts = True
    is_told_task = False

    def __init__(self, config: VariBadConfig, setup: TrainingSetup) -> None:
        self.config, self.tasks = config, setup.tasks
        self.on_belief = BeliefPolicy(
            config, setup, belief_size=config.latent_size, stream=6, columns={}
        )
        self.state, self.layout = self.on_belief.state, self.on_belief.layout
        self.encoder, self.policy = self.on_belief.encoder, self.on_belief.policy
        self.decoder = Decoder(
            latent_size=config.latent_size,
            observation_size=self.layout.observation_size,
            action_size=self.layout.action_size,
            hidden_sizes=config.decoder_hidden_sizes,
            has_binary_rewards=config.has_binary_rewards,
            pays_for_outcome=config.pays_for_outcome,
            decodes_state=dynamics_vary(setup.family),
            generator=self.state.initial,
        ).to(setup.device)
        self.belief_optimizer = torch.optim.Adam(
            [*self.encoder.parameters(), *self.decoder.parameters()],
            lr=config.belief_learning_rate,
            fused=True,
        )
        self.state.keep(
            modules={"decoder": self.decoder},
            optimizers={"belief_optimizer": self.belief_optimizer},
        )

    @property
    def why_not_deployable(self) -> str:
        return why_choices_not_deployable(self.on_belief.worlds)

    def iterate(self, progress: float) -> dict[str, float]:
        trials = self.on_belief.collect()
        return self.on_belief.iterate(trials, progress, self.belief_optimizer, self.belief_loss)

    def belief_loss(self, batch: Remembered) -> dict[str, Tensor]:
        """Minus the evidence lower bound, averaged over moments and trials, and its two parts."""
        config, generator = self.config, self.state.generator
        read = self.encoder.beliefs(batch.context)
        moments = pick(batch.length + 1, config.num_beliefs, generator)
        decoded = pick(batch.length, config.num_decoded_steps, generator)
        latent = self._drawn(moments.of(read))
        error = self.decoder.error(latent, self.steps_of(batch, decoded.of))
        explained = over_beliefs(reconstruction(error, decoded, batch.length), moments)
        divergence = over_beliefs(moments.of(chained_kl(read)), moments)
        return {
            "belief_loss": explained + config.kl_weight * divergence,
            "reconstruction_loss": explained,
            "kl": divergence,
        }

    def _drawn(self, read: Tensor) -> Tensor:
        """(..., L) reparameterised draws from beliefs (..., 2 L)."""
        belief = gaussian_of(read)
        noise = torch.randn(
            belief.mean.shape, generator=self.state.generator, device=belief.mean.device
        )
        return belief.mean + belief.log_std.exp() * noise

    def steps_of(self, batch: Remembered, picked: Callable[[Tensor], Tensor]) -> Steps:
        """What is to be explained; rewards in the scale that the cell sees them in."""
        sizes = [self.layout.observation_size, self.layout.action_size]
        context = batch.context
        observation, action, rest = context.split([*sizes, context.shape[-1] - sum(sizes)], dim=-1)
        reward = self.config.context_reward_scale * rest[..., 0]
        return Steps(*map(picked, (observation, action, reward, batch.next_observation)))

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return self.on_belief.make_actor(tasks, is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        return self.on_belief.deployed()
