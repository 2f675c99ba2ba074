"""Hand and valve come back to where an episode starts, or something says what did not."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest
import yaml

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import HARDWARE_CONFIGS, load_robot_spec
from sim2real.emulator.faults import Fault
from sim2real.emulator.plant import TaskDynamics
from sim2real.evaluation.hands import lock_step_hand
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.robot import Phase, RobotFault
from sim2real.placing import HandPlacer, load_reset_config
from sim2real.runtime.control_loop import ControlLoop
from training.worlds.dynamics import apply_dynamics

SPEC = load_robot_spec()
CONFIG = load_reset_config(SPEC)
HOME = SPEC.joint_array("home_rad")
RATE_HZ = 50.0
CLEARANCE_M = 0.045
LOADED_CLEARANCE_M = 0.005


class Bench:
    """An emulated hand in its own time under a loop whose answers are the placer's."""

    def __init__(self, rate_hz: float = RATE_HZ, config=CONFIG, spec=SPEC, **parameters) -> None:
        dynamics = TaskDynamics(apply=lambda model: apply_dynamics(model, parameters))
        hand, self.line = lock_step_hand(spec, rate_hz, dynamics)
        self.ticks: list = []
        self.placer = HandPlacer(spec, config)
        self.loop = ControlLoop(
            hand.robot,
            rate_hz=rate_hz,
            answer=self.answer,
            on_tick=self.ticks.append,
            clock_ns=hand.clock_ns,
            pacer=hand.pacer,
        )
        self.robot = hand.robot
        self.robot.connect()
        self.loop.activate()

    def answer(self, state, cutoff_ns) -> Command | None:
        return self.placer.answer(state, cutoff_ns) if self.placer.is_moving else None

    def place(self, joint_rad, object_rad):
        return self.placer.place(self.loop, joint_rad, object_rad)

    @property
    def valve(self):
        return self.line.servos[9]


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.loop.stop()
    bench.robot.close()


def start_of(seed: int):
    rng = np.random.default_rng(seed)
    return HOME + rng.uniform(-0.05, 0.05, 9), float(rng.uniform(-0.1, 0.1))


@pytest.mark.parametrize("rate_hz", [10.0, 50.0, 100.0])
def test_hand_and_valve_arrive_and_rest(rate_hz):
    bench = Bench(rate_hz)
    for seed in range(2):
        joint_rad, object_rad = start_of(seed)
        placed = bench.place(joint_rad, object_rad)

        reading = bench.robot.read()
        np.testing.assert_array_equal(placed.joint_rad, joint_rad)
        np.testing.assert_allclose(reading.position_rad, joint_rad, atol=CONFIG.tolerance_rad)
        np.testing.assert_allclose(bench.robot.health().goal_position_rad, joint_rad, atol=0.001)
        assert abs(float(reading.object_position_rad) - object_rad) < 0.02
        assert float(reading.object_position_rad) == pytest.approx(placed.object_rad, abs=0.01)
        assert np.abs(reading.velocity_rad_s).max() < 0.1
        assert not bench.valve.torque_is_on
    assert not bench.loop.ladder.events


