"""Faults of a camera against a policy that sees: untrained, on an emulated line in bus time."""

from __future__ import annotations

from functools import cache

from benchmarks.fault_cases import Case
from benchmarks.fault_page import Record
from benchmarks.servo_state import is_driven, state_of
from sim2real.contract.camera import load_cameras
from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.camera import LineCamera
from sim2real.evaluation.direct import DirectSession, open_direct
from sim2real.evaluation.hands import lock_step_hand
from sim2real.evaluation.session import BenchTask, EpisodeFault
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.control_loop import ControlTick
from sim2real.runtime.evidence import OF_FRAMES
from sim2real.runtime.policy_runner import Step, TrialLabels
from sim2real.runtime.safety import Rung

RATE_HZ = 50.0
STEPS_BEFORE = 5
"""of the policy, until the fault begins"""


def run_camera_case(case: Case, spec: RobotSpec) -> Record:
    """Play one case to the end of its episode."""
    bundle, task = _policy()
    camera = bundle.manifest.camera
    assert camera is not None
    hand, line = lock_step_hand(spec, RATE_HZ, camera=camera)
    assert isinstance(hand.camera, LineCamera)
    record, watch = Record(case), _Watch(hand.camera, case)
    with open_direct(hand, bundle, spec, on_step=watch.step) as session:
        watch.look_at(session, record)
        labels = TrialLabels(robot="emulated", task=task.name, condition="adapted", trial=0)
        session.begin_trial(seed=0, labels=labels)
        try:
            session.run_episode(task.plan(0))
            record.reaction = "held" if watch.was_held else "absorbed"
        except EpisodeFault as fault:
            record.reaction, record.cause, record.detail = "stopped", fault.cause, fault.reason
            watch.note_stop()
        record.final = state_of(line.servos[: len(spec.joints)])
    record.violations = watch.violations
    return record


@cache
def _policy() -> tuple[Bundle, BenchTask]:
    """A policy with random weights that sees, and a task for it."""
    from dataclasses import replace

    from training.benches.bench_tasks import bench_task
    from training.export.untrained import untrained_draft, untrained_parts
    from training.families.valve import VALVE_TURN
    from training.tasks.task_set import draw_task_set

    scene = VALVE_TURN.scene
    scene = replace(scene, camera=next(iter(load_cameras(scene.spec).values())))
    parts = untrained_parts(scene, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32))
    task = draw_task_set(VALVE_TURN, seed=0, num_train=1, num_test=1).test[0]
    return untrained_draft(parts, scene=scene).as_bundle(), bench_task(scene, task, row=0)


class _Watch:
    """What becomes of the hand, and whether the policy acts on what it must not act on."""

    def __init__(self, camera: LineCamera, case: Case) -> None:
        self.was_held = False
        self.violations: list[str] = []
        self._camera, self._case = camera, case
        self._began_s: float | None = None
        self._last_sequence = -1

    def look_at(self, session: DirectSession, record: Record) -> None:
        """After each tick of this session's loop."""
        self._session, self._record, tell = session, record, session.recorder.tick
        self._num_joints = len(session.loop.robot.spec.joints)

        def tick(tick: ControlTick) -> None:
            tell(tick)
            self._tick(tick)

        session.recorder.tick = tick  # type: ignore[method-assign]

    def step(self, step: Step) -> None:
        """A step of the policy: with which frame?"""
        frame, now_s = step.tick.frame, self._camera.line.now
        assert frame is not None
        age_s = now_s - frame.stamp_ns * 1e-9
        if not 0.0 <= age_s <= self._camera.spec.stale_after_s + 1e-6:
            self.violations.append(f"acted on a frame that is {age_s:.3f} s old")
        if frame.sequence <= self._last_sequence:
            self.violations.append(f"acted on frame {frame.sequence} twice")
        self._last_sequence = frame.sequence
        if step.tick.number == STEPS_BEFORE and self._began_s is None:
            self._began_s = now_s
            for fault in self._case.faults:
                self._camera.inject(fault)

    def note_stop(self) -> None:
        if self._record.stopped_s is None and self._began_s is not None:
            self._record.stopped_s = self._camera.line.now - self._began_s

    def _tick(self, tick: ControlTick) -> None:
        record, line = self._record, self._camera.line
        record.num_readings += tick.state is not None
        if self._began_s is None:
            return
        self.was_held |= tick.rung is Rung.HOLD and tick.cause == "late_command"
        counts = self._session.runner.controller.rejections
        if record.noticed_s is None and any(counts[cause] for cause in OF_FRAMES):
            record.noticed_s = line.now - self._began_s
        if not any(is_driven(servo) for servo in line.servos[: self._num_joints]):
            self.note_stop()
