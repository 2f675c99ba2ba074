"""PEARL: off-policy meta-RL with a probabilistic belief about the task.

Rakelly, Zhou, Quillen, Finn, Levine 2019, https://arxiv.org/abs/1903.08254; the authors' code is
https://github.com/katerakelly/oyster. An encoder turns every transition into a Gaussian factor;
their product is the belief; soft actor-critic acts on a draw from it, held for an episode.

Differs from the reference implementation:

* Tasks of an iteration are drawn without replacement and collected side by side, `worlds_per_task`
  episodes of each at once; a posterior draw sees the context up to the round before. With one world
  per task the order of one task's episodes is the reference's.
* `modern` (the default) has twin target critics and a learned temperature in place of the value
  network, the fixed temperature and the reward scale; `reference` has the paper's.
* The belief is sampled once per gradient step (the reference samples twice and uses the second).
* Actor gradients do not pass through the critics' weights, where the reference computes and
  discards them. Nothing is lost but time.
* The first data may come from random actions held for an episode (`initial_actions`).
* Initial weights are torch's fan-in rule (the reference's `fanin_init` takes the fan-out).

Unchanged: the reduction of the KL (sum over tasks and latent dimensions, where the Bellman error
is a mean), encoder gradients from Bellman error and KL only, context from the latest collection
only, no terminal flag in it, unscaled rewards in it, and the clamp of variances at 1e-7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.belief import GaussianBelief
from sim2real.contract.transition import Transition
from sim2real.runtime.kinds.gaussian_belief import GaussianBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import (
    ContextSettings,
    ObservationSettings,
    SoftActorCriticSettings,
)
from training.parts import sac
from training.parts.actor import Actor, Drawn, Memoryless
from training.parts.checked import Count, CountOrNone, NonNegative, Sizes
from training.parts.encoders import ContextEncoder, Gaussian
from training.parts.networks import Mlp, frozen_copy, without_weight_gradients
from training.parts.policies import choose
from training.parts.replay import Batch, TaskReplay, TransitionLayout
from training.parts.rollout import Collected, Step, collect_episodes
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float

Int = NDArray[np.int64]
Phase = Literal["prior", "posterior", "held"]
"""where the latents of a phase come from; `held`: nowhere, an action is drawn instead"""
MAX_PENDING_STEPS = 32
"""of each world, collected and not stored yet"""


@dataclass(frozen=True, kw_only=True)
class PearlConfig(SoftActorCriticSettings, ContextSettings, ObservationSettings):
    """Settings of PEARL; the defaults are the paper's for its MuJoCo benchmarks, form aside."""

    form: Literal["modern", "reference"] = "modern"
    """`modern`: twin targets, learned temperature; `reference`: the paper's value network, where
    the reward scale stands in for a temperature"""
    latent_size: Count = 5
    """dimensions of the belief, L"""
    hidden_sizes: Sizes = (300, 300, 300)
    """hidden layers of policy, critics and value network"""
    encoder_hidden_sizes: Sizes = (200, 200, 200)
    """hidden layers of the context encoder"""

    num_initial_steps: Count = 2000
    """steps per train task, from the prior, before the first iteration"""
    initial_actions: Literal["policy", "held"] = "policy"
    """who acts in them: the untrained policy, or one random action per episode, held throughout,
    which walks far in every direction and so meets rewards that lie far from the start"""
    tasks_per_iteration: Count = 5
    """train tasks collected from in an iteration"""
    num_prior_steps: CountOrNone = 400
    """steps per collected task with latents from the prior; both buffers get them"""
    num_posterior_steps: CountOrNone = 0
    """steps per collected task with latents from the posterior; both buffers get them"""
    num_extra_steps: CountOrNone = 400
    """steps per collected task from the posterior that only the RL buffer gets"""
    worlds_per_task: Count = 1
    """episodes of one task that run side by side; 1 is the reference's order"""

    num_gradient_steps: Count = 2000
    """meta-gradient steps per iteration"""
    meta_batch_size: Count = 16
    """tasks in a meta-gradient step, K, drawn with replacement"""
    context_batch_size: Count = 64
    """transitions per task from the encoder buffer, N, drawn with replacement"""
    kl_weight: NonNegative = 0.1
    """weight of the KL from the prior, summed over tasks and latent dimensions"""
    policy_regularization: NonNegative = 1e-3
    """`reference`: weight of the squared policy means and log deviations"""
    num_exploration_episodes: Count = 1
    """first episodes of a trial in an evaluation, each with a latent from the prior"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_prior_steps + self.num_posterior_steps == 0:
            raise ValueError(
                "num_prior_steps: found 0 and no posterior steps either, expected an iteration "
                "with context"
            )

    @classmethod
    def smallest(cls) -> PearlConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            latent_size=2,
            hidden_sizes=(16, 16),
            encoder_hidden_sizes=(16,),
            num_initial_steps=20,
            tasks_per_iteration=2,
            num_prior_steps=40,
            num_posterior_steps=20,
            num_extra_steps=20,
            num_gradient_steps=5,
            meta_batch_size=4,
            batch_size=8,
            context_batch_size=8,
        )


class Pearl:
    """The learner: networks, buffers, random numbers, and the three things done with them."""

    config_type = PearlConfig
    adapts = True
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: PearlConfig, setup: TrainingSetup) -> None:
        if config.num_exploration_episodes > setup.num_trial_episodes:
            raise ValueError(
                f"num_exploration_episodes: found {config.num_exploration_episodes}, expected at "
                f"most the {setup.num_trial_episodes} episodes of a trial (num_trial_episodes)"
            )
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.num_collected = min(config.tasks_per_iteration, len(self.tasks))
        self.worlds = setup.make_worlds(self.num_collected * config.worlds_per_task)
        self.context_layout = config.context_layout(setup.family, self.worlds)
        self.transition_layout = TransitionLayout(
            self.worlds.observation_size, self.worlds.action_size
        )
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=1)
        self._build_buffers()
        self._build_networks(self.state.initial)

    def _build_buffers(self) -> None:
        config, num_tasks = self.config, len(self.tasks)
        self.rl_buffer = TaskReplay(
            num_tasks, self.transition_layout.size, config.replay_capacity, self.device
        )
        latest = max(config.num_initial_steps, config.num_prior_steps + config.num_posterior_steps)
        overshoot = 2 * config.worlds_per_task * self.worlds.episode_length  # whole episodes
        self.encoder_buffer = TaskReplay(
            num_tasks, self.context_layout.size, latest + overshoot, self.device
        )
        self.state.keep(
            replays={"rl_buffer": self.rl_buffer, "encoder_buffer": self.encoder_buffer}
        )

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.context_layout
        observation_size, action_size = layout.observation_size, layout.action_size
        state_size = observation_size + config.latent_size
        self.encoder = ContextEncoder(
            layout.size,
            config.encoder_hidden_sizes,
            config.latent_size,
            generator=initial,
            row_scale=config.row_scale(layout),
        ).to(self.device)
        self.policy, self.critic, self.log_temperature = sac.networks(
            state_size, action_size, config, generator=initial, device=self.device
        )
        is_reference = config.form == "reference"
        self.value: nn.Module = nn.Identity()  # `modern` has no value network
        if is_reference:
            self.value = Mlp(state_size, config.hidden_sizes, 1, generator=initial).to(self.device)
        self.target = frozen_copy(self.value if is_reference else self.critic)
        # Adam treats every number by itself, so networks that step together share an optimiser.
        judges = [*self.critic.parameters(), *self.encoder.parameters()]
        actors: list[Tensor] = list(self.policy.parameters())
        actors += self.value.parameters() if is_reference else [self.log_temperature]
        self.judge_optimizer = torch.optim.Adam(judges, lr=config.learning_rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=config.learning_rate, fused=True)
        self.state.keep(
            modules={
                "encoder": self.encoder,
                "policy": self.policy,
                "critic": self.critic,
                "value": self.value,
                "target": self.target,
            },
            numbers={"log_temperature": self.log_temperature},
            optimizers={
                "judge_optimizer": self.judge_optimizer,
                "actor_optimizer": self.actor_optimizer,
            },
        )

    def iterate(self, progress: float) -> dict[str, float]:
        is_first = self.state.num_environment_steps == 0
        pool = [self.collect_initial_pool()] if is_first else []
        collected = _together([*pool, self.collect()])
        return {"train_return": collected.mean_return, **self.improve(progress)}

    # ---- collecting ----------------------------------------------------------------------------

    def collect_initial_pool(self) -> Collected:
        """Every train task, latents from the prior, into both buffers."""
        config, rounds = self.config, []
        latents: Phase = "held" if config.initial_actions == "held" else "prior"
        for first in range(0, len(self.tasks), self.num_collected):
            tasks = np.arange(first, min(first + self.num_collected, len(self.tasks)))
            rounds.append(self._phase(tasks, latents, config.num_initial_steps))
        return _together(rounds)

    def collect(self) -> Collected:
        """One iteration's phases: forget the context of a few tasks, then gather it afresh."""
        config = self.config
        tasks = self.state.rng.choice(len(self.tasks), self.num_collected, replace=False)
        self.encoder_buffer.clear(tasks)
        phases: list[tuple[Phase, int, bool]] = [
            ("prior", config.num_prior_steps, True),
            ("posterior", config.num_posterior_steps, True),
            ("posterior", config.num_extra_steps, False),
        ]
        return _together(
            [
                self._phase(tasks, latents, num_steps, is_context=is_context)
                for latents, num_steps, is_context in phases
                if num_steps > 0
            ]
        )

    def _phase(
        self, tasks: Int, latents: Phase, num_steps: int, *, is_context: bool = True
    ) -> Collected:
        """Whole episodes on `tasks` until each has `num_steps` steps or more in the RL buffer."""
        groups = np.repeat(np.arange(self.num_collected), self.config.worlds_per_task)
        groups[groups >= len(tasks)] = -1
        task_of_world = tasks[np.maximum(groups, 0)]
        actor = self._collecting_actor(task_of_world, groups, latents)
        pending = _Pending(self, task_of_world, is_context=is_context)
        collected = collect_episodes(
            self.worlds,
            [self.tasks[task] for task in task_of_world],
            actor,
            num_steps=num_steps,
            seed=int(self.state.rng.integers(2**31)),
            store=pending.add,
            groups=groups,
        )
        self.state.num_environment_steps += collected.num_steps
        return collected

    def _collecting_actor(self, tasks: Int, groups: Int, latents: Phase) -> Actor:
        """Who acts in a phase, in one world for each of `tasks`; `groups` are of equal tasks."""
        if latents == "held":
            return _HeldActions(self.state.rng, len(tasks), self.worlds.action_size)
        return _CollectingActor(self, tasks, groups, latents)

    def store(self, tasks: Int, steps: Step, *, is_context: bool) -> None:
        """Append steps (M, ...) on `tasks` (M,), as context too where asked.

        Observations are not normalised yet: statistics still change.
        """
        transition = steps.transition
        self.rl_buffer.add(tasks, self.transition_layout.rows(transition))
        if not is_context:
            return
        if self.config.uses_sparse_context:
            transition = transition._replace(reward=steps.sparse_reward)
        self.encoder_buffer.add(tasks, self.context_layout.row(transition))

    @torch.no_grad()
    def infer(self, context: Tensor) -> Gaussian:
        """(K, N, C) context rows as stored to one belief per task."""
        return self.encoder.posterior(
            self.state.statistics.normalize_context(context, self.context_layout)
        )

    # ---- improving -----------------------------------------------------------------------------

    def improve(self, progress: float = 0.0) -> dict[str, float]:
        """One iteration's meta-gradient steps; the means of their losses.

        `progress` in [0, 1] through the run sets the learning rate. Raises `TrainingFailed` where
        a loss is not finite or the critics diverge.
        """
        config = self.config
        self.state.set_learning_rates(config.learning_rate, config.final_learning_rate, progress)
        batches = (self.sample(self.meta_batch()) for _ in range(config.num_gradient_steps))
        return self.state.counted(
            (self.gradient_step(*batch) for batch in batches),
            num_steps=config.num_gradient_steps,
            max_critic_value=config.max_critic_value,
        )

    def meta_batch(self) -> Int:
        """(K,) train tasks, with replacement."""
        return self.state.rng.integers(len(self.tasks), size=self.config.meta_batch_size)

    def sample(self, tasks: Int) -> tuple[Batch, Tensor]:
        """An RL batch (K, B, ·) from everything seen, and the latest context (K, N, C)."""
        config = self.config
        rows = self.rl_buffer.sample(tasks, config.batch_size, self.state.generator)
        context = self.encoder_buffer.sample(tasks, config.context_batch_size, self.state.generator)
        batch = self.transition_layout.split(rows)
        normalize = self.state.statistics.normalize
        batch = batch._replace(
            observation=normalize(batch.observation),
            next_observation=normalize(batch.next_observation),
        )
        return batch, self.state.statistics.normalize_context(context, self.context_layout)

    def gradient_step(self, batch: Batch, context: Tensor) -> dict[str, Tensor]:
        """One meta-gradient step on (K, B, ·) transitions and (K, N, C) context."""
        posterior = self.encoder.posterior(context)
        latent = posterior.sample(self.state.generator)
        latent = latent[:, None].expand(-1, batch.observation.shape[1], -1)  # one per task
        state = torch.cat([batch.observation, latent.detach()], dim=-1)
        losses = self._judge_step(batch, latent, posterior)
        losses |= self._actor_step(state)
        losses |= self._learn_beside(context, latent[:, 0].detach())
        is_reference = self.config.form == "reference"
        source = self.value if is_reference else self.critic
        sac.move_towards(self.target, source, self.config.target_update_rate)
        return losses

    def _learn_beside(self, context: Tensor, latent: Tensor) -> dict[str, Tensor]:
        """What else is learnt from (K, N, C) context and (K, L) latents drawn given it: nothing."""
        return {}

    def _judge_step(self, batch: Batch, latent: Tensor, posterior: Gaussian) -> dict[str, Tensor]:
        """Critics and encoder: the only place where the encoder gets gradients."""
        target = self._bellman_target(batch, latent.detach())
        values = self.critic(torch.cat([batch.observation, batch.action, latent], dim=-1))
        critic_loss = sac.critic_loss(values, target)
        kl = posterior.kl_from_prior().sum()
        self.judge_optimizer.zero_grad()
        (critic_loss + self.config.kl_weight * kl).backward()
        self.judge_optimizer.step()
        return {
            "critic_loss": critic_loss,
            "critic_value": values.detach().abs().mean(),
            "kl": kl / len(posterior.mean),
            "posterior_variance": posterior.variance.mean(),
        }

    @torch.no_grad()
    def _bellman_target(self, batch: Batch, latent: Tensor) -> Tensor:
        """(K, B) from the value network's target, or from the twin targets and the policy."""
        config = self.config
        next_state = torch.cat([batch.next_observation, latent], dim=-1)
        if config.form == "reference":
            next_value = self.target(next_state).squeeze(-1)
        else:
            action, log_density = self.policy(next_state).sample(self.state.generator)
            next_value = self.target(_with_action(next_state, action, latent)).amin(0)
            next_value = next_value - self.log_temperature.exp() * log_density
        reward = config.reward_scale * batch.reward
        return sac.bellman_target(reward, batch.terminated, next_value, discount=config.discount)

    def _actor_step(self, state: Tensor) -> dict[str, Tensor]:
        """Policy, and with it the value network or the temperature, at latents held fixed."""
        config = self.config
        distribution = self.policy(state)
        action, log_density = distribution.sample(self.state.generator)
        latent = state[..., self.context_layout.observation_size :]
        with without_weight_gradients(self.critic):
            action_value = self.critic(_with_action(state, action, latent)).amin(0)
        if config.form == "reference":
            policy_loss = sac.actor_loss(action_value, log_density, 1.0)
            magnitude = distribution.mean.square().mean() + distribution.log_std.square().mean()
            policy_loss = policy_loss + config.policy_regularization * magnitude
            other_loss = sac.value_loss(
                self.value(state).squeeze(-1), action_value.detach(), log_density.detach()
            )
        else:
            policy_loss = sac.actor_loss(
                action_value, log_density, self.log_temperature.detach().exp()
            )
            target_entropy = config.target_entropy_per_action * self.policy.action_size
            other_loss = sac.temperature_loss(self.log_temperature, log_density, target_entropy)
        self.actor_optimizer.zero_grad()
        (policy_loss + other_loss).backward()
        self.actor_optimizer.step()
        return {
            "policy_loss": policy_loss,
            "value_loss" if config.form == "reference" else "temperature_loss": other_loss,
            "entropy": -log_density.mean(),
            "temperature": self.log_temperature.exp(),
        }

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> Actor:
        return OnlineActor(self, len(tasks), is_deterministic=is_deterministic)

    def deployed(self) -> Deployed:
        settings = GaussianBeliefSettings(
            latent_size=self.config.latent_size,
            num_exploration_episodes=self.config.num_exploration_episodes,
        )
        return Deployed.of(
            settings,
            self.state.statistics,
            self.worlds,
            self.context_layout,
            policy=self.policy,
            encoder=self.encoder,
        )


