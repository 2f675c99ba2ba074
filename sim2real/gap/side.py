"""One side of the gap: everything that is compared, read from its recordings alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.evaluation.coverage import coverage_note
from sim2real.evaluation.header import Header
from sim2real.evaluation.recorder import HEADER_RECORD
from sim2real.evaluation.records import EpisodeKey
from sim2real.gap.beliefs import BeliefPath, Paths
from sim2real.gap.closed_loop import Outcome, Outcomes
from sim2real.gap.excitation import CONDITION, RECORD, excited_task
from sim2real.gap.latency import Ticks
from sim2real.gap.motion import Motion, PairKey
from sim2real.gap.recorded_motion import goals_of_ticks, motion_of, stretches, ticks_of
from sim2real.recording.bag import METADATA, is_bag
from sim2real.recording.episodes import Episode, episodes
from sim2real.recording.losses import Losses, joint_notes, losses_of
from sim2real.recording.reader import RecordingData, read_recording
from sim2real.recording.writer import PART, SUFFIX

LABELS = {"simulated": "simulation", "emulated": "emulated bus", "serial": "hardware"}
"""what a kind of robot is called where numbers are shown; only servos on a port are hardware"""
ROBUST = "robust"
"""the condition under which another bundle acts"""

Parameters = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """What was recorded of one robot."""

    path: Path
    robot: str
    """simulated, emulated or serial"""
    robot_fingerprint: str
    """of its robot.yaml"""
    bundle: str
    """name and digest of the policy; empty where there was none"""
    recordings: tuple[str, ...]
    """file names"""
    is_lock_step: bool
    """simulated time passed with every command: its times say nothing about a computer"""
    tasks: Mapping[str, Parameters]
    """parameters of the tasks on the bench, as far as whoever recorded knew them"""
    motions: tuple[Motion, ...]
    outcomes: Outcomes
    """of completed episodes"""
    beliefs: Paths
    """of adapted trials, by task and trial"""
    ticks: Ticks
    num_incomplete: int
    """episodes that were not completed: they are not compared"""
    losses: Mapping[str, Losses]
    """what is known to be missing, by recording; only of those that lack something"""
    coverage: str
    """which episodes of the evaluation are in no recording; empty where all are"""

    @property
    def label(self) -> str:
        return LABELS.get(self.robot, self.robot)

    @property
    def excited(self) -> list[Motion]:
        """Motions of a script."""
        return [motion for motion in self.motions if motion.key.condition == CONDITION]

    @property
    def acted(self) -> list[Motion]:
        """Motions of a policy."""
        return [motion for motion in self.motions if motion.key.condition != CONDITION]


def read_side(path: Path, namespace: str | None = None) -> Side:
    """Read a recording, or every recording in a folder and in those below it.

    `namespace` is the robot's where recordings hold several. Raises `BadInput` where there is no
    recording, where they are not of one robot and one policy, or where nothing moved.
    """
    files = recordings_below(path)
    if not files:
        raise BadInput(str(path), "recordings", found="none", expected="files called *.mcap")
    gathered = _Gathered()
    found = [read_recording(file, namespace) for file in files]
    for recording in sorted(found, key=lambda one: one.start_ns):
        gathered.add(recording)
    if not gathered.motions:
        raise BadInput(
            str(path), "motions", found=gathered.found, expected="completed episodes, or steps"
        )
    return Side(
        path=path,
        robot=_only_one(path, "robot", gathered.robots),
        robot_fingerprint=_only_one(path, "robot.yaml", gathered.fingerprints),
        bundle=_only_one(path, "bundle", gathered.bundles or {""}),
        recordings=tuple(file.name for file in files),
        is_lock_step=gathered.is_lock_step,
        tasks=gathered.tasks,
        motions=tuple(gathered.motions.values()),
        outcomes=gathered.outcomes,
        beliefs=gathered.belief_paths(),
        ticks=Ticks.joined(gathered.ticks),
        num_incomplete=gathered.num_incomplete,
        losses={name: one for name, one in gathered.losses.items() if one},
        # One file was chosen by whoever named it; a folder is to hold all.
        coverage="" if path.is_file() else gathered.coverage(),
    )


def recordings_below(path: Path) -> list[Path]:
    """A recording itself, or all in a folder; a rosbag2 folder is one, with its files."""
    if path.is_file() or is_bag(path):
        return [path]
    bags = sorted(found.parent for found in path.rglob(METADATA))
    inside = {file for bag in bags for file in bag.iterdir()}
    loose = [file for file in path.rglob(f"*{SUFFIX}") if file not in inside]
    # What a killed process left is a recording too.
    torn = [file for file in path.rglob(f"*{SUFFIX}{PART}") if file not in inside]
    return sorted([*bags, *loose, *torn])


@dataclass(kw_only=True)
class _Gathered:
    """What the recordings read so far have shown; of an episode that was run again, the last."""

    robots: set[str] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)
    bundles: set[str] = field(default_factory=set)
    tasks: dict[str, Parameters] = field(default_factory=dict)
    motions: dict[PairKey, Motion] = field(default_factory=dict)
    outcomes: dict[PairKey, Outcome] = field(default_factory=dict)
    beliefs: dict[tuple[str, int], dict[int, BeliefPath]] = field(default_factory=dict)
    ticks: list[Ticks] = field(default_factory=list)
    num_incomplete: int = 0
    is_lock_step: bool = False
    losses: dict[str, Losses] = field(default_factory=dict)
    headers: dict[str, Header] = field(default_factory=dict)

    def add(self, recording: RecordingData) -> None:
        if recording.metadata is not None:
            self.robots.add(recording.metadata.robot)
            self.fingerprints.add(recording.metadata.robot_fingerprint)
        header = recording.more.get(HEADER_RECORD)
        if header is not None:
            text = header["header"]
            self.headers[text] = Header.from_json(text, str(recording.path))
            self.tasks.update(self.headers[text].tasks)
        found = list(episodes(recording))
        name = recording.path.name
        # Files in two folders may have the same name.
        self.losses[str(recording.path) if name in self.losses else name] = losses_of(
            recording, found
        )
        if RECORD in recording.more:
            self._add_script(recording)
        else:
            for episode in found:
                self._add_episode(episode)

    @property
    def found(self) -> str:
        """What there is instead of motions."""
        return "; ".join(["none", *joint_notes(self.losses)])

    def coverage(self) -> str:
        """Which episodes of the evaluation are in no recording."""
        found = {
            EpisodeKey(key.task, key.condition, key.trial, key.episode) for key in self.outcomes
        }
        notes = (coverage_note(header, found) for header in self.headers.values())
        return "; ".join(note for note in notes if note)

    def belief_paths(self) -> Paths:
        """Trials put together from their episodes."""
        return {
            key: BeliefPath.joined([of_trial[number] for number in sorted(of_trial)])
            for key, of_trial in self.beliefs.items()
        }

    def _add_episode(self, episode: Episode) -> None:
        start, result = episode.start, episode.result
        self.robots.add(start.robot)
        if result is None or result.outcome != "completed":
            self.num_incomplete += 1
            return
        if start.condition != ROBUST:
            self.bundles.add(f"{start.bundle_name} {start.bundle_digest}")
        key = PairKey(start.task, start.condition, start.trial, start.episode, start.episode_seed)
        ticks = ticks_of(episode.ticks, episode.steps.get("compute_s"))
        self.ticks.append(ticks)
        self.is_lock_step |= start.robot == "simulated" and ticks.is_lock_step
        goals = goals_of_ticks(episode.ticks, is_lock_step=ticks.is_lock_step)
        motion = motion_of(key, episode.hand, goals, start.target_rad)
        if motion is not None:
            self.motions[key] = motion
        self.outcomes[key] = Outcome(
            total_reward=result.total_reward,
            is_success=result.is_success,
            success_fraction=result.success_fraction,
        )
        path = BeliefPath.of_columns(episode.beliefs)
        if start.condition == "adapted" and path is not None:
            self.beliefs.setdefault((start.task, start.trial), {})[start.episode] = path

    def _add_script(self, recording: RecordingData) -> None:
        """What a script moved without a pause."""
        task, parameters = excited_task(recording)
        self.tasks.setdefault(task, parameters)
        if not recording.counts.get("hand_reading"):
            return
        columns = recording.columns("control_tick")
        ticks = ticks_of(columns)
        self.ticks.append(ticks)
        self.is_lock_step |= ticks.is_lock_step
        goals = goals_of_ticks(columns, is_lock_step=ticks.is_lock_step)
        for number, hand in enumerate(stretches(recording.columns("hand_reading"))):
            key = PairKey(task, CONDITION, 0, number, 0)
            motion = motion_of(key, hand, goals)
            if motion is not None:
                self.motions[key] = motion


def _only_one(path: Path, field: str, found: Iterable[str]) -> str:
    values = sorted(found)
    if len(values) != 1:
        shown = ", ".join(values) or "nothing"
        remedy = "compare folders of one evaluation each"
        raise BadInput(str(path), field, found=shown, expected="one", remedy=remedy)
    return values[0]
