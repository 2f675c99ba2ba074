"""From what the loops know to messages: plain values by field name.

The only place where fields are worked out. A recording encodes the values (`Recording.write`), a
ROS node sets them on a generated message (`ros_message.fill`). `stamp_ns` is when the message's
moment was, since the epoch, on the clock of whoever publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim2real.contract.camera import Frame
from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Health, Phase
from sim2real.recording.cdr import Values
from sim2real.recording.schemas import OURS, fields
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.control_loop import ControlTick
from sim2real.runtime.diagnosis import Status
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import EpisodeOutcome, EpisodeStart, Step
from sim2real.runtime.safety import Rung

RGB8 = "rgb8"
"""how sensor_msgs calls pixels of red, green and blue in a byte each"""
_NOTHING = np.zeros(0)
_FIRST_NS, _LAST_NS = -(2**31) * 1_000_000_000, 2**31 * 1_000_000_000 - 1
"""what 32 bits of seconds hold"""


def stamp(ns: int) -> Values:
    """builtin_interfaces/Time of ns since the epoch.

    It counts from 1901 to 2038. A clock that is set beyond stays at its end: a hand goes on, since
    ages are counted on the host's monotonic clock.
    """
    seconds, nanoseconds = divmod(min(max(ns, _FIRST_NS), _LAST_NS), 1_000_000_000)
    return {"sec": seconds, "nanosec": nanoseconds}


def header(stamp_ns: int, frame_id: str = "") -> Values:
    return {"stamp": stamp(stamp_ns), "frame_id": frame_id}


def base_frame(spec: RobotSpec) -> str:
    """The frame that joints and their readings belong to, as the robot's URDF calls it."""
    return f"{spec.name}_base"


# ---- the hand ----------------------------------------------------------------------------------


def hand_reading_message(state: HandState, spec: RobotSpec, stamp_ns: int) -> Values:
    """HandReading: what a policy is told."""
    reading = state.reading
    return {
        "header": header(stamp_ns, base_frame(spec)),
        "reading_ns": reading.stamp_ns,
        "sequence": reading.sequence,
        "names": spec.joint_names,
        "position_rad": reading.position_rad,
        "velocity_rad_s": reading.velocity_rad_s,
        "current_ma": reading.current_ma,
        "object_position_rad": float(reading.object_position_rad),
        "object_velocity_rad_s": float(reading.object_velocity_rad_s),
        "applied_rad": _NOTHING if state.applied_rad is None else state.applied_rad,
        "applied_answers_ns": state.applied_answers_ns,
        "is_following": state.is_following,
    }


def joint_states_message(reading: Reading, spec: RobotSpec, stamp_ns: int) -> Values:
    """sensor_msgs/JointState of the joints and the object: rad, rad/s and N.m.

    Torque is the servo's current at its stall torque per ampere; the object's is not measured.
    """
    torque_nm_per_ma = 1e-3 * spec.servo.torque_nm_per_a
    objects = [item.name for item in spec.objects if item.has_joint][:1]
    position, velocity = reading.object_position_rad, reading.object_velocity_rad_s
    return {
        "header": header(stamp_ns, base_frame(spec)),
        "name": [*spec.joint_names, *objects],
        "position": np.array([*reading.position_rad, *[position for _ in objects]]),
        "velocity": np.array([*reading.velocity_rad_s, *[velocity for _ in objects]]),
        "effort": np.array([*(reading.current_ma * torque_nm_per_ma), *[np.nan for _ in objects]]),
    }


def joint_targets_message(
    command: Command,
    spec: RobotSpec,
    stamp_ns: int,
    *,
    lifespan_s: float | None = None,
    period_s: float = 0.0,
) -> Values:
    """JointTargets; the command's own lifespan, `lifespan_s` or the robot's limit for it.

    `period_s` is the time between the readings that are answered; 0: all are.
    """
    chosen = (command.lifespan_s, lifespan_s, spec.safety.stale_after_s)
    return {
        "header": header(stamp_ns, base_frame(spec)),
        "reading_ns": command.stamp_ns,
        "lifespan_s": next(value for value in chosen if value is not None),
        "period_s": period_s,
        "names": spec.joint_names,
        "position_rad": command.position_rad,
    }


