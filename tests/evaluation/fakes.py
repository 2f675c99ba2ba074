"""A bench without physics: what an episode pays is worked out from what it was given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sim2real.evaluation.header import Header
from sim2real.evaluation.session import BenchTask, EpisodeFault, EpisodePlan, Tally
from sim2real.runtime.policy_runner import EpisodeOutcome, TrialLabels
from sim2real.skills.goal import GoalSignal


def bench_task(name: str, value: float = 0.0) -> BenchTask:
    def plan(seed: int) -> EpisodePlan:
        return EpisodePlan(
            seed=seed,
            goal=GoalSignal.fixed([value]),
            joint_rad=np.zeros(9),
            valve_rad=0.0,
            noise=np.random.default_rng(seed),
        )

    return BenchTask(name=name, parameters={"target_angle": (value,)}, plan=plan)


def header(tasks: list[BenchTask], *, num_episodes: int, num_trials: int = 1, **more) -> Header:
    values = {
        "bundle_name": "fake",
        "bundle_digest": "0" * 16,
        "robot": "simulated",
        "num_trials": num_trials,
        "num_episodes": num_episodes,
        "seed": 0,
        "tasks": {task.name: task.parameters for task in tasks},
        "not_available": {},
        "provenance": {"recipe": "none"},
        "git_commit": "abc",
    }
    return Header(**{**values, **more})


class FakeBench:
    """Opens fake sessions; `fails_at` are the numbers of episodes (of all) that end in a fault."""

    def __init__(self, fails_at: tuple[int, ...] = ()) -> None:
        self.fails_at, self.num_run = set(fails_at), 0
        self.log: list[tuple] = []
        self.num_open = self.num_opened = 0

    @contextmanager
    def open(self, task: BenchTask, bundle) -> Iterator[FakeSession]:
        assert self.num_open == 0, "one bench, one task"
        self.num_open, self.num_opened = 1, self.num_opened + 1
        try:
            yield FakeSession(self, bundle)
        finally:
            self.num_open = 0


class FakeSession:
    """Remembers every episode's seed and forgets with a trial; frozen, it learns nothing."""

    recording = "fake.mcap"

    def __init__(self, bench: FakeBench, bundle) -> None:
        self._bench, self._bundle = bench, bundle
        self.is_frozen = True
        self.memory = {"seeds": np.zeros(0)}

    def begin_trial(self, *, seed: int, labels: TrialLabels, first_episode: int = 0) -> None:
        self._labels, self._seed, self._episode = labels, seed, first_episode
        self.memory, self.is_frozen = {"seeds": np.zeros(0)}, False

    def run_episode(self, plan: EpisodePlan) -> EpisodeOutcome:
        number, self._bench.num_run = self._bench.num_run, self._bench.num_run + 1
        labels, known = self._labels, self.memory["seeds"]
        self._bench.log.append(
            (labels.task, str(labels.condition), labels.trial, self._episode, plan.seed,
             self._seed, known.tolist(), self.is_frozen, self._bundle)
        )  # fmt: skip
        failed = number in self._bench.fails_at
        outcome = EpisodeOutcome(
            bundle_name="fake",
            bundle_digest="0" * 16,
            robot=labels.robot,
            task=labels.task,
            condition=labels.condition,
            trial=labels.trial,
            episode=self._episode,
            episode_seed=plan.seed,
            total_reward=0.1 * len(known) + plan.seed % 7 + self._seed % 3 + plan.goal(0.0)[0],
            is_success=len(known) > 0,
            success_fraction=0.5,
            num_steps=3,
            num_transitions=3 * len(known),
            kl_from_prior=0.25 * len(known),
            outcome="fault" if failed else "completed",
            reason="overload" if failed else "",
        )
        if failed:
            raise EpisodeFault("overload", "overload", outcome)
        if not self.is_frozen:
            self.memory = {"seeds": np.append(known, float(plan.seed))}
        self._episode += 1
        return outcome

    def take_tally(self) -> Tally:
        return Tally(
            evidence=Counter(accepted=3), safety_events=Counter(), latency_ns={"compute": [5, 7]}
        )
