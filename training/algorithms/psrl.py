"""Posterior sampling (PSRL): sample a table's posterior once an episode, plan in it, keep to it.

Strens 2000; Osband, Russo and Van Roy 2013, https://arxiv.org/abs/1306.0940: the tabular ancestor
of PEARL's latent that is held for an episode. Posteriors and planning are those of
`training.exact`.

* A trial starts from the prior. At the start of every episode a process is drawn from the posterior
  (Dirichlet transitions; Gaussian or Beta rewards), and the best policy of that process over the
  steps of the episode is followed to its end. In a bandit a pull is an episode: `held_steps` is 1,
  and that is Thompson sampling.
* What all tasks share is learned from the train tasks: where tasks do not differ in dynamics, the
  transitions seen in all of them are part of the prior. Rewards start anew with every task.
* States are cells of the observation. An action of a world that takes numbers is a full step along
  one of its axes, either way.

Differs from the paper: how an episode ends itself is learned as well, as a state that nothing
follows and that pays nothing; it has no weight before it has been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from training.algorithms.learner import Deployed, TrainingSetup
from training.exact.posterior import BetaReward, Counts, GaussianReward, Prior, no_counts
from training.exact.tabular import Index, drawn, expected_next, plan
from training.parts.actor import Drawn
from training.parts.checked import Count, Positive, Settings
from training.parts.running_stats import RunningStats
from training.parts.trials import collect_trials
from training.tasks.task import Task, dynamics_vary
from training.worlds.ties import Array, among_best
from training.worlds.vector_world import Bool, Float, VectorWorld

MAX_STATES = 256
"""a table of more is not a small one: beliefs and planning take its square, for every task"""


@dataclass(frozen=True, kw_only=True)
class PsrlConfig(Settings):
    """Settings of posterior sampling: the table, and what is believed beforehand."""

    cells: Count = 5
    """of each element of the observation, evenly over [-1, 1]; the outermost hold what lies beyond.
    1: a single state"""
    num_elements: Count = 2
    """elements of the observation that make a state: the first so many"""
    held_steps: Count | None = None
    """steps that a sampled process is planned over and kept for; none: the whole episode"""
    reward: Literal["gaussian", "beta"] = "gaussian"
    """what rewards are: numbers with noise, or 0 and 1, of which any mean is as likely"""
    reward_prior_mean: float = 0.0
    """of gaussian rewards: expected before anything is seen"""
    reward_prior_std: Positive = 1.0
    """of gaussian rewards: how far mean rewards may be from that"""
    reward_noise_std: Positive = 1.0
    """of gaussian rewards: deviation of a reward from its mean"""
    pays_for_outcome: bool = False
    """whether a reward is that of the state that is reached, whatever led there"""
    transition_prior: Positive = 1.0
    """pseudo-count of every next state"""
    num_trials: Count = 16
    """trials of an iteration, each on a train task drawn anew"""

    @classmethod
    def smallest(cls) -> PsrlConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(cells=3, num_trials=4)

    def reward_posterior(self) -> GaussianReward | BetaReward:
        if self.reward == "beta":
            return BetaReward()
        return GaussianReward(
            prior_mean=self.reward_prior_mean,
            prior_precision=self.reward_prior_std**-2,
            noise_precision=self.reward_noise_std**-2,
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """A world as states and actions that can be counted. The last state is the end of a task."""

    cells: int
    """of each element"""
    num_elements: int
    """of the observation, that make a state"""
    moves: Float
    """(A', A) what each of the A' actions is to the world"""
    horizon: int
    """steps that are planned over"""

    @classmethod
    def of(cls, worlds: VectorWorld, config: PsrlConfig) -> Table:
        """Raises `ValueError` where the states are more than a table takes."""
        axes = np.eye(worlds.action_size, dtype=np.float32)
        table = cls(
            cells=config.cells,
            num_elements=min(config.num_elements, worlds.observation_size),
            moves=axes if worlds.has_choices else np.concatenate([axes, -axes]),
            horizon=config.held_steps or worlds.episode_length,
        )
        if table.end > MAX_STATES:
            raise ValueError(
                f"cells: {config.cells} of {table.num_elements} elements are {table.end} states, "
                f"expected at most {MAX_STATES}"
            )
        return table

    @property
    def end(self) -> int:
        """The state in which nothing follows; the states before it are cells."""
        return int(self.cells**self.num_elements)

    def state(self, observation: Float) -> Index:
        """(W,) states of (W, O) observations."""
        share = (observation[:, : self.num_elements].astype(np.float64) + 1.0) / 2.0
        cell = np.clip(np.floor(share * self.cells), 0, self.cells - 1).astype(np.int64)
        return np.asarray(cell @ self.cells ** np.arange(self.num_elements))


class Psrl:
    """The learner: the transitions that all tasks share."""

    config_type = PsrlConfig
    adapts = True
    is_told_task = False
    why_not_deployable = "it plans anew in every episode, over states that are few and known"

    def __init__(self, config: PsrlConfig, setup: TrainingSetup) -> None:
        self.config, self.tasks, self.device = config, setup.tasks, setup.device
        self.worlds = setup.make_worlds(config.num_trials)
        self.table = Table.of(self.worlds, config)
        self.num_trial_episodes = setup.num_trial_episodes
        self.shares_dynamics = not dynamics_vary(setup.family)
        size = self.worlds.observation_size
        statistics = RunningStats(size, clip=1.0, is_enabled=False, device=setup.device)
        self.state = setup.learner_state(statistics, stream=17)
        num_states, num_actions = self.table.end + 1, len(self.table.moves)
        shape = (num_states, num_actions, num_states)
        self.transitions = torch.zeros(shape, dtype=torch.float64)
        self.state.keep(numbers={"transitions": self.transitions})

    def iterate(self, progress: float) -> dict[str, float]:
        """Trials on train tasks; their transitions, where they hold for other tasks as well."""
        chosen = self.state.rng.integers(len(self.tasks), size=self.config.num_trials)
        tasks = [self.tasks[index] for index in chosen]
        actor = self.make_actor(tasks, is_deterministic=False)
        trials = collect_trials(
            self.worlds,
            tasks,
            actor,
            num_episodes=self.num_trial_episodes,
            seed=int(self.state.rng.integers(2**31)),
            device=torch.device("cpu"),
        )
        self.state.num_environment_steps += int(trials.is_valid.sum())
        if self.shares_dynamics:
            self.transitions += torch.from_numpy(actor.counts.transitions.sum(0))
        return {"train_return": trials.last_return(self.num_trial_episodes)}

    def prior(self) -> Prior:
        """What is believed of a task that has just been met."""
        weights = np.full(self.transitions.shape, self.config.transition_prior)
        weights[..., self.table.end] = 0.0
        return Prior(
            reward=self.config.reward_posterior(), transition=weights + self.transitions.numpy()
        )

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> PsrlActor:
        """It draws from its posterior either way: sampling is the behaviour."""
        pays_for_outcome = self.config.pays_for_outcome
        return PsrlActor(self.table, self.prior(), len(tasks), pays_for_outcome=pays_for_outcome)

    def deployed(self) -> Deployed:
        raise TypeError(self.why_not_deployable)


class PsrlActor:
    """Counts of W tasks, and the policy of one sampled process each, held for its steps."""

    def __init__(
        self, table: Table, prior: Prior, num_worlds: int, *, pays_for_outcome: bool
    ) -> None:
        self._table, self._prior, self._num_worlds = table, prior, num_worlds
        self._pays_for_outcome = pays_for_outcome
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        table, num_worlds = self._table, self._num_worlds
        num_states, num_actions = table.end + 1, len(table.moves)
        self.counts = no_counts(num_worlds, num_states, num_actions)
        self._paid = np.zeros((num_worlds, num_states))  # on arriving there
        self._rng = np.random.default_rng(seed)
        self._policy = np.zeros((num_worlds, table.horizon, num_states, num_actions))
        self._step = np.zeros(num_worlds, np.int64)

    def begin_episode(self, starts: Bool) -> None:
        self._step[starts] = 0

    def act(self, observation: Float) -> Drawn:
        step = self._step % self._table.horizon
        if (is_due := step == 0).any():
            self._policy[is_due] = self._sampled_policy(is_due)
        state = self._table.state(observation)
        chances = self._policy[np.arange(self._num_worlds), step, state]
        self._choice = drawn(chances, self._rng)
        self._step += 1
        return Drawn(self._table.moves[self._choice])

    def _sampled_policy(self, worlds: Bool) -> Array:
        """(B, H, S, A') the best policy of a process drawn from each of these worlds' beliefs."""
        counts = self._counts_of(worlds)
        model, end = self._prior.sampled_model(counts, self._rng), self._table.end
        if self._pays_for_outcome:
            arrivals = counts.transitions.sum((1, 2))
            paid = self._prior.reward.sample(self._paid[worlds], arrivals, self._rng)
            model = replace(model, reward=expected_next(model, paid))
        model.transition[:, end] = np.eye(end + 1)[end]
        model.reward[:, end] = 0.0
        return among_best(plan(model, self._table.horizon))

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        following = self._table.state(transition.next_observation)
        following[transition.terminated] = self._table.end
        run, reward = np.flatnonzero(is_running), sparse_reward[is_running].astype(np.float64)
        self.counts.add(
            self._table.state(transition.observation)[run],
            self._choice[run],
            reward,
            following[run],
            run=run,
        )
        self._paid[run, following[run]] += reward

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.counts = self._counts_of(order)
        self._paid = self._paid[order]

    def _counts_of(self, worlds: NDArray[Any]) -> Counts:
        """Those of some worlds, or of all in another order."""
        return Counts(
            transitions=self.counts.transitions[worlds], reward_sum=self.counts.reward_sum[worlds]
        )
