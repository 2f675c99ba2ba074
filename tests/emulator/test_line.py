"""Who answers what, in which order and when; and what silence does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim2real.emulator.faults import Fault
from sim2real.emulator.health import ENCODER, OVERHEAT, OVERLOAD, VOLTAGE
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import (
    BROADCAST_ID,
    HEADER,
    Instruction,
    StatusError,
    decode_fast_reply,
    encode,
)

IDS = (10, 11, 12, 20, 21, 22, 30, 31, 32, 50)
READ_BYTES = 10


def fast_read(host, ids=IDS):
    data = host.ask(build.sync_read(126, READ_BYTES, ids, fast=True))
    return decode_fast_reply(data, [READ_BYTES] * len(ids)) if data else ()


def test_every_kind_of_read_tells_the_same(host):
    host.line.advance_to(0.5)
    spans = [build.Span(motor_id, 132, 4) for motor_id in IDS]
    sizes = [4] * len(IDS)
    one_by_one = [host.status(build.read(*span)).data for span in spans]
    together = [a.data for a in host.statuses(build.sync_read(132, 4, IDS))]
    fast = decode_fast_reply(host.ask(build.sync_read(132, 4, IDS, fast=True)), sizes)
    bulk = [a.data for a in host.statuses(build.bulk_read(spans))]
    fast_bulk = decode_fast_reply(host.ask(build.bulk_read(spans, fast=True)), sizes)
    expected = [host.servo(motor_id)["present_position"] for motor_id in IDS]
    for answers in (
        one_by_one,
        together,
        [a.data for a in fast],
        bulk,
        [a.data for a in fast_bulk],
    ):
        found = [int.from_bytes(data, "little", signed=True) for data in answers]
        assert np.abs(np.subtract(found, expected)).max() <= 2, "fingers still settle"
    assert tuple(a.motor_id for a in fast) == IDS == tuple(a.motor_id for a in fast_bulk)


def test_bulk_write_reaches_different_registers(host):
    host.ask(build.bulk_write({10: (116, (2000).to_bytes(4, "little")), 11: (65, b"\x01")}))
    assert (host.servo(10)["goal_position"], host.servo(11)["led"]) == (2000, 1)


@pytest.mark.parametrize("baud", [57_600, 1_000_000, 4_000_000])
def test_an_exchange_takes_the_time_of_its_bytes(make_host, baud):
    host = make_host(baud=baud)
    request = build.sync_read(126, READ_BYTES, IDS, fast=True)
    before = host.line.now
    answer = host.ask(request)
    expected = (len(request) + len(answer)) * 10 / baud
    assert host.line.now - before == pytest.approx(expected)


def test_return_delay_is_waited_before_every_answer(host):
    for motor_id in IDS:
        host.servo(motor_id).poke("return_delay", 250)
    request = build.sync_read(132, 4, IDS)
    before = host.line.now
    answer = host.ask(request)
    wire = (len(request) + len(answer)) * 1e-5
    assert host.line.now - before == pytest.approx(wire + len(IDS) * 500e-6)


def test_other_baud_rates_are_not_heard(host):
    host.line.host_baud = 57_600
    assert host.ask(build.ping(10)) == b""
    host.line.host_baud = 1_000_000
    assert host.ask(build.ping(10)) != b""


@pytest.mark.parametrize(
    ("level", "answered"), [(0, (True, False, False)), (1, (True, True, False)), (2, (True,) * 3)]
)
def test_status_return_level(host, level, answered):
    host.servo(10).poke("status_return_level", level)
    requests = (build.ping(10), build.read(10, 132, 4), build.write(10, 65, b"\x01"))
    assert tuple(bool(host.ask(request)) for request in requests) == answered
    assert host.servo(10)["led"] == 1, "obeyed in silence"


def test_unknown_instructions_and_ids(host):
    assert host.status(encode(10, 0x77)).error == StatusError.INSTRUCTION
    assert host.status(encode(10, Instruction.READ, b"\x01")).error == StatusError.DATA_LENGTH
    assert host.status(encode(10, Instruction.ACTION)).error == StatusError.RESULT_FAIL
    assert host.ask(build.ping(99)) == b""
    assert host.ask(encode(BROADCAST_ID, Instruction.SYNC_READ, b"\x01")) == b""
    assert host.ask(encode(BROADCAST_ID, Instruction.FACTORY_RESET, b"\xff")) == b""
    assert host.servo(10).motor_id == 10, "ids survive a broadcast reset of everything"


def test_a_secondary_id_is_obeyed_in_silence(host):
    host.servo(11).poke("secondary_id", 77)
    assert host.ask(build.write(77, 65, b"\x01")) == b""
    assert (host.servo(11)["led"], host.servo(10)["led"]) == (1, 0)
    host.ask(build.sync_write(65, {77: b"\x00", 10: b"\x01"}))
    assert (host.servo(11)["led"], host.servo(10)["led"]) == (0, 1)


def test_a_servo_set_to_protocol_1_is_lost(host):
    assert host.status(build.write(10, 13, b"\x01")).error == 0
    assert host.ask(build.ping(10)) == b""


def test_a_servo_may_be_mounted_the_other_way_round(make_host):
    signs, zeros = (1, -1, *[1] * 9), (2048.0, 1000.0, *[2048.0] * 9)
    host = make_host(signs=signs, zero_ticks=zeros)
    servo, home = host.servo(11), host.line.plant.angles_rad[1]
    assert servo["present_position"] == pytest.approx(1000 - home / (2 * np.pi) * 4096, abs=2)
    torque_on(host, ids=(11,), watchdog=0)
    before = servo["present_position"]
    host.ask(build.write(11, 116, (before + 100).to_bytes(4, "little")))
    host.wait(1.0)
    assert servo["present_position"] == pytest.approx(before + 100, abs=15)
    assert host.line.plant.angles_rad[1] < home - 0.1


def test_a_silent_servo_cuts_a_chain_off(host):
    host.line.inject(Fault(kind="mute_servo", servo=20))
    assert [answer.motor_id for answer in fast_read(host)] == [10, 11, 12]
    assert [a.motor_id for a in host.statuses(build.sync_read(132, 4, IDS))] == [10, 11, 12]


def test_or_only_itself_where_servos_do_not_wait(make_host):
    host = make_host(silent_servo_ends_sync_read=False)
    host.line.inject(Fault(kind="mute_servo", servo=20))
    found = [a.motor_id for a in host.statuses(build.sync_read(132, 4, IDS))]
    assert found == [motor_id for motor_id in IDS if motor_id != 20]
    assert [answer.motor_id for answer in fast_read(host)] == [10, 11, 12], "a chain is a chain"


def test_old_firmware_knows_no_fast_read(host):
    host.servo(10).poke("firmware", 44)
    assert fast_read(host) == ()
    assert len(host.statuses(build.sync_read(132, 4, IDS))) == len(IDS)


def test_two_servos_with_one_id_collide(host):
    host.line.inject(Fault(kind="duplicate_id", servo=60, value=10))
    answer = host.ask(build.read(10, 132, 4))
    assert answer.startswith(HEADER)
    host.servo(50).poke("id", 11)
    host.line.advance_to(0.1)
    with pytest.raises(ValueError, match="CRC"):
        host.statuses(build.read(11, 132, 4))


def test_a_rebooting_servo_does_not_answer(host):
    assert host.status(build.reboot(12)).error == 0
    assert host.ask(build.ping(12)) == b""
    host.wait(0.2)
    assert host.status(build.ping(12)).error == 0


def test_realtime_tick_counts_milliseconds_and_wraps(host):
    servo = host.servo(30)
    servo.powered_at = host.line.now - 32.760
    before = int.from_bytes(host.status(build.read(30, 120, 2)).data, "little")
    host.wait(0.1)
    after = int.from_bytes(host.status(build.read(30, 120, 2)).data, "little")
    assert before > 32_700 and after < 200
    assert (after - before) % 32_768 == pytest.approx(100, abs=2)


def torque_on(host, ids=IDS, watchdog=5):
    for motor_id in ids:
        position = host.servo(motor_id)["present_position"]
        host.ask(build.write(motor_id, 116, position.to_bytes(4, "little", signed=True)))
        host.ask(build.write(motor_id, 98, bytes((watchdog,))))
        host.ask(build.write(motor_id, 64, b"\x01"))


def test_silence_trips_every_watchdog_in_time_and_stops_the_servo(host):
    torque_on(host)
    host.ask(build.write(20, 116, (2048 + 250).to_bytes(4, "little")))
    host.wait(0.099)
    assert not any(servo.watchdog_tripped for servo in host.line.servos)
    host.wait(0.004)
    armed = [host.servo(motor_id) for motor_id in IDS]
    assert all(servo.watchdog_tripped and servo.torque_is_on for servo in armed)
    host.wait(0.3)
    resting = host.servo(20)["present_position"]
    host.wait(0.5)
    assert host.servo(20)["present_position"] == pytest.approx(resting, abs=4)
    assert host.status(build.write(20, 116, b"\0\x08\0\0")).error == StatusError.DATA_RANGE
    host.ask(build.write(20, 98, b"\0"))
    assert host.servo(20)["present_position"] == pytest.approx(resting, abs=4), "until a goal comes"


def test_a_watchdog_is_quiet_while_torque_is_off(host):
    host.ask(build.write(20, 98, b"\x01"))
    host.wait(1.0)
    assert host.servo(20)["bus_watchdog"] == 1


@pytest.mark.parametrize("hears_all", [True, False])
def test_traffic_to_others_feeds_a_watchdog_only_if_the_bench_says_so(make_host, hears_all):
    host = make_host(watchdog_hears_all=hears_all)
    torque_on(host, ids=(20, 21))
    for _ in range(20):
        host.ask(build.ping(21))
        host.wait(0.02)
    assert host.servo(20).watchdog_tripped != hears_all
    assert not host.servo(21).watchdog_tripped


def test_a_stalled_servo_overloads_and_only_a_reboot_helps(host):
    host.line.inject(Fault(kind="stuck_joint", servo=20))
    servo = host.servo(20)
    servo.write(11, b"\x03")
    torque_on(host, ids=(20,), watchdog=0)
    servo.poke("goal_position", 3900)
    servo.poke("max_position_limit", 4095)
    host.wait(0.8)
    assert servo.torque_is_on
    host.wait(0.5)
    assert servo["hardware_error"] == OVERLOAD
    assert not servo.torque_is_on
    assert host.status(build.ping(20)).alert
    assert host.status(build.ping(21)).alert is False
    host.ask(build.reboot(20))
    host.wait(0.2)
    assert host.status(build.ping(20)).alert is False


def test_holding_a_load_below_the_limit_is_no_overload(host):
    torque_on(host, watchdog=0)
    host.wait(3.0)
    assert [servo["hardware_error"] for servo in host.line.servos] == [0] * 11


def test_current_heats_and_the_limit_latches(host):
    host.line.inject(Fault(kind="stuck_joint", servo=20))
    servo = host.servo(20)
    servo.poke("temperature_limit", 30)
    servo.write(11, b"\x00")
    servo.poke("current_limit", 1193)
    servo.poke("goal_current", 700)
    servo.write(64, b"\x01")
    host.wait(10.0)
    expected = 25 + (700 * 0.00269) ** 2 * 5.953 * 10.0 / 75.0
    assert servo["present_temperature"] == pytest.approx(expected, abs=1)
    assert servo.torque_is_on
    host.wait(15.0)
    assert servo["hardware_error"] & OVERHEAT
    assert not servo.torque_is_on


def test_voltage_is_shown_and_its_error_does_not_stop(host):
    torque_on(host, watchdog=0)
    host.line.inject(Fault(kind="supply_voltage", value=9.0, duration_s=0.5))
    host.wait(0.1)
    servo = host.servo(10)
    assert servo["present_voltage"] == 90
    assert servo["hardware_error"] == VOLTAGE
    assert servo.torque_is_on, "Shutdown does not hold that bit"
    host.wait(1.0)
    assert (servo["present_voltage"], servo["hardware_error"]) == (120, VOLTAGE), "latched"


def test_a_brown_out_restarts_everything(host):
    torque_on(host)
    host.line.inject(Fault(kind="brown_out", duration_s=0.1))
    host.wait(0.05)
    assert host.ask(build.ping(10)) == b""
    host.wait(0.3)
    assert host.status(build.ping(10)).error == 0
    assert not any(servo.torque_is_on for servo in host.line.servos)
    assert host.servo(10)["position_p_gain"] == 800


def test_an_encoder_error_alone_does_not_stop(host):
    torque_on(host)
    host.line.inject(Fault(kind="encoder_error", servo=11))
    assert host.servo(11)["hardware_error"] == ENCODER
    assert host.servo(11).torque_is_on


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=60))
def test_a_request_right_after_noise_is_answered(host, noise):
    """One host for all examples: whatever came before must not matter either."""
    host.ask(noise)
    assert host.status(build.ping(10)).motor_id == 10


@pytest.mark.parametrize(("silence_s", "is_heard"), [(0.01, True), (0.03, False)])
def test_a_packet_that_breaks_off_is_forgotten_after_a_silence(host, silence_s, is_heard):
    request = build.ping(10)
    assert host.ask(request[:6]) == b""
    host.wait(silence_s)
    assert bool(host.ask(request[6:])) == is_heard


def mutated(rng, packet):
    damaged = bytearray(packet)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = rng.integers(3), int(rng.integers(len(damaged)))
        if kind == 0:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 1 and len(damaged) > 1:
            del damaged[at]
        else:
            damaged.insert(at, int(rng.integers(256)))
    return bytes(damaged)


def test_a_million_random_and_mutated_bytes(host):
    """No crash, no growing memory, and the next whole packet is answered."""
    rng = np.random.default_rng(5)
    valid = [
        build.ping(10),
        build.sync_read(126, 10, IDS, fast=True),
        build.write(11, 116, (2000).to_bytes(4, "little")),
        build.sync_write(116, {i: (2000).to_bytes(4, "little") for i in IDS}),
        build.bulk_read([build.Span(i, 132, 4) for i in IDS]),
        build.read(12, 0, 662),
    ]
    fed = rounds = 0
    while fed < 1_000_000:
        damaged = [mutated(rng, valid[int(rng.integers(len(valid)))]) for _ in range(150)]
        noise = b"".join(damaged) + rng.bytes(int(rng.integers(12_000)))
        if rounds % 3 == 0:
            noise += HEADER + bytes((10, 0xFF, 0x07))  # promises two kilobytes that never come
        host.line.receive(noise, host.line.now)
        host.line.deliveries(np.inf)
        fed, rounds = fed + len(noise), rounds + 1
        assert host.line.parser.num_pending <= 2048
        host.line.advance_to(max(host.line.now, host.line.busy_until) + 0.03)
        host.line.deliveries(np.inf)
        for servo, motor_id in zip(host.line.servos, (*IDS, 60)):
            # By the book, a mutated write may have made a servo unreachable.
            for name, value in (("id", motor_id), ("baud_rate", 3), ("status_return_level", 2)):
                servo.poke(name, value)
            servo.ready_at = 0.0
        assert host.status(build.ping(10)).motor_id == 10
    assert rounds > 50
    assert host.line.next_delivery_at == np.inf
