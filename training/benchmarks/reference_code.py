"""The public reference implementation of PEARL, run from a checkout of the user's, to compare with.

https://github.com/katerakelly/oyster was written for gym, gtimer and mujoco-py, which current
Pythons no longer install. Its point robot and its update need none of them beyond their names, so
they are given stand-ins while it is imported. None of its code is part of this project.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from sim2real.contract.errors import BadInput

_LATENT_SIZE, _NUM_TASKS, _NUM_TEST_TASKS = 5, 80, 20
_TASKS_AN_ITERATION, _STEPS_FROM_PRIOR, _STEPS_FROM_POSTERIOR = 10, 100, 900
_GRADIENT_STEPS_AN_ITERATION, _STEPS_OF_A_TRIAL, _NUM_EXPLORING = 1000, 400, 5
"""of its configs/sparse-point-robot.json"""


@dataclass(frozen=True, kw_only=True)
class ReferenceCode:
    """What is measured of the reference."""

    update: Callable[[], None]
    """one meta-gradient step, sampling of its batches included"""
    sample: Callable[[], int]
    """some trajectories from the prior; how many steps they had"""
    train: Callable[[], Iterator[int]]
    """its training from the start, one gradient step after the other; steps collected until then"""
    adapted_return: Callable[[], float]
    """of the last episode of a trial on each of its held-out goals, sparse, without noise"""


def require_checkout(folder: Path) -> None:
    """Raise `BadInput` where the folder is not a checkout of it."""
    if not (folder / "rlkit/torch/sac/sac.py").exists():
        expected = "a checkout of github.com/katerakelly/oyster"
        raise BadInput("command line", "--reference", found=str(folder), expected=expected)


def load_reference(checkout: Path, *, context_batch_size: int) -> ReferenceCode:
    """Its PEARL on its own sparse point robot, at its own sizes.

    Raises `BadInput` where the folder is not a checkout of it.
    """
    require_checkout(checkout)
    _stand_in(checkout)
    get = importlib.import_module
    warnings.filterwarnings("ignore", category=UserWarning, module="gymnasium")  # of its dtypes
    environment = get("rlkit.envs.wrappers").NormalizedBoxEnv(
        get("rlkit.envs.point_robot").SparsePointEnv(
            randomize_tasks=True, n_tasks=_NUM_TASKS + _NUM_TEST_TASKS
        )
    )
    algorithm = _build(environment, context_batch_size)

    def collect(task: int, *phases: tuple[int, float]) -> None:
        algorithm.task_idx = task
        environment.reset_task(task)
        for num_steps, trajectories_of_a_posterior in phases:
            algorithm.collect_data(num_steps, 1, trajectories_of_a_posterior)

    for task in range(_NUM_TASKS):
        collect(task, (200, np.inf))

    def update() -> None:
        algorithm._do_training(np.random.choice(_NUM_TASKS, 16))  # noqa: NPY002 - as it does

    def sample() -> int:
        before = algorithm._n_env_steps_total
        algorithm.collect_data(400, 1, np.inf)
        return int(algorithm._n_env_steps_total - before)

    def train() -> Iterator[int]:
        while True:
            for task in np.random.choice(_NUM_TASKS, _TASKS_AN_ITERATION):  # noqa: NPY002
                algorithm.enc_replay_buffer.task_buffers[task].clear()
                collect(task, (_STEPS_FROM_PRIOR, np.inf), (_STEPS_FROM_POSTERIOR, 1))
            for _ in range(_GRADIENT_STEPS_AN_ITERATION):
                update()
                yield int(algorithm._n_env_steps_total)

    def adapted_return() -> float:
        return statistics.fmean(map(_last_return, range(_NUM_TASKS, _NUM_TASKS + _NUM_TEST_TASKS)))

    def _last_return(task: int) -> float:
        algorithm.sparse_rewards = False  # how it swaps rewards then, numpy no longer takes
        path = algorithm.collect_paths(task, 0, 0)[-1]
        algorithm.sparse_rewards = True
        return float(sum(float(each["sparse_reward"]) for each in path["env_infos"]))

    return ReferenceCode(update=update, sample=sample, train=train, adapted_return=adapted_return)


def _build(environment: Any, context_batch_size: int) -> Any:
    """Networks and settings of its launch_experiment.py and configs/sparse-point-robot.json."""
    get = importlib.import_module
    networks = get("rlkit.torch.networks")
    width = [300, 300, 300]
    encoder = networks.MlpEncoder(
        hidden_sizes=[200, 200, 200], input_size=5, output_size=2 * _LATENT_SIZE
    )
    policy = get("rlkit.torch.sac.policies").TanhGaussianPolicy(
        hidden_sizes=width, obs_dim=2 + _LATENT_SIZE, latent_dim=_LATENT_SIZE, action_dim=2
    )
    critics = [
        networks.FlattenMlp(hidden_sizes=width, input_size=4 + _LATENT_SIZE, output_size=1)
        for _ in range(2)
    ]
    value = networks.FlattenMlp(hidden_sizes=width, input_size=2 + _LATENT_SIZE, output_size=1)
    options = {
        "recurrent": False,
        "use_information_bottleneck": True,
        "sparse_rewards": True,
        "use_next_obs_in_context": False,
    }
    agent = get("rlkit.torch.sac.agent").PEARLAgent(_LATENT_SIZE, encoder, policy, **options)
    return get("rlkit.torch.sac.sac").PEARLSoftActorCritic(
        env=environment,
        train_tasks=list(range(_NUM_TASKS)),
        eval_tasks=[],
        nets=[agent, *critics, value],
        latent_dim=_LATENT_SIZE,
        policy_lr=3e-4,
        qf_lr=3e-4,
        vf_lr=3e-4,
        context_lr=3e-4,
        soft_target_tau=0.005,
        meta_batch=16,
        batch_size=256,
        embedding_batch_size=context_batch_size,
        embedding_mini_batch_size=context_batch_size,
        max_path_length=20,
        discount=0.9,
        reward_scale=100.0,
        kl_lambda=1.0,
        num_steps_per_eval=_STEPS_OF_A_TRIAL,
        num_exp_traj_eval=_NUM_EXPLORING,
        replay_buffer_size=10_000,  # it would reserve a million rows per task, twice
        **options,
    )


def _stand_in(checkout: Path) -> None:
    """Names that its imports ask for and its point robot never uses."""
    gtimer, joblib = types.ModuleType("gtimer"), types.ModuleType("joblib")
    gtimer.stamp = lambda *_: None  # type: ignore[attr-defined]
    environments = types.ModuleType("rlkit.envs")  # its own imports every MuJoCo environment
    environments.__path__ = [str(checkout / "rlkit/envs")]
    environments.register_env = lambda _: lambda cls: cls  # type: ignore[attr-defined]
    sys.modules |= {
        "gym": gymnasium,
        "gym.spaces": gymnasium.spaces,
        "gtimer": gtimer,
        "joblib": joblib,
        "mujoco_py": types.ModuleType("mujoco_py"),
        "rlkit.envs": environments,
    }
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
