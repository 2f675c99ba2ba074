"""The part of a node that owns a robot: control loop, services, diagnostics.

*configure*: connect, verify, torque off; readings are published from here on. *activate*: torque
on, softly; commands are followed. *deactivate*: hold, torque off. *cleanup*: close the bus. When
the safety ladder has switched torque off, the node deactivates itself, so that its state says so
and torque needs an explicit `activate` again; when the bus had to fall silent or the loop ended,
it goes through its error state and is unconfigured.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from taskbelief_interfaces.srv import PlaceHand, RecoverServos

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.hardware.registry import RobotPlace, open_robot
from sim2real.hardware.robot import Health, Placing, RobotFault
from sim2real.placing import HandPlacer, load_reset_config
from sim2real.recording.messages import diagnostics_message
from sim2real.recording.requests import request_rules
from sim2real.runtime.control_loop import Answer, ControlLoop, ControlTick, LoopStopped
from sim2real.runtime.diagnosis import HandDiagnosis, Level, Status, requests_status
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.safety import Rung
from taskbelief_hardware.interfaces import DIAGNOSTICS, HOLD, PLACE_HAND, RECOVER_SERVOS
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.parameters import Value
from taskbelief_hardware.stamps import Stamps
from taskbelief_hardware.telemetry import HandTelemetry, Publications

DIAGNOSTICS_PERIOD_S = 1.0
BUSY_GRACE_S = 0.3
"""how long placing the hand waits for whoever commands it to have said that he is done"""
Joints = NDArray[np.float64]


class Commander(Protocol):
    """Whoever answers readings with commands: over topics, or in this process."""

    def begin(self) -> None:
        """From now on commands are followed."""

    def end(self) -> None:
        """No command is followed any more."""

    def tell(self, state: HandState) -> None:
        """A reading, as soon as there is one; on the loop's thread."""

    def answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        """See `control_loop.Answer`; on the loop's thread, unless the hand is being placed."""

    def after_tick(self, tick: ControlTick) -> None:
        """What can wait until the goals are out; on the loop's thread."""

    @property
    def refusals(self) -> Mapping[str, int]:
        """Commands by what became of them; empty where none is refused."""


def robot_spec(parameters: Mapping[str, Value]) -> RobotSpec:
    """The robot that `robot_config` names. Raises `BadInput`."""
    path = str(parameters["robot_config"])
    return load_robot_spec(Path(path) if path else DCLAW)


