"""What people edit, copy and type: files, places and numbers, by the kind of their fault.

Each kind of fault is tried with the input that it was met with first, and with others of its kind.
All of them end in one line and exit code 2 and leave nothing behind, unless a test says otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim2real.cli import main
from sim2real.contract import servo_facts
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.emulator.faults import load_fault_plan
from sim2real.evaluation.plan_file import (
    EvaluationPlan,
    PlannedEpisode,
    PlannedTask,
    read_plan,
    write_plan,
)
from sim2real.hardware.calibration import load_calibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import provisioning
from sim2real.hardware.physics_model import default_mjcf, load_physics_model
from sim2real.placing import load_reset_config
from sim2real.report.evaluation_folder import read_evaluation
from sim2real.report.gap import read_gap
from training.families.ranges import Range, Ranges, read_ranges
from training.families.registry import FAMILIES
from training.runs.start import read_run
from training.tasks.task_set import draw_task_set, load_task_set
from training.worlds.dynamics import VARIATIONS

SPEC = load_robot_spec()


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a command line that has to be refused, in a folder that has to stay as it is."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        error = capsys.readouterr().err
        assert code == 2, error
        assert "Traceback" not in error
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return run


# ---- 3, 8: every file that a person may edit ---------------------------------------------------

READERS = {
    "robot.yaml": load_robot_spec,
    "unit.yaml": lambda path: load_calibration(SPEC, "emulated", path),
    "reset.yaml": lambda path: load_reset_config(SPEC, path),
    "faults.yaml": load_fault_plan,
    "ranges.yaml": read_ranges,
    "tasks.json": load_task_set,
    "plan.json": read_plan,
    "gap.json": read_gap,
    "results.json": lambda path: read_evaluation(path.parent),
    "config.json": lambda path: read_run(path.parent),
}
"""how each of them is read"""


@pytest.mark.parametrize("name", READERS)
def test_a_key_that_is_there_twice_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"robot": {"finger1_top": 1, "finger1_top": 2}}')

    with pytest.raises(BadInput) as caught:
        READERS[name](path)

    assert "finger1_top" in str(caught.value)
    assert "key" in str(caught.value)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [
        "é: 1".encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        b"",
        b"[1, 2]",
        b"\x00\x00",
        b'"text"',
        b"{",
    ],
)
def test_a_file_that_is_no_such_file_is_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadInput) as caught:
        READERS[name](path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_in_its_place_is_one_line(tmp_path, name):
    (tmp_path / name).mkdir()
    # A robot may be named by its folder: this one has no robot.yaml in it.
    found = "nothing" if name == "robot.yaml" else "a folder"

    with pytest.raises(BadInput, match=f"found '{found}'"):
        READERS[name](tmp_path / name)


def test_the_second_finger_of_a_unit_is_not_the_first(tmp_path):
    path = tmp_path / "mine.yaml"
    text = Path(DCLAW).with_name("units").joinpath("emulated.yaml").read_text()
    path.write_text(
        text.replace("unit: emulated", "unit: mine") + "  finger1_top: {sign: -1, zero_count: 0}\n"
    )

    with pytest.raises(BadInput, match=r"servos\.finger1_top \(line 19\).*every key once"):
        load_calibration(SPEC, "mine", path)


@pytest.mark.parametrize("option", ["--robot", "--faults"])
@pytest.mark.parametrize("content", [None, "é: 1".encode("latin-1"), "a: 1".encode("utf-16")])
def test_emulate_refuses_a_file_that_it_cannot_read(refused, tmp_path, option, content):
    path = tmp_path / "given.yaml"
    path.mkdir() if content is None else path.write_bytes(content)

    assert refused("emulate", option, path).count("\n") == 1


# ---- 500 random edits of each -------------------------------------------------------------------

PIECES = (
    *(b":", b"-", b"{", b"[", b"'", b'"', b"\n", b" ", b",", b"&a", b"*a", b"~", b"#"),
    *(b"1e3", b"010", b"NaN", b"-1", b"1e999", b"yes", b"null", b"\xff", b"\x00"),
)
FAULTS = """\
seed: 3
faults:
  - {kind: drop_reply, servo: 20, start_s: 0.5, probability: 0.25}
  - {kind: mute_servo, servo: 12, duration_s: 1.5}
  - {kind: set_registers, registers: {operating_mode: 3}}
