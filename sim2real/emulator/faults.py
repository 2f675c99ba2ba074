"""Faults as data: what goes wrong, where, when and for how long, and the schedule of them.

A fault begins `start_s` after it is given to the bus (or the bus starts) and once the bus has seen
`after_packets` instructions; it lasts `duration_s`, or `packets` packets, or until removed. Every
random choice comes from one generator per fault, seeded by the plan: the same plan and the same
traffic give the same damage.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract import strict
from sim2real.contract.text_file import read_yaml
from sim2real.emulator import camera_faults, servo_faults, wire_faults
from sim2real.emulator.registers import REGISTERS


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong. Which of `value` and `registers` it uses, KINDS says."""

    kind: str
    servo: int | None = None
    """id of the servo concerned; None: all of them"""
    start_s: float = 0.0
    """seconds of bus time from when it is given to the bus"""
    duration_s: float | None = None
    """how long it lasts; None: for good"""
    after_packets: int = 0
    """instructions that the bus must have seen before, from when it is given to the bus"""
    packets: int | None = None
    """how many packets, or frames of a camera, it damages; None: all that match"""
    probability: float = 1.0
    """chance that a matching packet is damaged"""
    value: float | None = None
    """how much; None: the kind's own default"""
    registers: Mapping[str, int] = field(default_factory=dict)
    """what `set_registers` writes, by name, past the access rules"""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind}, not one of {', '.join(sorted(KINDS))}")
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability {self.probability} is outside [0, 1]")
        for name in self.registers:
            if name not in REGISTERS:
                raise ValueError(f"there is no register {name}")

    @property
    def amount(self) -> float:
        """`value`, or the kind's default."""
        return KINDS[self.kind].default if self.value is None else self.value


Kind = wire_faults.WireKind | servo_faults.ServoKind | camera_faults.CameraKind
KINDS: Mapping[str, Kind] = {
    **wire_faults.REQUEST_KINDS,
    **wire_faults.STATUS_KINDS,
    **wire_faults.REPLY_KINDS,
    **wire_faults.PORT_KINDS,
    **servo_faults.KINDS,
    **camera_faults.KINDS,
}


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """Faults and the seed of their random choices."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()


def load_fault_plan(path: Path) -> FaultPlan:
    """Read a plan: `seed` and a list `faults` whose entries have the fields of `Fault`.

    Raises `BadInput` naming file and field.
    """
    where = str(path)
    document = read_yaml(path, "a fault plan, with `faults`")
    entries = document.get("faults", [])
    if isinstance(entries, list):
        entries = [_with_defaults(entry) for entry in entries]
    return strict.build(FaultPlan, {"seed": 0, **document, "faults": entries}, where)


def _with_defaults(entry: Any) -> Any:
    """A plan names only what matters; a kind is always needed."""
    if not isinstance(entry, dict):
        return entry
    defaults: dict[str, Any] = {
        item.name: {} if item.name == "registers" else item.default
        for item in dataclasses.fields(Fault)
        if item.name != "kind"
    }
    return {**defaults, **entry}


class ArmedFault:
    """A fault on a bus: when it begins and ends there, and its own random numbers."""

    def __init__(self, fault: Fault, *, now: float, num_packets: int, seed: Sequence[int]) -> None:
        self.fault = fault
        self.begins_at = now + fault.start_s
        self.begins_after = num_packets + fault.after_packets
        self.ends_at = np.inf if fault.duration_s is None else self.begins_at + fault.duration_s
        self.packets_left = np.inf if fault.packets is None else fault.packets
        self.rng = np.random.default_rng(list(seed))
        self.has_begun = False
        self.memory: dict[Any, Any] = {}
        """what the fault itself must remember: the bytes to repeat, the value to give back"""

    def is_due(self, now: float, num_packets: int) -> bool:
        return now >= self.begins_at and num_packets >= self.begins_after

    def is_over(self, now: float) -> bool:
        return now >= self.ends_at or self.packets_left <= 0

    def takes(self, motor_id: int | None) -> bool:
        """Whether this packet is damaged; counts it if so."""
        fault = self.fault
        if fault.servo is not None and fault.servo != motor_id:
            return False
        if fault.probability < 1.0 and self.rng.random() >= fault.probability:
            return False
        self.packets_left -= 1
        return self.packets_left >= 0


class FaultSchedule:
    """All faults of one bus: which are in force now."""

    def __init__(self, plan: FaultPlan) -> None:
        self._seed = plan.seed
        self._num_given = 0
        self._waiting: list[ArmedFault] = []
        self.active: list[ArmedFault] = []
        for fault in plan.faults:
            self.give(fault, now=0.0, num_packets=0)

    @property
    def is_idle(self) -> bool:
        return not (self._waiting or self.active)

    def give(self, fault: Fault, *, now: float, num_packets: int) -> ArmedFault:
        """Put a fault on the bus; it begins as its fields say, counted from now."""
        seed = (self._seed, self._num_given)
        armed = ArmedFault(fault, now=now, num_packets=num_packets, seed=seed)
        self._num_given += 1
        self._waiting.append(armed)
        return armed

    def withdraw(self, armed: ArmedFault) -> None:
        """End a fault at the next update, whether it has begun or not."""
        armed.ends_at = -np.inf

    def update(self, now: float, num_packets: int) -> tuple[list[ArmedFault], list[ArmedFault]]:
        """(those that begin now, those that end now)."""
        over = [armed for armed in self.active if armed.is_over(now)]
        self._waiting = [armed for armed in self._waiting if armed.ends_at > now]
        begun = [armed for armed in self._waiting if armed.is_due(now, num_packets)]
        if over or begun:
            self.active = [armed for armed in self.active if armed not in over] + begun
            self._waiting = [armed for armed in self._waiting if armed not in begun]
        return begun, over

    def of(self, kinds: Mapping[str, Any]) -> Iterator[ArmedFault]:
        """Those in force that are of these kinds, in the order in which they began."""
        return (armed for armed in self.active if armed.fault.kind in kinds)