class Hand:
    """One robot. See the module; `Part` of a node."""

    def __init__(
        self,
        node: ManagedNode,
        parameters: Mapping[str, Value],
        spec: RobotSpec,
        telemetry: HandTelemetry,
        commander: Commander,
    ) -> None:
        """Raises `BadInput` for parameters that do not fit each other; touches no robot."""
        self.loop: ControlLoop | None = None
        self._node, self._spec = node, spec
        self._telemetry, self._commander = telemetry, commander
        self._place = RobotPlace(
            kind=str(parameters["robot"]),
            port=str(parameters["port"]),
            unit=str(parameters["unit"]),
            patience_s=float(parameters["patience_s"]),
        )
        open_robot(spec, self._place)  # nothing is opened yet, but refused
        self._rate_hz = float(parameters["rate_hz"])
        self._placer = HandPlacer(spec, load_reset_config(spec))
        self._diagnosis = HandDiagnosis(spec)
        self._out = Publications(node, (DIAGNOSTICS,))
        self._latched = Status(name="hand", level=Level.OK, message="never configured")
        self._tick: ControlTick | None = None
        self._is_active = False
        self._alarm = node.create_guard_condition(self._step_down)
        node.create_timer(DIAGNOSTICS_PERIOD_S, self._look_around)
        self._serve()

    # ---- transitions ---------------------------------------------------------------------------

    def configure(self) -> None:
        robot = open_robot(self._spec, self._place)
        try:
            robot.connect()
            answer: Answer = self._answer
            self.loop = ControlLoop(
                robot, rate_hz=self._rate_hz, answer=answer, on_tick=self._after_tick
            )
            self.loop.start()
        except BaseException:
            self.cleanup()
            robot.close()
            raise
        self._telemetry.describe()
        self._latched = Status(name="hand", level=Level.OK, message="configured")

    def activate(self) -> None:
        self._working_loop().activate()
        self._commander.begin()
        self._is_active = True

    def deactivate(self) -> None:
        loop = self._working_loop()
        self._is_active = False
        self._commander.end()
        loop.deactivate()
        if loop.ladder.rung is Rung.SILENT:
            reason = loop.ladder.reason
            detail = "" if reason is None else f"{reason.cause}: {reason.detail}"
            raise RobotFault("silent_bus", f"torque off was not confirmed; {detail}")

    def cleanup(self) -> None:
        loop, self.loop, self._tick = self.loop, None, None
        self._is_active = False
        self._commander.end()
        if loop is None:
            return
        self._stop(loop)
        loop.robot.close()

    def halt(self) -> None:
        if self.loop is not None:
            self._stop(self.loop)

    def latch(self, cause: str, reason: str) -> None:
        rung = Rung.TORQUE_OFF if self.loop is None else self.loop.ladder.rung
        self._latched = Status(name="hand", level=Level.ERROR, message=reason)
        self._telemetry.event(rung, cause, detail=reason)

    def _stop(self, loop: ControlLoop) -> None:
        try:
            loop.stop()
        except LoopStopped as error:
            self._node.get_logger().error(str(error))

    def _working_loop(self) -> ControlLoop:
        if self.loop is None:
            raise RobotFault("not_configured", "there is no robot yet")
        return self.loop

    # ---- on the loop's thread ------------------------------------------------------------------

    def _answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        self._commander.tell(state)
        answer = self._placer.answer if self._placer.is_moving else self._commander.answer
        return answer(state, cutoff_ns)

    def _after_tick(self, tick: ControlTick) -> None:
        self._tick = tick
        if self._is_active and tick.rung >= Rung.TORQUE_OFF:
            self._alarm.trigger()
        self._commander.after_tick(tick)
        if self.loop is not None:
            self._telemetry.tick(tick, self.loop.robot)

    # ---- on the executor's threads -------------------------------------------------------------

    def _step_down(self) -> None:
        """Torque is off although the node is active."""
        if self._is_active and self.loop is not None:
            reason = self.loop.ladder.reason
            self._node.step_down("the loop ended" if reason is None else reason.cause)

    def _look_around(self) -> None:
        """Once a second: diagnostics, and whether the loop still runs."""
        loop, rows = self.loop, [self._latched, requests_status(self._node.mishaps)]
        if loop is not None:
            rows += self._diagnosis.look(loop, self._tick, self._commander.refusals)
        values = diagnostics_message(
            rows,
            Stamps(self._node.get_clock()).now(),
            node=self._node.get_name(),
            hardware_id=f"{self._spec.name}/{self._place.unit}",
        )
        self._out.publish(DIAGNOSTICS, values)
        if loop is not None and not loop.is_running and self._is_active:
            self._step_down()

    # ---- services ------------------------------------------------------------------------------

    def _serve(self) -> None:
        """What takes seconds does so in a group of its own: transitions are served meanwhile."""
        rules, slow = request_rules(self._spec), MutuallyExclusiveCallbackGroup()
        for service, work, options in (
            (HOLD, self._hold, {}),
            (PLACE_HAND, self._place_hand, {"callback_group": slow}),
            (RECOVER_SERVOS, self._recover, {"callback_group": slow}),
        ):
            self._node.serve(service, rules[service.type.__name__], work, **options)

    def _hold(self, _request: Any, _response: Any) -> str:
        if self._is_active:
            self._commander.begin()  # whatever answers an earlier reading is void
        self._working_loop().stand_by()
        return ""

    def _recover(self, request: RecoverServos.Request, _response: Any) -> str:
        if self._is_active:
            raise RobotFault("wrong_phase", "the node is active: torque has to be off first")
        names = tuple(request.names) or self._names_with_errors()
        self._working_loop().recover(names)
        return f"rebooted {', '.join(names) or 'none'}"

    def _names_with_errors(self) -> tuple[str, ...]:
        """Joints whose servos say now that they have latched an error. Raises `RobotFault`."""
        loop = self._working_loop()

        def look() -> Health:
            loop.robot.read()
            return loop.robot.health()

        errors = loop.call(look, moves=False).hardware_error
        return tuple(name for name, bits in zip(self._spec.joint_names, errors) if bits)

    def _place_hand(self, request: PlaceHand.Request, response: PlaceHand.Response) -> str:
        loop = self._idle_loop()
        joint_rad = np.array(request.joint_rad, np.float64)
        object_rad = request.object_rad if request.moves_object else None
        placing = loop.robot.placing
        if placing is not None:
            reached = self._put(loop, placing, joint_rad, object_rad)
        else:
            reached = self._placer.place(loop, joint_rad, object_rad).object_rad
        response.joint_rad, response.object_rad = joint_rad.tolist(), reached
        return ""

    def _put(
        self,
        loop: ControlLoop,
        placing: Placing,
        joint_rad: Joints,
        object_rad: float | None,
    ) -> float:
        """A simulated hand is put somewhere, without going there."""

        def put() -> float:
            before = float(loop.robot.read().object_position_rad)
            angle = before if object_rad is None else object_rad
            placing.place(joint_rad, angle, np.random.default_rng(0))
            return angle

        return loop.call(put)

    def _idle_loop(self) -> ControlLoop:
        """The loop, once nobody commands the hand. Raises `RobotFault` where somebody goes on."""
        loop = self._working_loop()
        if not self._is_active:
            raise RobotFault("not_active", "torque is off: activate the node first")
        deadline = time.monotonic() + BUSY_GRACE_S
        while loop.ladder.command is not None:
            if time.monotonic() > deadline:
                raise RobotFault("busy", "commands are being followed: end the episode, or hold")
            time.sleep(0.005)
        return loop
