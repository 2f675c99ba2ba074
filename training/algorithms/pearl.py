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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.belief import GaussianBelief
from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from training.algorithms.learner import ExportParts, Snapshot
from training.parts import sac
from training.parts.deployed import DeployedEncoder, DeployedPolicy
from training.parts.encoders import ContextEncoder, Gaussian
from training.parts.loss_log import LossLog
from training.parts.networks import Mlp, TwinCritic, frozen_copy, without_weight_gradients
from training.parts.policies import TanhGaussianPolicy
from training.parts.replay import Batch, TaskReplay, TransitionLayout
from training.parts.rollout import Collected, Step, collect_episodes
from training.parts.running_stats import RunningStats
from training.parts.schedule import set_learning_rate
from training.runs.run import Run
from training.tasks.task import Task, TaskFamily, dynamics_vary
from training.tasks.task_set import TaskSet
from training.worlds.vector_world import Bool, Float

Int = NDArray[np.int64]
Phase = Literal["prior", "posterior", "held"]
"""where the latents of a phase come from; `held`: nowhere, an action is drawn instead"""


@dataclass(frozen=True, kw_only=True)
class PearlConfig:
    """Settings of PEARL; the defaults are the paper's for its MuJoCo benchmarks, form aside."""

    form: Literal["modern", "reference"] = "modern"
    """`modern`: twin targets, learned temperature; `reference`: the paper's value network"""
    latent_size: int = 5
    """dimensions of the belief, L"""
    hidden_sizes: tuple[int, ...] = (300, 300, 300)
    """hidden layers of policy, critics and value network"""
    encoder_hidden_sizes: tuple[int, ...] = (200, 200, 200)
    """hidden layers of the context encoder"""
    uses_layer_norm: bool = False
    """layer norm in the critics: steadier values where rewards are large or contacts are rough"""

    num_iterations: int = 500
    """rounds of collecting and improving"""
    num_initial_steps: int = 2000
    """steps per train task, from the prior, before the first iteration"""
    initial_actions: Literal["policy", "held"] = "policy"
    """who acts in them: the untrained policy, or one random action per episode, held throughout,
    which walks far in every direction and so meets rewards that lie far from the start"""
    tasks_per_iteration: int = 5
    """train tasks collected from in an iteration"""
    num_prior_steps: int = 400
    """steps per collected task with latents from the prior; both buffers get them"""
    num_posterior_steps: int = 0
    """steps per collected task with latents from the posterior; both buffers get them"""
    num_extra_steps: int = 400
    """steps per collected task from the posterior that only the RL buffer gets"""
    worlds_per_task: int = 1
    """episodes of one task that run side by side; 1 is the reference's order"""
    num_world_threads: int = 1
    """threads that step the worlds; results do not depend on it"""

    num_gradient_steps: int = 2000
    """meta-gradient steps per iteration"""
    meta_batch_size: int = 16
    """tasks in a meta-gradient step, K, drawn with replacement"""
    batch_size: int = 256
    """transitions per task from the RL buffer, B"""
    context_batch_size: int = 64
    """transitions per task from the encoder buffer, N, drawn with replacement"""
    learning_rate: float = 3e-4
    """of Adam, for every network"""
    final_learning_rate: float | None = None
    """it falls to this linearly over the run; None: it stays"""
    discount: float = 0.99
    """per step"""
    target_update_rate: float = 0.005
    """share of the way that targets move to their networks at each step"""
    kl_weight: float = 0.1
    """weight of the KL from the prior, summed over tasks and latent dimensions"""
    reward_scale: float = 1.0
    """multiplies rewards in Bellman targets; in `reference` form it stands in for a temperature"""
    context_reward_scale: float = 1.0
    """multiplies rewards as the encoder's first operation: brings large rewards near one"""
    initial_temperature: float = 1.0
    """`modern`: where the entropy temperature starts"""
    target_entropy_per_action: float = -1.0
    """`modern`: entropy that the temperature aims for, in nats per action element"""
    policy_regularization: float = 1e-3
    """`reference`: weight of the squared policy means and log deviations"""

    uses_sparse_context: bool = False
    """encoder and online context get the sparse reward, the RL batch the dense one"""
    uses_next_observation: bool | None = None
    """whether context rows hold the outcome; None: exactly where the family's dynamics vary"""
    normalizes_observations: bool = False
    """divide out running mean and deviation before every network"""
    observation_clip: float = 10.0
    """normalised observations beyond this are cut"""
    replay_capacity: int = 1_000_000
    """transitions per task that the RL buffer holds at most; memory grows as they come"""
    max_critic_value: float = 1e6
    """mean magnitude of the critics at which the run counts as diverged and stops"""

    num_exploration_episodes: int = 1
    """evaluation: first episodes of a trial, each with a latent from the prior"""
    num_trial_episodes: int = 3
    """evaluation: episodes of a trial; the last one is the adapted one"""
    evaluation_interval: int = 10
    """iterations between evaluations on held-out tasks"""
    checkpoint_interval: int = 10
    """iterations between checkpoints"""

    def __post_init__(self) -> None:
        if min(self.num_prior_steps, self.num_posterior_steps, self.num_extra_steps) < 0:
            raise ValueError("numbers of steps cannot be negative")
        if self.num_prior_steps + self.num_posterior_steps == 0:
            raise ValueError("an iteration needs prior or posterior steps: context comes from them")
        if not 0.0 < self.discount < 1.0 or not 0.0 < self.target_update_rate <= 1.0:
            raise ValueError("discount must lie in (0, 1) and target_update_rate in (0, 1]")
        if not 0 < self.num_exploration_episodes <= self.num_trial_episodes:
            raise ValueError("a trial needs an exploration episode and ends at the adapted one")