class _Pending:
    """Steps on their way to the buffers, until an episode ends: before, nobody draws from those.

    A step at a time took a fifth of the time of sampling.
    """

    def __init__(self, learner: Pearl, task_of_world: Int, *, is_context: bool) -> None:
        self._learner, self._task_of_world, self._is_context = learner, task_of_world, is_context
        self._steps: list[Step] = []

    def add(self, step: Step) -> None:
        """The last step that is collected ends an episode, so nothing is left behind."""
        self._steps.append(step)
        self._learner.state.statistics.update(step.transition.observation)
        ended = step.transition.terminated | step.transition.truncated
        if ended.any() or len(self._steps) == MAX_PENDING_STEPS:
            steps, self._steps = _in_one(self._steps), []
            tasks = self._task_of_world[steps.worlds]
            self._learner.store(tasks, steps, is_context=self._is_context)


def _in_one(steps: Sequence[Step]) -> Step:
    """One after the other, (M, ...) each, as if they were one."""
    worlds, transitions, sparse_rewards = zip(*steps, strict=True)
    transition = Transition(*map(np.concatenate, zip(*transitions, strict=True)))
    return Step(np.concatenate(worlds), transition, np.concatenate(sparse_rewards))


class _CollectingActor(Memoryless):
    """Acts stochastically on latents that it draws anew for every episode and holds throughout.

    What is known of a task is in the encoder buffer, not in here.
    """

    def __init__(self, learner: Pearl, tasks: Int, groups: Int, latents: Phase) -> None:
        self._learner, self._tasks, self._latents = learner, tasks, latents
        self._held = torch.zeros(len(tasks), learner.config.latent_size, device=learner.device)
        # As in the reference, the first episode of a phase on each task is from the prior.
        self._is_first = np.diff(groups, prepend=-2) != 0

    def begin_episode(self, starts: Bool) -> None:
        from_posterior = np.zeros_like(starts)
        if self._latents == "posterior":
            has_context = self._learner.encoder_buffer.size[self._tasks] > 0
            from_posterior = starts & has_context & ~self._is_first
            self._is_first &= ~starts
        self._held[torch.from_numpy(starts & ~from_posterior)] = self._draw_prior(
            int((starts & ~from_posterior).sum())
        )
        if from_posterior.any():
            self._held[torch.from_numpy(from_posterior)] = self._draw_posterior(
                self._tasks[from_posterior]
            )

    def _draw_prior(self, count: int) -> Tensor:
        learner = self._learner
        shape = (count, learner.config.latent_size)
        return torch.randn(shape, generator=learner.state.generator, device=learner.device)

    def _draw_posterior(self, tasks: Int) -> Tensor:
        learner = self._learner
        context = learner.encoder_buffer.sample(
            tasks, learner.config.context_batch_size, learner.state.generator
        )
        return learner.infer(context).sample(learner.state.generator)

    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        observed = learner.state.statistics.normalize_raw(observation)
        state = torch.cat([observed, self._held], dim=-1)
        return choose(learner.policy, state, learner.state.generator)


