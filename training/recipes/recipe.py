"""What a recipe is: an algorithm, a family, settings, and what belongs to the run."""

from __future__ import annotations

from dataclasses import dataclass

from training.families.backend import Backend
from training.parts.checked import Count, CountOrNone, Settings, Weight


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """What is trained on what, how, for how long, and how it is evaluated."""

    algorithm: str
    """a key of `training.algorithms.registry.ALGORITHMS`"""
    family: str
    """a key of `training.families.registry.FAMILIES`"""
    robot: str = ""
    """the robot that performs it, a path or a name; empty: the family's own, the claw"""
    config: Settings
    """the algorithm's settings"""
    num_train_tasks: Count = 80
    """tasks that are learnt from"""
    num_test_tasks: Count = 20
    """held-out tasks that are reported"""
    task_seed: CountOrNone = 0
    """of the task set; the same for every algorithm and every training seed"""
    tasks_sha256: str = ""
    """of a task set that was given instead of drawn; empty: it is drawn"""

    num_iterations: Count
    """rounds of collecting and improving"""
    max_environment_steps: CountOrNone = 0
    """the iteration that comes to so many is the last one; 0: none does"""
    eased_until: Weight = 0.0
    """share of the run over which its worlds begin easier than the tasks are, less and less; 0:
    they are the tasks from the beginning on"""
    num_trial_episodes: Count = 3
    """episodes of a trial; the last one is the adapted one"""
    num_evaluation_trials: Count = 4
    """trials per held-out task in an evaluation"""
    evaluation_interval: Count = 10
    """iterations between evaluations on held-out tasks; the last iteration is always evaluated"""
    checkpoint_interval: Count = 10
    """iterations between checkpoints; the last iteration is always saved"""
    num_world_threads: Count = 1
    """threads that step the worlds; results do not depend on it"""
    backend: Backend = "mujoco"
    """the engine that simulates them in training and its evaluations; whatever uses the run
    afterwards has MuJoCo's"""
