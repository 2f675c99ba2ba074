"""Golden vectors: recorded readings with everything that a controller made of them.

Whoever loads a bundle replays them through its own controller before torque may be enabled. That
one check covers skill, layouts, normaliser, encoder, belief, policy and action map on the very
machine, numpy and ONNX Runtime that are about to act.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import Frame
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Reading
from sim2real.contract.manifest import Manifest
from sim2real.contract.robot_spec import RobotSpec
from sim2real.runtime.bundle import GOLDEN, Bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.kinds.kind import Role, Settings
from sim2real.runtime.kinds.registry import kind_of
from sim2real.runtime.noise import NAMES
from sim2real.runtime.onnx_model import OnnxModel

NUM_TICKS = 200
TOLERANCE = 1e-4
"""largest difference: float32 sums differ by about 1e-6 between processors, wrong weights by more
than this"""

CONTINUES, BEGINS_EPISODE, BEGINS_TRIAL, ENDS_EPISODE = 0, 1, 2, 3
Columns = Mapping[str, NDArray[Any]]
"""Axis 0 is the row. Inputs: `event` (T,), one of the above; `goal` (T, G); `held_rad` (T, J), the
targets held when an episode begins; the fields of the readings; the noise of every graph that takes
some, (T, size) by the name of the input; where the policy sees, `frame` (T, H, W, C), each taken
with its reading. Outputs: `OUTPUTS`."""

READING_FIELDS = tuple(field.name for field in fields(Reading))
"""stamp and sequence, then joints, then the object"""
OUTPUTS = (
    "is_evidence",
    "observation",
    "reward",
    "shown",
    "action",
    "applied_action",
    "applied_rad",
)


def replay(controller: Controller, inputs: Columns) -> dict[str, NDArray[Any]]:
    """Drive a controller through the recorded readings: its `OUTPUTS`, (T, ...) each.

    Its noise has to be `RecordedNoise`; see `golden_controller`. Where `inputs` hold what was
    applied, each tick goes on from there: fed back by `target_lag`, what processors differ by grew
    2.5-fold a tick on a shipped policy, and ended at 1.2.
    """
    outputs: dict[str, list[Any]] = {name: [] for name in OUTPUTS}
    goal, noise = _RecordedGoal(inputs["goal"]), controller.noise
    for row, event in enumerate(inputs["event"].tolist()):
        goal.row = row
        if isinstance(noise, RecordedNoise):
            noise.row = row
        if event == BEGINS_TRIAL:
            controller.begin_trial(seed=0)
        if event in (BEGINS_TRIAL, BEGINS_EPISODE):
            controller.begin_episode(goal=goal, target_rad=inputs["held_rad"][row])
        if event == ENDS_EPISODE:
            controller.end_episode(*recorded(inputs, row))
        else:
            controller.step(*recorded(inputs, row))
        tick = controller.latest
        assert tick is not None
        for name in OUTPUTS[1:]:
            outputs[name].append(getattr(tick, name))
        outputs["is_evidence"].append(tick.rejection is None)
        if event != ENDS_EPISODE and "applied_rad" in inputs:
            controller.report_applied(inputs["applied_rad"][row])
    return {name: np.array(values) for name, values in outputs.items()}


class _RecordedGoal:
    """The goal of the row that is being replayed, whatever the time is."""

    def __init__(self, goals: NDArray[np.float64]) -> None:
        self._goals, self.row = goals, 0

    def __call__(self, elapsed_s: float) -> NDArray[np.float64]:
        goal: NDArray[np.float64] = self._goals[self.row]
        return goal


class RecordedNoise:
    """The noise of the row that is being replayed: golden vectors hold it, for the generators of
    numpy may change between versions.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns, self.row = columns, 0

    def draw(self, name: str, place: tuple[int, ...], size: int) -> NDArray[np.float32]:
        drawn: NDArray[np.float32] = self._columns[name][self.row]
        return drawn


def golden_controller(
    bundle: Bundle,
    spec: RobotSpec,
    noise: RecordedNoise,
    models: Mapping[Role, OnnxModel] | None = None,
) -> Controller:
    """A controller that draws nothing by itself; `models` as in `Controller`."""
    settings = bundle.settings()
    quiet: Settings = kind_of(settings).deterministic(settings)
    return Controller(bundle, spec, settings=quiet, noise=noise, models=models)


