"""Statistics of observations, and what they freeze into."""

import json

import numpy as np
import torch

from sim2real.contract.context import ContextLayout
from training.parts.running_stats import RunningStats

CPU = torch.device("cpu")


def make(size: int = 3, *, is_enabled: bool = True) -> RunningStats:
    return RunningStats(size, clip=5.0, is_enabled=is_enabled, device=CPU)


def test_batches_one_by_one_equal_all_at_once() -> None:
    observations = np.random.default_rng(0).normal(3.0, 2.0, (1000, 3)).astype(np.float32)
    statistics = make()
    for part in np.array_split(observations, [1, 17, 400]):
        statistics.update(part)

    frozen = statistics.frozen()
    np.testing.assert_allclose(frozen.mean, observations.mean(0), rtol=1e-5)
    np.testing.assert_allclose(frozen.std, observations.std(0), rtol=1e-5)


def test_training_and_robot_normalise_alike() -> None:
    observations = np.random.default_rng(0).normal(3.0, 2.0, (50, 3)).astype(np.float32)
    statistics = make()
    statistics.update(observations)
    far = 100.0 * observations

    np.testing.assert_array_equal(
        statistics.normalize(torch.from_numpy(far)).numpy(), statistics.frozen().normalize(far)
    )
    assert np.abs(statistics.frozen().normalize(far)).max() == 5.0


def test_switched_off_it_changes_nothing() -> None:
    statistics = make(is_enabled=False)
    observations = np.random.default_rng(0).normal(3.0, 2.0, (50, 3)).astype(np.float32)
    statistics.update(observations)

    np.testing.assert_array_equal(statistics.frozen().normalize(observations), observations)


def test_restored_statistics_go_on_as_the_saved_ones() -> None:
    rng = np.random.default_rng(0)
    statistics, again = make(), make()
    statistics.update(rng.normal(size=(50, 3)).astype(np.float32))
    again.restore(json.loads(json.dumps(statistics.snapshot())))
    more = rng.normal(size=(7, 3)).astype(np.float32)
    statistics.update(more)
    again.update(more)

    np.testing.assert_array_equal(statistics.frozen().mean, again.frozen().mean)
    np.testing.assert_array_equal(statistics.frozen().std, again.frozen().std)


def test_context_rows_have_their_observations_normalised_and_nothing_else() -> None:
    layout = ContextLayout(
        observation_size=3, action_size=2, uses_next_observation=True, marks_episode_end=True
    )
    statistics = make()
    statistics.update(np.random.default_rng(0).normal(3.0, 2.0, (50, 3)).astype(np.float32))
    row = torch.arange(10.0)[None]

    normal = statistics.normalize_context(row, layout)[0]

    np.testing.assert_array_equal(normal[:3], statistics.normalize(row[0, :3]))
    np.testing.assert_array_equal(normal[3:6], row[0, 3:6])
    np.testing.assert_array_equal(normal[6:9], statistics.normalize(row[0, 6:9]))
    assert normal[9] == row[0, 9]
