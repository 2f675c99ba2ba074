"""Faults as data: read strictly, in force when they say, the same damage each time."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.emulator.faults import KINDS, Fault, FaultPlan, FaultSchedule, load_fault_plan
from sim2real.emulator.health import ENCODER, OVERHEAT, OVERLOAD, SHOCK
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import HEADER, MalformedPacket, decode

READ = build.read(20, 132, 4)
IDS = (10, 11, 12, 20, 21, 22, 30, 31, 32, 50)


def test_there_are_at_least_thirty_kinds_and_each_says_what_it_is():
    assert len(KINDS) >= 30
    assert all(kind.summary for kind in KINDS.values())
    assert len({kind.summary for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize("servo", [20, 60, None])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_begins_and_ends_and_the_bus_lives(host, kind, servo):
    registers = {"position_p_gain": 1} if kind == "set_registers" else {}
    fault = Fault(kind=kind, servo=servo, duration_s=0.05, registers=registers)
    host.line.inject(fault)
    for _ in range(12):
        host.line.receive(build.sync_read(126, 10, IDS), host.line.now)
        host.line.receive(READ, host.line.now)
        host.wait(0.02)
    host.line.deliveries(np.inf)
    assert host.line.faults.is_idle
    host.wait(0.5)
    host.line.deliveries(np.inf)
    assert host.status(build.ping(20)).motor_id == 20
    assert host.status(READ).error == 0


def test_a_plan_names_only_what_matters(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "seed: 4\n"
        "faults:\n"
        "  - {kind: drop_reply, servo: 21, start_s: 2.0, packets: 3}\n"
        "  - {kind: set_registers, registers: {operating_mode: 3}}\n"
    )
    plan = load_fault_plan(path)
    assert plan.seed == 4
    assert plan.faults == (
        Fault(kind="drop_reply", servo=21, start_s=2.0, packets=3),
        Fault(kind="set_registers", registers={"operating_mode": 3}),
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("faults: [{kind: gremlins}]", "faults[0]"),
        ("faults: [{servo: 3}]", "faults[0].kind"),
        ("faults: [{kind: drop_reply, when: 3}]", "faults[0].when"),
        ("faults: [{kind: drop_reply, servo: x}]", "faults[0].servo"),
        ("faults: [{kind: drop_reply, probability: 2.0}]", "faults[0]"),
        ("faults: 3", "faults"),
        ("- 3", "file"),
        ("seed: [", "line 1"),
        ("sead: 3", "sead"),
        ("faults: [{kind: set_registers, registers: {goal_postion: 3}}]", "faults[0]"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_place(tmp_path, text, field):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_fault_plan(path)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_missing_plan_is_bad_input(tmp_path):
    with pytest.raises(BadInput):
        load_fault_plan(tmp_path / "none.yaml")


def test_a_fault_waits_for_its_time_its_packets_and_its_end(host):
    host.line.inject(
        Fault(kind="drop_reply", servo=20, start_s=0.1, duration_s=0.1, after_packets=2)
    )
    assert host.ask(READ) and host.ask(READ)
    assert host.ask(READ), "its packets have come, its time has not"
    host.wait(0.1)
    assert host.ask(READ) == b""
    assert host.ask(build.ping(21)), "another servo"
    host.wait(0.1)
    assert host.ask(READ)


def test_a_fault_lets_as_many_packets_pass_as_it_says(host):
    host.line.inject(Fault(kind="drop_reply", servo=20, after_packets=2, packets=1))
    assert [bool(host.ask(READ)) for _ in range(4)] == [True, True, False, True]


def test_a_fault_counts_the_packets_that_it_damages(host):
    host.line.inject(Fault(kind="drop_reply", servo=20, packets=2))
    assert [bool(host.ask(READ)) for _ in range(4)] == [False, False, True, True]


def test_chance_comes_from_the_plans_seed(make_host):
    def lost(seed):
        host = make_host()
        host.line.faults = FaultSchedule(
            FaultPlan(seed=seed, faults=(Fault(kind="drop_reply", probability=0.5),))
        )
        return [bool(host.ask(READ)) for _ in range(40)]

    assert lost(1) == lost(1) != lost(2)
    assert 8 < sum(lost(1)) < 32


def answer(host):
    return host.ask(READ)


@pytest.fixture
def intact(host):
    host.line.frozen_encoders[3] = 2000.0
    host.wait(0.01)
    return answer(host)


def damaged(host, kind, **values):
    host.line.inject(Fault(kind=kind, servo=20, **values))
    return answer(host)


def test_what_each_damage_to_an_answer_does(host, intact):
    assert damaged(host, "truncate_reply", packets=1, value=3) == intact[:-3]
    flipped = damaged(host, "flip_reply_bit", packets=1, value=35)
    assert flipped[4] ^ intact[4] == 0b1000 and flipped[5:] == intact[5:]
    assert damaged(host, "double_reply", packets=1) == intact + intact
    noisy = damaged(host, "noise_before_reply", packets=1, value=5)
    assert noisy[5:] == intact and len(noisy) == len(intact) + 5
    assert decode(damaged(host, "wrong_id", packets=1, value=7)).motor_id == 7
    assert decode(damaged(host, "refused", packets=1, value=1)).parameters == b"\x01"
    assert decode(damaged(host, "alert_bit", packets=1)).parameters[0] == 0x80
    assert len(decode(damaged(host, "short_data", packets=1)).parameters) == 4
    assert answer(host) == intact, "nothing stays"


def test_a_flip_anywhere_in_an_answer_is_seen(host, intact):
    for bit in range(8 * len(intact)):
        data = damaged(host, "flip_reply_bit", packets=1, value=bit)
        with pytest.raises(MalformedPacket):
            decode(data)


def test_late_answers_come_late(host, intact):
    assert damaged(host, "delay_reply", packets=1, value=0.05) == b""
    host.wait(0.051)
    assert host.line.deliveries(host.line.now) == intact
    half = damaged(host, "split_reply", packets=1, value=0.003)
    assert intact.startswith(half) and 0 < len(half) < len(intact)
    host.wait(0.004)
    assert half + host.line.deliveries(host.line.now) == intact


def test_old_measurements_in_valid_packets(host):
    tick = build.read(20, 120, 2)
    host.line.inject(Fault(kind="frozen_data", servo=20, duration_s=0.5))
    first = host.ask(tick)
    host.wait(0.1)
    assert host.ask(tick) == first
    host.wait(0.5)
    assert host.ask(tick) != first
    host.line.inject(Fault(kind="earlier_reply", servo=20))
    second = host.ask(tick)
    host.wait(0.1)
    assert host.ask(tick) == second
    assert host.ask(tick) != second


def test_damage_to_requests(host):
    led = build.write(20, 65, b"\x01")
    for kind in ("drop_request", "truncate_request", "flip_request_bit"):
        host.line.inject(Fault(kind=kind, servo=20, packets=1))
        assert host.ask(led) == b""
        assert host.servo(20)["led"] == 0
    host.line.inject(Fault(kind="delay_request", servo=20, packets=1, value=0.05))
    assert host.ask(led) == b"" and host.servo(20)["led"] == 0
    host.wait(0.051)
    assert host.servo(20)["led"] == 1


def test_lost_goal_writes_alone(host):
    host.line.inject(Fault(kind="drop_goal_write", packets=1))
    assert host.ask(READ)
    for expected in (0, 2000):
        host.ask(build.sync_write(116, {20: (2000).to_bytes(4, "little")}))
        assert host.servo(20)["goal_position"] == expected


def test_port_faults(host, intact):
    host.line.inject(Fault(kind="echo", duration_s=0.01))
    assert answer(host) == READ + intact
    host.wait(0.01)
    host.line.inject(Fault(kind="adapter_latency", duration_s=0.01, value=0.016))
    assert answer(host) == b""
    host.wait(0.02)
    assert host.line.deliveries(host.line.now) == intact
    host.line.inject(Fault(kind="silent_bus", duration_s=0.01))
    assert answer(host) == b""
    host.wait(0.02)
    host.line.inject(Fault(kind="idle_noise", duration_s=0.5, value=1000))
    host.wait(0.5)
    noise = host.line.deliveries(host.line.now)
    assert 400 < len(noise) < 600 and HEADER not in noise


@pytest.mark.parametrize(
    ("kind", "bits", "torque"),
    [
        ("overload", OVERLOAD, 0),
        ("electrical_shock", SHOCK, 0),
        ("overheating_error", OVERHEAT, 0),
        ("encoder_error", ENCODER, 1),
    ],
)
def test_latched_errors(host, kind, bits, torque):
    servo = host.servo(20)
    servo.poke("torque_enable", 1)
    host.line.inject(Fault(kind=kind, servo=20))
    assert (servo["hardware_error"], servo["torque_enable"]) == (bits, torque)


def test_servo_faults_do_what_they_say(host):
    servo = host.servo(20)
    before = servo["present_position"]
    host.line.inject(Fault(kind="encoder_jump", servo=20, value=300, duration_s=0.1))
    host.wait(0.05)
    assert servo["present_position"] == pytest.approx(before + 300, abs=2)
    host.wait(0.1)
    assert servo["present_position"] == pytest.approx(before, abs=2)
    host.line.inject(Fault(kind="goals_ignored", servo=20))
    assert host.status(build.write(20, 116, (2000).to_bytes(4, "little"))).error == 0
    assert servo["goal_position"] == 0
    host.line.inject(Fault(kind="reboot", servo=20))
    assert host.ask(build.ping(20)) == b""
    host.line.inject(Fault(kind="dead_servo", servo=21, duration_s=0.1))
    assert host.ask(build.ping(21)) == b""
    host.wait(0.4)
    assert host.ask(build.ping(21)) and host.ask(build.ping(20))
    host.line.inject(Fault(kind="push", servo=22, value=0.3))
    host.wait(0.2)
    assert host.servo(22)["present_position"] > 2750
    host.line.inject(Fault(kind="hot", servo=30, value=85.0))
    host.wait(0.1)
    assert host.servo(30)["hardware_error"] == OVERHEAT