def noise_sizes(manifest: Manifest) -> dict[str, int]:
    """The noise that graphs of this manifest take: numbers by the name of the input."""
    inputs = [tensor for graph in manifest.graphs for tensor in graph.inputs]
    return {tensor.name: tensor.shape[-1] for tensor in inputs if tensor.name in NAMES}


def require_golden(bundle: Bundle, spec: RobotSpec) -> float:
    """The largest difference between what is recorded and what this machine computes.

    Raises `BadInput` naming column, row and element where they first differ beyond `TOLERANCE`.
    """
    recorded = read_golden(bundle.files[GOLDEN], bundle.manifest, bundle.path_of(GOLDEN))
    controller = golden_controller(bundle, spec, RecordedNoise(recorded))
    try:
        computed = replay(controller, recorded)
    except (ValueError, AssertionError) as error:
        raise BadInput(
            bundle.path_of(GOLDEN), "replay", found=str(error), expected="readings to replay"
        ) from None
    _require_equal(recorded, computed, bundle.path_of(GOLDEN))
    return max(float(_difference(recorded, computed, name).max(initial=0.0)) for name in OUTPUTS)


def _require_equal(recorded: Columns, computed: Columns, where: str) -> None:
    """Name the earliest row that differs, and in it the first column: there it began."""
    first: tuple[int, str, tuple[int, ...]] | None = None
    for name in OUTPUTS:
        found, expected = computed[name], recorded[name]
        if found.shape != expected.shape:
            raise BadInput(where, name, found=expected.shape, expected=f"shape {found.shape}")
        wrong = np.argwhere(~(_difference(recorded, computed, name) <= TOLERANCE))
        if len(wrong) and (first is None or wrong[0][0] < first[0]):
            first = int(wrong[0][0]), name, tuple(wrong[0].tolist())
    if first is not None:
        _, name, place = first
        raise BadInput(
            where,
            f"{name}{list(place)}",
            found=float(computed[name][place]),
            expected=f"{float(recorded[name][place])!r} within {TOLERANCE}",
            remedy="this machine does not compute what was exported: do not enable torque",
        )


def _difference(recorded: Columns, computed: Columns, name: str) -> NDArray[np.float64]:
    return np.abs(computed[name].astype(np.float64) - recorded[name].astype(np.float64))


def write_golden(columns: Columns) -> bytes:
    """The content of golden.npz; equal columns give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **columns)
    return buffer.getvalue()


def read_golden(content: bytes, manifest: Manifest, where: str) -> Columns:
    """Raises `BadInput` for a file that holds something else, or ticks of another robot."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise BadInput(where, "file", found=str(error), expected="golden vectors") from None
    joints = manifest.action.size
    expected: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("event", *READING_FIELDS), (NUM_TICKS,)),
        **dict.fromkeys(("held_rad", *READING_FIELDS[2:5]), (NUM_TICKS, joints)),
        **{name: (NUM_TICKS, size) for name, size in noise_sizes(manifest).items()},
    }
    if manifest.camera is not None:
        expected["frame"] = NUM_TICKS, *manifest.camera.shape
    names = {*expected, "goal", *OUTPUTS}
    if set(columns) != names:
        raise BadInput(where, "columns", found=sorted(columns), expected=str(sorted(names)))
    for name, shape in expected.items():
        if columns[name].shape != shape:
            raise BadInput(where, name, found=columns[name].shape, expected=f"shape {shape}")
    event = columns["event"]
    if event[0] != BEGINS_TRIAL or not (event[1:] == BEGINS_TRIAL).any():
        raise BadInput(where, "event", found=event.tolist(), expected="a trial with a reset in it")
    return columns


def recorded(inputs: Columns, row: int) -> tuple[Reading, int, Frame | None]:
    """Reading, time and frame of a row, as a controller takes them: nothing is old."""
    reading = recorded_reading(inputs, row)
    frame = None
    if "frame" in inputs:
        stamp_ns, sequence = reading.stamp_ns, reading.sequence
        frame = Frame(stamp_ns=stamp_ns, sequence=sequence, pixels=inputs["frame"][row])
    return reading, reading.stamp_ns, frame


def recorded_reading(inputs: Columns, row: int) -> Reading:
    """What the robot returned at a row."""
    return Reading(
        stamp_ns=int(inputs["stamp_ns"][row]),
        sequence=int(inputs["sequence"][row]),
        **{name: inputs[name][row] for name in READING_FIELDS[2:]},
    )