class Pearl:
    """The learner: networks, buffers, random numbers, and the three things done with them."""

    def __init__(
        self,
        config: PearlConfig,
        family: TaskFamily,
        task_set: TaskSet,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.device = config, device
        self.tasks = task_set.train
        self.num_collected = min(config.tasks_per_iteration, len(self.tasks))
        self.worlds = family.make_world(
            self.num_collected * config.worlds_per_task, num_threads=config.num_world_threads
        )
        uses_outcome = config.uses_next_observation
        self.context_layout = ContextLayout(
            observation_size=self.worlds.observation_size,
            action_size=self.worlds.action_size,
            uses_next_observation=dynamics_vary(family) if uses_outcome is None else uses_outcome,
        )
        self.transition_layout = TransitionLayout(
            self.worlds.observation_size, self.worlds.action_size
        )
        self.rng = np.random.default_rng([seed, 1])
        self.generator = torch.Generator(device).manual_seed(int(self.rng.integers(2**62)))
        self.statistics = RunningStats(
            self.worlds.observation_size,
            clip=config.observation_clip,
            is_enabled=config.normalizes_observations,
            device=device,
        )
        self._build_buffers()
        self._build_networks(torch.Generator().manual_seed(int(self.rng.integers(2**62))))
        self.num_environment_steps = self.num_gradient_steps = 0

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

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.context_layout
        observation_size, action_size = layout.observation_size, layout.action_size
        state_size = observation_size + config.latent_size
        row_scale = torch.ones(layout.size)
        row_scale[observation_size + action_size] = config.context_reward_scale
        self.encoder = ContextEncoder(
            layout.size,
            config.encoder_hidden_sizes,
            config.latent_size,
            generator=initial,
            row_scale=row_scale,
        ).to(self.device)
        self.policy = TanhGaussianPolicy(
            state_size, config.hidden_sizes, action_size, generator=initial
        ).to(self.device)
        self.critic = TwinCritic(
            state_size + action_size,
            config.hidden_sizes,
            generator=initial,
            uses_layer_norm=config.uses_layer_norm,
        ).to(self.device)
        is_reference = config.form == "reference"
        self.value: nn.Module = nn.Identity()  # `modern` has no value network
        if is_reference:
            self.value = Mlp(state_size, config.hidden_sizes, 1, generator=initial).to(self.device)
        self.target = frozen_copy(self.value if is_reference else self.critic)
        self.log_temperature = torch.tensor(
            float(np.log(config.initial_temperature)), device=self.device, requires_grad=True
        )
        # Adam treats every number by itself, so networks that step together share an optimiser.
        judges = [*self.critic.parameters(), *self.encoder.parameters()]
        actors: list[Tensor] = list(self.policy.parameters())
        actors += self.value.parameters() if is_reference else [self.log_temperature]
        self.judge_optimizer = torch.optim.Adam(judges, lr=config.learning_rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(actors, lr=config.learning_rate, fused=True)

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
        tasks = self.rng.choice(len(self.tasks), self.num_collected, replace=False)
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
        actor: _CollectingActor | _HeldActions = (
            _HeldActions(self.rng, len(task_of_world), self.worlds.action_size)
            if latents == "held"
            else _CollectingActor(self, task_of_world, groups, latents)
        )

        def store(step: Step) -> None:
            of_task = task_of_world[step.worlds]
            self.rl_buffer.add(of_task, self.transition_layout.rows(step.transition))
            self.statistics.update(step.transition.observation)
            if is_context:
                self.encoder_buffer.add(of_task, self._context_rows(step))

        collected = collect_episodes(
            self.worlds,
            [self.tasks[task] for task in task_of_world],
            actor,
            num_steps=num_steps,
            seed=int(self.rng.integers(2**31)),
            store=store,
            groups=groups,
        )
        self.num_environment_steps += collected.num_steps
        return collected

    def _context_rows(self, step: Step) -> Float:
        """(M, C) encoder rows, observations not normalised yet: statistics still change."""
        transition = step.transition
        if self.config.uses_sparse_context:
            transition = transition._replace(reward=step.sparse_reward)
        return self.context_layout.row(transition)

    @torch.no_grad()
    def infer(self, context: Tensor) -> Gaussian:
        """(K, N, C) context rows as stored to one belief per task."""
        return self.encoder.posterior(
            self.statistics.normalize_context(context, self.context_layout)
        )

    # ---- improving -----------------------------------------------------------------------------

    def improve(self, progress: float = 0.0) -> dict[str, float]:
        """One iteration's meta-gradient steps; the means of their losses.

        `progress` in [0, 1] through the run sets the learning rate. Raises `TrainingFailed` where
        a loss is not finite or the critics diverge.
        """
        config = self.config
        for optimizer in (self.judge_optimizer, self.actor_optimizer):
            set_learning_rate(optimizer, config.learning_rate, config.final_learning_rate, progress)
        log = LossLog(
            config.num_gradient_steps, self.device, max_critic_value=config.max_critic_value
        )
        for _ in range(config.num_gradient_steps):
            tasks = self.rng.integers(len(self.tasks), size=config.meta_batch_size)
            log.record(self.gradient_step(*self.sample(tasks)))
        first_step = self.num_gradient_steps
        self.num_gradient_steps += config.num_gradient_steps
        return log.means(first_step)

    def sample(self, tasks: Int) -> tuple[Batch, Tensor]:
        """An RL batch (K, B, ·) from everything seen, and the latest context (K, N, C)."""
        config = self.config
        rows = self.rl_buffer.sample(tasks, config.batch_size, self.generator)
        context = self.encoder_buffer.sample(tasks, config.context_batch_size, self.generator)
        batch = self.transition_layout.split(rows)
        normalize = self.statistics.normalize
        batch = batch._replace(
            observation=normalize(batch.observation),
            next_observation=normalize(batch.next_observation),
        )
        return batch, self.statistics.normalize_context(context, self.context_layout)

    def gradient_step(self, batch: Batch, context: Tensor) -> dict[str, Tensor]:
        """One meta-gradient step on (K, B, ·) transitions and (K, N, C) context."""
        posterior = self.encoder.posterior(context)
        latent = posterior.sample(self.generator)
        latent = latent[:, None].expand(-1, batch.observation.shape[1], -1)  # one per task
        state = torch.cat([batch.observation, latent.detach()], dim=-1)
        losses = self._judge_step(batch, latent, posterior)
        losses |= self._actor_step(state)
        is_reference = self.config.form == "reference"
        source = self.value if is_reference else self.critic
        sac.move_towards(self.target, source, self.config.target_update_rate)
        return losses

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
            action, log_density = self.policy(next_state).sample(self.generator)
            next_value = self.target(_with_action(next_state, action, latent)).amin(0)
            next_value = next_value - self.log_temperature.exp() * log_density
        reward = config.reward_scale * batch.reward
        return sac.bellman_target(reward, batch.terminated, next_value, discount=config.discount)

    def _actor_step(self, state: Tensor) -> dict[str, Tensor]:
        """Policy, and with it the value network or the temperature, at latents held fixed."""
        config = self.config
        distribution = self.policy(state)
        action, log_density = distribution.sample(self.generator)
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

    # ---- stopping, going on, being used --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return Snapshot(
            tensors={
                **{name: module.state_dict() for name, module in self._modules().items()},
                "log_temperature": self.log_temperature.detach(),
                "judge_optimizer": self.judge_optimizer.state_dict(),
                "actor_optimizer": self.actor_optimizer.state_dict(),
                "generator": self.generator.get_state(),
            },
            counters={
                "num_environment_steps": self.num_environment_steps,
                "num_gradient_steps": self.num_gradient_steps,
                "statistics": self.statistics.snapshot(),
                "rng": self.rng.bit_generator.state,
            },
            replays={"rl_buffer": self.rl_buffer, "encoder_buffer": self.encoder_buffer},
        )

    def restore(self, tensors: Mapping[str, Any], counters: Mapping[str, Any]) -> None:
        for name, module in self._modules().items():
            module.load_state_dict(tensors[name])
        with torch.no_grad():
            self.log_temperature.copy_(tensors["log_temperature"])
        self.judge_optimizer.load_state_dict(tensors["judge_optimizer"])
        self.actor_optimizer.load_state_dict(tensors["actor_optimizer"])
        self.generator.set_state(tensors["generator"])
        self.num_environment_steps = counters["num_environment_steps"]
        self.num_gradient_steps = counters["num_gradient_steps"]
        self.statistics.restore(counters["statistics"])
        self.rng.bit_generator.state = counters["rng"]

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "encoder": self.encoder,
            "policy": self.policy,
            "critic": self.critic,
            "value": self.value,
            "target": self.target,
        }

    def make_adapter(self, tasks: Sequence[Task]) -> PearlAdapter:
        return PearlAdapter(self, len(tasks))

    def export_parts(self) -> ExportParts:
        normalizer = self.statistics.frozen()
        return ExportParts(
            adaptation="gaussian_belief",
            modules={
                "policy": DeployedPolicy(normalizer, frozen_copy(self.policy).cpu()),
                "encoder": DeployedEncoder(
                    normalizer, self.context_layout, frozen_copy(self.encoder).cpu()
                ),
            },
            normalizer=normalizer,
            observation_size=self.context_layout.observation_size,
            action_size=self.context_layout.action_size,
            context_layout=self.context_layout,
            latent_size=self.config.latent_size,
            num_exploration_episodes=self.config.num_exploration_episodes,
        )


