"""A policy on a belief that something else learns: what VariBAD and task inference share.

The belief is a Gaussian read out of a recurrent cell. Policy and value function see observation,
mean and log-variance as constants, and learn by PPO on whole trials; trials are remembered, and
the belief learns from them by a loss of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim2real.contract.quantity import Quantity
from sim2real.runtime.kinds.recurrent_belief import ReadOut, RecurrentBeliefSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import TrialPpoSettings
from training.parts.checked import Count, CountOrNone, Positive
from training.parts.deployed import DeployedCell, DeployedPolicy
from training.parts.encoders import RecurrentBelief
from training.parts.networks import Mlp, frozen_copy
from training.parts.read_out import InUnits, OnUnits, RecurrentGaussian
from training.parts.recurrent_actor import Evidence, RecurrentActor
from training.parts.schedule import set_learning_rate
from training.parts.sequence_replay import Column, SequenceReplay
from training.parts.trial_collector import Collected, TrialCollector
from training.parts.trial_ppo import TrialPpo
from training.parts.trials import Trials
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class BeliefPolicySettings(TrialPpoSettings):
    """How trials are remembered, and how the belief learns from them."""

    num_deployed_trials: CountOrNone = 0
    """further trials of an iteration, without the noise that the policy learns by: the belief alone
    learns from them, for it is asked about such trials once it is deployed"""
    replay_capacity: Count = 4000
    """trials remembered"""
    belief_batch_size: Count = 64
    """remembered trials in a step of the belief"""
    num_belief_steps: Count = 20
    """steps of the belief in an iteration"""
    belief_learning_rate: Positive = 1e-3
    """of Adam, for the belief"""
    final_belief_learning_rate: Positive | None = None
    """it falls to this linearly over the run; None: it stays. A rate that stays high leaves a
    belief that is off by more than it says"""


class Remembered(NamedTuple):
    """B whole trials of up to T steps, as networks take them."""

    context: Tensor
    """(T, B, C)"""
    next_observation: Tensor
    """(T, B, O)"""
    is_valid: Tensor
    """(T, B)"""
    others: Mapping[str, Tensor]
    """(T, B, ...) what else was asked to be remembered"""

    @property
    def length(self) -> Tensor:
        """(B,) steps"""
        return self.is_valid.sum(0).long()


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a belief is about, where that has names."""

    quantities: tuple[Quantity, ...]
    """(D,)"""
    middle: Tensor
    """(D,) of each one's range, in its unit; of its logarithm's where that is believed"""
    half_range: Tensor
    """(D,) by which a number of one stands away from the middle"""
    is_log: Tensor
    """(D,) bool, whether the belief is about the logarithm"""

    @property
    def believed(self) -> tuple[Quantity, ...]:
        """(D,) what the Gaussians are about: logarithms by that name."""
        pairs = zip(self.quantities, self.is_log.tolist(), strict=True)
        return tuple(replace(q, unit=f"ln({q.unit})") if is_log else q for q, is_log in pairs)


