"""SLAC: soft actor-critic on a latent that a model of what is seen infers.

Lee et al. 2020, https://arxiv.org/abs/1907.00953, at a size that learns on two cores. The critics
judge a draw of the latent; the policy goes by the eye's features of the last moments and the
actions between them, as the paper's does. Neither teaches the model, which learns from what it has
to tell: frames, measurements and rewards (`training.parts.sequence_latent_model`).

Before an episode's first moment there are copies of it and actions of zero, in training and in
acting. One policy for all tasks. In a world without a camera the model tells measurements alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.transition import Transition
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import LatentModelSettings
from training.parts import sac
from training.parts.actor import Drawn
from training.parts.checked import Count, Positive
from training.parts.policies import choose
from training.parts.rollout import Collected
from training.parts.seen_episodes import Batch, SeenEpisodes, parted
from training.parts.sequence_latent_model import Inferred, SequenceLatentModel, frame_misfit
from training.parts.soft_actor_critic import SoftActorCritic
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float


@dataclass(frozen=True, kw_only=True)
class SlacConfig(LatentModelSettings):
    """Settings of SLAC; the defaults suit 32 x 32 on a CPU."""

    frame_variance: Positive = 0.1
    """of a pixel about what is told of it: large, and the latent ignores the frame"""
    measured_variance: Positive = 0.1
    """of a measurement, normalised"""
    window: Count = 6
    """steps that the model infers over and the policy looks back on"""
    model_batch_size: Count = 16
    """windows in a gradient step of the model"""
    num_initial_model_steps: Count = 2000
    """gradient steps of the model before actor and critics begin"""
    num_worlds: Count = 16
    """episodes that run side by side, each on a train task drawn anew"""
    num_initial_steps: Count = 2500
    """steps of all worlds together before the first update"""
    num_steps: Count = 640
    """steps of all worlds together per iteration; whole episodes, so it is a floor"""
    num_gradient_steps: Count = 320
    """gradient steps per iteration, of the model and of actor and critics alike"""
    batch_size: Count = 64
    """windows in a gradient step of actor and critics"""
    replay_capacity: Count = 100_000
    """transitions remembered"""

    @classmethod
    def smallest(cls) -> SlacConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            num_channels=4,
            num_features=6,
            z1_size=3,
            z2_size=5,
            model_hidden_size=16,
            window=3,
            model_batch_size=4,
            num_initial_model_steps=3,
            hidden_sizes=(16, 16),
            num_worlds=4,
            num_initial_steps=40,
            num_steps=20,
            num_gradient_steps=4,
            batch_size=8,
        )


class Glance(NamedTuple):
    """A window of L steps as inference and policy take it."""

    seen: Tensor
    """(L + 1, B, S) moments: measurements, normalised, and features"""
    action: Tensor
    """(L, B, A) between them"""


class Slac:
    """The learner: a model, actor and critics on what it infers, one replay of episodes."""

    config_type = SlacConfig
    adapts = False
    is_told_task = False
    why_not_deployable = (
        "its policy looks at the last moments side by side, which no kind of adaptation hands it"
    )

    def __init__(self, config: SlacConfig, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = setup.make_worlds(config.num_worlds, sees_frames=True)
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=17)
        self.episodes = SeenEpisodes(
            self.worlds, capacity=config.replay_capacity, device=setup.device
        )
        self.state.keep(replays={"episodes": self.episodes.replay})
        self._build_model(self.state.initial)
        self._build_actor_critic(self.state.initial)

    def _build_model(self, initial: torch.Generator) -> None:
        config = self.config
        sizes = config.model_sizes(self.worlds)
        self.model = SequenceLatentModel(sizes, generator=initial).to(self.device)
        self.model_optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.model_learning_rate, fused=True
        )
        self.state.keep(modules={"model": self.model})

    def _build_actor_critic(self, initial: torch.Generator) -> None:
        config, sizes = self.config, self.model.sizes
        policy, _, log_temperature = sac.networks(
            config.window * (sizes.seen + sizes.action),
            sizes.action,
            config,
            generator=initial,
            device=self.device,
        )
        _, critic, _ = sac.networks(
            sizes.latent, sizes.action, config, generator=initial, device=self.device
        )
        networks = sac.Networks(policy, critic, log_temperature)
        self.heads = SoftActorCritic(networks, config, self.state)
        self.policy = self.heads.policy
        self.state.keep(optimizers={"model_optimizer": self.model_optimizer})

    def iterate(self, progress: float) -> dict[str, float]:
        config, is_first = self.config, self.state.num_environment_steps == 0
        collected = self.collect(config.num_initial_steps if is_first else config.num_steps)
        if is_first:
            self.state.counted(
                (self.model_step() for _ in range(config.num_initial_model_steps)),
                num_steps=config.num_initial_model_steps,
            )
        self.heads.set_learning_rates(progress)
        losses = self.state.counted(
            (self.model_step() | self.gradient_step() for _ in range(config.num_gradient_steps)),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )
        return {"train_return": collected.mean_return, **losses}

    def collect(self, num_steps: int) -> Collected:
        """Whole episodes, every world on a train task drawn anew."""
        make_actor = partial(self.make_actor, is_deterministic=False)
        return self.episodes.collect(self.worlds, self.tasks, make_actor, self.state, num_steps)

    # ---- the model -----------------------------------------------------------------------------

    def sample(self, batch_size: int) -> Batch:
        """Windows of L steps, the last of which was really made."""
        return self.episodes.sample(
            batch_size, self.state.generator, num_before=self.config.window - 1
        )

    def glance(self, batch: Batch) -> Glance:
        measured = self.state.statistics.normalize(batch.measured)
        return Glance(self.model.seen(measured, batch.frame), batch.action)

    def infer(self, glance: Glance) -> Inferred:
        """A draw of the latents of a window; windows lie within an episode."""
        seen, sizes = glance.seen, self.model.sizes
        noise = torch.randn(
            (*seen.shape[:2], sizes.latent), generator=self.state.generator, device=seen.device
        )
        is_first = torch.zeros(seen.shape[:2], device=seen.device)
        return self.model.infer(seen, glance.action, is_first, noise)

    def model_step(self) -> dict[str, Tensor]:
        """One gradient step of the model on windows drawn anew."""
        terms = self.model_terms(self.sample(self.config.model_batch_size))
        self.model_optimizer.zero_grad()
        sum(terms.values(), torch.tensor(0.0)).backward()
        self.model_optimizer.step()
        return terms

    def model_terms(self, batch: Batch) -> dict[str, Tensor]:
        """What is minimised: each a sum over a window's moments and elements, a mean over windows.

        Nothing is paid before an episode begins, and no reward is learnt there.
        """
        config, model = self.config, self.model
        glance = self.glance(batch)
        inferred = self.infer(glance)
        latent = inferred.latent
        measured = glance.seen[..., : model.sizes.measured]
        misfit = (model.told_measured(latent) - measured).square().sum(-1)
        before, after = (type(latent)(z1, z2) for z1, z2 in _ends(latent))
        reward = model.told_reward(before, glance.action, after)
        surprise = -reward.log_density(batch.reward[..., None]) * (1.0 - batch.is_padding)
        terms = {
            "model_divergence": inferred.divergence.sum(0).mean(),
            "model_measured": (0.5 * misfit / config.measured_variance).sum(0).mean(),
            "model_reward": surprise.sum(0).mean(),
        }
        if model.sizes.frame_shape is not None:
            told = model.told_frame(latent)
            misfit = frame_misfit(told, batch.frame, config.frame_variance)
            terms["model_frame"] = misfit.sum(0).mean()
        return terms

    # ---- actor and critics ---------------------------------------------------------------------

    def gradient_step(self) -> dict[str, Tensor]:
        """One step of critics, policy, temperature and targets, none of the model."""
        batch = self.sample(self.config.batch_size)
        with torch.no_grad():
            glance = self.glance(batch)
            latent = self.infer(glance).latent.both
        before, after = self.looks_back(glance)
        losses = self._critic_step(batch, latent[-2], latent[-1], after)
        losses |= self.heads.actor_step(latent[-2], before)
        self.heads.move_target()
        return losses

    def looks_back(self, glance: Glance) -> tuple[Tensor, Tensor]:
        """(B, L (S + A)) what the policy goes by at a window's last step, and after it.

        The last L moments, and the actions that led to each of them.
        """
        nothing = torch.zeros_like(glance.action[:1])
        led = torch.cat([nothing, glance.action])
        rows = torch.cat([glance.seen, led], dim=-1)
        # The action that led to a window's first moment is not in the window: none is shown.
        first = torch.cat([glance.seen[1], nothing[0]], dim=-1)
        both = rows[:-1], torch.cat([first[None], rows[2:]])
        before, after = (part.transpose(0, 1).flatten(1) for part in both)
        return before, after

    def _critic_step(
        self, batch: Batch, latent: Tensor, next_latent: Tensor, after: Tensor
    ) -> dict[str, Tensor]:
        reward, terminated = batch.reward[-1], batch.terminated[-1]
        target = self.heads.bellman_target(reward, terminated, next_latent, after)
        return self.heads.critic_step(latent, batch.action[-1], target)

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> LookingBack:
        return LookingBack(self, len(tasks), is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        raise TypeError(self.why_not_deployable)


def _ends(parts: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Of the steps between T + 1 moments: where each began, and where it led."""
    return tuple(part[:-1] for part in parts), tuple(part[1:] for part in parts)


