"""The controller: a reading in, a command out, and a belief about the task in between.

Pure: it reads no clock, no port and no file, so that simulation, robot and replay run the very same
ticks. It repeats the training path vector for vector: reading → skill values → observation →
policy → action map, and transition → context row → belief. Where the policy sees, a frame comes
with each reading: frame → eye → features, which are the last term of the observation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import EYE, Frame
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.transition import Transition
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.evidence import UNUSABLE, EvidenceGate, Rejection
from sim2real.runtime.eye import Eye
from sim2real.runtime.kinds.kind import Belief, Memory, Role, Settings
from sim2real.runtime.kinds.registry import kind_of
from sim2real.runtime.noise import ACTION_NOISE, Noise, TrialNoise
from sim2real.runtime.onnx_model import OnnxModel
from sim2real.skills.skill import Array, Moment, Values, observation, reward

Float = NDArray[np.float32]
Joints = NDArray[np.float64]
Goal = Callable[[float], Array]
"""what the skill is asked for, (G,), so many seconds into the episode"""
CommandFilter = Callable[[Joints, Joints, Reading], Joints]
"""desired targets, targets before, reading: (J,) targets that are safe to apply"""


class Tick(NamedTuple):
    """Everything that one step saw and decided. Arrays are not to be written to."""

    reading: Reading
    """what was measured"""
    episode: int
    """of the trial"""
    number: int
    """tick of the episode"""
    rejection: Rejection | None
    """why the reading was no evidence"""
    observation: Float
    """(O,)"""
    reward: float
    """what arriving here pays"""
    is_success: bool
    """whether the skill's condition holds here"""
    shown: Float
    """(L,) what is shown of the policy's condition: a latent, a hidden state; (0,) for none"""
    action: Float
    """(A,) what the policy wanted"""
    applied_action: Float | None
    """(A,) the action that leads to what was applied; None where none does or nobody knows"""
    desired_rad: Joints
    """(J,) the targets that the policy's action means within the action map"""
    applied_rad: Joints
    """(J,) the targets that were applied"""
    frame: Frame | None = None
    """what was seen; None for a policy that is blind"""


class NoEpisode(RuntimeError):
    """A step before `begin_episode`."""


