"""Learned exploration: a teacher collects what a student learns from, and is paid by its gain.

Xu, Liu, Zhao and Peng 2018, https://arxiv.org/abs/1803.05044. In every iteration

1. the teacher, a Gaussian policy of its own that knows nothing of the student, collects a data set
   D0 for each of K copies of the student;
2. every copy takes gradient steps (deterministic policy gradient) on its own D0 and nothing else,
   and is then evaluated, on the same tasks and from the same starts as before: its gain is what D0
   was worth;
3. the teacher's log-likelihood of D0, summed over all of its steps, goes up where the gain exceeds
   a running mean of gains, and down where it does not (REINFORCE);
4. the student itself learns from a replay of all that was collected, D0 and evaluations alike.

`explorer: "noise"` is what it is measured against: the student's own actions with Gaussian noise of
a fixed width, with as many environment steps and as many steps of the student.

Differs from the paper: K copies where it has one, so that a gradient of the teacher averages over
K gains; the paper's other teachers, which it found no better, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sim2real.contract.transition import Transition
from sim2real.runtime.kinds.none import NoAdaptationSettings
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import ObservationSettings
from training.families.claw import place_column
from training.parts.actor import Actor, Drawn, Memoryless
from training.parts.checked import Count, Discount, Positive, Share, Sizes
from training.parts.ddpg import Student
from training.parts.policies import DiagonalGaussianPolicy, PolicyActor
from training.parts.replay import Batch, TaskReplay, TransitionLayout
from training.parts.trials import Trials, by_task, collect_trials
from training.parts.visits import Visits
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float, StepResult, VectorWorld

_ALL = np.zeros(1, np.int64)  # one replay for all tasks


@dataclass(frozen=True, kw_only=True)
class LearnedExplorationConfig(ObservationSettings):
    """Settings of teacher and student; the defaults suit points on a CPU."""

    explorer: Literal["teacher", "noise"] = "teacher"
    """who collects what the student learns from: the teacher, or the student itself with noise"""
    hidden_sizes: Sizes = (32, 32)
    """hidden layers of all networks"""
    num_copies: Count = 16
    """copies of the student, each with a D0 of its own"""
    num_episodes: Count = 4
    """episodes of a D0"""
    num_copy_steps: Count = 50
    """gradient steps of a copy on its D0, all of it at once"""
    copy_learning_rate: Positive = 1e-2
    """of a copy's Adam"""
    num_evaluation_episodes: Count = 5
    """episodes that a copy is judged by"""
    teacher_learning_rate: Positive = 0.02
    """of Adam, one step an iteration"""
    teacher_log_std: float = 0.0
    """where the deviation of the teacher's actions starts; learnt, the same in every state"""
    min_teacher_log_std: float = -1.5
    """as sure as the teacher may get"""
    baseline_rate: Share = 0.5
    """how far the running mean of gains moves towards an iteration's before they are compared"""
    noise_std: Positive = 0.3
    """deviation of the student's noise where it explores itself"""
    num_student_steps: Count = 10
    """gradient steps of the student an iteration, on the replay"""
    batch_size: Count = 128
    """transitions in a gradient step of the student"""
    student_learning_rate: Positive = 1e-3
    """of the student's Adam; small beside the copies', since a student that has found everything
    gains nothing more, and its teacher learns nothing more"""
    discount: Discount = 0.9
    """per step"""
    target_update_rate: Share = 0.1
    """share of the way that targets move to their networks at each step"""
    reward_scale: Positive = 1.0
    """multiplies rewards in Bellman targets"""
    replay_capacity: Count = 1_000_000
    """transitions remembered"""

    @classmethod
    def smallest(cls) -> LearnedExplorationConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_sizes=(8, 8),
            num_copies=2,
            num_episodes=2,
            num_copy_steps=3,
            num_evaluation_episodes=2,
            num_student_steps=2,
            batch_size=16,
        )