class LookingBack:
    """Acts on the last L moments of W worlds and the actions between them; see `looks_back`."""

    def __init__(self, learner: Slac, num_worlds: int, *, is_deterministic: bool) -> None:
        self._learner = learner
        self._generator = None if is_deterministic else learner.state.generator
        sizes, window, device = learner.model.sizes, learner.config.window, learner.device
        self._seen = torch.zeros(window, num_worlds, sizes.seen, device=device)
        self._led = torch.zeros(window, num_worlds, sizes.action, device=device)
        self._starts = np.ones(num_worlds, bool)

    def begin_trial(self, seed: int) -> None:
        """Nothing is remembered from before."""
        self._starts[:] = True

    def begin_episode(self, starts: Bool) -> None:
        """What was seen before is forgotten there."""
        self._starts |= starts

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        observed = parted(observation, learner.worlds.frame_shape)
        measured = learner.state.statistics.normalize_raw(observed.measured)
        seen = learner.model.seen(measured, torch.from_numpy(observed.frame).to(learner.device))
        self._seen = torch.cat([self._seen[1:], seen[None]])
        starts = torch.from_numpy(self._starts).to(learner.device)
        self._seen[:, starts], self._led[:, starts] = seen[starts], 0.0
        self._starts[:] = False
        return choose(learner.policy, self.rows(), self._generator)

    def rows(self) -> Tensor:
        """(W, L (S + A)) what the policy goes by now."""
        led = torch.cat([torch.zeros_like(self._led[:1]), self._led[1:]])
        return torch.cat([self._seen, led], dim=-1).transpose(0, 1).flatten(1)

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        """The action that was made is what led to the moment to come."""
        action = torch.from_numpy(transition.action).to(self._led.device)
        self._led = torch.cat([self._led[1:], action[None]])

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """There is no belief to exchange: an episode's moments are its own."""
