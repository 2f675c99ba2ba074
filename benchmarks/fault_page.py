"""The fault matrix as a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.fault_cases import REACTIONS, Case
from sim2real.emulator.faults import KINDS


@dataclass
class Record:
    """What one case led to."""

    case: Case
    reaction: str = ""
    cause: str = ""
    detail: str = ""
    noticed_s: float | None = None
    """from the fault to the first retry, refused reading or other entry in a counter"""
    stopped_s: float | None = None
    """from the fault until no servo is driven any more"""
    final: str = ""
    num_readings: int = 0
    violations: list[str] = field(default_factory=list)
    """what must never happen and did"""


def markdown(records: Sequence[Record], period_s: float) -> str:
    """The matrix as a page."""
    kinds = {fault.kind for record in records for fault in record.case.faults}
    headings = ("fault", "when", "reaction", "reason", "noticed", "all stopped", "servos then")
    lines = [
        "# Faults and what happens",
        "",
        "Measured on the **emulated bus**, not on hardware, and written by",
        "`python -m benchmarks.fault_matrix`: driver and safety ladder in a loop of",
        f"{period_s * 1000:.0f} ms, joints swinging, {len(records)} cases over {len(kinds)} of the",
        f"emulator's {len(KINDS)} kinds of fault. Times are bus time from the beginning of the",
        "fault, seen at the end of each period.",
        "",
        "| reaction | meaning |",
        "|---|---|",
        *(f"| {name} | {meaning} |" for name, meaning in REACTIONS.items()),
        "",
        "In every case: nothing hangs, no stale value is returned as fresh (each reading is held",
        "against what the registers showed during its exchange), no servo is driven with its Bus",
        "Watchdog off, and when the host then falls silent every servo that is still driven is",
        "stopped by its own watchdog. A dash under *noticed*: nothing was counted. A frozen",
        "encoder, a jammed joint and a weak motor are not detected: the current limit bounds what",
        "they can do. Faults of a camera befall an untrained policy that sees, at 10 Hz over",
        "readings at 50 Hz: no frame is acted on twice or when it is stale. What a picture shows",
        "is not judged: of one that is frozen but looks new, hidden or dark, a policy makes what",
        "it was trained to.",
        "",
        f"| {' | '.join(headings)} |",
        "|---|---|---|---|--:|--:|---|",
    ]
    return "\n".join([*lines, *map(_row, records), *_kinds()]) + "\n"


PLAN = """
## Writing a plan

`taskbelief emulate --faults plan.yaml` plays faults that a file describes; a test or a program
hands the same to `EmulatedBus.inject`. Only `kind` is needed:

```yaml
seed: 1
faults:
  - {kind: drop_reply, servo: 21, start_s: 2.0, packets: 3}   # three answers of servo 21
  - {kind: flip_reply_bit, probability: 0.01}                 # one in a hundred, for good
  - {kind: unplugged, start_s: 10.0, duration_s: 2.0}         # out and in again
  - {kind: set_registers, servo: 30, registers: {operating_mode: 3}}
```

| field | meaning |
|---|---|
| `servo` | its id; without it all of them |
| `start_s`, `duration_s` | seconds of bus time from when the bus gets it; else for good |
| `after_packets`, `packets` | instructions that pass before; packets or frames that are damaged |
| `probability` | chance that a packet is damaged; the same seed gives the same choices |
| `value`, `registers` | how much, see below; what `set_registers` writes |

| kind | what happens | `value` | default |
|---|---|---|--:|"""


def _kinds() -> list[str]:
    """How to write a fault plan, and all kinds."""
    return [PLAN, *(_kind(name) for name in sorted(KINDS))]


def _kind(name: str) -> str:
    kind = KINDS[name]
    unit, default = (kind.unit, f"{kind.default:g}") if kind.unit else ("–", "–")
    return f"| {name} | {kind.summary} | {unit} | {default} |"


def _row(record: Record) -> str:
    case = record.case
    when = {"connect": "before connecting", "activate": "before torque", "run": "in motion"}
    cells = [
        case.name,
        when[case.stage],
        record.reaction,
        record.cause.replace("_", " ") or "–",
        _milliseconds(record.noticed_s),
        _milliseconds(record.stopped_s),
        record.final,
    ]
    return f"| {' | '.join(cells)} |"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"
