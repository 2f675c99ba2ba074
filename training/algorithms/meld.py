"""MELD: soft actor-critic on a belief over latent state and task, inferred from what is seen.

Zhao et al. 2020, https://arxiv.org/abs/2010.13957. A sequential latent model filters through all
episodes of a trial, and feels what is paid (`training.parts.trial_latent_model`, which lists where
it differs). Actor and critics go by what is measured now and by mean and deviation of both parts of
the latent, given all that was seen, done and paid in the trial so far. Neither teaches the model,
which learns from what it has to tell: frames, measurements, and what will be paid.

Trials are learnt from whole. What follows the last step of an episode is the first moment of the
next one; value is cut only where a trial ends by itself. One pass of inference serves the model and
several gradient steps of actor and critics. In a world without a camera the model tells
measurements alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from sim2real.runtime.kinds.recurrent_belief import ReadOut, RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.sac_pixels import with_features
from training.algorithms.settings import (
    LatentModelSettings,
    TrialReplaySettings,
)
from training.parts import ppo, sac
from training.parts.actor import Drawn
from training.parts.checked import Count, Positive
from training.parts.deployed import DeployedCell, DeployedPolicy, on_robot
from training.parts.networks import frozen_copy
from training.parts.policies import choose
from training.parts.seen_episodes import parted
from training.parts.seen_trials import Batch, SeenTrials
from training.parts.soft_actor_critic import SoftActorCritic
from training.parts.trial_filter import Expectation, Filter, OnBelief
from training.parts.trial_latent_model import TrialLatentModel, frame_misfit
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float


@dataclass(frozen=True, kw_only=True)
class MeldConfig(TrialReplaySettings, LatentModelSettings):
    """Settings of MELD; the defaults suit 32 x 32 on a CPU."""

    uses_sparse_context: bool = False
    """the belief is told what an evaluator pays; what is learnt from stays dense"""
    z1_size: Count = 24
    z2_size: Count = 48
    frame_variance: Positive = 5.0
    """of a pixel about what is told of it, where those of a frame vary by 1: large, and the latent
    ignores the frame"""
    measured_variance: Positive = 1.0
    """of a measurement, normalised: policy and critics are shown it besides"""
    reward_weight: Positive = 10.0
    """what telling a reward counts for, beside a frame's thousands of pixels"""
    num_told_frames: Count = 64
    """moments whose frames are told in a gradient step, drawn anew"""
    model_learning_rate: Positive = 1e-3
    max_model_gradient: Positive = 100.0
    """longer gradients of the model are shortened to this: they come through many moments"""
    model_window: Count = 20
    """moments in a row that the model learns from at once; what is remembered at the first is given
    by the filter"""
    num_initial_model_steps: Count = 300
    """gradient steps of the model before actor and critics begin"""
    model_interval: Count = 1
    """the model learns at every so manieth gradient step"""
    batch_size: Count = 24
    """whole trials in a gradient step"""
    num_actor_critic_steps: Count = 8
    """gradient steps of actor and critics, among which the steps of those trials are dealt out"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_window < 2:
            raise ValueError(f"model_window: found {self.model_window}, expected 2 or more")

    @classmethod
    def smallest(cls) -> MeldConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            num_channels=4,
            num_features=6,
            z1_size=3,
            z2_size=5,
            model_hidden_size=16,
            num_told_frames=8,
            model_window=6,
            num_initial_model_steps=2,
            hidden_sizes=(16, 16),
            num_trials=4,
            num_initial_collections=1,
            num_gradient_steps=3,
            num_actor_critic_steps=2,
            batch_size=4,
            replay_capacity=16,
        )


class Known(NamedTuple):
    """What there is to go by at the moments of B trials, without a gradient."""

    measured: Tensor
    """(T + 1, B, O) normalised"""
    state: Tensor
    """(T + 1, B, ·) means and deviations"""
    memory: Tensor
    """(T + 1, B, M) what each moment was met with"""


class Steps(NamedTuple):
    """N steps of trials, as actor and critics take them."""

    state: Tensor
    """(N, S) measurements, normalised, then means and deviations; without a gradient"""
    next_state: Tensor
    """(N, S) of the trial's next moment, which may be another episode's first"""
    action: Tensor
    reward: Tensor
    is_cut: Tensor


class Meld:
    """The learner: a model, actor and critics on what it believes, one replay of trials."""

    config_type = MeldConfig
    adapts = True
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: MeldConfig, setup: TrainingSetup) -> None:
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = setup.make_worlds(config.num_trials, sees_frames=True)
        if self.worlds.has_choices:
            raise ValueError(f"{setup.family.name}: its actions are choices, and have no gradient")
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=18)
        self.trials = SeenTrials(
            self.worlds,
            self.tasks,
            self.state,
            num_episodes=setup.num_trial_episodes,
            capacity=config.replay_capacity,
            uses_sparse_context=config.uses_sparse_context,
        )
        self.state.keep(replays={"trials": self.trials.replay})
        self._build_model(self.state.initial)
        self._build_actor_critic(self.state.initial)

    def _build_model(self, initial: torch.Generator) -> None:
        config = self.config
        sizes = config.model_sizes(self.worlds)
        self.model = TrialLatentModel(sizes, generator=initial).to(self.device)
        self.model_optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.model_learning_rate, fused=True
        )

    def _build_actor_critic(self, initial: torch.Generator) -> None:
        config, sizes = self.config, self.model.sizes
        networks = sac.networks(
            sizes.measured + self.model.state_size,
            sizes.action,
            config,
            generator=initial,
            device=self.device,
        )
        self.state.keep(modules={"model": self.model})
        self.heads = SoftActorCritic(networks, config, self.state)
        self.policy = self.heads.policy
        self.state.keep(optimizers={"model_optimizer": self.model_optimizer})
        self.on_belief = OnBelief(self.model, self.policy)

    def iterate(self, progress: float) -> dict[str, float]:
        config, is_first = self.config, self.state.num_environment_steps == 0
        for _ in range(config.num_initial_collections if is_first else 1):
            train_return = self.collect()
        if is_first:
            count = config.num_initial_model_steps
            self.state.counted((self._model_alone() for _ in range(count)), num_steps=count)
        self.heads.set_learning_rates(progress)
        losses = self.state.counted(
            self.gradient_steps(),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )
        return {"train_return": train_return, **losses}

    def collect(self) -> float:
        """One trial in every world, remembered; the mean return of their last episodes."""
        return self.trials.collect(partial(self.make_actor, is_deterministic=False))

    def _model_alone(self) -> dict[str, Tensor]:
        batch = self.sample()
        return self.model_step(batch, self.filtered(batch))

    def sample(self) -> Batch:
        """Whole trials, as stored."""
        return self.trials.sample(self.config.batch_size, self.state.generator)

    # ---- the model -----------------------------------------------------------------------------

    def seen(self, batch: Batch) -> Tensor:
        """(T + 1, B, S) measurements, normalised, and features."""
        return self.model.seen(self.state.statistics.normalize(batch.measured), batch.frame)

    @torch.no_grad()
    def filtered(self, batch: Batch) -> Known:
        """What is seen and believed at all moments of a batch, as a constant."""
        seen = self.seen(batch)
        return Known(seen[..., : self.model.sizes.measured], *self.model.filter(seen, batch.led))

    def model_step(self, batch: Batch, known: Known) -> dict[str, Tensor]:
        """One gradient step of the model, on as many moments in a row as it learns from at once.

        They begin with the memory that the filter has there.
        """
        num_moments = len(batch.measured)
        window = min(self.config.model_window, num_moments)
        # The first and the last moments are as likely as others are: starts pile up at the ends.
        drawn = torch.randint(num_moments, (), generator=self.state.generator, device=self.device)
        start = min(max(int(drawn) - window // 2, 0), num_moments - window)
        part = batch.between(start, start + window)
        terms = self.model_terms(part, known.memory[start])
        self.model_optimizer.zero_grad()
        sum(terms.values(), torch.tensor(0.0)).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_model_gradient)
        self.model_optimizer.step()
        return terms

    def model_terms(self, batch: Batch, memory: Tensor) -> dict[str, Tensor]:
        """What is minimised: each a sum over a moment's elements, a mean over moments."""
        config, model, is_valid = self.config, self.model, batch.is_valid > 0
        seen = self.seen(batch)
        noise = self._normal(*seen.shape[:2], model.sizes.latent)
        latent, posterior, prior = model.infer(memory, seen, batch.led, noise)
        measured = seen[..., : model.sizes.measured].detach()
        misfit = (model.told_measured(latent) - measured).square().sum(-1)
        paid = model.told_reward(latent[:-1], batch.action[:-1])
        surprise = -paid.log_density(config.reward_scale * batch.reward[:-1, :, None])
        terms = {
            "model_divergence": ppo.masked_mean(posterior.kl_from(prior), batch.is_valid),
            "model_measured": ppo.masked_mean(
                0.5 * misfit / config.measured_variance, batch.is_valid
            ),
            "model_reward": config.reward_weight * ppo.masked_mean(surprise, batch.is_valid[1:]),
        }
        if model.sizes.frame_shape is not None:
            which = self._some_of(is_valid, config.num_told_frames)
            told = model.told_frame(latent.flatten(0, 1)[which])
            misfit = frame_misfit(told, batch.frame.flatten(0, 1)[which], config.frame_variance)
            terms["model_frame"] = misfit.sum() / max(len(misfit), 1)
        return terms

    def _some_of(self, is_there: Tensor, count: int) -> Tensor:
        """Up to `count` indices into the flattened marks of those that are set, in any order."""
        return self._shuffled(is_there.flatten().nonzero()[:, 0])[:count]

    def _shuffled(self, index: Tensor) -> Tensor:
        generator, device = self.state.generator, index.device
        return index[torch.randperm(len(index), generator=generator, device=device)]

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.state.generator, device=self.device)

    # ---- actor and critics ---------------------------------------------------------------------

    def gradient_steps(self) -> Iterator[dict[str, Tensor]]:
        """An iteration's: on trials drawn anew one of the model, where it is its turn, and several
        of actor and critics."""
        told: dict[str, Tensor] = {}
        for number in range(self.config.num_gradient_steps):
            batch = self.sample()
            known = self.filtered(batch)
            if number % self.config.model_interval == 0:
                told = self.model_step(batch, known)
            yield told | self.actor_critic_steps(self.steps(batch, known))

    def actor_critic_steps(self, steps: Steps) -> dict[str, Tensor]:
        """The steps of a batch, dealt out among gradient steps; the losses of the last."""
        losses: dict[str, Tensor] = {}
        dealt = self._shuffled(torch.arange(len(steps.reward), device=self.device))
        for which in dealt.chunk(self.config.num_actor_critic_steps):
            losses = self.actor_critic_step(Steps(*(part[which] for part in steps)))
        return losses

    def steps(self, batch: Batch, known: Known) -> Steps:
        """All steps of a batch of trials, with what is believed by then and after it."""
        state = torch.cat([known.measured, known.state], dim=-1)
        made = batch.is_step
        return Steps(
            state=state[:-1][made],
            next_state=state[1:][made],
            action=batch.action[:-1][made],
            reward=batch.reward[:-1][made],
            is_cut=batch.is_cut[:-1][made],
        )

    def actor_critic_step(self, steps: Steps) -> dict[str, Tensor]:
        """One of critics, policy, temperature and targets, none of the model."""
        state, onward, heads = steps.state, steps.next_state, self.heads
        target = heads.bellman_target(steps.reward, steps.is_cut, onward, onward)
        losses = heads.critic_step(state, steps.action, target) | heads.actor_step(state, state)
        heads.move_target()
        return losses | {"temperature": heads.temperature}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> BelievingActor:
        return BelievingActor(self, len(tasks), is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        """Eye, filter and policy; the filter's memory is what a recurrent belief calls hidden."""
        model, num_features = frozen_copy(self.model).cpu(), self.model.eye.num_features
        normalizer = with_features(self.state.statistics.frozen(), num_features)
        layout = ContextLayout(
            observation_size=model.sizes.seen,
            action_size=model.sizes.action,
            uses_next_observation=False,
            marks_episode_end=True,
        )
        policy, expects = OnBelief(model, frozen_copy(self.policy).cpu()), Expectation(model)
        modules: dict[str, nn.Module] = {
            "policy": DeployedPolicy(normalizer, policy),
            "recurrent": DeployedCell(normalizer, layout, Filter(model), expects),
        }
        if num_features:
            modules["eye"] = on_robot("eye", normalizer, None, model.eye)
        mean, log_variance = expects(model.begin(1, torch.device("cpu")))[0].chunk(2)
        return Deployed(
            settings=RecurrentBeliefSettings(
                hidden_size=model.memory_size,
                read_out=ReadOut(
                    initial_mean=tuple(mean.tolist()),
                    initial_log_variance=tuple(log_variance.tolist()),
                    conditions_policy=False,
                ),
            ),
            modules=modules,
            normalizer=normalizer,
            observation_size=layout.observation_size,
            action_size=layout.action_size,
            context_layout=layout,
        )


class BelievingActor:
    """Carries the memories of W worlds; what acts takes in the moment that it acts in."""

    def __init__(self, learner: Meld, num_worlds: int, *, is_deterministic: bool) -> None:
        self._learner, self._num_worlds = learner, num_worlds
        self._generator = None if is_deterministic else learner.state.generator
        self._policy, self._filter = learner.on_belief, Filter(learner.model)
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        """Nothing is remembered: there is nothing to draw."""
        self.memory = self._learner.model.begin(self._num_worlds, self._learner.device)

    def begin_episode(self, starts: Bool) -> None:
        """The memory stays: it has been told that an episode ended."""

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        rows = torch.cat([self._seen(observation), self.memory], dim=-1)
        return choose(self._policy, rows, self._generator)

    @torch.no_grad()
    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        felt = sparse_reward if self._learner.config.uses_sparse_context else transition.reward
        ended = transition.terminated | transition.truncated
        told = [transition.action, felt[:, None], ended[:, None]]
        row = torch.from_numpy(np.concatenate(told, axis=-1, dtype=np.float32))
        seen = self._seen(transition.observation)
        row = torch.cat([seen, row.to(seen.device)], dim=-1)
        runs = torch.from_numpy(is_running).to(seen.device)[:, None]
        self.memory = torch.where(runs, self._filter.step(row, self.memory), self.memory)

    def _seen(self, observation: Float) -> Tensor:
        """(W, S) of raw observations."""
        learner = self._learner
        observed = parted(observation, learner.worlds.frame_shape)
        measured = learner.state.statistics.normalize_raw(observed.measured)
        return learner.model.seen(measured, torch.from_numpy(observed.frame).to(learner.device))

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.memory = self.memory[torch.from_numpy(order).to(self.memory.device)]
