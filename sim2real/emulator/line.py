"""Everything at the far end of the cable: servos on one half-duplex line, bytes in, answers out.

No threads and no clock of its own: whoever drives it says what time it is. That makes it one thing
in real time, in lock-step and in a test.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.dispatch import Answer, Dispatcher
from sim2real.emulator.faults import ArmedFault, Fault, FaultPlan, FaultSchedule
from sim2real.emulator.health import Health
from sim2real.emulator.motion import REVERSE, TICK_RAD, Motion
from sim2real.emulator.plant import Plant
from sim2real.emulator.provision import give_ids, provision
from sim2real.emulator.registers import Memory
from sim2real.emulator.servo import Servo
from sim2real.emulator.servo_faults import KINDS as SERVO_KINDS
from sim2real.emulator.wire_faults import (
    REPLY_KINDS,
    REQUEST_KINDS,
    STATUS_KINDS,
    WRITES_TO_ALL,
    Damage,
    Pieces,
    WireKind,
)
from sim2real.hardware.dynamixel.packet import Instruction, Packet, Status, encode
from sim2real.hardware.dynamixel.stream import StreamParser
from sim2real.hardware.task_numerics import encoder_noise

Float = NDArray[np.float64]

BITS_PER_BYTE = 10
SILENCE_S = 0.02
"""an unfinished packet is forgotten after this long: the protocol's 1.5 ms between bytes, and what
a busy host's operating system may add"""
BOOT_S = 0.15
"""how long a servo takes to answer after a reboot: assumed, the manual does not say"""
LONGEST_TICK_S = 32.768
ZERO_TICKS = 2048.0


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """What a bench may choose about the line."""

    baud: int
    """bits per second that servos are set to and bytes are timed with"""
    supply_v: float
    """power supply of all servos"""
    seed: int = 0
    """of the ticks' phases and the encoders' noise"""
    boot_s: float = BOOT_S
    is_provisioned: bool = True
    """whether EEPROM holds what robot.yaml wants, or what the factory set"""
    watchdog_hears_all: bool = True
    """whether an instruction to another servo feeds a Bus Watchdog. The manual counts every
    instruction; a bus that is to fall silent must assume so"""
    silent_servo_ends_sync_read: bool = True
    """whether servos after a silent one in a Sync Read stay silent too: each waits for the answer
    before its own. From memory, not from the manual: confirm on hardware"""
    signs: tuple[int, ...] | None = None
    """1 or -1 by servo: whether the encoder counts with the joint; None: all do"""
    zero_ticks: tuple[float, ...] | None = None
    """where each encoder stands at joint angle zero; None: in the middle of its turn"""


class Delivery(NamedTuple):
    """Bytes for the host."""

    due_s: float
    """bus time at which the last of them has arrived"""
    order: int
    data: bytes


class TraceEntry(NamedTuple):
    """One transfer: as it was meant on the way out, as it arrived on the way back."""

    time_s: float
    """bus time at which it was complete"""
    direction: Literal["to_servos", "to_host"]
    data: bytes


