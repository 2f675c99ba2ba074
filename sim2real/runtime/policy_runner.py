"""What a policy does with a hand's readings: trials, episodes, steps, and what came of them.

No thread and no clock of its own. Simulation, robot and a replay of recorded hand states run the
very same object, in one process with the control loop or on the far side of a wire.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import WorkFailed
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.runtime.applied import AppliedGoals
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.controller import Controller, Tick
from sim2real.runtime.evidence import OF_FRAMES, Rejection
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Belief, Memory
from sim2real.runtime.turns import Turns
from sim2real.skills.goal import GoalSignal, require_goal

LIFESPAN_PERIODS = 2
"""a command that is two control periods old answers a hand that has moved on"""
SILENT_PERIODS = 2
"""without a reading for so long something is wrong"""
NOT_FOLLOWED = "commands are not followed: the hand has been stopped"


class NotNow(WorkFailed):
    """Asked for at a moment at which it cannot be done; nothing has changed."""


@dataclass(frozen=True, kw_only=True)
class TrialLabels:
    """What a trial is called in records; nothing depends on it."""

    robot: str
    """simulated, emulated, serial"""
    task: str
    """name of the task on the bench"""
    condition: str
    """adapted, frozen_prior, wrong_task, robust, oracle"""
    trial: int
    """of the task and condition, from 0"""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeStart:
    """All that is needed to compute an episode again from the readings that follow."""

    bundle_name: str
    bundle_digest: str
    robot: str
    task: str
    condition: str
    trial: int
    """these four as in the trial's labels"""
    episode: int
    """of the trial, from 0"""
    trial_seed: int
    """of all that the trial draws"""
    episode_seed: int
    """of its start"""
    num_steps: int
    """control steps until it ends by itself"""
    goal: GoalSignal
    target_rad: NDArray[np.float64] | None
    """(J,) goals that the servos held at its first reading; None: that has not come yet"""
    memory: Memory
    """what was remembered about the task"""
    is_frozen: bool


@dataclass(frozen=True, kw_only=True)
class EpisodeOutcome:
    """What came of one episode."""

    bundle_name: str
    bundle_digest: str
    robot: str
    task: str
    condition: str
    trial: int
    """these four as in the trial's labels"""
    episode: int
    """of the trial, from 0"""
    episode_seed: int
    total_reward: float
    """sum over its steps"""
    is_success: bool
    """whether the skill's condition held at the end"""
    success_fraction: float
    """share of the steps at which it held; 0 where there were none"""
    num_steps: int
    """control steps that were taken"""
    num_transitions: int
    """evidence in the trial so far"""
    kl_from_prior: float
    """nats, after the episode"""
    outcome: str
    """completed, fault, aborted"""
    reason: str
    """why it was not completed; empty if it was"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One tick of the controller, and what was believed after it."""

    tick: Tick
    belief: Belief
    labels: TrialLabels
    trial: int
    """counts trials since the runner was made, from 0"""
    previous_applied_action: NDArray[np.float32] | None
    """(A,) the action that led here, as applied; None: unknown, or the first tick"""
    is_last: bool
    """the reading that the last action led to: nothing was decided"""
    is_frozen: bool
    rejections: Mapping[Rejection, int]
    """readings of this trial that were no evidence, by cause"""
    evidence_age_s: float
    """since the latest evidence was measured; -1 where there is none"""
    reading_age_s: float
    """age of the reading when the step began"""
    compute_s: float
    """from there until the targets were known"""


class _Episode:
    """The episode that runs."""

    def __init__(self, start: EpisodeStart) -> None:
        self.start = start
        self.has_begun = False
        """whether its first reading has come"""
        self.num_steps = 0
        self.outcomes: dict[int, Tick] = {}
        """by number of the tick; the first is where it starts from, no action led there"""
        self.is_silent = False
        self.blind: tuple[int, Rejection] | None = None
        """since when no frame could be acted on, and why the first of them could not"""

    def note(self, tick: Tick) -> None:
        if tick.number > 0:
            self.outcomes[tick.number] = tick