"""


def originals(tmp_path: Path) -> dict[str, bytes]:
    """A good file of each kind that people edit."""
    draw_task_set(FAMILIES["valve_turn"], seed=1, num_train=2, num_test=1).save(tmp_path / "t.json")
    episode = PlannedEpisode(
        seed=1,
        goal_centre=(0.5,),
        goal_amplitude=(0.0,),
        goal_frequency_rad_s=(0.0,),
        joint_rad=(0.0,) * 9,
        valve_rad=0.1,
    )
    task = PlannedTask(
        name="test/0", parameters={"goal": (0.5,)}, reference="t.json:0", episodes=(episode,)
    )
    plan = EvaluationPlan(
        schema_version=1, task_set_sha256="0", num_episodes=1, num_trials=1, seed=0, tasks=(task,)
    )
    write_plan(tmp_path / "plan.json", plan)
    unit = VARIATIONS["valve_damping"].unit
    friction = Range(low=(0.5,), high=(1.5,), estimate=(1.0,), unit=unit)
    document = {
        "schema_version": 1,
        **{
            field.name: "here"
            for field in dataclasses.fields(Ranges)
            if field.name not in ("schema_version", "variations")
        },
        "variations": {"valve_damping": dataclasses.asdict(friction)},
    }
    return {
        "robot.yaml": DCLAW.read_bytes(),
        "unit.yaml": DCLAW.with_name("units").joinpath("emulated.yaml").read_bytes(),
        "reset.yaml": DCLAW.with_name("reset.yaml").read_bytes(),
        "faults.yaml": FAULTS.encode(),
        "ranges.yaml": yaml.safe_dump(document).encode(),
        "tasks.json": (tmp_path / "t.json").read_bytes(),
        "plan.json": (tmp_path / "plan.json").read_bytes(),
        "config.json": b'{"recipe": {"algorithm": "pearl", "config": {}}, "seed": 1, "name": "a"}',
    }


@pytest.mark.parametrize("name", sorted(set(READERS) - {"gap.json", "results.json"}))
def test_500_random_edits_are_read_or_refused_in_one_line(tmp_path, name):
    rng, original, path = random.Random(name), originals(tmp_path)[name], tmp_path / name
    path.write_bytes(original)
    if name != "config.json":  # which lacks most of a recipe
        READERS[name](path)
    refusals = 0
    for _ in range(500):
        content = bytearray(original)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(content))
            content[at : at + rng.randint(0, 4)] = rng.choice(PIECES)
        path.write_bytes(content)
        try:
            READERS[name](path)
        except BadInput as refused:
            assert "\n" not in str(refused)
            refusals += 1
    assert refusals > 100


# ---- 4: files beside robot.yaml ----------------------------------------------------------------


@pytest.fixture
def own_robot(tmp_path) -> Path:
    """robot.yaml and an MJCF of one's own, in a folder of their own."""
    folder = tmp_path / "there"
    folder.mkdir()
    shutil.copy(DCLAW, folder / "robot.yaml")
    text = DCLAW.with_name("model.xml").read_text()
    assert text.count('timestep="0.0025"') == 1
    (folder / "model.xml").write_text(text.replace('timestep="0.0025"', 'timestep="0.00125"'))
    return folder / "robot.yaml"


def test_the_model_is_the_one_beside_robot_yaml(own_robot):
    spec = load_robot_spec(own_robot)

    assert default_mjcf(spec) == own_robot.with_name("model.xml")
    assert load_physics_model(spec).opt.timestep == 0.00125
    assert spec == SPEC, "where it lies is no part of what it is"
    assert spec.fingerprint == SPEC.fingerprint


def test_a_model_that_is_not_there_is_not_replaced_by_another(own_robot):
    own_robot.with_name("model.xml").unlink()

    with pytest.raises(BadInput, match=r"there/model\.xml: file: found 'nothing'"):
        load_physics_model(load_robot_spec(own_robot))


def test_unit_and_reset_are_those_beside_it_or_the_shipped_ones(own_robot):
    spec = load_robot_spec(own_robot)
    assert load_calibration(spec, "emulated") == load_calibration(SPEC, "emulated")
    assert load_reset_config(spec) == load_reset_config(SPEC)

    shutil.copytree(DCLAW.with_name("units"), own_robot.with_name("units"))
    unit = own_robot.with_name("units") / "emulated.yaml"
    unit.write_text(unit.read_text().replace("2048", "2040", 1))
    reset = own_robot.with_name("reset.yaml")
    text = DCLAW.with_name("reset.yaml").read_text()
    reset.write_text(text.replace("settle_s: 0.3", "settle_s: 0.7"))

    assert load_calibration(spec, "emulated").servos["finger1_top"].zero_count == 2040
    assert load_reset_config(spec).settle_s == 0.7


