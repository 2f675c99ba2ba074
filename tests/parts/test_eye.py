"""The eye sees where things are, not how bright it is; shifts move a frame and nothing else."""

from __future__ import annotations

import numpy as np
import torch

from tests.algorithms.dot_world import picture
from training.parts.eye import Eye, normalized, shifted


def test_light_and_its_colour_are_divided_out_of_each_frame() -> None:
    frame = torch.from_numpy(picture(np.array([0.2, 2.0])))
    tinged = (frame.float() * torch.tensor([0.5, 0.8, 0.6]) + 20.0).round().to(torch.uint8)

    torch.testing.assert_close(normalized(frame), normalized(tinged), atol=0.15, rtol=0)
    values = normalized(frame)
    torch.testing.assert_close(values.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.square().mean((2, 3)), torch.ones(2, 3), atol=1e-3, rtol=0)


def test_a_frame_that_is_all_alike_is_nothing() -> None:
    assert (normalized(torch.full((1, 8, 8, 3), 77, dtype=torch.uint8)) == 0).all()


def test_every_frame_is_shifted_by_itself_and_edges_are_repeated() -> None:
    rng = np.random.default_rng(0)
    frame = torch.from_numpy(rng.integers(0, 256, (40, 9, 9, 3), dtype=np.uint8))
    moved = shifted(frame, 2, torch.Generator().manual_seed(0))
    padded = np.pad(frame.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")

    found = set()
    for index in range(40):
        [place] = [
            (row, column)
            for row in range(5)
            for column in range(5)
            if (padded[index, row : row + 9, column : column + 9] == moved[index].numpy()).all()
        ]
        found.add(place)
    assert len(found) > 12  # of 25
    assert shifted(frame, 0, torch.Generator()) is frame


def test_features_are_bounded_and_there_are_none_without_a_camera() -> None:
    initial = torch.Generator().manual_seed(0)
    eye = Eye((16, 16, 3), num_channels=4, num_features=5, generator=initial)
    features = eye(torch.from_numpy(picture(np.linspace(-3, 3, 7))))

    assert features.shape == (7, 5) and features.abs().max() <= 1.0
    blind = Eye(None, num_channels=4, num_features=5, generator=initial)
    assert blind(torch.zeros(7, 0, 0, 0, dtype=torch.uint8)).shape == (7, 0)
    assert not list(blind.parameters())


def test_px3_what_is_exported_takes_bytes_and_divides_light_out_by_itself() -> None:
    """Nobody has to scale a frame before, so nobody can do it otherwise."""
    initial = torch.Generator().manual_seed(0)
    eye = Eye((16, 16, 3), num_channels=4, num_features=5, generator=initial)
    frame = picture(np.linspace(-3, 3, 7))
    bright, dim = (torch.from_numpy((frame // part).astype(np.uint8)) for part in (1, 2))

    apart = (eye(bright) - eye(dim)).abs().max()
    assert apart < 0.1 * eye(bright).std(0).max()


def test_odd_sides_are_seen_too() -> None:
    eye = Eye((13, 10, 3), num_channels=4, num_features=5, generator=torch.Generator())
    assert eye(torch.zeros(2, 13, 10, 3, dtype=torch.uint8)).shape == (2, 5)
