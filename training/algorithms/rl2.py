"""RL²: a recurrent policy whose hidden state is the belief about the task.

Duan et al. 2016, https://arxiv.org/abs/1611.02779; Wang et al. 2016,
https://arxiv.org/abs/1611.05763; learnt with PPO, https://arxiv.org/abs/1707.06347. What is
maximised is the return of a whole trial, several episodes on one task, so that exploring in an
early episode is paid for by a later one.

Differs from the implementations that papers compared against:

* Hidden state, advantage and the last transition's reward cross the ends of episodes; only the
  end of the trial cuts them. (Several published baselines lose one or all of the three.)
* The recurrent cell sees transitions (observation, applied action, reward, whether an episode
  ended, and the outcome where dynamics vary); the policy sees the observation and the hidden
  state. That is the same information as (s, a, r, d) delayed by a step, and it is what a robot
  carries: only evidence moves the belief.
* Updates run over whole trials from a hidden state of zero; none is stale.

Three forms of it are configured here. E-RL² (Stadie et al. 2018, https://arxiv.org/abs/1803.01118):
what the first episodes of a trial pay is not learnt from, though the cell sees it, so that
exploring may cost whatever it costs. RL² with a hypernetwork (Beck et al. 2022,
https://arxiv.org/abs/2210.11348): the hidden state does not enter policy and value function as one
more input, it generates their weights. RL² with a split aggregator (Beck et al. 2024,
https://arxiv.org/abs/2403.03020): half of the belief knows no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from sim2real.runtime.kinds.recurrent_belief import RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import TrialPpoSettings, why_choices_not_deployable
from training.parts.checked import Count, CountOrNone, Sizes
from training.parts.encoders import RecurrentBelief
from training.parts.hypernetwork import GeneratedMlp
from training.parts.networks import Mlp
from training.parts.policies import MakeNetwork
from training.parts.recurrent_actor import Evidence, RecurrentActor, See, as_measured
from training.parts.split_belief import SplitBelief
from training.parts.trial_collector import TrialCollector
from training.parts.trial_ppo import TrialPpo
from training.parts.trials import Trials
from training.tasks.task import Task
from training.worlds.vector_world import VectorWorld


@dataclass(frozen=True, kw_only=True)
class Rl2Config(TrialPpoSettings):
    """Settings of RL²; the defaults suit small state spaces on a CPU."""

    num_free_episodes: CountOrNone = 0
    """first episodes of a trial whose rewards are seen and not learnt from (E-RL²)"""
    hypernetwork_size: CountOrNone = 0
    """numbers that the hidden state is pressed into before it generates the weights of policy and
    value function; 0: it is one of their inputs"""

    @classmethod
    def smallest(cls) -> Self:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_size=8, hidden_sizes=(16,), num_trials=6, num_minibatches=2, num_epochs=2)


@dataclass(frozen=True, kw_only=True)
class ERl2Config(Rl2Config):
    """Settings of E-RL²."""

    num_free_episodes: Count = 1
    """first episodes of a trial whose rewards are seen and not learnt from"""


@dataclass(frozen=True, kw_only=True)
class Rl2HypernetworkConfig(Rl2Config):
    """Settings of RL² with a hypernetwork."""

    hypernetwork_size: Count = 16
    """numbers that the hidden state is pressed into before it generates weights"""
    hidden_sizes: Sizes = (32,)
    """hidden layers of what is generated: every row gets weights of its own"""


class Rl2:
    """The learner: recurrent belief, policy, value function, random numbers."""

    config_type: ClassVar[type[Rl2Config]] = Rl2Config
    cell_type: ClassVar[type[RecurrentBelief] | type[SplitBelief]] = RecurrentBelief
    """what carries the belief"""
    adapts = True
    is_told_task = False

    def __init__(self, config: Rl2Config, setup: TrainingSetup) -> None:
        if config.num_free_episodes >= setup.num_trial_episodes:
            raise ValueError(
                f"num_free_episodes: found {config.num_free_episodes}, expected fewer than a "
                f"trial's episodes ({setup.num_trial_episodes}): nothing would be learnt from"
            )
        self.config, self.device, self.tasks = config, setup.device, setup.tasks
        self.worlds = self._make_worlds(setup)
        self.context_layout = config.context_layout(
            setup.family, self.worlds, marks_episode_end=True
        )
        statistics = config.statistics(self.worlds, setup.device)
        self.state = setup.learner_state(statistics, stream=3)
        self.evidence = Evidence(statistics, self.context_layout, config.uses_sparse_context)
        self.collector = TrialCollector(
            worlds=self.worlds,
            tasks=self.tasks,
            num_episodes=setup.num_trial_episodes,
            evidence=self.evidence,
            state=self.state,
        )
        self._build_networks(self.state.initial)

    def _make_worlds(self, setup: TrainingSetup) -> VectorWorld:
        return setup.make_worlds(self.config.num_trials)

    def _build_networks(self, initial: torch.Generator) -> None:
        config, layout = self.config, self.context_layout
        self.cell = self.cell_type(
            layout.size,
            config.hidden_size,
            generator=initial,
            row_scale=config.row_scale(layout),
        ).to(self.device)
        state_size = layout.observation_size + config.hidden_size
        make: MakeNetwork = Mlp
        if config.hypernetwork_size:
            make = partial(
                GeneratedMlp,
                condition_size=config.hidden_size,
                latent_size=config.hypernetwork_size,
            )
        self.policy = config.policy(state_size, self.worlds, initial, make).to(self.device)
        value = make(state_size, config.hidden_sizes, 1, generator=initial).to(self.device)
        self.ppo = TrialPpo(
            config,
            self.state,
            self.see,
            self.policy,
            value,
            self.cell,
            num_free_episodes=config.num_free_episodes,
        )
        modules = {"cell": self.cell, "policy": self.policy, "value": value}
        self.state.keep(modules=modules, optimizers={"optimizer": self.ppo.optimizer})

    @property
    def why_not_deployable(self) -> str:
        return why_choices_not_deployable(self.worlds)

    def iterate(self, progress: float) -> dict[str, float]:
        trials = self.collect()
        return {
            "train_return": trials.last_return(self.collector.num_episodes),
            **self.ppo.improve(trials, progress),
        }

    def collect(self) -> Trials:
        """One trial in every world, as networks take it; rewards are the world's."""
        return self.collector.collect(partial(self.make_actor, is_deterministic=False)).trials

    def beliefs(self, trials: Trials) -> Tensor:
        """(T, B, H) hidden states before each step: zero at the start, never reset within."""
        start = trials.observation.new_zeros(trials.observation.shape[1], self.cell.hidden_size)
        following = self.cell.sequence(trials.context[:-1], start)
        return torch.cat([start[None], following])

    def see(self, trials: Trials) -> Tensor:
        """(T, B, O + H) what policy and value function see, with the cell's gradients."""
        return torch.cat([trials.observation, self.beliefs(trials)], dim=-1)

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return self._actor(tasks, is_deterministic=is_deterministic)

    def _actor(
        self, tasks: Sequence[Task], *, is_deterministic: bool, see: See = as_measured
    ) -> RecurrentActor:
        return RecurrentActor(
            self.cell,
            self.policy,
            self.evidence,
            num_worlds=len(tasks),
            generator=None if is_deterministic else self.state.generator,
            see=see,
        )

    def deployed(self) -> Deployed:
        return self._deployed()

    def _deployed(self, **others: nn.Module) -> Deployed:
        """Policy, cell, and networks of other roles."""
        return Deployed.of(
            RecurrentBeliefSettings(hidden_size=self.config.hidden_size),
            self.state.statistics,
            self.worlds,
            self.context_layout,
            policy=self.policy,
            recurrent=self.cell,
            **others,
        )


class ERl2(Rl2):
    """RL² whose first episodes are free."""

    config_type = ERl2Config


class Rl2Hypernetwork(Rl2):
    """RL² whose hidden state generates the policy."""

    config_type = Rl2HypernetworkConfig


class Rl2Split(Rl2):
    """RL² whose belief is half a recurrent cell's and half of running maxima."""

    cell_type = SplitBelief