@pytest.mark.parametrize("name", ["dclaw", "dclaw4"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_hand_under_the_heaviest_loads_arrives_and_is_not_stopped(name, sign):
    """As it would not if the loads pulled at limp fingers, or hung them too far off their goals."""
    spec = load_robot_spec(HARDWARE_CONFIGS / name)
    home, num_fingers = spec.joint_array("home_rad"), len(spec.fingers)
    loads = tuple(sign * 0.8 * (-1.0) ** np.arange(num_fingers))
    dynamics = {"finger_load": loads, "joint_friction": (0.005,), "observation_noise": (0.02, 0.05)}
    config = load_reset_config(spec)
    bench = Bench(config=config, spec=spec, **dynamics)
    try:
        placed = bench.place(home, 0.1)
        reading = bench.robot.read()
    finally:
        bench.loop.stop()
        bench.robot.close()

    off = np.abs(reading.position_rad - home)
    np.testing.assert_array_equal(placed.joint_rad, home)
    assert 0.15 < off.max() < config.tolerance_rad, "a load is felt, and a servo holds against it"
    assert np.abs(reading.velocity_rad_s).max() < 0.1
    assert set(bench.loop.ladder.events) <= {"limited"}, "goals begin where fingers have sunk to"


def test_a_stage_is_over_when_the_joints_rest(bench):
    """A soft servo is within the tolerance of a goal long before it is there."""
    bench.place(*start_of(0))
    states = [tick.state for tick in bench.ticks if tick.state is not None]
    turns = [abs(float(state.reading.object_velocity_rad_s)) > 0.05 for state in states]
    begins = turns.index(True)

    assert begins > 0
    assert np.abs(states[begins - 1].reading.velocity_rad_s).max() < 0.2


def test_goals_move_no_faster_than_they_should(bench):
    bench.place(*start_of(0))

    goals = [tick.applied_rad for tick in bench.ticks if tick.applied_rad is not None]
    steps = np.abs(np.diff(goals, axis=0)).max()
    assert steps <= CONFIG.speed_rad_s / RATE_HZ * 1.2


def test_the_valve_turns_only_while_the_fingers_are_clear(bench):
    joint_rad, _ = start_of(0)
    bench.place(joint_rad, 2.0)
    moved = [
        tick
        for tick in bench.ticks
        if tick.state is not None and abs(float(tick.state.reading.object_velocity_rad_s)) > 0.5
    ]
    clear = np.array([CONFIG.clear_rad[name] for name in SPEC.joint_names])

    assert len(moved) > 10
    for tick in moved:
        np.testing.assert_allclose(tick.state.reading.position_rad, clear, atol=0.15)


def test_without_an_object_to_move_the_hand_goes_there_straight(bench):
    bench.place(*start_of(0))
    num_ticks, before = len(bench.ticks), float(bench.robot.read().object_position_rad)
    goal = HOME + 0.02

    placed = bench.place(goal, None)

    assert len(bench.ticks) - num_ticks < RATE_HZ
    assert placed.object_rad == pytest.approx(before, abs=0.05)


def test_the_hand_holds_afterwards_and_nobody_calls_that_late(bench):
    joint_rad, _ = start_of(0)
    bench.place(joint_rad, None)

    for _ in range(round(RATE_HZ)):
        bench.loop.run_tick()

    assert not bench.loop.ladder.events
    np.testing.assert_allclose(bench.robot.health().goal_position_rad, joint_rad, atol=0.001)


def test_a_valve_that_is_stuck_is_named_and_let_go_of(bench):
    bench.line.inject(Fault(kind="stuck_joint", servo=50))

    with pytest.raises(RobotFault, match=r"wanted 1\.0") as fault:
        bench.place(HOME, 1.0)

    assert (fault.value.cause, fault.value.joints) == ("object_not_turned", ("valve",))
    assert not bench.valve.torque_is_on
    assert bench.robot.phase is Phase.ACTIVE
    assert not bench.placer.is_moving


def test_a_joint_that_is_stuck_is_named():
    config = dataclasses.replace(CONFIG, timeout_s=1.0)
    bench = Bench(config=config)
    bench.line.inject(Fault(kind="stuck_joint", servo=21))

    with pytest.raises(RobotFault, match="not_placed") as fault:
        bench.place(HOME, 0.0)

    assert "finger2_middle" in fault.value.joints


@pytest.mark.parametrize("after_ticks", [5, 30])
def test_what_stops_a_policy_stops_placing_and_lets_go_of_the_valve(bench, after_ticks):
    original = bench.answer

    def answer(state, cutoff_ns):
        if len(bench.ticks) == after_ticks:
            bench.line.inject(Fault(kind="overload", servo=31))
        return original(state, cutoff_ns)

    bench.loop._answer = answer
    with pytest.raises(RobotFault, match="hardware_error") as fault:
        bench.place(HOME, 3.0)

    assert fault.value.joints == ("finger3_middle",)
    for _ in range(20):
        bench.loop.run_tick()
    assert not any(servo.torque_is_on for servo in bench.line.servos)


@pytest.mark.parametrize("goal", [HOME + 5.0, HOME[:3], np.full(9, np.nan)])
def test_goals_that_no_hand_has_are_refused_before_anything_moves(bench, goal):
    with pytest.raises(RobotFault, match="bad_goal"):
        bench.place(goal, 0.0)

    assert not bench.ticks


@pytest.mark.parametrize(
    ("inward_rad", "clearance_m"), [(0.0, CLEARANCE_M), (CONFIG.tolerance_rad, LOADED_CLEARANCE_M)]
)
def test_the_clear_pose_is_clear_at_every_angle_of_the_valve(inward_rad, clearance_m):
    model = load_physics_model(SPEC)
    data = mujoco.MjData(model)
    for name, angle in CONFIG.clear_rad.items():
        data.joint(name).qpos[0] = angle + (0.0 if name in CONFIG.sideways else inward_rad)
    fingers = [i for i in range(model.ngeom) if model.geom(i).name.startswith("finger")]
    valve = [i for i in range(model.ngeom) if model.geom(i).name.startswith("valve")]
    nearest = np.inf
    for angle in np.linspace(0.0, 2.0 * np.pi, 73):
        data.joint("valve").qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        nearest = min(
            nearest,
            *(mujoco.mj_geomDistance(model, data, f, v, 0.2, None) for f in fingers for v in valve),
        )

    assert nearest > clearance_m


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("speed_rad_s", None, "speed_rad_s"),
        ("clear_rad", {"finger1_top": 0.0}, "clear_rad"),
        ("clear_rad", dict.fromkeys(SPEC.joint_names, 1.5), "clear_rad.finger1_top"),
        ("schema_version", 2, "schema_version"),
        ("haste", True, "haste"),
    ],
)
def test_a_reset_that_does_not_fit_the_robot_is_refused(tmp_path, field, value, named):
    document = yaml.safe_load((HARDWARE_CONFIGS / "dclaw" / "reset.yaml").read_text())
    document[field] = value
    path = tmp_path / "reset.yaml"
    path.write_text(yaml.safe_dump(document))

    with pytest.raises(BadInput, match=named):
        load_reset_config(SPEC, path)
