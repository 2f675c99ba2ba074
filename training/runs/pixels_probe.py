"""Does a policy from pixels look? Its return with its own frames, with another's, and with none.

And what its eye knows: how well a linear map tells the valve's angle from the features of a frame.

    python -m training.runs.pixels_probe RUN

plays a trial on each held-out task of a run under each condition and prints a JSON line for it, of
the trial's last episode; then one for the probe. A learner that adapts is blind throughout the
trial: neither what it does nor what it learns of the task comes from frames of its own. Worlds are
those of the run's family with the valve's angle measured beside; the policy is not shown that.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import matplotlib.image
import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_with
from sim2real.contract.require import require_counts, require_seeds
from sim2real.skills.hand import wrapped
from sim2real.skills.valve_turn import ValveTurn
from training.families.claw import ClawFamily
from training.families.registry import claw_family
from training.parts.actor import Actor
from training.parts.eye import Eye
from training.parts.seen_episodes import parted
from training.parts.seen_world import PlaceEye
from training.runs.start import load_learner, make_learner, read_run
from training.tasks.task import Task
from training.worlds.vector_world import Float, FrameShape, VectorWorld

Frames = Literal["true", "shuffled", "black"]
"""each world's own; those of the world beside it; none"""
FRAMES: tuple[Frames, ...] = ("true", "shuffled", "black")
STRIP_INTERVAL, STRIP_EPISODES, STRIP_ZOOM = 4, 3, 3
"""steps from a picture of a strip to the next, episodes of it, and pixels of each pixel"""
Angles = NDArray[np.floating]


class Played(NamedTuple):
    """One episode in each of W worlds."""

    returned: Angles
    """(W,) sums of rewards"""
    error_rad: Angles
    """(W,) of the valve's angle at the end, 0 to pi"""
    angle_rad: Angles
    """(T, W) the valve's, when each action was chosen"""
    frame: NDArray[np.uint8]
    """(T, W, H, W', C) what was there to be seen then"""


class Split(NamedTuple):
    """Where things stand in an observation of the family with the valve's angle measured."""

    blind: int
    """elements that the policy is shown, the first ones"""
    measured: int
    """all that are no frame"""
    angle: slice
    """cosine and sine of the valve's angle"""


def skill_of(family: ClawFamily) -> ValveTurn:
    """The skill of a family whose valve has to be seen. Raises `BadInput` for any other."""
    skill = family.scene.skill
    if family.scene.camera is None or not isinstance(skill, ValveTurn) or skill.valve_visible:
        expected = "a family whose valve has to be seen"
        raise BadInput("command line", "family", found=family.name, expected=expected)
    return skill


def with_angle(family: ClawFamily) -> tuple[ClawFamily, Split]:
    """The same family with the valve measured too, which changes nothing else.

    Raises `BadInput` for one whose valve need not be seen.
    """
    scene, skill = family.scene, skill_of(family)
    told = dataclasses.replace(skill, valve_visible=True)
    sizes = {term.name: term.size for term in told.layout.terms}
    names = list(sizes)
    before = sum(sizes[name] for name in names[: names.index("valve_angle")])
    split = Split(skill.layout.size, told.layout.size, slice(before, before + 2))
    twin = dataclasses.replace(family, scene=dataclasses.replace(scene, skill=told))
    return twin, split


def play(
    learner: Any,
    family: ClawFamily,
    tasks: Sequence[Task],
    *,
    seed: int,
    frames: Frames = "true",
    is_deterministic: bool = True,
) -> Played:
    """One episode on each of the tasks."""
    [played] = play_trial(
        learner, family, tasks, 1, seed=seed, frames=frames, is_deterministic=is_deterministic
    )
    return played


def play_trial(
    learner: Any,
    family: ClawFamily,
    tasks: Sequence[Task],
    num_episodes: int,
    *,
    seed: int,
    frames: Frames = "true",
    is_deterministic: bool = True,
) -> list[Played]:
    """A trial on each of the tasks, episode by episode."""
    twin, split = with_angle(family)
    world = twin.make_world(len(tasks))
    actor = learner.make_actor(tasks, is_deterministic=is_deterministic)
    actor.begin_trial(seed)
    target, played = _target(family, tasks), []
    for episode in range(num_episodes):
        observation = world.reset(tasks, seed + episode)
        actor.begin_episode(np.ones(len(tasks), bool))
        played.append(_episode(actor, world, observation, split, frames, target))
    world.close()
    return played


def _episode(
    actor: Actor,
    world: VectorWorld,
    observation: Float,
    split: Split,
    frames: Frames,
    target: Angles,
) -> Played:
    returned, angles, seen = np.zeros(len(target)), [], []
    running = np.ones(len(target), bool)
    for _ in range(world.episode_length):
        angles.append(_angle(observation, split))
        seen.append(parted(observation, world.frame_shape).frame)
        shown = _shown(observation, split, frames)
        result = world.step(actor.act(shown).action)
        step = result.transition(shown)
        after = _shown(result.final_observation, split, frames)
        actor.observe(step._replace(next_observation=after), result.sparse_reward, running)
        returned += result.reward
        observation = result.observation
    end = _angle(result.final_observation, split)
    error = np.abs(wrapped(target - end))
    return Played(returned, error, np.stack(angles), np.stack(seen))