class LearnedExploration:
    """The learner: teacher, student, one replay, and where both have been."""

    config_type = LearnedExplorationConfig
    adapts = False
    is_told_task = False
    why_not_deployable = ""

    def __init__(self, config: LearnedExplorationConfig, setup: TrainingSetup) -> None:
        self.config, self.tasks, self.device = config, setup.tasks, setup.device
        judged = config.num_copies * config.num_evaluation_episodes
        exploring = config.num_copies * config.num_episodes
        if config.explorer == "noise":
            exploring += judged  # in place of the copies', which there are none of
        self.worlds = setup.make_worlds(exploring)
        self.judging_worlds = setup.make_worlds(judged)
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=18)
        sizes = (self.worlds.observation_size, config.hidden_sizes, self.worlds.action_size)
        initial, device = self.state.initial, setup.device
        self.student = Student(*sizes, generator=initial).to(device)
        self.teacher = DiagonalGaussianPolicy(
            *sizes,
            initial_log_std=config.teacher_log_std,
            min_log_std=config.min_teacher_log_std,
            generator=initial,
        ).to(device)
        self.policy = self.student.policy
        self.student_optimizer = self.student.optimizer(config.student_learning_rate)
        rate = config.teacher_learning_rate
        self.teacher_optimizer = torch.optim.Adam(self.teacher.parameters(), lr=rate)
        self.baseline = torch.zeros((), device=device)
        self.layout = TransitionLayout(self.worlds.observation_size, self.worlds.action_size)
        self.replay = TaskReplay(1, self.layout.size, config.replay_capacity, device)
        self.visits = Visits(place_column(setup.family))
        self.state.keep(
            modules={"student": self.student, "teacher": self.teacher},
            optimizers={
                "student_optimizer": self.student_optimizer,
                "teacher_optimizer": self.teacher_optimizer,
            },
            numbers={"baseline": self.baseline, **self.visits.numbers},
            replays={"replay": self.replay},
        )

    def iterate(self, progress: float) -> dict[str, float]:
        explored = self.explore() if self.config.explorer == "teacher" else self.explore_by_noise()
        for each in explored.stored:
            self.store(each)
        return {**explored.figures, **self.learn()}

    # ---- exploring -----------------------------------------------------------------------------

    def explore(self) -> Explored:
        """D0, what it was worth, and a step of the teacher."""
        seed = self.drawn_seed()
        teacher = PolicyActor(self.teacher, self.state.statistics, self.state.generator)
        data = self.collect(self.worlds, teacher)
        before = self.judged(self.student.copies(self.config.num_copies), seed)
        after = self.judged(self.taught(data.trials), seed)
        gain = self.return_of_copies(after.trials) - self.return_of_copies(before.trials)
        with torch.no_grad():
            self.baseline.lerp_(gain.mean(), self.config.baseline_rate)
        losses = self.teacher_step(data.trials, gain - self.baseline)
        self.visits.note(teacher=data.trials.observation, student=after.trials.observation)
        figures = {
            "train_return": float(before.returns.mean()),
            "gain": float(gain.mean()),
            "teacher_reached": data.reached,
            "student_reached": before.reached,
            "teacher_std": float(self.teacher.log_std.detach().exp().mean()),
        }
        return Explored([data.trials, after.trials], figures | losses)

    def explore_by_noise(self) -> Explored:
        """As many steps as `explore` takes, by the student itself, and as many of them stored."""
        data = self.collect(self.worlds, _StudentActor(self, noise_std=self.config.noise_std))
        judged = self.judged(self.student.copies(self.config.num_copies), self.drawn_seed())
        self.visits.note(teacher=data.trials.observation, student=judged.trials.observation)
        figures = {
            "train_return": float(judged.returns.mean()),
            "teacher_reached": data.reached,
            "student_reached": judged.reached,
        }
        return Explored([data.trials], figures)

    def collect(self, worlds: VectorWorld, actor: Actor, seed: int | None = None) -> Seen:
        """An episode of every world, on train tasks drawn anew; all of it follows from `seed`."""
        seed = self.drawn_seed() if seed is None else seed
        chosen = np.random.default_rng(seed).integers(len(self.tasks), size=worlds.num_worlds)
        watched = _Watched(worlds)
        trials = collect_trials(
            watched,
            [self.tasks[index] for index in chosen],
            actor,
            num_episodes=1,
            seed=seed,
            device=self.device,
        )
        self.state.num_environment_steps += int(trials.is_valid.sum())
        is_valid = trials.is_valid.cpu().numpy() > 0
        reached = (np.stack(watched.successes) & is_valid).any(0)
        return Seen(trials, float(reached.mean()))

    def drawn_seed(self) -> int:
        return int(self.state.rng.integers(2**31))

    def taught(self, data: Trials) -> Student:
        """K copies of the student, each after its gradient steps on its own D0."""
        config = self.config
        copies = self.student.copies(config.num_copies)
        optimizer = copies.optimizer(config.copy_learning_rate)
        batch, weight = self.batch_of_copies(data)
        for _ in range(config.num_copy_steps):
            self._student_step(copies, optimizer, batch, weight)
        return copies

    def batch_of_copies(self, data: Trials) -> tuple[Batch, Tensor]:
        """(K, T·M, ·) transitions of the worlds of each copy, and the weights of its steps."""
        transitions = Batch(
            data.observation,
            self._applied(data),
            data.reward,
            data.next_observation,
            data.terminated,
        )
        return Batch(*map(self._by_copy, transitions)), self._by_copy(data.is_valid)

    def _by_copy(self, values: Tensor) -> Tensor:
        """(T, K·M, ...) to (K, T·M, ...)."""
        return by_task(values, self.config.num_copies).flatten(1, 2)

    @staticmethod
    def _applied(data: Trials) -> Tensor:
        """What the world made of actions: they are stored as drawn."""
        return data.action.clamp(-1.0, 1.0)

    def judged(self, copies: Student, seed: int) -> Seen:
        """What K students do without noise; equal seeds are equal tasks, from equal starts."""
        return self.collect(self.judging_worlds, _StudentActor(self, copies), seed)

    def return_of_copies(self, trials: Trials) -> Tensor:
        """(K,) mean return of the episodes of each copy."""
        returns = trials.episode_sums(trials.reward, 1)
        mean: Tensor = returns.unflatten(0, (self.config.num_copies, -1)).mean((1, 2))
        return mean

    # ---- the teacher ---------------------------------------------------------------------------

    def score(self, data: Trials) -> Tensor:
        """(K,) log-likelihood of each D0 under the teacher: a sum over all of its steps."""
        rows = self.state.statistics.normalize(data.observation)
        density = self.teacher(rows).log_density(data.action)
        return self._by_copy(density * data.is_valid).sum(1)

    def teacher_loss(self, data: Trials, advantage: Tensor) -> Tensor:
        """() whose gradient is minus REINFORCE's, with (K,) gains above the baseline."""
        return -(advantage * self.score(data)).mean()

    def teacher_step(self, data: Trials, advantage: Tensor) -> dict[str, float]:
        """On the parameters that acted, and on the statistics that they saw by."""

        def losses() -> Iterator[dict[str, Tensor]]:
            loss = self.teacher_loss(data, advantage)
            self.teacher_optimizer.zero_grad()
            loss.backward()
            self.teacher_optimizer.step()
            yield {"teacher_loss": loss}

        return self.state.counted(losses(), num_steps=1)

    # ---- the student ---------------------------------------------------------------------------

    def store(self, data: Trials) -> None:
        """Every step becomes part of the replay, and of the statistics."""
        is_valid = (data.is_valid > 0).flatten()
        steps = Transition(
            *(
                values.flatten(0, 1)[is_valid].cpu().numpy()
                for values in (
                    data.observation,
                    self._applied(data),
                    data.reward,
                    data.next_observation,
                    data.terminated,
                    torch.zeros_like(data.terminated),
                )
            )
        )
        rows = self.layout.rows(steps)
        self.replay.add(np.zeros(len(rows), np.int64), rows)
        data.update(self.state.statistics)

    def learn(self) -> dict[str, float]:
        """The student's gradient steps of an iteration, on the replay."""
        config = self.config
        weight = torch.ones(config.batch_size, device=self.device)

        def losses() -> Iterator[dict[str, Tensor]]:
            for _ in range(config.num_student_steps):
                rows = self.replay.sample(_ALL, config.batch_size, self.state.generator)[0]
                batch = self.layout.split(rows)
                yield self._student_step(self.student, self.student_optimizer, batch, weight)

        return self.state.counted(losses(), num_steps=config.num_student_steps)

    def _student_step(
        self, student: Student, optimizer: torch.optim.Optimizer, batch: Batch, weight: Tensor
    ) -> dict[str, Tensor]:
        config, statistics = self.config, self.state.statistics
        batch = batch._replace(
            observation=statistics.normalize(batch.observation),
            next_observation=statistics.normalize(batch.next_observation),
            reward=config.reward_scale * batch.reward,
        )
        return student.step(
            optimizer,
            batch,
            weight,
            discount=config.discount,
            target_update_rate=config.target_update_rate,
        )

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> Actor:
        """The student's behaviour; otherwise the teacher's, which it learns from."""
        if is_deterministic or self.config.explorer == "noise":
            return _StudentActor(self, noise_std=0.0 if is_deterministic else self.config.noise_std)
        return PolicyActor(self.teacher, self.state.statistics, self.state.generator)

    def deployed(self) -> Deployed:
        statistics = self.state.statistics
        return Deployed.of(NoAdaptationSettings(), statistics, self.worlds, policy=self.policy)