class _CollectingActor:
    """Acts stochastically on latents that it draws anew for every episode and holds throughout."""

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
        return torch.randn(shape, generator=learner.generator, device=learner.device)

    def _draw_posterior(self, tasks: Int) -> Tensor:
        learner = self._learner
        context = learner.encoder_buffer.sample(
            tasks, learner.config.context_batch_size, learner.generator
        )
        return learner.infer(context).sample(learner.generator)

    @torch.no_grad()
    def act(self, observation: Float) -> Float:
        learner = self._learner
        observed = learner.statistics.normalize(torch.from_numpy(observation).to(learner.device))
        state = torch.cat([observed, self._held], dim=-1)
        sampled, _ = learner.policy(state).sample(learner.generator)
        action: Float = sampled.cpu().numpy()
        return action


class _HeldActions:
    """One random action per episode, held throughout: straight walks in every direction."""

    def __init__(self, rng: np.random.Generator, num_worlds: int, action_size: int) -> None:
        self._rng = rng
        self._action = np.zeros((num_worlds, action_size), np.float32)

    def begin_episode(self, starts: Bool) -> None:
        self._action[starts] = self._rng.uniform(-1.0, 1.0, self._action[starts].shape)

    def act(self, observation: Float) -> Float:
        return self._action.copy()


