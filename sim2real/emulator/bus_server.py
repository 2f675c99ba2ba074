"""The emulated bus as a serial port: a pseudo-terminal with a hand of servos behind it.

    with EmulatedBus(load_robot_spec()) as bus:
        driver = connect(bus.port)
        bus.inject(Fault(kind="drop_reply", servo=21, packets=3))

In real time a thread keeps physics and wire in step with the clock. In lock-step nothing happens
by itself: an exchange takes the time that its bytes take on the wire, and `advance` lets time pass
between exchanges, so that the same session gives the same bytes and the same times.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sim2real.contract.camera import CameraSpec
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.camera_faults import KINDS as CAMERA_KINDS
from sim2real.emulator.camera_process import CameraProcess, Setup, StateOutbox
from sim2real.emulator.faults import ArmedFault, Fault, FaultPlan
from sim2real.emulator.line import Line, LineOptions, TraceEntry
from sim2real.emulator.plant import Plant, TaskDynamics
from sim2real.emulator.port_link import PORT_FOLDER
from sim2real.emulator.servo import Servo
from sim2real.hardware.simulated_camera import SimulatedCamera

MAX_LAG_S = 0.25
"""further behind the clock than this the emulator gives up the time in between: it was suspended"""
LONGEST_WAIT_S = 0.05
READ_SIZE = 4096
STOP_S = 5.0
_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)
}
_CONSTANTS = {baud: constant for constant, baud in _SPEEDS.items()}
_UNNAMED_BAUD = 4_500_000
"""the one rate of servos that termios has no name for: what a host means with such a speed"""
# Written by `advance` behind whatever the host has written, so that it is read after that.
_BARRIER = b"\x00taskbelief:advance\x00"


class EmulatedBus:
    """A hand of emulated servos at `port`. A context manager; `stop` may be called more than once.

    `faults` are there from the start, `inject` adds more; `dynamics` are those of a task. Servos
    are set to `baud` (default: the robot's). `options` choose what the manual leaves open; baud
    rate and seed are then theirs.
    """

    def __init__(
        self,
        spec: RobotSpec,
        *,
        baud: int | None = None,
        faults: FaultPlan | Sequence[Fault] = (),
        lock_step: bool = False,
        seed: int = 0,
        mjcf: Path | None = None,
        dynamics: TaskDynamics | None = None,
        options: LineOptions | None = None,
        trace: bool = False,
        cameras: Sequence[CameraSpec] = (),
    ) -> None:
        """`cameras` deliver frames beside the port, in real time; see `file_camera`.

        Raises `BadInput` for a camera that the model lacks and for faults of cameras without one.
        """
        if options is None:
            chosen = spec.bus.baud if baud is None else baud
            options = LineOptions(baud=chosen, supply_v=spec.servo.nominal_voltage_v, seed=seed)
        if not isinstance(faults, FaultPlan):
            faults = FaultPlan(seed=seed, faults=tuple(faults))
        if lock_step and cameras:
            raise ValueError("in lock-step a LineCamera looks at the line")
        require_cameras(faults, cameras)
        self.spec, self.lock_step = spec, lock_step
        self.line = Line(spec, Plant(spec, mjcf, dynamics), options, faults)
        self.line.trace = [] if trace else None
        self.num_lost_bytes = 0
        """bytes for a host that did not read them"""
        self._lock = threading.RLock()
        self._folder = tempfile.TemporaryDirectory(prefix=PORT_FOLDER)
        self._master = self._slave = -1
        self._stopping = False
        self._failure: BaseException | None = None
        self._advance_by: float | None = None
        self._advanced = threading.Event()
        self._held = b""
        self._wake_end, self._wake = os.pipe()
        self._plug()
        self._epoch = time.monotonic()
        self._state: StateOutbox | None = None
        self._cameras: list[CameraProcess] = []
        if cameras:
            self._start_cameras(cameras, faults)
        self._thread = threading.Thread(target=self._serve, name="emulated bus", daemon=True)
        self._thread.start()
        try:
            for camera in self._cameras:
                camera.await_frames()
        except BaseException:
            self.stop()
            raise

    def _start_cameras(self, cameras: Sequence[CameraSpec], plan: FaultPlan) -> None:
        folder, model = Path(self._folder.name), self.line.plant.model
        for camera in cameras:
            SimulatedCamera(model, camera)  # refused here, not in a process of its own
        self._state = StateOutbox(folder, model)
        epoch_ns = round(self._epoch * 1e9)
        for camera in cameras:
            setup = Setup(folder=str(folder), camera=camera, epoch_ns=epoch_ns, plan=plan)
            self._cameras.append(CameraProcess(setup))

    # What a test or an operator uses.

    @property
    def port(self) -> str:
        """Path to open. It stays the same when the cable is pulled and plugged in again."""
        return str(Path(self._folder.name) / "port")

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids on the bus as they are now."""
        return tuple(servo.motor_id for servo in self.line.servos)

    @property
    def trace(self) -> Sequence[TraceEntry]:
        """Everything that crossed the wire, if it was asked for, in the order of bus time."""
        with self._lock:
            return tuple(sorted(self.line.trace or ()))

    def servo(self, motor_id: int) -> Servo:
        """The servo that left the factory with this id. `servo["present_position"]` reads it."""
        names = [*self.spec.motor_ids, *(item.motor_id for item in self.spec.objects)]
        return self.line.servos[names.index(motor_id)]

    def inject(self, fault: Fault) -> ArmedFault:
        """Make something go wrong now, or as the fault's own fields say, counted from now.

        A camera's is seen from its next frame on, and not in `line.faults`.
        """
        if fault.kind in CAMERA_KINDS:
            require_cameras([fault], [camera.spec for camera in self._cameras])
            for camera in self._cameras:
                camera.inject(fault)
            return ArmedFault(fault, now=self.line.now, num_packets=0, seed=())
        with self._lock:
            armed = self.line.inject(fault)
        os.write(self._wake, b"!")
        return armed

    def withdraw(self, armed: ArmedFault) -> None:
        """End a fault."""
        with self._lock:
            self.line.faults.withdraw(armed)
        os.write(self._wake, b"!")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Line]:
        """The line, while the server does not touch it."""
        with self._lock:
            yield self.line

    def advance(self, seconds: float) -> None:
        """Lock-step: let bus time pass after all that the host has written so far.

        Raises `RuntimeError` in real time, or if the server has died.
        """
        if not self.lock_step:
            raise RuntimeError("time passes by itself: the bus is not in lock-step")
        self._advanced.clear()
        with self._lock:
            self._advance_by = seconds
            is_plugged = self._slave >= 0
        os.write(self._slave if is_plugged else self._wake, _BARRIER if is_plugged else b"!")
        if not self._advanced.wait(STOP_S + 60.0 * seconds):
            raise RuntimeError(f"the emulated bus did not advance: {self._failure!r}")

    @property
    def has_failed(self) -> bool:
        """Whether `check` would raise."""
        return self._failure is not None or any(camera.has_ended for camera in self._cameras)

    def check(self) -> None:
        """Raise `RuntimeError` if the server has failed."""
        if self._failure is not None:
            raise RuntimeError("the emulated bus failed") from self._failure
        for camera in self._cameras:
            if camera.has_ended and not self._stopping:
                raise RuntimeError(f"the camera {camera.spec.name} has ended")

    def stop(self) -> None:
        """Close the port and end the thread. Raises what the server failed with, if it did."""
        if self._stopping:
            return
        self._stopping = True
        os.write(self._wake, b"!")
        self._thread.join(STOP_S)
        for camera in self._cameras:
            camera.stop()
        if self._state is not None:
            self._state.close()
        self._unplug()
        os.close(self._wake)
        os.close(self._wake_end)
        self._folder.cleanup()
        self.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # The port.

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        speed = _CONSTANTS.get(self.line.options.baud)
        if speed is not None:
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        os.set_blocking(self._master, False)
        beside = Path(self._folder.name) / "new"
        beside.symlink_to(os.ttyname(self._slave))
        beside.rename(self.port)

    def _unplug(self) -> None:
        if self._master >= 0:
            Path(self.port).unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    def _host_baud(self) -> int:
        """What the host has set the port to, as far as termios has names for speeds."""
        return _SPEEDS.get(termios.tcgetattr(self._master)[5], _UNNAMED_BAUD)

    # The server.

    def _serve(self) -> None:
        try:
            while not self._stopping:
                with self._lock:
                    wait_s = self._turn()
                ends = [self._wake_end] if self._master < 0 else [self._wake_end, self._master]
                ready = select.select(ends, (), (), wait_s)[0]
                if self._wake_end in ready:
                    os.read(self._wake_end, READ_SIZE)
                if self._master in ready:
                    with self._lock:
                        self._read()
        except BaseException as error:  # shown by `stop`; a thread has nobody else to tell
            self._failure = error

    def _turn(self) -> float:
        """Catch up with the clock, hand over what is due; return how long nothing will happen."""
        line = self.line
        if self.lock_step:
            now = line.now
            if self._advance_by is not None and self._master < 0:
                self._pass_time()
        else:
            now = time.monotonic() - self._epoch
            if now - line.next_step_at > MAX_LAG_S:
                line.skip_to(now)
            line.advance_to(now)
            if self._state is not None:
                stamp_ns = round((self._epoch + line.now) * 1e9)
                self._state.put(stamp_ns, line.plant.data.qpos)
        if line.is_unplugged and self._master >= 0:
            self._unplug()
        elif not line.is_unplugged and self._master < 0:
            self._plug()
        self._write(line.deliveries(now))
        if self.lock_step:
            return LONGEST_WAIT_S
        next_at = min(line.next_step_at, line.next_delivery_at)
        return min(max(next_at - (time.monotonic() - self._epoch), 0.0), LONGEST_WAIT_S)

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        self.line.host_baud = self._host_baud()
        if not self.lock_step:
            self.line.receive(data, time.monotonic() - self._epoch)
            return
        before, barrier, after = (self._held + data).partition(_BARRIER)
        self._held = b""
        if not barrier and self._advance_by is not None:
            before, self._held = _without_part_of_barrier(before)
        self._exchange(before)
        if barrier:
            self._pass_time()
            self._exchange(after)

    def _exchange(self, data: bytes) -> None:
        """Lock-step: bytes from the host, and the time that they and their answers take."""
        line = self.line
        if data:
            line.receive(data, line.now)
            line.advance_to(line.busy_until)
            self._write(line.deliveries(line.now))

    def _pass_time(self) -> None:
        """Lock-step: do what `advance` asked for, and say so."""
        seconds, self._advance_by = self._advance_by, None
        if seconds is not None:
            self.line.advance_to(self.line.now + seconds)
            self._write(self.line.deliveries(self.line.now))
        self._advanced.set()

    def _write(self, data: bytes) -> None:
        """To the host. A port whose host does not read loses bytes, as an adapter does."""
        if not data or self._master < 0:
            return
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            sent = 0
        self.num_lost_bytes += len(data) - sent


def require_cameras(faults: FaultPlan | Iterable[Fault], cameras: Sequence[CameraSpec]) -> None:
    """Raise `BadInput` for a fault of a camera where there is none: nothing would go wrong."""
    listed = faults.faults if isinstance(faults, FaultPlan) else faults
    for index, fault in enumerate(listed):
        if fault.kind in CAMERA_KINDS and not cameras:
            at, expected = f"faults[{index}].kind", "a fault of the bus: no camera is emulated"
            remedy = "taskbelief emulate --camera NAME emulates one"
            raise BadInput("fault plan", at, found=fault.kind, expected=expected, remedy=remedy)


def _without_part_of_barrier(data: bytes) -> tuple[bytes, bytes]:
    """`data` without, and then, its end that may be the beginning of the barrier."""
    for size in range(min(len(_BARRIER) - 1, len(data)), 0, -1):
        if data.endswith(_BARRIER[:size]):
            return data[:-size], data[-size:]
    return data, b""