class _HeldActions(Memoryless):
    """One random action per episode, held throughout: straight walks in every direction."""

    def __init__(self, rng: np.random.Generator, num_worlds: int, action_size: int) -> None:
        self._rng = rng
        self._action = np.zeros((num_worlds, action_size), np.float32)

    def begin_episode(self, starts: Bool) -> None:
        self._action[starts] = self._rng.uniform(-1.0, 1.0, self._action[starts].shape)

    def act(self, observation: Float) -> Drawn:
        return Drawn(self._action.copy())


class OnlineActor:
    """Acts on a belief that takes in every transition as it comes, as a robot does.

    The first `num_exploration_episodes` act on draws from the prior; every later one on a draw
    from the posterior given all transitions so far, held for the episode.
    """

    def __init__(self, learner: Pearl, num_worlds: int, *, is_deterministic: bool) -> None:
        self._learner, self._num_worlds = learner, num_worlds
        self._generator = None if is_deterministic else learner.state.generator
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        latent_size = self._learner.config.latent_size
        self.belief = GaussianBelief.prior(latent_size, (self._num_worlds,))
        self._normalizer = self._learner.state.statistics.frozen()
        self.latent = np.zeros((self._num_worlds, latent_size), np.float32)
        self._episodes = np.zeros(self._num_worlds, np.int64)

    def begin_episode(self, starts: Bool) -> None:
        explores = (self._episodes < self._learner.config.num_exploration_episodes)[:, None]
        mean = np.where(explores, 0.0, self.belief.mean)
        deviation = np.where(explores, 1.0, np.sqrt(self.belief.variance))
        drawn = mean + deviation * self._rng.standard_normal(self.latent.shape)
        self.latent = np.where(starts[:, None], drawn.astype(np.float32), self.latent)
        self._episodes += starts

    def act(self, observation: Float) -> Drawn:
        learner = self._learner
        state = torch.from_numpy(
            np.concatenate([self._normalizer.normalize(observation), self.latent], -1)
        )
        return choose(learner.policy, state.to(learner.device), self._generator)

    @torch.no_grad()
    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        learner = self._learner
        is_sparse = learner.config.uses_sparse_context
        row = learner.context_layout.row(
            transition._replace(
                observation=self._normalizer.normalize(transition.observation),
                next_observation=self._normalizer.normalize(transition.next_observation),
                reward=sparse_reward if is_sparse else transition.reward,
            )
        )
        mean, variance = learner.encoder(torch.from_numpy(row).to(learner.device))
        # Where the episode is over the factor is infinitely wide: it says nothing.
        variance = np.where(is_running[:, None], variance.cpu().numpy(), np.inf)
        self.belief = self.belief.observe(mean.cpu().numpy(), variance)

    def exchange_beliefs(self, order: Int) -> None:
        self.belief = GaussianBelief(
            precision=self.belief.precision[order],
            weighted_mean=self.belief.weighted_mean[order],
            num_transitions=self.belief.num_transitions,
        )


def _together(rounds: Sequence[Collected]) -> Collected:
    episodes = sum(collected.num_episodes for collected in rounds)
    total = sum(collected.mean_return * collected.num_episodes for collected in rounds)
    return Collected(sum(collected.num_steps for collected in rounds), episodes, total / episodes)


def _with_action(state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
    """(…, O + L) states and actions to the critics' input: observation, action, latent."""
    observation = state[..., : state.shape[-1] - latent.shape[-1]]
    return torch.cat([observation, action, latent], dim=-1)