def test_emulate_says_which_files_it_uses(own_robot):
    command = [sys.executable, "-m", "sim2real.cli", "emulate", "--robot", str(own_robot)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

    assert place["robot"] == str(own_robot)
    assert place["model"] == str(own_robot.with_name("model.xml"))


# ---- 5, 6: numbers of robot.yaml ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("servo.current_unit_ma", 1.0),
        ("servo.position_unit_rad", 0.088),  # degrees
        ("servo.velocity_unit_rad_s", 0.229),  # revolutions per minute
        ("servo.operating_mode", 3),
        ("servo.operating_mode", 4),
        ("servo.min_firmware", 40),
        ("servo.min_firmware", 300),
        ("servo.model_number", 70000),
        ("bus.baud", 0),
        ("bus.baud", 12345),
        ("bus.baud", 1000001),
        ("bus.return_delay_us", 10000.0),
        ("bus.return_delay_us", -2.0),
        ("bus.return_delay_us", 3.0),
        ("safety.bus_watchdog_s", 5.0),
        ("safety.bus_watchdog_s", 0.001),
        ("safety.bus_watchdog_s", 0.03),
        ("safety.max_temperature_c", 700.0),
        ("safety.min_voltage_v", 1.0),
        ("safety.max_voltage_v", 148.0),
        ("safety.stale_after_s", 0.4),  # not below limp_after_s
    ],
)
def test_a_number_that_no_register_holds_is_refused_on_load(tmp_path, field, value):
    document = yaml.safe_load(DCLAW.read_text())
    section, name = field.split(".")
    document[section][name] = value
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))

    with pytest.raises(BadInput) as caught:
        load_robot_spec(path)

    assert caught.value.field == field
    assert caught.value.found == value


@pytest.mark.parametrize(
    ("field", "value"),
    [("current_limit_ma", 0.5), ("current_limit_ma", 3300.0), ("position_p_gain", 20000)],
)
def test_a_joints_number_that_no_register_holds_is_refused(tmp_path, field, value):
    document = yaml.safe_load(DCLAW.read_text())
    document["joints"][4][field] = value
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))

    with pytest.raises(BadInput, match=rf"joints\[4\]\.{field}"):
        load_robot_spec(path)


def test_what_robot_yaml_is_checked_against_is_the_drivers_table(tmp_path):
    facts = servo_facts
    assert facts.BAUD_RATES == table.BAUD_RATES
    assert facts.CURRENT_BASED_POSITION == table.OperatingMode.CURRENT_BASED_POSITION
    assert {
        "gain": table.POSITION_P_GAIN.high,
        "watchdog": table.BUS_WATCHDOG.high,
        "return_delay": table.RETURN_DELAY.high,
    } == facts.MAX_COUNTS
    assert pytest.approx(table.RETURN_DELAY.scale * 1e6) == facts.RETURN_DELAY_UNIT_US
    assert facts.WATCHDOG_UNIT_S == table.WATCHDOG_UNIT_S
    assert table.TEMPERATURE_LIMIT.high == facts.MAX_TEMPERATURE_C


@pytest.mark.parametrize(("watchdog_s", "delay_us"), [(0.02, 0.0), (2.54, 508.0), (1.0, 254.0)])
def test_what_is_accepted_fits_its_registers(tmp_path, watchdog_s, delay_us):
    document = yaml.safe_load(DCLAW.read_text())
    document["safety"]["bus_watchdog_s"] = watchdog_s
    document["bus"]["return_delay_us"] = delay_us
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(document))
    spec = load_robot_spec(path)

    table.BUS_WATCHDOG.encode(provisioning.watchdog_count(spec))
    for plan in provisioning.eeprom_plan(spec, load_calibration(SPEC, "emulated")).values():
        for register, count in plan.items():
            register.encode(count)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("position_p_gain: 200", "position_p_gain: 400", "position gain"),
        ("position_i_gain: 0", "position_i_gain: 100", "integral gain"),
        ("position_d_gain: 0", "position_d_gain: 50", "derivative gain"),
        ("current_limit_ma: 900.0", "current_limit_ma: 300.0", "torque limit"),
        ("stall_torque_nm: 3.0", "stall_torque_nm: 4.1", "position gain"),
        ("no_load_speed_rad_s: 8.06", "no_load_speed_rad_s: 6.06", "torque constant"),
        ("nominal_voltage_v: 12.0", "nominal_voltage_v: 14.8", "supply"),
    ],
)
def test_no_number_of_the_servo_is_heeded_by_one_side_only(own_robot, old, new, field):
    text = own_robot.read_text()
    assert text.count(old) == 1
    own_robot.write_text(text.replace(old, new))

    with pytest.raises(BadInput, match=f"actuator of finger1_top: {field}"):
        load_physics_model(load_robot_spec(own_robot))


