"""Soft actor-critic from pixels: an eye that the critics teach, and a policy that looks through it.

Soft actor-critic as in `sac` (Haarnoja et al. 2018, arXiv:1812.05905, whose section 7.3 turns a
valve from pixels). The eye follows Yarats et al. 2021 (DrQ-v2, arXiv:2107.09645): the critics'
Bellman errors alone move it, the policy gets its features without a gradient, targets have heads of
their own and share the eye, and frames are shifted at random before every gradient step.

One policy for all tasks, which it cannot tell apart. In a world without a camera it is plain `sac`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.runtime.kinds.none import NoAdaptationSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import ObservationSettings, SoftActorCriticSettings
from training.parts import sac
from training.parts.actor import Drawn, Memoryless
from training.parts.checked import Count, CountOrNone, Sizes
from training.parts.deployed import on_robot
from training.parts.eye import Eye, shifted
from training.parts.policies import choose
from training.parts.rollout import Collected
from training.parts.seen_episodes import Batch, Observed, SeenEpisodes, parted
from training.parts.soft_actor_critic import SoftActorCritic
from training.tasks.task import Task
from training.worlds.vector_world import Float, measured_size


@dataclass(frozen=True, kw_only=True)
class SacPixelsConfig(SoftActorCriticSettings, ObservationSettings):
    """Settings of soft actor-critic from pixels; the defaults suit 32 x 32 on a CPU."""

    num_channels: Count = 16
    """of both convolutions"""
    num_features: Count = 32
    """what the eye makes of a frame"""
    max_shift_pixels: CountOrNone = 2
    """how far a frame is moved before a gradient step, either way"""
    hidden_sizes: Sizes = (256, 256)
    """hidden layers of policy and critics, which see measurements and features"""
    num_worlds: Count = 16
    """episodes that run side by side, each on a train task drawn anew"""
    num_initial_steps: Count = 2500
    """steps of all worlds together before the first update"""
    num_steps: Count = 640
    """steps of all worlds together per iteration; whole episodes, so it is a floor"""
    num_gradient_steps: Count = 320
    """gradient steps per iteration"""
    batch_size: Count = 128
    """transitions in a gradient step"""
    replay_capacity: Count = 100_000
    """transitions remembered; a frame of 32 x 32 takes 3 kB"""

    @classmethod
    def smallest(cls) -> SacPixelsConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            num_channels=4,
            num_features=6,
            hidden_sizes=(16, 16),
            num_worlds=4,
            num_initial_steps=40,
            num_steps=20,
            num_gradient_steps=5,
            batch_size=16,
        )


class Moments(NamedTuple):
    """Transitions as the heads take them, (B, ·)."""

    state: Tensor
    """measurements, normalised, and features; the critics' gradient goes on into the eye"""
    next_state: Tensor
    """without a gradient"""
    action: Tensor
    reward: Tensor
    terminated: Tensor