class Controller:
    """Policy, belief and gate of one bundle on one robot. Not thread-safe."""

    def __init__(
        self,
        bundle: Bundle,
        spec: RobotSpec,
        *,
        settings: Settings | None = None,
        noise: Noise | None = None,
        models: Mapping[Role, OnnxModel] | None = None,
        command_filter: CommandFilter | None = None,
    ) -> None:
        """`settings` of the same kind replace the manifest's, as for another latent source.

        `noise` is where graphs get theirs from; by default each trial draws its own from its seed.
        `models` are the bundle's graphs where somebody wants to see what enters them. Without a
        filter the limits of the action map are the only ones. Raises `BadInput` when a graph of the
        bundle cannot be loaded.
        """
        manifest = bundle.manifest
        models = bundle.models() if models is None else models
        settings = bundle.settings() if settings is None else settings
        self.bundle, self.skill = bundle, bundle.skill()
        self.noise = noise
        """what replaces the noise of every trial; None where nothing does"""
        self.is_frozen = False
        """while set, nothing is evidence"""
        self._adaptation = kind_of(settings).make(settings, models)
        self._num_exploration_episodes = settings.num_exploration_episodes
        self._policy = models["policy"]
        self._observation_input = self._policy.inputs["observation"][0]
        self._noise_input = (
            self._policy.inputs[ACTION_NOISE][0] if settings.takes_action_noise else None
        )
        self._action_output = self._policy.outputs["action"][0]
        self._action_map, self._filter = manifest.action, command_filter
        self._layout = manifest.observation.layout
        self._eye = (
            None
            if manifest.camera is None
            else Eye(manifest.camera, models["eye"], manifest.control_period_s)
        )
        self._context = None if manifest.context is None else manifest.context.layout
        self._gate = EvidenceGate(
            control_period_s=manifest.control_period_s,
            tolerance=manifest.control_period_tolerance,
            stale_after_s=spec.safety.stale_after_s,
        )
        self._lower_rad = spec.joint_array("lower_rad")
        self._upper_rad = spec.joint_array("upper_rad")
        self._goal: Goal | None = None
        self._is_adapted = True
        self.latest: Tick | None = None
        """the last step that acted; None before the first of an episode"""
        self.begin_trial(seed=0)

    # ---- trials and episodes -------------------------------------------------------------------

    def begin_trial(self, *, seed: int, first_episode: int = 0) -> None:
        """A task that nothing is known about. `seed` decides everything that will be drawn.

        `first_episode` above 0 goes on with a trial whose `memory` is set afterwards: what is drawn
        is what it would have drawn had it run its whole episodes here.
        """
        ticks_before = [self.bundle.manifest.episode_length] * first_episode
        self._noise = TrialNoise(seed) if self.noise is None else self.noise
        rng = np.random.default_rng(seed)
        self._adaptation.reset(rng, self._noise, ticks_before=ticks_before)
        self._is_adapted = True
        self._gate.begin_trial()
        if self._eye is not None:
            self._eye.begin_trial()
        self._episode, self._goal, self.latest = first_episode - 1, None, None

    def begin_episode(self, *, goal: Goal, target_rad: Joints) -> None:
        """Start an episode; what was learnt in the trial stays.

        `target_rad` (J,) are the targets that the servos hold at this moment. Learns from the
        episode before first, where `adapt` has not been called.
        """
        if target_rad.shape != (self._action_map.size,) or not np.isfinite(target_rad).all():
            raise ValueError(f"target_rad {target_rad}: expected ({self._action_map.size},) rad")
        self.adapt()
        self._gate.begin_episode()
        self._episode += 1
        self._adaptation.begin_episode(self._episode)
        self._is_adapted = False
        self._goal, self._target_rad = goal, np.array(target_rad, np.float64)
        self._previous_rad = self._target_rad
        self._number = 0
        self._applied_action: Float | None = None
        self._observation: Float | None = None
        self._held_stamp_ns: int | None = None
        self._frame: Frame | None = None
        self._shown, self._action = _NOTHING, _NOTHING
        self.latest = None

    def end_episode(
        self, reading: Reading, now_ns: int | None = None, frame: Frame | None = None
    ) -> Tick | None:
        """Take in the reading that the last action led to, without acting on it.

        The outcome of an episode's last step is evidence like any other. Returns what was seen,
        None where the reading, or the frame that came with it, was unusable.
        """
        rejection = self._judge(reading, now_ns, frame)
        if rejection in UNUSABLE:
            return None
        values = self._values(reading)
        self._take_in(values, rejection, frame, is_last=True)
        self.latest = self._tick(reading, rejection, values, self._target_rad)
        return self.latest

    def adapt(self) -> None:
        """Learn from the episode that is over as a whole, once; most kinds have nothing to do.

        May take long: not to be called within a control tick.
        """
        if not self._is_adapted:
            self._is_adapted = True
            self._adaptation.end_episode()

    # ---- one tick ------------------------------------------------------------------------------

    def step(
        self, reading: Reading, now_ns: int | None = None, frame: Frame | None = None
    ) -> Command:
        """Answer a reading with targets for one control period.

        `now_ns` is when it is acted on, on the clock of the stamps; None: when it was measured.
        `frame` is the newest one at that time; a policy that is blind needs none.
        A reading that is stale, was seen before or comes out of order is not acted on, nor is one
        whose frame may not be (`frame_defect`): the targets stay what they are, and the command
        says so by the older stamp that it bears.
        Raises `NoEpisode` without one, `ValueError` for a reading or an action that is not finite.
        """
        rejection = self._judge(reading, now_ns, frame)
        if rejection in UNUSABLE:
            held = reading.stamp_ns if self._held_stamp_ns is None else self._held_stamp_ns
            return Command(stamp_ns=held, position_rad=self._target_rad.copy())
        values = self._values(reading)
        self._take_in(values, rejection, frame, is_last=False)
        action = self._act()
        previous_rad = self._target_rad
        desired_rad = self._action_map.target(action, previous_rad)
        self._apply(desired_rad, previous_rad, reading)
        self.latest = self._tick(reading, rejection, values, desired_rad)
        self._number += 1
        self._held_stamp_ns = reading.stamp_ns
        return Command(stamp_ns=reading.stamp_ns, position_rad=self._target_rad.copy())

    def report_applied(self, target_rad: Joints | None, *, is_steady: bool = True) -> None:
        """Say what became of the last command where it was not applied as returned.

        `target_rad` (J,) are the targets that the servos were given instead; None when nobody
        knows. `is_steady` says whether they have had them since that command's reading: if not, no
        action stands for this period. The context holds what was applied, so the belief stays true.
        """
        if target_rad is not None:
            self._note_applied(np.array(target_rad, np.float64), self._previous_rad)
        if target_rad is None or not is_steady:
            self._applied_action = None
        if self.latest is not None:
            self.latest = self.latest._replace(
                applied_action=self._applied_action, applied_rad=self._target_rad
            )

    def reject(self, rejection: Rejection) -> None:
        """Count a reading that is kept from the controller, for it cannot be acted on."""
        self._gate.reject(rejection)

    def frame_defect(self, frame: Frame | None, now_ns: int) -> Rejection | None:
        """Why nothing may be done on this frame at `now_ns`; None for a policy that is blind."""
        return None if self._eye is None else self._eye.defect(frame, now_ns)

    def _judge(self, reading: Reading, now_ns: int | None, frame: Frame | None) -> Rejection | None:
        if self._goal is None:
            raise NoEpisode("no episode has begun")
        now_ns = reading.stamp_ns if now_ns is None else now_ns
        return self._gate.judge(
            reading,
            now_ns,
            is_action_known=self._applied_action is not None,
            is_frozen=self.is_frozen,
            frame_defect=self.frame_defect(frame, now_ns),
        )

    def _values(self, reading: Reading) -> Values:
        """What the skill makes of a usable reading."""
        assert self._goal is not None
        if self._number == 0:
            self._start_ns = reading.stamp_ns
            self._object_start_rad = reading.object_position_rad
            self._halfway_s, self._object_halfway_rad = np.inf, self._object_start_rad
        elapsed_s = (reading.stamp_ns - self._start_ns) * 1e-9
        moment = Moment(
            reading=reading,
            target_position_rad=self._target_rad,
            elapsed_s=np.asarray(elapsed_s),
            goal=self._goal(elapsed_s),
            object_start_rad=self._object_start_rad,
            halfway_s=np.asarray(self._halfway_s),
            object_halfway_rad=self._object_halfway_rad,
            lower_rad=self._lower_rad,
            upper_rad=self._upper_rad,
        )
        if self._number == self.bundle.manifest.episode_length // 2 and elapsed_s > 0.0:
            self._halfway_s, self._object_halfway_rad = elapsed_s, reading.object_position_rad
        return self.skill.values(moment)

    def _take_in(
        self, values: Values, rejection: Rejection | None, frame: Frame | None, *, is_last: bool
    ) -> None:
        """Observation and reward of this reading; the transition to here, where it is evidence."""
        seen = self._see(values, frame)
        self._reward = reward(self.skill, values)
        if rejection is None and self._context is not None:
            assert self._observation is not None
            assert self._applied_action is not None
            transition = Transition(
                observation=self._observation,
                action=self._applied_action,
                reward=self._reward,
                next_observation=seen,
                terminated=_FALSE,  # what a hand does ends by its time limit only
                truncated=_TRUE if is_last else _FALSE,
            )
            self._adaptation.observe(self._context.row(transition))
        self._observation = seen

    def _see(self, values: Values, frame: Frame | None) -> Float:
        """(O,) the observation of this reading and, where the policy sees, of its frame."""
        if self._eye is None:
            return observation(self.skill, values)
        assert frame is not None
        self._frame = frame
        measured = {name: values[name] for name in self.skill.layout.names}
        return self._layout.pack({**measured, EYE: self._eye.features(frame)})

    def _act(self) -> Float:
        """(A,) what the policy wants, given observation, belief and noise."""
        inputs, place = self._policy.inputs, (self._episode, self._number)
        self._observation_input[:] = self._observation
        self._shown = self._adaptation.fill(inputs, *place)
        if self._noise_input is not None:
            explores = self._episode < self._num_exploration_episodes
            size = self._noise_input.size
            drawn = self._noise.draw(ACTION_NOISE, place, size) if explores else 0.0
            self._noise_input[:] = drawn
        self._policy.run()
        self._action = self._action_output.copy()
        if not np.isfinite(self._action).all():
            raise ValueError(f"the policy's action is not finite: {self._action}")
        return self._action

    def _apply(self, desired_rad: Joints, previous_rad: Joints, reading: Reading) -> None:
        self._previous_rad = previous_rad
        applied_rad = desired_rad
        if self._filter is not None:
            applied_rad = self._filter(desired_rad, previous_rad, reading)
        if applied_rad is desired_rad or np.array_equal(applied_rad, desired_rad):
            self._target_rad = desired_rad
            self._applied_action = self._action_map.action_of(desired_rad, previous_rad)
        else:
            self._note_applied(applied_rad, previous_rad)

    def _note_applied(self, applied_rad: Joints, previous_rad: Joints) -> None:
        """Targets that no action leads to cannot be put in a context row: the action is unknown."""
        action = self._action_map.action_of(applied_rad, previous_rad)
        reached = self._action_map.target(action, previous_rad)
        is_reached = bool(np.abs(reached - applied_rad).max() < _SAME_TARGET_RAD)
        self._target_rad = applied_rad
        self._applied_action = action if is_reached else None

    def _tick(
        self,
        reading: Reading,
        rejection: Rejection | None,
        values: Values,
        desired_rad: Joints,
    ) -> Tick:
        assert self._observation is not None
        return Tick(
            reading=reading,
            episode=self._episode,
            number=self._number,
            rejection=rejection,
            observation=self._observation,
            reward=float(self._reward),
            is_success=bool(self.skill.is_success(values)),
            shown=self._shown,
            action=self._action,
            applied_action=self._applied_action,
            desired_rad=desired_rad,
            applied_rad=self._target_rad,
            frame=self._frame,
        )

    # ---- the belief ----------------------------------------------------------------------------

    @property
    def belief(self) -> Belief:
        """What is believed about the task now."""
        return self._adaptation.summary()

    @property
    def memory(self) -> Memory:
        """A copy of all that is carried about the task."""
        return self._adaptation.memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        """Go on from a memory, of another trial or another robot of the same bundle.

        Raises `BadInput` for one of another kind or size; nothing has changed then.
        """
        known = list(self._adaptation.memory)
        if set(memory) != set(known):
            raise BadInput("memory", "names", found=list(memory), expected=f"{known}")
        self._adaptation.memory = memory

    @property
    def num_accepted(self) -> int:
        """Transitions that became evidence in this trial."""
        return self._gate.num_accepted

    @property
    def evidence_stamp_ns(self) -> int | None:
        """When the latest evidence was measured: the age of the belief counts from there."""
        return self._gate.accepted_stamp_ns

    @property
    def rejections(self) -> dict[Rejection, int]:
        """Readings of this trial that were no evidence, by cause."""
        return dict(self._gate.counts)


_FALSE, _TRUE = np.zeros((), np.bool_), np.ones((), np.bool_)
_NOTHING = np.zeros(0, np.float32)
_SAME_TARGET_RAD = 1e-6