def servo_states_message(
    reading: Reading,
    health: Health,
    spec: RobotSpec,
    stamp_ns: int,
    *,
    phase: Phase,
    rung: Rung,
    reason: str = "",
) -> Values:
    """ServoStateArray: every joint's servo at one measurement."""
    columns: Mapping[str, Sequence[Any]] = {
        "name": spec.joint_names,
        "motor_id": spec.motor_ids,
        "position_rad": reading.position_rad.tolist(),
        "velocity_rad_s": reading.velocity_rad_s.tolist(),
        "current_ma": reading.current_ma.tolist(),
        **{name: getattr(health, name).tolist() for name in _HEALTH},
    }
    return {
        "header": header(stamp_ns, base_frame(spec)),
        "reading_ns": reading.stamp_ns,
        "phase": phase.value,
        "rung": rung_name(rung),
        "reason": reason,
        "servos": [dict(zip(columns, row)) for row in zip(*columns.values())],
    }


_HEALTH = (
    "goal_position_rad",
    "temperature_c",
    "voltage_v",
    "hardware_error",
    "torque_enabled",
    "watchdog_tripped",
)


def control_tick_message(tick: ControlTick, stamp_ns: int) -> Values:
    """ControlTick; `stamp_ns` is when the tick began."""
    applied = _NOTHING if tick.applied_rad is None else tick.applied_rad
    special = {"rung": rung_name(tick.rung), "applied_rad": applied}
    return _by_name("ControlTick", tick, stamp_ns, **special)


def safety_event_message(
    spec: RobotSpec,
    *,
    rung: Rung,
    cause: str,
    stamp_ns: int,
    detail: str = "",
    joints: Sequence[str] = (),
) -> Values:
    """SafetyEvent, as of a `safety.Reason` or a `RobotFault`."""
    return {
        "header": header(stamp_ns, base_frame(spec)),
        "rung": rung_name(rung),
        "cause": cause,
        "detail": detail,
        "joints": joints,
    }


def rung_name(rung: Rung) -> str:
    """As messages call it."""
    return rung.name.lower()


def robot_description_message(urdf: str) -> Values:
    """std_msgs/String."""
    return {"data": urdf}


def diagnostics_message(
    rows: Sequence[Status], stamp_ns: int, *, node: str, hardware_id: str
) -> Values:
    """diagnostic_msgs/DiagnosticArray; rows are called "NODE: COMPONENT"."""
    return {
        "header": header(stamp_ns),
        "status": [
            {
                "level": int(row.level),
                "name": f"{node}: {row.name}",
                "message": row.message,
                "hardware_id": hardware_id,
                "values": [{"key": key, "value": value} for key, value in row.values.items()],
            }
            for row in rows
        ],
    }


# ---- the policy --------------------------------------------------------------------------------


def policy_step_message(step: Step, stamp_ns: int) -> Values:
    """PolicyStep; `stamp_ns` is when the reading was measured."""
    tick, previous = step.tick, step.previous_applied_action
    return {
        "header": header(stamp_ns),
        "reading_ns": tick.reading.stamp_ns,
        "sequence": tick.reading.sequence,
        "trial": step.trial,
        "episode": tick.episode,
        "tick": tick.number,
        "is_last": step.is_last,
        "rejection": tick.rejection or "",
        "observation": tick.observation,
        "reward": tick.reward,
        "is_success": tick.is_success,
        "action": _NOTHING if step.is_last else tick.action,
        "previous_applied_action": _NOTHING if previous is None else previous,
        "desired_rad": _NOTHING if step.is_last else tick.desired_rad,
        "reading_age_s": step.reading_age_s,
        "compute_s": step.compute_s,
    }