class PearlAdapter:
    """Evaluation: deterministic actions on a belief that takes in every transition, as a robot's.

    The first `num_exploration_episodes` act on draws from the prior; every later one on a draw
    from the posterior given all transitions so far, held for the episode.
    """

    def __init__(self, learner: Pearl, num_worlds: int) -> None:
        self._learner, self._num_worlds = learner, num_worlds
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        latent_size = self._learner.config.latent_size
        self.belief = GaussianBelief.prior(latent_size, (self._num_worlds,))
        self._prior = self.belief
        self._normalizer = self._learner.statistics.frozen()
        self._episode = 0

    def begin_episode(self) -> None:
        explores = self._episode < self._learner.config.num_exploration_episodes
        self.latent = (self._prior if explores else self.belief).sample(self._rng)
        self._episode += 1

    @torch.no_grad()
    def act(self, observation: Float) -> Float:
        learner = self._learner
        state = torch.from_numpy(
            np.concatenate([self._normalizer.normalize(observation), self.latent], -1)
        )
        action: Float = learner.policy.mode(state.to(learner.device)).cpu().numpy()
        return action

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


def train(
    config: PearlConfig, family: TaskFamily, task_set: TaskSet, run: Run, *, device: torch.device
) -> Pearl:
    """Meta-train, with everything noted, saved and evaluated by the run; return the learner."""
    learner = Pearl(config, family, task_set, seed=run.seed, device=device)

    def iterate(iteration: int) -> dict[str, float]:
        pool = [learner.collect_initial_pool()] if iteration == 0 else []
        collected = _together([*pool, learner.collect()])
        losses = learner.improve(progress=iteration / config.num_iterations)
        return {"train_return": collected.mean_return, **losses}

    run.repeat(iterate, learner, num_iterations=config.num_iterations)
    return learner


def _together(rounds: Sequence[Collected]) -> Collected:
    episodes = sum(collected.num_episodes for collected in rounds)
    total = sum(collected.mean_return * collected.num_episodes for collected in rounds)
    return Collected(sum(collected.num_steps for collected in rounds), episodes, total / episodes)


def _with_action(state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
    """(…, O + L) states and actions to the critics' input: observation, action, latent."""
    observation = state[..., : state.shape[-1] - latent.shape[-1]]
    return torch.cat([observation, action, latent], dim=-1)
