"""PEARL that searches: latents are tested within an episode in place of one sample held for it.

A posterior sampler aims at one task an episode, and a belief that is a product of Gaussian factors
cannot say "not here". Here the latents of the train tasks are hypotheses. A decoder, learnt beside
PEARL off-policy from the same context, predicts what each of them would pay. The policy acts on one
of them until it has been more wrong than the best by too much, then on the survivor under which the
critics promise most from here: where nothing pays, it sweeps from one possible goal to the next.
Once something pays, those that explain it survive. No new policy is learnt, and nothing is drawn.

To act on the most promising of the hypotheses that survive, until it is eliminated, is the rule of
OLIVE (Jiang et al. 2017, https://arxiv.org/abs/1610.09512); here within an episode and learnt.

Trials in training search too: context then comes from what a search led to, and holds a reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.hypotheses import Hypotheses, most_promising
from sim2real.contract.transition import Transition
from sim2real.runtime.kinds.latent_search import LatentSearchSettings
from training.algorithms.learner import Deployed
from training.algorithms.pearl import Int, Pearl, PearlConfig, Phase
from training.parts.actor import Actor, Drawn
from training.parts.checked import Count, Positive, Sizes
from training.parts.decoders import PromisedValue, RewardDecoder
from training.parts.policies import choose
from training.parts.rollout import Collected
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float

_ERROR_RATE = 0.01
"""share of the way that the noted error moves at each gradient step"""


@dataclass(frozen=True, kw_only=True)
class PearlSearchConfig(PearlConfig):
    """Settings of PEARL, and of what it searches with.

    `num_exploration_episodes` is not looked at: a trial searches for as long as it has to.
    """

    decoder_hidden_sizes: Sizes = (128, 128)
    """hidden layers of the reward decoder"""
    decoder_batch_size: Count = 64
    """context rows per task in a step of the decoder, the first of those that are sampled"""
    max_hypotheses: Count = 128
    """latents that are tested: those of the train tasks, evenly picked where there are more"""
    refuting_nats: Positive = 3.0
    """a latent is refuted when it is this much less likely than the best, with the decoder's own
    mean squared error as the variance"""


class PearlSearch(Pearl):
    """PEARL with a reward decoder beside it, and trials that search."""

    config_type = PearlSearchConfig
    config: PearlSearchConfig

    def _build_networks(self, initial: torch.Generator) -> None:
        super()._build_networks(initial)
        config = self.config
        self.decoder = RewardDecoder(
            self.context_layout,
            config.latent_size,
            config.decoder_hidden_sizes,
            reward_scale=config.context_reward_scale,
            generator=initial,
        ).to(self.device)
        self.decoder_optimizer = torch.optim.Adam(
            self.decoder.parameters(), lr=config.learning_rate
        )
        self.decoder_error = torch.ones((), device=self.device)
        self.state.keep(
            modules={"decoder": self.decoder},
            numbers={"decoder_error": self.decoder_error},
            optimizers={"decoder_optimizer": self.decoder_optimizer},
        )

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self) -> Collected:
        """As PEARL; searched for are the tasks as they are known before any is forgotten."""
        self._searched = self.hypotheses()
        return super().collect()

    def _collecting_actor(self, tasks: Int, groups: Int, latents: Phase) -> Actor:
        if latents == "posterior":
            return SearchActor(self, self._searched, len(tasks), is_deterministic=False)
        return super()._collecting_actor(tasks, groups, latents)

    @torch.no_grad()
    def hypotheses(self) -> Tensor:
        """(M, L) the beliefs' means about train tasks, each given all of its latest context."""
        config, size = self.config, self.encoder_buffer.size
        known = np.flatnonzero(size > 0)
        if not known.size:
            return torch.zeros(1, config.latent_size, device=self.device)
        num_picked = min(len(known), config.max_hypotheses)
        picked = known[np.linspace(0, len(known) - 1, num_picked).round().astype(int)]
        means = [
            self.infer(self.encoder_buffer.rows[task, : size[task]][None]).mean[0]
            for task in picked
        ]
        return torch.stack(means)

    @property
    def max_excess_error(self) -> float:
        """How much more wrong than the best a latent may have been."""
        return 2.0 * self.config.refuting_nats * float(self.decoder_error)

    # ---- improving -----------------------------------------------------------------------------

    def _learn_beside(self, context: Tensor, latent: Tensor) -> dict[str, Tensor]:
        """The decoder, on some of the context that latents were inferred from.

        Latents are taken as they are: encoder, policy and critics learn as without a decoder.
        """
        rows = context[:, : self.config.decoder_batch_size]
        predicted = self.decoder(rows, latent[:, None].expand(-1, rows.shape[1], -1))
        reward = rows[..., self.decoder.reward_at]
        loss = (predicted - reward).square().mean()
        self.decoder_optimizer.zero_grad()
        loss.backward()
        self.decoder_optimizer.step()
        self.decoder_error.lerp_(loss.detach(), _ERROR_RATE)
        return {"decoder_loss": loss}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> Actor:
        return SearchActor(self, self.hypotheses(), len(tasks), is_deterministic=is_deterministic)

    def promised_value(self) -> PromisedValue:
        """What the critics expect of the policy; it shares their weights."""
        value = self.value if self.config.form == "reference" else None
        return PromisedValue(self.config.latent_size, self.policy, self.critic, value)

    def deployed(self) -> Deployed:
        latents = self.hypotheses().cpu().numpy().tolist()
        settings = LatentSearchSettings(
            latent_size=self.config.latent_size,
            latents=tuple(tuple(latent) for latent in latents),
            max_excess_error=self.max_excess_error,
        )
        return Deployed.of(
            settings,
            self.state.statistics,
            self.worlds,
            self.context_layout,
            policy=self.policy,
            decoder=self.decoder,
            critic=self.promised_value(),
        )


