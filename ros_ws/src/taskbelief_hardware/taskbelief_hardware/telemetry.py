"""What the control loop has done, on topics. Called on its thread, once its goals are out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node

from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Robot
from sim2real.hardware.shipped_description import shipped_description
from sim2real.recording.cdr import Values
from sim2real.recording.messages import (
    control_tick_message,
    hand_reading_message,
    joint_states_message,
    robot_description_message,
    safety_event_message,
    servo_states_message,
)
from sim2real.recording.ros_message import fill
from sim2real.runtime.control_loop import ControlTick
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.safety import Rung
from taskbelief_hardware.declarations import Topic
from taskbelief_hardware.interfaces import (
    CONTROL_TICK,
    HAND_READING,
    JOINT_STATES,
    ROBOT_DESCRIPTION,
    SAFETY_EVENT,
    SERVO_STATES,
)
from taskbelief_hardware.stamps import Stamps

SERVO_STATES_PERIOD_NS = 100_000_000


class Publications:
    """Publishers by topic; messages are filled by field name."""

    def __init__(self, node: Node, topics: Sequence[Topic]) -> None:
        self._publishers: dict[str, Any] = {
            topic.name: node.create_publisher(topic.type, topic.name, topic.offered)
            for topic in topics
        }
        self._types: dict[str, Any] = {topic.name: topic.type for topic in topics}

    def publish(self, topic: Topic, values: Values) -> None:
        self._publishers[topic.name].publish(fill(self._types[topic.name](), values))


class HandTelemetry:
    """Readings, ticks and changes of rung of one hand."""

    def __init__(self, node: Node, spec: RobotSpec, stamps: Stamps) -> None:
        """Raises `BadInput` for a robot that no URDF is shipped for."""
        self._spec, self._stamps = spec, stamps
        self._urdf = shipped_description(spec)
        self._out = Publications(
            node,
            (
                HAND_READING,
                JOINT_STATES,
                SERVO_STATES,
                CONTROL_TICK,
                SAFETY_EVENT,
                ROBOT_DESCRIPTION,
            ),
        )
        self._next_servo_states_ns = 0
        self._where: tuple[Rung, str] | None = None

    def describe(self) -> None:
        """What the hand looks like, for whoever joins."""
        self._out.publish(ROBOT_DESCRIPTION, robot_description_message(self._urdf))

    def reading(self, state: HandState) -> None:
        stamp_ns = self._stamps.of(state.reading.stamp_ns)
        self._out.publish(HAND_READING, hand_reading_message(state, self._spec, stamp_ns))

    def tick(self, tick: ControlTick, robot: Robot) -> None:
        self._out.publish(
            CONTROL_TICK, control_tick_message(tick, self._stamps.of(tick.started_ns))
        )
        if tick.state is not None:
            reading = tick.state.reading
            stamp_ns = self._stamps.of(reading.stamp_ns)
            self._out.publish(JOINT_STATES, joint_states_message(reading, self._spec, stamp_ns))
            if tick.started_ns >= self._next_servo_states_ns:
                self._next_servo_states_ns = tick.started_ns + SERVO_STATES_PERIOD_NS
                self._servo_states(tick, robot, stamp_ns)
        self._note_rung(tick)

    def _servo_states(self, tick: ControlTick, robot: Robot, stamp_ns: int) -> None:
        assert tick.state is not None and tick.health is not None
        values = servo_states_message(
            tick.state.reading,
            tick.health,
            self._spec,
            stamp_ns,
            phase=robot.phase,
            rung=tick.rung,
            reason=tick.cause,
        )
        self._out.publish(SERVO_STATES, values)

    def _note_rung(self, tick: ControlTick) -> None:
        """One event whenever the rung or its cause changes."""
        where = tick.rung, tick.cause
        if where == self._where:
            return
        is_first, self._where = self._where is None, where
        if is_first and not tick.cause:
            return
        reason = tick.decision.reason
        self.event(
            tick.rung,
            tick.cause,
            detail="" if reason is None else reason.detail,
            joints=() if reason is None else reason.joints,
        )

    def event(
        self, rung: Rung, cause: str, *, detail: str = "", joints: Sequence[str] = ()
    ) -> None:
        """Something that a person has to know of."""
        values = safety_event_message(
            self._spec,
            rung=rung,
            cause=cause,
            stamp_ns=self._stamps.now(),
            detail=detail,
            joints=joints,
        )
        self._out.publish(SAFETY_EVENT, values)