class BeliefPolicy:
    """Belief, policy and value function; what happens in the worlds; what is remembered."""

    def __init__(
        self,
        config: BeliefPolicySettings,
        setup: TrainingSetup,
        *,
        belief_size: int,
        stream: int,
        columns: Mapping[str, Column],
    ) -> None:
        """The belief has `belief_size` dimensions; `columns` are remembered besides."""
        self.config = config
        self.worlds = setup.make_worlds(config.num_trials)
        self.layout = config.context_layout(setup.family, self.worlds, marks_episode_end=True)
        statistics = config.statistics(self.worlds, setup.device)
        self.state = setup.learner_state(statistics, stream=stream)
        self.evidence = Evidence(statistics, self.layout, config.uses_sparse_context)
        self.collector = TrialCollector(
            worlds=self.worlds,
            tasks=setup.tasks,
            num_episodes=setup.num_trial_episodes,
            evidence=self.evidence,
            state=self.state,
        )
        further = config.num_deployed_trials
        self._deployed_collector = (
            replace(self.collector, worlds=setup.make_worlds(further)) if further else None
        )
        self.replay = SequenceReplay(
            {
                "context": Column(shape=(self.layout.size,)),
                "next_observation": Column(shape=(self.layout.observation_size,)),
                **columns,
            },
            num_tasks=1,
            max_length=setup.num_trial_episodes * self.worlds.episode_length,
            capacity=max(config.replay_capacity, config.num_trials + further),
            device=setup.device,
        )
        self._build_networks(belief_size)

    def _build_networks(self, belief_size: int) -> None:
        config, initial, device = self.config, self.state.initial, self.state.device
        cell = RecurrentBelief(
            self.layout.size,
            config.hidden_size,
            generator=initial,
            row_scale=config.row_scale(self.layout),
        )
        self.encoder = RecurrentGaussian(cell, belief_size, generator=initial).to(device)
        size = self.layout.observation_size + 2 * belief_size
        self.policy = config.policy(size, self.worlds, initial).to(device)
        self.value = Mlp(size, config.hidden_sizes, 1, generator=initial).to(device)
        self.ppo = TrialPpo(
            config, self.state, lambda trials: trials.observation, self.policy, self.value
        )
        self.state.keep(
            modules={"encoder": self.encoder, "policy": self.policy, "value": self.value},
            optimizers={"optimizer": self.ppo.optimizer},
            replays={"trials": self.replay},
        )

    # ---- collecting and improving --------------------------------------------------------------

    def collect(
        self, others: Callable[[Collected], Mapping[str, NDArray[Any]]] = lambda _: {}
    ) -> Trials:
        """One trial in every world, remembered with what `others` says of them, (T, B, ...)."""
        acts = partial(self.make_actor, is_deterministic=False)
        trials = self._remembered(self.collector.collect(acts), others)
        if self._deployed_collector is not None:
            as_deployed = partial(self.make_actor, is_deterministic=True)
            self._remembered(self._deployed_collector.collect(as_deployed), others)
        return trials

    def _remembered(
        self, collected: Collected, others: Callable[[Collected], Mapping[str, NDArray[Any]]]
    ) -> Trials:
        measured = collected.measured
        columns = {
            "context": measured.context.cpu().numpy(),
            "next_observation": measured.next_observation.cpu().numpy(),
            **others(collected),
        }
        lengths = measured.is_valid.sum(0).long().cpu().numpy()
        self.replay.add(np.zeros(len(lengths), np.int64), columns, lengths)
        return collected.trials

    @torch.no_grad()
    def with_beliefs(self, trials: Trials) -> Trials:
        """The same; what is observed in every step has the belief of that moment beside it."""
        beliefs = self.encoder.beliefs(trials.context[:-1])
        return trials._replace(observation=torch.cat([trials.observation, beliefs], dim=-1))

    def iterate(
        self,
        trials: Trials,
        progress: float,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[Remembered], dict[str, Tensor]],
    ) -> dict[str, float]:
        """The policy learns on the beliefs it acted on; then the belief, by `loss`'s `belief_loss`.

        Raises `TrainingFailed` where a loss is not finite.
        """
        config = self.config
        improved = self.ppo.improve(self.with_beliefs(trials), progress)
        rates = config.belief_learning_rate, config.final_belief_learning_rate
        set_learning_rate(optimizer, *rates, progress)
        learnt = self.state.counted(
            (self._belief_step(optimizer, loss) for _ in range(config.num_belief_steps)),
            num_steps=config.num_belief_steps,
            max_critic_value=float("inf"),
        )
        train_return = trials.last_return(self.collector.num_episodes)
        return {"train_return": train_return, **improved, **learnt}

    def _belief_step(
        self, optimizer: torch.optim.Optimizer, loss: Callable[[Remembered], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        losses = loss(self.sample(self.config.belief_batch_size))
        optimizer.zero_grad()
        losses["belief_loss"].backward()
        optimizer.step()
        return losses

    def sample(self, num_trials: int) -> Remembered:
        """Remembered trials, normalised by what is known by now."""
        drawn = self.replay.sample(num_trials, self.state.generator)
        columns, statistics = dict(drawn.columns), self.state.statistics
        return Remembered(
            statistics.normalize_context(columns.pop("context"), self.layout),
            statistics.normalize(columns.pop("next_observation")),
            drawn.is_valid,
            columns,
        )

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return RecurrentActor(
            self.encoder.cell,
            self.policy,
            self.evidence,
            read_out=self.encoder.read_out,
            num_worlds=len(tasks),
            generator=None if is_deterministic else self.state.generator,
        )

    def deployed(self, units: Units | None = None) -> Deployed:
        """Cell with read-out, in `units` where it has some, and the policy on it."""
        normalizer = self.state.statistics.frozen()
        encoder = frozen_copy(self.encoder).cpu()
        policy: nn.Module = frozen_copy(self.policy).cpu()
        read_out: nn.Module = encoder.read_out
        if units is not None:
            scale = units.middle, units.half_range, units.is_log
            read_out, policy = InUnits(read_out, *scale), OnUnits(policy, *scale)
        mean, log_variance = read_out(torch.zeros(self.config.hidden_size)).chunk(2)
        return Deployed(
            settings=RecurrentBeliefSettings(
                hidden_size=self.config.hidden_size,
                read_out=ReadOut(
                    initial_mean=tuple(mean.tolist()),
                    initial_log_variance=tuple(log_variance.tolist()),
                    quantities=units.quantities if units is not None else (),
                ),
            ),
            modules={
                "policy": DeployedPolicy(normalizer, policy),
                "recurrent": DeployedCell(normalizer, self.layout, encoder.cell, read_out),
            },
            normalizer=normalizer,
            observation_size=self.layout.observation_size,
            action_size=self.layout.action_size,
            context_layout=self.layout,
        )