class SearchActor:
    """Acts in W worlds as `sim2real.runtime.kinds.latent_search` does on a robot."""

    def __init__(
        self, learner: PearlSearch, latents: Tensor, num_worlds: int, *, is_deterministic: bool
    ) -> None:
        """`latents` (M, L) are those that are tested."""
        self._learner, self._latents, self._num_worlds = learner, latents, num_worlds
        self._generator = None if is_deterministic else learner.state.generator
        self._value = learner.promised_value()
        self._max_excess_error = learner.max_excess_error
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        """Nothing is drawn, so nothing is done with the seed."""
        self.hypotheses = Hypotheses.untested(len(self._latents), (self._num_worlds,))
        self._normalizer = self._learner.state.statistics.frozen()
        self.held = np.full(self._num_worlds, -1)

    def begin_episode(self, starts: Bool) -> None:
        self.held = np.where(starts, -1, self.held)

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        seen = torch.from_numpy(self._normalizer.normalize(observation)).to(learner.device)
        survives = self.hypotheses.survive(self._max_excess_error)
        is_over = (self.held < 0) | ~survives[np.arange(self._num_worlds), self.held]
        if is_over.any():
            value = self._value(*_each_with_each(seen[is_over], self._latents))
            self.held[is_over] = most_promising(value.cpu().numpy(), survives[is_over])
        state = torch.cat([seen, self._latents[self.held]], dim=-1)
        return choose(learner.policy, state, self._generator)

    @torch.no_grad()
    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        learner = self._learner
        is_sparse = learner.config.uses_sparse_context
        reward = sparse_reward if is_sparse else transition.reward
        row = learner.context_layout.row(
            transition._replace(
                observation=self._normalizer.normalize(transition.observation),
                next_observation=self._normalizer.normalize(transition.next_observation),
                reward=reward,
            )
        )
        rows = torch.from_numpy(row).to(learner.device)
        predicted = learner.decoder(*_each_with_each(rows, self._latents)).cpu().numpy()
        # Where the episode is over every latent is right: it says nothing.
        misfit = np.where(is_running[:, None], predicted - reward[:, None], 0.0)
        self.hypotheses = self.hypotheses.observe(misfit)

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.hypotheses = Hypotheses(
            error=self.hypotheses.error[order], num_transitions=self.hypotheses.num_transitions
        )


def _each_with_each(rows: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """(W, ·) and (M, L) to (W, M, ·) and (W, M, L)."""
    shape = (len(rows), len(latents), -1)
    return rows[:, None].expand(shape), latents[None].expand(shape)