def policy_frame_message(step: Step, frame: Frame, camera: str, stamp_ns: int) -> Values:
    """PolicyFrame, what was seen at a step; `stamp_ns` is when the frame was taken."""
    height, width, _ = frame.pixels.shape
    return {
        "header": header(stamp_ns, camera),
        "reading_ns": step.tick.reading.stamp_ns,
        "frame_ns": frame.stamp_ns,
        "sequence": frame.sequence,
        "height": height,
        "width": width,
        "encoding": RGB8,
        "data": frame.pixels.ravel(),
    }


def belief_message(step: Step, bundle: Bundle, stamp_ns: int) -> Values:
    """TaskBelief after a step; `stamp_ns` is when its reading was measured."""
    tick, belief = step.tick, step.belief
    rejections = {str(cause): count for cause, count in step.rejections.items() if count}
    return {
        "header": header(stamp_ns),
        "reading_ns": tick.reading.stamp_ns,
        "bundle_name": bundle.manifest.name,
        "bundle_digest": bundle.digest,
        "adaptation_kind": bundle.manifest.adaptation.kind,
        "trial": step.trial,
        "episode": tick.episode,
        "tick": tick.number,
        "mean": belief.mean,
        "variance": belief.variance,
        "shown": tick.shown if belief.variance.size else _NOTHING,
        "num_transitions": belief.num_transitions,
        "num_rejected": sum(rejections.values()),
        "rejection_causes": list(rejections),
        "rejection_counts": list(rejections.values()),
        "evidence_age_s": step.evidence_age_s,
        "kl_from_prior": belief.kl_from_prior,
        "digest": belief.digest,
        "figure_names": list(belief.figures),
        "figures": np.array(list(belief.figures.values()), np.float64),
        "is_frozen": step.is_frozen,
    }


def episode_start_message(start: EpisodeStart, stamp_ns: int) -> Values:
    """EpisodeStart, as `on_episode_start` tells it; without its first reading a `ValueError`."""
    if start.target_rad is None:
        raise ValueError("EpisodeStart: its first reading has not come")
    special = {
        "goal_centre": start.goal.centre,
        "goal_amplitude": start.goal.amplitude,
        "goal_frequency_rad_s": start.goal.frequency_rad_s,
        **memory_fields(start.memory, prefix="memory_"),
    }
    return _by_name("EpisodeStart", start, stamp_ns, **special)


def trial_result_message(outcome: EpisodeOutcome, stamp_ns: int) -> Values:
    """TrialResult."""
    return _by_name("TrialResult", outcome, stamp_ns)


def bundle_info_message(bundle: Bundle) -> Values:
    """BundleInfo."""
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "digest": bundle.digest,
        "robot_name": manifest.robot.name,
        "robot_fingerprint": manifest.robot.fingerprint,
        "skill": manifest.skill.name,
        "adaptation_kind": manifest.adaptation.kind,
        "control_period_s": manifest.control_period_s,
        "episode_length": manifest.episode_length,
        "recipe": manifest.provenance.recipe,
        "git_commit": manifest.provenance.git_commit,
        "manifest_json": manifest.to_json(),
    }


def memory_fields(memory: Memory, prefix: str = "") -> Values:
    """`names`, `sizes` and `values` of all that is carried about a task."""
    parts = [np.ravel(part) for part in memory.values()]
    return {
        f"{prefix}names": list(memory),
        f"{prefix}sizes": [part.size for part in parts],
        f"{prefix}values": np.concatenate(parts) if parts else _NOTHING,
    }


def _by_name(name: str, source: Any, stamp_ns: int, **special: Any) -> Values:
    """A message of ours whose fields are called as those of `source`, but for the special ones."""
    given = {"header": header(stamp_ns), **special}
    return {
        field: given[field] if field in given else getattr(source, field)
        for field in fields(f"{OURS}/{name}")
    }
