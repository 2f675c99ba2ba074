"""What a trial draws beside its latents: every draw has a place, so that any of them can be redone.

A draw depends on the trial's seed, on what it is for and on its place (episode and tick, or how
much evidence there was), never on what was drawn before. So a trial that goes on elsewhere, and a
replay of one episode of it, draw the same numbers.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ACTION_NOISE = "action_noise"
"""input of a policy that explores: (1, A) standard normal numbers, zeros where it does not"""
CELL_NOISE = "cell_noise"
"""input of a recurrent graph that draws, as for particles: (1, N) standard normal numbers"""
LATENT_NOISE = "latent_noise"
"""input of a policy that explores by a latent: (1, L) standard normal numbers that hold for an
episode, zeros where it does not explore"""
NAMES = (ACTION_NOISE, CELL_NOISE, LATENT_NOISE)
"""inputs of graphs that are noise"""


class Noise(Protocol):
    """Where graphs get their noise from."""

    def draw(self, name: str, place: tuple[int, ...], size: int) -> NDArray[np.float32]:
        """(size,) standard normal numbers for the input `name` at its place in the trial."""


class TrialNoise:
    """The noise of one trial."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def draw(self, name: str, place: tuple[int, ...], size: int) -> NDArray[np.float32]:
        entropy = [self._seed, zlib.crc32(name.encode()), *place]
        return np.random.default_rng(entropy).standard_normal(size, np.float32)