class PolicyRunner:
    """A bundle's controller, and where its trial and its episode stand.

    All methods may be called from any thread. `counters`: `no_reading` gaps, and readings that were
    `out_of_turn` (between two that the policy acts on).
    """

    def __init__(
        self,
        bundle: Bundle,
        spec: RobotSpec,
        *,
        on_step: Callable[[Step], None] = lambda _: None,
        on_episode_end: Callable[[EpisodeOutcome], None] = lambda _: None,
        on_episode_start: Callable[[EpisodeStart], None] = lambda _: None,
    ) -> None:
        """Callbacks come before the method returns that led to them: pass on, do not work there.

        They may call this object and the control loop. `on_episode_start` comes with the first
        reading, when `target_rad` is known. Raises `BadInput` for a graph that cannot be loaded.
        """
        manifest = bundle.manifest
        self.bundle, self.controller = bundle, Controller(bundle, spec)
        self.counters: Counter[str] = Counter()
        self.num_trials = 0
        """trials begun since this was made"""
        self._on_step, self._on_end, self._on_start = on_step, on_episode_end, on_episode_start
        self._period_s, self._num_steps = manifest.control_period_s, manifest.episode_length
        tolerance_s = manifest.control_period_tolerance * self._period_s
        self._turns = Turns(self._period_s)
        self._applied = AppliedGoals(tolerance_s)
        self._stale_after_ns = round(spec.safety.stale_after_s * 1e9)
        limp_after_s = max(spec.safety.limp_after_s, SILENT_PERIODS * self._period_s)
        self._silent_ns = round(limp_after_s * 1e9)
        """without a reading or a frame for so long, an episode is over"""
        self._lock = threading.RLock()
        self._between = threading.Lock()
        """held by whoever learns, begins or remembers between episodes; taken before the other"""
        self._events: deque[Callable[[], None]] = deque()
        """for listeners; delivered in order, and without the lock"""
        self._is_delivering = False
        self._labels: TrialLabels | None = None
        self._trial_seed = self._next_episode = 0
        self._episode: _Episode | None = None
        self._heard_ns: int | None = None
        """when the latest reading of the running episode was taken in"""

    # ---- trials and episodes -------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether an episode has been begun and has not ended."""
        return self._episode is not None

    @property
    def labels(self) -> TrialLabels | None:
        """Of the trial; None before the first."""
        return self._labels

    def begin_trial(self, *, seed: int, first_episode: int = 0, labels: TrialLabels) -> None:
        """Forget everything about the task. `seed` decides everything that will be drawn.

        `first_episode` above 0 goes on with a trial whose memory is set afterwards. Freezing stays
        as it is. Raises `NotNow` while an episode runs.
        """
        with self._between, self._lock:
            self._refuse_while_running("a trial begins")
            self.controller.begin_trial(seed=seed, first_episode=first_episode)
            self._labels, self._trial_seed = labels, seed
            self._next_episode = first_episode
            self._turns.forget()
            self.num_trials += 1

    def begin_episode(self, *, goal: GoalSignal, seed: int) -> EpisodeStart:
        """Start with the next reading, from where the hand is then. What was learnt stays; what is
        still to be learnt from the episode before is learnt first, see `adapt`.

        `seed` goes into records only. What is returned lacks `target_rad`: see `on_episode_start`.
        Raises `NotNow` while an episode runs or before a trial, `BadInput` for a goal that is not
        one of this skill.
        """
        with self._after_adapting("another one begins"), self._lock:
            if self._labels is None:
                raise NotNow("no trial has begun")
            require_goal(goal, self.controller.skill, self._period_s)
            start = EpisodeStart(
                bundle_name=self.bundle.manifest.name,
                bundle_digest=self.bundle.digest,
                **asdict(self._labels),
                episode=self._next_episode,
                trial_seed=self._trial_seed,
                episode_seed=seed,
                num_steps=self._num_steps,
                goal=goal,
                target_rad=None,
                memory=self.controller.memory,
                is_frozen=self.controller.is_frozen,
            )
            self._episode, self._heard_ns = _Episode(start), None
            return start

    def end_episode(self, reason: str) -> None:
        """End the episode now, as `aborted`. Raises `NotNow` when none runs."""
        with self._lock:
            if self._episode is None:
                raise NotNow("no episode runs")
            self._end("aborted", reason)
        self._deliver()

    def adapt(self) -> None:
        """Learn from the episode that is over as a whole, once; most kinds have nothing to do.

        May take long. Readings that come meanwhile are not kept waiting, so any thread may call
        this but the one that `take` is called on. Raises `NotNow` while an episode runs.
        """
        with self._after_adapting("it is learnt from"):
            pass

    @contextmanager
    def _after_adapting(self, what: str) -> Iterator[None]:
        """The time between two episodes, once the one before has been learnt from."""
        with self._between:  # no episode begins; the runner's lock would keep readings waiting
            self._refuse_while_running(what)
            self.controller.adapt()
            yield

    def _refuse_while_running(self, what: str) -> None:
        if self._episode is not None:
            raise NotNow(f"an episode runs; end it before {what}")

    # ---- what is carried about the task --------------------------------------------------------

    @property
    def memory(self) -> Memory:
        """A copy of all that is carried about the task; between episodes see `adapt`."""
        with self._between:
            if not self.is_running:
                self.controller.adapt()
            with self._lock:
                return self.controller.memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        """Raises `NotNow` while an episode runs, `ValueError` for a memory of another kind."""
        with self._after_adapting("the memory is set"), self._lock:
            self.controller.memory = memory

    @property
    def is_frozen(self) -> bool:
        """While set, nothing is evidence."""
        return self.controller.is_frozen

    @is_frozen.setter
    def is_frozen(self, is_frozen: bool) -> None:
        with self._lock:
            self.controller.is_frozen = is_frozen

    # ---- one reading ---------------------------------------------------------------------------

    def take(self, state: HandState, now_ns: int) -> Command | None:
        """Answer a reading; `now_ns` is now, on the clock of its stamp.

        None: no episode runs, the reading is not the policy's turn or not usable, or it ended the
        episode. Does not raise for what a hand or a policy may do: that ends the episode as a
        `fault`.
        """
        with self._lock:
            command = self._take(state, now_ns)
        self._deliver()
        return command

    def check(self, now_ns: int) -> None:
        """To be called every now and then: notices readings that do not come.

        A gap of two control periods is counted; an episode without a reading for as long as a hand
        may hold by itself ends as a fault.
        """
        with self._lock:
            episode = self._episode
            if episode is None:
                return
            if self._heard_ns is None:
                self._heard_ns = now_ns
            silent_ns = now_ns - self._heard_ns
            if silent_ns > SILENT_PERIODS * self._period_s * 1e9 and not episode.is_silent:
                episode.is_silent = True
                self.counters["no_reading"] += 1
            if silent_ns > self._silent_ns:
                self._end("fault", f"no reading for {silent_ns * 1e-9:.2f} s")
        self._deliver()

    def _deliver(self) -> None:
        """Tell listeners what has happened. A second thread leaves it to the first."""
        while True:
            with self._lock:
                if self._is_delivering or not self._events:
                    return
                event, self._is_delivering = self._events.popleft(), True
            try:
                event()
            finally:
                self._is_delivering = False

    def _take(self, state: HandState, now_ns: int) -> Command | None:
        defect = self._turns.defect(state.reading)
        episode = self._episode
        if episode is None:
            return None
        # What a reading says that was overtaken is no longer so.
        if not state.is_following and defect is not Rejection.REORDERED:
            self._end("fault", f"{NOT_FOLLOWED}{self._blindness(episode, now_ns)}")
            return None
        if defect is not None:
            self.controller.reject(defect)
            return None
        self._heard_ns, episode.is_silent = now_ns, False
        try:
            return self._act(episode, state, now_ns)
        except ValueError as error:
            self._end("fault", str(error))
            return None

    def _act(self, episode: _Episode, state: HandState, now_ns: int) -> Command | None:
        began_ns = time.perf_counter_ns()
        if not episode.has_begun:
            defect = self._defect(state, now_ns)
            if defect is not None:
                self.controller.reject(defect)
                self._note_frame(episode, defect, now_ns)
                return None
            self._begin(episode, state)
        elif not self._turns.is_due(state.reading):
            self._applied.watch(state)
            self.counters["out_of_turn"] += 1
            return None
        else:
            self._report_applied(state)
        defect = self.controller.frame_defect(state.frame, now_ns)
        self._note_frame(episode, defect, now_ns)
        if episode.num_steps >= self._num_steps:
            self._finish(episode, state, now_ns, began_ns)
            return None
        return self._step(episode, state, now_ns, began_ns)

    def _defect(self, state: HandState, now_ns: int) -> Rejection | None:
        """Why an episode cannot begin here."""
        if now_ns - state.reading.stamp_ns > self._stale_after_ns:
            return Rejection.STALE
        return self.controller.frame_defect(state.frame, now_ns)

    def _note_frame(self, episode: _Episode, defect: Rejection | None, now_ns: int) -> None:
        """Remember since when nothing usable is seen, and why; a long blindness ends the episode.

        Before its first step nobody else would: no command is late that none has been given.
        """
        if defect not in OF_FRAMES:
            episode.blind = None
        elif episode.blind is None:
            episode.blind = now_ns, defect
        elif now_ns - episode.blind[0] > self._silent_ns:
            self._end("fault", f"the policy is blind{self._blindness(episode, now_ns)}")

    def _blindness(self, episode: _Episode, now_ns: int) -> str:
        """Words about a camera that has had no usable frame for some time; empty if it has."""
        camera = self.bundle.manifest.camera
        if camera is None or episode.blind is None:
            return ""
        since_ns, defect = episode.blind
        seconds = (now_ns - since_ns) * 1e-9
        return f"; camera {camera.name}: no usable frame for {seconds:.2f} s, {defect}"

    def _begin(self, episode: _Episode, state: HandState) -> None:
        """The first reading: the goals that the servos hold are known now."""
        held = state.reading.position_rad if state.applied_rad is None else state.applied_rad
        target_rad = np.array(held, np.float64)
        self.controller.begin_episode(goal=episode.start.goal, target_rad=target_rad)
        episode.start = replace(
            episode.start, target_rad=target_rad, is_frozen=self.controller.is_frozen
        )
        episode.has_begun = True
        self._next_episode += 1
        self._applied.forget()
        start = episode.start
        self._events.append(lambda: self._on_start(start))

    def _report_applied(self, state: HandState) -> None:
        """Tell the controller what became of its last command, where it was not simply applied."""
        verdict = self._applied.verdict(state)
        if verdict is not None:
            self.controller.report_applied(verdict.applied_rad, is_steady=verdict.is_steady)

    def _step(
        self, episode: _Episode, state: HandState, now_ns: int, began_ns: int
    ) -> Command | None:
        before, reading = self.controller.latest, state.reading
        command = self.controller.step(reading, now_ns, state.frame)
        tick = self.controller.latest
        if tick is None or tick is before:
            return None  # the reading was unusable: the command is an old one, and not sent again
        compute_s = (time.perf_counter_ns() - began_ns) * 1e-9
        command = replace(command, lifespan_s=LIFESPAN_PERIODS * self._period_s)
        self._turns.acted(reading.stamp_ns)
        self._applied.expect(command)
        episode.num_steps += 1
        episode.note(tick)
        self._tell(tick, before, now_ns, compute_s, is_last=False)
        return command

    def _finish(self, episode: _Episode, state: HandState, now_ns: int, began_ns: int) -> None:
        """The reading that the last action led to."""
        before = self.controller.latest
        tick = self.controller.end_episode(state.reading, now_ns, state.frame)
        if tick is None:
            return  # unusable: the next one will do
        episode.note(tick)
        compute_s = (time.perf_counter_ns() - began_ns) * 1e-9
        self._tell(tick, before, now_ns, compute_s, is_last=True)
        self._end("completed", "")

    def _tell(
        self, tick: Tick, before: Tick | None, now_ns: int, compute_s: float, *, is_last: bool
    ) -> None:
        assert self._labels is not None
        evidence_ns = self.controller.evidence_stamp_ns
        step = Step(
            tick=tick,
            belief=self.controller.belief,
            labels=self._labels,
            trial=self.num_trials - 1,
            previous_applied_action=None if before is None else before.applied_action,
            is_last=is_last,
            is_frozen=self.controller.is_frozen,
            rejections=self.controller.rejections,
            evidence_age_s=-1.0 if evidence_ns is None else (now_ns - evidence_ns) * 1e-9,
            reading_age_s=(now_ns - tick.reading.stamp_ns) * 1e-9,
            compute_s=compute_s,
        )
        self._events.append(lambda: self._on_step(step))

    def _end(self, outcome: str, reason: str) -> None:
        """The episode is over; whoever listens hears of it when it is."""
        episode, self._episode = self._episode, None
        assert episode is not None
        start, ticks = episode.start, list(episode.outcomes.values())
        successes = [tick.is_success for tick in ticks]
        belief = self.controller.belief
        result = EpisodeOutcome(
            bundle_name=start.bundle_name,
            bundle_digest=start.bundle_digest,
            robot=start.robot,
            task=start.task,
            condition=start.condition,
            trial=start.trial,
            episode=start.episode,
            episode_seed=start.episode_seed,
            total_reward=sum(tick.reward for tick in ticks) if ticks else 0.0,
            is_success=bool(successes) and successes[-1],
            success_fraction=sum(successes) / len(successes) if successes else 0.0,
            num_steps=episode.num_steps,
            num_transitions=belief.num_transitions,
            kl_from_prior=belief.kl_from_prior,
            outcome=outcome,
            reason=reason,
        )
        self._events.append(lambda: self._on_end(result))