class Line:
    """Servos, their shafts and the wire, driven by `advance_to` and `receive`."""

    def __init__(
        self, spec: RobotSpec, plant: Plant, options: LineOptions, plan: FaultPlan | None = None
    ) -> None:
        self._num_joints, self._num_objects = len(spec.joints), len(spec.objects)
        count = self._num_joints + self._num_objects
        self.options, self.plant = options, plant
        self.memory = Memory(count, spec.servo.model)
        self.motion = Motion(self.memory, plant.motors)
        self.motion.goal_delay_steps = plant.numerics.delay_steps
        self.servos = [
            Servo(row, self.memory, self.motion, boot_s=options.boot_s) for row in range(count)
        ]
        self.health = Health(self.memory, self.motion, self.servos, options.supply_v)
        self.dispatcher = Dispatcher(
            self.servos,
            self.memory,
            self._restate,
            watchdog_hears_all=options.watchdog_hears_all,
            silent_servo_ends_sync_read=options.silent_servo_ends_sync_read,
        )
        self.faults = FaultSchedule(FaultPlan() if plan is None else plan)
        self.now = 0.0
        """bus time, s"""
        self.num_packets = 0
        """whole instructions heard so far"""
        self.host_baud = options.baud
        """what the host's port is set to; servos hear only their own baud rate"""
        self.trace: list[TraceEntry] | None = None
        """every whole instruction and every delivery, if a list is put here"""
        self.parser = StreamParser()
        self.encoder_offset: Float = np.zeros(count)
        self.encoder_noise: Float = np.zeros(count)
        self.frozen_encoders: dict[int, float] = {}
        self._rng = np.random.default_rng([options.seed, 1])
        self._signs = np.array(options.signs or [1] * count, float)
        self._zeros = np.array(options.zero_ticks or [ZERO_TICKS] * count, float)
        self._physics_time = 0.0
        self._free_at = 0.0
        self._heard_at = 0.0
        self._num_deliveries = 0
        self._outbox: list[Delivery] = []
        self._late_requests: list[tuple[float, int, bytes]] = []
        self._damaged_parser = StreamParser()
        give_ids(self.memory, spec, options.baud)
        if options.is_provisioned:
            provision(self.memory, spec, self._signs, self._zeros)
        self._power_up()

    # Time.

    def advance_to(self, now: float) -> None:
        """Let physics, health and faults catch up with bus time `now`."""
        dt = self.plant.time_step_s
        while self._physics_time + dt <= now + 1e-9:
            self._physics_time += dt
            self.now = max(self.now, self._physics_time)
            self._step(dt)
            self._update_faults()
            self._make_noise(dt)
        self.now = max(self.now, now)
        while self._late_requests and self._late_requests[0][0] <= self.now:
            self._hear_damaged(heapq.heappop(self._late_requests)[2])

    @property
    def next_step_at(self) -> float:
        """Bus time at which physics is due."""
        return self._physics_time + self.plant.time_step_s

    def skip_to(self, now: float) -> None:
        """Continue at bus time `now` without the physics in between: the machine was away."""
        self._physics_time = max(self._physics_time, now - self.plant.time_step_s)

    def _step(self, dt: float) -> None:
        if not self.plant.is_loaded and self._hand_holds():
            self.plant.load()
        law = self.motion.law(dt, self.health.bus_v)
        frame = self._signs * self._directions()
        torque = self.plant.step(law.torque * frame, law.damping) * frame
        current = self.motion.sense_current(torque)
        self.health.step(dt, self.now, current)
        self.measure()

    def _hand_holds(self) -> bool:
        """Whether every joint has torque, and all the current that it may have."""
        memory = self.memory
        holds = memory["torque_enable"] & (memory["goal_current"] >= memory["current_limit"])
        return bool(holds[: self._num_joints].all())

    def measure(self) -> None:
        """Encoders to registers."""
        ticks = self._signs * self.plant.angles_rad / TICK_RAD + self._zeros + self.encoder_offset
        if self.encoder_noise.any():
            ticks += self.encoder_noise * self._rng.standard_normal(len(ticks))
        for row, frozen in self.frozen_encoders.items():
            ticks[row] = frozen
        noise_rad = encoder_noise(
            self.plant.numerics.noise_rad, self._num_joints, self._rng, self._num_objects
        )
        velocity = self._signs * self.plant.velocities_rad_s / TICK_RAD
        self.motion.measure(ticks, velocity, noise_rad / TICK_RAD)

    def _directions(self) -> Float:
        return np.where(self.memory["drive_mode"] & REVERSE, -1.0, 1.0)

    # Faults.

    def inject(self, fault: Fault) -> ArmedFault:
        """Start a fault now (or as its own fields say, counted from now)."""
        armed = self.faults.give(fault, now=self.now, num_packets=self.num_packets)
        self._update_faults()
        return armed

    def _update_faults(self) -> None:
        if self.faults.is_idle:
            return
        begun, over = self.faults.update(self.now, self.num_packets)
        for armed in begun:
            self._for_each_servo(armed, ends=False)
        for armed in over:
            self._for_each_servo(armed, ends=True)

    def _for_each_servo(self, armed: ArmedFault, *, ends: bool) -> None:
        kind = SERVO_KINDS.get(armed.fault.kind)
        if kind is None:
            return
        effect = kind.end if ends else kind.begin
        rows = armed.memory.setdefault("rows", self._rows_of(armed.fault.servo))
        for row in rows:
            effect(self, row, armed)

    def _rows_of(self, motor_id: int | None) -> list[int]:
        """Rows that a fault concerns. Kept for its end: the servo may have another id by then."""
        ids = self.memory["id"].tolist()
        return [row for row, found in enumerate(ids) if motor_id in (None, found)]

    def _port_fault(self, kind: str) -> ArmedFault | None:
        if self.faults.is_idle:
            return None
        return next(self.faults.of({kind: None}), None)

    def _make_noise(self, dt: float) -> None:
        """Bytes that nobody sent, while the line is free."""
        armed = self._port_fault("idle_noise")
        if armed is not None and self.now > self._free_at:
            num_bytes = int(armed.rng.poisson(armed.fault.amount * dt))
            if num_bytes:
                self.send(armed.rng.bytes(num_bytes), self.now)

    # Bytes.

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host that began to arrive at bus time `now`."""
        if now - self._heard_at > SILENCE_S and self.parser.num_pending:
            self.parser.clear()
        self._heard_at = now
        if self._port_fault("silent_bus") or self.is_unplugged:
            return
        if self._port_fault("echo"):
            self.send(data, now)
        for packet in self.parser.feed(data):
            if packet.instruction != Instruction.STATUS:
                self._hear(packet, now)

    def deliveries(self, now: float) -> bytes:
        """All that has reached the host by bus time `now` and was not taken yet."""
        arrived: list[bytes] = []
        while self._outbox and self._outbox[0].due_s <= now + 1e-9:
            delivery = heapq.heappop(self._outbox)
            arrived.append(delivery.data)
            if self.trace is not None:
                self.trace.append(TraceEntry(delivery.due_s, "to_host", delivery.data))
        if arrived and (self._port_fault("silent_bus") or self.is_unplugged):
            return b""
        return b"".join(arrived)

    @property
    def is_unplugged(self) -> bool:
        """Whether a fault has taken the port away."""
        return self._port_fault("unplugged") is not None

    @property
    def next_delivery_at(self) -> float:
        """Bus time of the next delivery; infinite if none is on its way."""
        return self._outbox[0].due_s if self._outbox else np.inf

    @property
    def busy_until(self) -> float:
        """Bus time at which the exchange under way, delays by faults apart, is over."""
        return self._free_at

    def wire_time(self, num_bytes: int) -> float:
        return num_bytes * BITS_PER_BYTE / self.options.baud

    def send(self, data: bytes, due_s: float) -> None:
        """Put bytes on their way to the host."""
        slow = self._port_fault("adapter_latency")
        due_s += 0.0 if slow is None else slow.fault.amount
        self._num_deliveries += 1
        heapq.heappush(self._outbox, Delivery(due_s, self._num_deliveries, data))

    def _hear(self, packet: Packet, now: float) -> None:
        """A whole instruction: time passes on the wire, then it is obeyed, or damaged first."""
        raw = encode(*packet)
        arrival = max(now, self._free_at) + self.wire_time(len(raw))
        self._free_at = arrival
        self.advance_to(arrival)
        self._update_faults()
        self.num_packets += 1
        if self.trace is not None:
            self.trace.append(TraceEntry(arrival, "to_servos", raw))
        pieces = self._damage_request(raw, packet)
        if pieces is None:
            self._obey(packet)
            return
        for late_s, data in pieces:
            if late_s > 0:
                self._num_deliveries += 1
                heapq.heappush(self._late_requests, (arrival + late_s, self._num_deliveries, data))
            else:
                self._hear_damaged(data)

    def _hear_damaged(self, data: bytes) -> None:
        """What is left of a request, as the servos hear it: silence follows."""
        for packet in self._damaged_parser.feed(data):
            self._obey(packet)
        self._damaged_parser.clear()

    def _damage_request(self, raw: bytes, packet: Packet) -> Pieces | None:
        """What the servos hear instead, or None if nothing is wrong."""
        pieces = None
        for armed in self.faults.of(REQUEST_KINDS):
            kind = REQUEST_KINDS[armed.fault.kind]
            if kind.only_writes_to_all and packet.instruction not in WRITES_TO_ALL:
                continue
            if armed.takes(packet.motor_id):
                key = (packet.motor_id, packet.instruction)
                pieces = _transform(kind, pieces or [(0.0, raw)], armed, key)
        return pieces

    def _obey(self, packet: Packet) -> None:
        """Let the servos act on an instruction; put their answers on their way.

        Answers reach the host together when the last one is complete, as in one transfer of a USB
        adapter; only what a fault delays comes on its own.
        """
        end, together = self._free_at, b""
        for answer in self.dispatcher.obey(packet, self.now, self.host_baud):
            pieces = self._damage_answer(answer, packet)
            if not pieces and answer.is_chained:
                break  # the servos that follow wait for a part that never comes
            end += answer.servo.return_delay_s if pieces else 0.0
            for late_s, piece in pieces:
                end += self.wire_time(len(piece))
                if late_s > 0:
                    self.send(piece, end + late_s)
                else:
                    together += piece
        self._free_at = end
        if together:
            self.send(together, end)

    def _damage_answer(self, answer: Answer, packet: Packet) -> Pieces:
        """What arrives of one servo's answer."""
        pieces: Pieces = [(0.0, answer.data)]
        if self.faults.is_idle:
            return pieces
        motor_id = answer.servo.motor_id
        for armed in self.faults.of(REPLY_KINDS):
            if armed.takes(motor_id):
                key = (motor_id, packet.instruction)
                pieces = _transform(REPLY_KINDS[armed.fault.kind], pieces, armed, key)
        return pieces

    def _restate(self, status: Status, packet: Packet) -> Status:
        """What a servo says instead of `status`, if a fault is in the way."""
        if self.faults.is_idle:
            return status
        servo_id = status.motor_id
        for armed in self.faults.of(STATUS_KINDS):
            kind = STATUS_KINDS[armed.fault.kind]
            if kind.restate is not None and armed.takes(servo_id):
                key = (servo_id, packet.instruction)
                status = kind.restate(status, _damage(armed, key))
        return status

    def _power_up(self) -> None:
        """All servos have been on for a while, each since another moment."""
        self.measure()
        for servo, phase in zip(
            self.servos, self._rng.uniform(0.0, LONGEST_TICK_S, len(self.servos))
        ):
            servo.boot(0.0)
            servo.powered_at, servo.ready_at = -float(phase), 0.0
        self.measure()
        self.health.show()


def _damage(armed: ArmedFault, key: tuple[int, int]) -> Damage:
    return Damage(armed.fault.amount, armed.rng, armed.memory, key)


def _transform(kind: WireKind, pieces: Pieces, armed: ArmedFault, key: tuple[int, int]) -> Pieces:
    if kind.transform is None:
        return pieces
    return [
        (late_s + more_s, piece)
        for late_s, data in pieces
        for more_s, piece in kind.transform(data, _damage(armed, key))
    ]