class Seen(NamedTuple):
    """An episode of many worlds."""

    trials: Trials
    reached: float
    """share of the episodes in which the skill's condition held at some step"""

    @property
    def returns(self) -> Tensor:
        """(W,)"""
        return self.trials.episode_sums(self.trials.reward, 1)[:, 0]


class Explored(NamedTuple):
    """What exploring came to."""

    stored: Sequence[Trials]
    figures: dict[str, float]


class _Watched:
    """A world that notes where the skill's condition held."""

    def __init__(self, worlds: VectorWorld) -> None:
        self._worlds = worlds
        self.successes: list[Bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worlds, name)

    def step(self, action: Float) -> StepResult:
        result = self._worlds.step(action)
        self.successes.append(result.success)
        return result


class _StudentActor(Memoryless):
    """One student in all worlds, or K of them, each in as many; with noise where it explores."""

    def __init__(
        self,
        learner: LearnedExploration,
        copies: Student | None = None,
        *,
        noise_std: float = 0.0,
    ) -> None:
        self._statistics, self._generator = learner.state.statistics, learner.state.generator
        self._policy = (copies or learner.student).policy
        self._num_copies = 1 if copies is None else learner.config.num_copies
        self._noise_std = noise_std

    @torch.no_grad()
    def act(self, observation: Float) -> Drawn:
        rows = self._statistics.normalize_raw(observation)
        if self._num_copies > 1:
            rows = rows.unflatten(0, (self._num_copies, -1))
        action = self._policy(rows).reshape(len(observation), -1)
        if self._noise_std > 0.0:
            noise = torch.randn(action.shape, generator=self._generator, device=action.device)
            action = action + self._noise_std * noise
        return Drawn(action.cpu().numpy())