class SacPixels:
    """The learner: an eye, heads on what it sees, one replay of episodes, random numbers."""

    config_type = SacPixelsConfig
    adapts = False
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: SacPixelsConfig, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = setup.make_worlds(config.num_worlds, sees_frames=True)
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=16)
        self.episodes = SeenEpisodes(
            self.worlds, capacity=config.replay_capacity, device=setup.device
        )
        self.state.keep(replays={"episodes": self.episodes.replay})
        self._build_networks(self.state.initial)

    def _build_networks(self, initial: torch.Generator) -> None:
        config = self.config
        self.eye = Eye(
            self.worlds.frame_shape,
            num_channels=config.num_channels,
            num_features=config.num_features,
            generator=initial,
        ).to(self.device)
        networks = sac.networks(
            measured_size(self.worlds) + self.eye.num_features,
            self.worlds.action_size,
            config,
            generator=initial,
            device=self.device,
        )
        self.state.keep(modules={"eye": self.eye})
        self.heads = SoftActorCritic(
            networks, config, self.state, taught_besides=self.eye.parameters()
        )
        self.policy = self.heads.policy

    def iterate(self, progress: float) -> dict[str, float]:
        config, is_first = self.config, self.state.num_environment_steps == 0
        collected = self.collect(config.num_initial_steps if is_first else config.num_steps)
        return {"train_return": collected.mean_return, **self.improve(progress)}

    # ---- collecting ----------------------------------------------------------------------------

    def collect(self, num_steps: int) -> Collected:
        """Whole episodes, every world on a train task drawn anew."""
        make_actor = partial(self.make_actor, is_deterministic=False)
        return self.episodes.collect(self.worlds, self.tasks, make_actor, self.state, num_steps)

    def see(self, observed: Observed) -> Tensor:
        """(W, O + F) what heads go by: measurements, normalised, and features."""
        frame = torch.from_numpy(observed.frame).to(self.device)
        measured = self.state.statistics.normalize_raw(observed.measured)
        return torch.cat([measured, self.eye(frame)], dim=-1)

    # ---- improving -----------------------------------------------------------------------------

    def improve(self, progress: float = 0.0) -> dict[str, float]:
        """One iteration's gradient steps; the means of their losses.

        `progress` in [0, 1] through the run sets the learning rate. Raises `TrainingFailed` where
        a loss is not finite or the critics diverge.
        """
        config = self.config
        self.state.set_learning_rates(config.learning_rate, config.final_learning_rate, progress)
        return self.state.counted(
            (self.gradient_step(self.sample()) for _ in range(config.num_gradient_steps)),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )

    def sample(self) -> Batch:
        """Transitions of all tasks, as stored: windows of one step."""
        return self.episodes.sample(self.config.batch_size, self.state.generator)

    def gradient_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of eye and critics, policy, temperature and targets."""
        moments = self.moments(batch)
        state, following, heads = moments.state, moments.next_state, self.heads
        target = heads.bellman_target(moments.reward, moments.terminated, following, following)
        losses = heads.critic_step(state, moments.action, target)
        losses |= heads.actor_step(state.detach(), state.detach())
        heads.move_target()
        return losses | {"temperature": heads.temperature}

    def moments(self, batch: Batch) -> Moments:
        """What the heads learn from: frames shifted, then seen."""
        most, generator = self.config.max_shift_pixels, self.state.generator
        before, after = (shifted(frame, most, generator) for frame in batch.frame)
        measured = self.state.statistics.normalize(batch.measured)
        with torch.no_grad():
            next_state = torch.cat([measured[1], self.eye(after)], dim=-1)
        return Moments(
            state=torch.cat([measured[0], self.eye(before)], dim=-1),
            next_state=next_state,
            action=batch.action[0],
            reward=batch.reward[0],
            terminated=batch.terminated[0],
        )

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> SeeingActor:
        return SeeingActor(self, is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        """The eye, and a policy on measurements and features side by side."""
        statistics, num_features = self.state.statistics, self.eye.num_features
        normalizer = with_features(statistics.frozen(), num_features)
        modules = {"policy": on_robot("policy", normalizer, None, self.policy)}
        if num_features:
            modules["eye"] = on_robot("eye", normalizer, None, self.eye)
        return Deployed(
            settings=NoAdaptationSettings(),
            modules=modules,
            normalizer=normalizer,
            observation_size=measured_size(self.worlds) + num_features,
            action_size=self.worlds.action_size,
        )


def with_features(normalizer: FrozenNormalizer, num_features: int) -> FrozenNormalizer:
    """The normaliser of measurements that leaves features, which follow them, as they are."""
    return FrozenNormalizer(
        mean=np.append(normalizer.mean, np.zeros(num_features, np.float32)),
        std=np.append(normalizer.std, np.ones(num_features, np.float32)),
        clip=normalizer.clip,
    )


class SeeingActor(Memoryless):
    """Acts on the frame at the end of each observation, the same however often it met the task."""

    def __init__(self, learner: SacPixels, *, is_deterministic: bool) -> None:
        self._learner = learner
        self._generator = None if is_deterministic else learner.state.generator

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        observed = parted(observation, learner.worlds.frame_shape)
        return choose(learner.policy, learner.see(observed), self._generator)