@pytest.mark.parametrize("baud", [12345, 0, -1, 1_000_001])
def test_emulate_refuses_a_baud_rate_that_register_8_does_not_know(refused, baud):
    assert "--baud" in refused("emulate", "--baud", baud)


# ---- 9: places to write to ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["folder", "file/t.json", "/proc/none/t.json", "/dev/null"])
@pytest.mark.parametrize("verb", ["tasks", "plan", "excite", "meta-test", "plot"])
def test_a_place_that_takes_no_file_is_refused_before_the_work(refused, tmp_path, verb, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    given = {
        "tasks": ("valve_turn", tmp_path / place),
        "plan": (tmp_path / "no-bundle", tmp_path / place),
        "excite": (tmp_path / place,),
        "meta-test": ("no-run", "--out", tmp_path / place),
        "plot": ("no-run", "--out", tmp_path / place),
    }

    error = refused(verb, *given[verb])

    assert "out" in error.lower()
    assert error.count("\n") == 1


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none"])
@pytest.mark.parametrize("verb", ["train", "sweep", "evaluate", "demo", "gap", "export", "emulate"])
def test_a_place_that_becomes_no_folder_is_refused_before_the_work(refused, tmp_path, verb, place):
    (tmp_path / "file").write_text("")
    given = {
        "train": ("pearl-point-robot", "--out", tmp_path / place),
        "sweep": ("pearl-point-robot", "--out", tmp_path / place),
        "evaluate": ("no-bundle", "--out", tmp_path / place),
        "demo": ("--out", tmp_path / place),
        "gap": ("no-a", "no-b", "--out", tmp_path / place),
        "export": ("no-run", tmp_path / place),
        "emulate": ("--link", tmp_path / place / "port"),
    }

    error = refused(verb, *given[verb])

    assert str(tmp_path / place) in error
    assert error.count("\n") == 1


# ---- 22: a refused start -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        ("--robot", "serial", "--port", "/dev/ttyNone", "--unit", "emulated", "--yes"),
        ("--robot", "serial", "--port", "/dev/ttyNone", "--unit", "absent", "--yes"),
        ("--robot", "emulated", "--faults", "absent.yaml"),
        ("--robust", "absent"),
        ("--oracle", "absent"),
        ("--tasks", "absent.json"),
    ],
)
def test_after_a_refused_evaluation_the_same_folder_is_free(
    refused, tmp_path, exported_bundles, wrong
):
    bundle = exported_bundles("gaussian_belief")
    out = tmp_path / "new" / "out"

    assert refused("evaluate", bundle, "--out", out, *wrong).count("\n") == 1


def test_a_refused_excitation_leaves_no_recording(refused, tmp_path):
    place = ("--port", "/dev/ttyNone", "--unit", "emulated", "--yes")
    refused("excite", tmp_path / "a" / "b.mcap", "--robot", "serial", *place)


def test_a_refused_training_leaves_no_folder(refused, tmp_path):
    refused("train", "pearl-point-robot", "--out", tmp_path / "run", "--settings", "learning=1")
    refused("train", "pearl-point-robot", "--out", tmp_path / "run", "--device", "quantum")


# ---- 27 ----------------------------------------------------------------------------------------


def test_an_mjcf_with_other_actuators_gets_the_servos_of_its_robot(tmp_path, own_robot):
    shipped = load_physics_model(load_robot_spec(own_robot))
    model = own_robot.with_name("model.xml")
    old = '<dcmotor name="finger2_middle" joint="finger2_middle" class="middle"/>'
    text = model.read_text()
    assert old in text
    model.write_text(text.replace(old, '<position name="m" joint="finger2_middle" kp="3"/>'))

    found = load_physics_model(load_robot_spec(own_robot))

    joints = [
        {one.joint(one.actuator_trnid[i, 0]).name: one.actuator_gainprm[i] for i in range(one.nu)}
        for one in (shipped, found)
    ]
    assert joints[0].keys() == joints[1].keys()
    for name, gain in joints[0].items():
        np.testing.assert_allclose(joints[1][name], gain, rtol=1e-5)


def test_an_unstable_simulation_leaves_no_log_in_the_current_folder(tmp_path):
    code = (
        "import mujoco\n"
        "from sim2real.contract.robot_spec import load_robot_spec\n"
        "from sim2real.hardware.physics_model import load_physics_model\n"
        "model = load_physics_model(load_robot_spec())\n"
        "data = mujoco.MjData(model)\n"
        "data.qpos[0] = float('nan')\n"
        "mujoco.mj_step(model, data)\n"
    )
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert "unstable" in run.stdout + run.stderr, "the warning itself is still said"
    assert list(tmp_path.iterdir()) == []