def r_squared(eye: Eye | PlaceEye, fit: Played, held_out: Played) -> float:
    """How much of (cos, sin) of the valve's angle a linear map of features tells.

    The map is fitted to the frames of `fit` and judged on others; 1 is all of it.
    """
    known, told = _features(eye, fit.frame), _cos_sin(fit.angle_rad)
    weights = np.linalg.lstsq(known, told, rcond=None)[0]
    true = _cos_sin(held_out.angle_rad)
    missed = np.square(_features(eye, held_out.frame) @ weights - true).sum()
    return float(1.0 - missed / np.square(true - true.mean(0)).sum())


def eye_of(learner: Any) -> Eye | PlaceEye:
    """The eye of a learner from pixels. Raises `BadInput` for a blind one."""
    eye = getattr(learner, "eye", None) or getattr(getattr(learner, "model", None), "eye", None)
    if not isinstance(eye, Eye | PlaceEye):
        found = type(learner).__name__
        raise BadInput("command line", "run", found=found, expected="a run from pixels")
    return eye


def probe(
    run: Annotated[Path, tyro.conf.Positional],
    *,
    num_tasks: int | None = None,
    seed: int = 1,
    strip: Path | None = None,
) -> None:
    """Probe the latest checkpoint of RUN.

    Args:
        run: the directory of a training run from pixels.
        num_tasks: held-out tasks to play; all of them by default.
        seed: of the episodes.
        strip: a PNG to write, of what the policy saw in the first episodes.
    """
    require_counts(num_tasks=num_tasks)
    require_seeds(seed=seed)
    if strip is not None:
        require_writable(strip, "--strip")
    for line in probed(run, num_tasks=num_tasks, seed=seed, strip=strip):
        print(json.dumps(line), flush=True)


def probed(
    run: Path, *, num_tasks: int | None, seed: int, strip: Path | None = None
) -> Iterator[dict[str, Any]]:
    """What `probe` prints, line by line."""
    recipe, _, first_seed, task_set = read_run(run)
    family, learner = claw_family(recipe.family, str(run)), load_learner(run)
    tasks, steps = task_set.test[:num_tasks], learner.state.num_environment_steps
    eye = eye_of(learner)
    success_error_rad = skill_of(family).success_error_rad
    for frames in FRAMES:
        trial = play_trial(
            learner, family, tasks, recipe.num_trial_episodes, seed=seed, frames=frames
        )
        played = trial[-1]
        if strip is not None and frames == "true":
            write_strip(strip, played)
        yield {
            "frames": frames,
            "environment_steps": steps,
            "return": float(played.returned.mean()),
            "median_error_rad": float(np.median(played.error_rad)),
            "success": float((played.error_rad < success_error_rad).mean()),
            "success_by_episode": [
                float((each.error_rad < success_error_rad).mean()) for each in trial
            ],
        }
    fit = play(learner, family, task_set.train[:160], seed=seed, is_deterministic=False)
    held_out = play(learner, family, tasks, seed=seed + 1, is_deterministic=False)
    untrained = make_learner(recipe, task_set, seed=first_seed, device="cpu")
    yield {
        "probe": "cos, sin of the valve's angle from features",
        "r_squared": r_squared(eye, fit, held_out),
        "r_squared_untrained": r_squared(eye_of(untrained), fit, held_out),
    }


def of_another(frame: Float, frames: Frames) -> Float:
    """(W, ...) what is shown of each world's frame."""
    if frames == "shuffled":
        return np.roll(frame, 1, axis=0)
    return np.zeros_like(frame) if frames == "black" else frame


def write_strip(path: Path, played: Played) -> None:
    """Every fourth frame of the first episodes, an episode a row."""
    shown = played.frame[::STRIP_INTERVAL, :STRIP_EPISODES]
    rows = [np.concatenate(list(shown[:, episode]), axis=1) for episode in range(shown.shape[1])]
    picture = np.concatenate(rows).repeat(STRIP_ZOOM, 0).repeat(STRIP_ZOOM, 1)
    write_with(path, lambda beside: matplotlib.image.imsave(beside, picture, format="png"))


def _shown(observation: Float, split: Split, frames: Frames) -> Float:
    """What the policy is shown of (W, O) observations."""
    frame = of_another(observation[:, split.measured :], frames)
    return np.concatenate([observation[:, : split.blind], frame], axis=-1)


def _angle(observation: Float, split: Split) -> Angles:
    cos, sin = observation[:, split.angle].T
    return np.asarray(np.arctan2(sin, cos))


def _target(family: ClawFamily, tasks: Sequence[Task]) -> Angles:
    """(W,) the angle that each task asks for."""
    rule, rng = family.scene.goal, np.random.default_rng(0)
    return np.array([float(rule.draw(rng, task)["goal_fixed"][0]) for task in tasks])


@torch.no_grad()
def _features(eye: Eye | PlaceEye, frame: NDArray[np.uint8]) -> Angles:
    """(T W, F + 1) features and a one."""
    shape: FrameShape = frame.shape[-3:]
    rows = torch.from_numpy(frame.reshape(-1, *shape)).to(next(eye.parameters()).device)
    features = torch.cat([eye(part) for part in rows.split(1024)]).cpu().numpy()
    return np.concatenate([features, np.ones((len(features), 1))], axis=-1)


def _cos_sin(angle_rad: Angles) -> Angles:
    flat = angle_rad.reshape(-1)
    return np.stack([np.cos(flat), np.sin(flat)], axis=-1)


if __name__ == "__main__":
    tyro.cli(probe)
