"""RL² with an eye: a recurrent belief about a task that has to be seen.

Duan et al. 2016, https://arxiv.org/abs/1611.02779, as in `rl2`, in worlds with a camera. Frames
never reach PPO. An eye tells cosine and sine of the angle of what has to be seen, and RL² learns on
these beside what is measured, as if they had been measured.

The eye is supervised with what simulation knows and a robot does not: the true angle, under all the
lights and camera poses that tasks vary (privileged information, in training alone). First it learns
by itself from what chance does; then on along with the policy, slowly, from frames remembered. What
its features mean does not change meanwhile, so that belief and policy need not follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.rl2 import Rl2, Rl2Config
from training.parts.checked import Count, CountOrNone, Positive
from training.parts.eye import shifted
from training.parts.recurrent_actor import RecurrentActor
from training.parts.schedule import set_learning_rate
from training.parts.seen_world import PlaceEye, SeenWorld, Sight, TellsAngle
from training.parts.sequence_replay import Column, SequenceReplay
from training.parts.trials import Trials
from training.tasks.task import Task
from training.worlds.vector_world import VectorWorld

TAUGHT = (
    "its eye was supervised with the true angle of what is seen, which simulation knows and a "
    "robot does not (privileged in training; what runs here looks at frames alone)"
)


@dataclass(frozen=True, kw_only=True)
class Rl2PixelsConfig(Rl2Config):
    """Settings of RL² with an eye; the eye's suit 32 x 32 on a CPU."""

    num_channels: Count = 16
    """of both convolutions"""
    num_features: Count = 32
    """what the eye makes of a frame before it tells cosine and sine"""
    max_shift_pixels: CountOrNone = 2
    """how far a frame is moved before a step of the eye, either way"""
    num_looking_steps: CountOrNone = 76_800
    """control steps at the beginning in which the eye alone learns, from what chance does"""
    num_eye_steps: Count = 80
    """gradient steps of the eye in an iteration"""
    eye_batch_size: Count = 128
    """frames in one of them"""
    eye_learning_rate: Positive = 1e-3
    """of Adam, for the eye"""
    final_eye_learning_rate: Positive = 3e-4
    """it falls to this linearly while the eye alone learns, and stays there"""
    num_trials_remembered: Count = 1280
    """trials whose frames the eye learns from; a frame of 32 x 32 takes 3 kB"""

    @classmethod
    def smallest(cls) -> Rl2PixelsConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_size=8,
            hidden_sizes=(16,),
            num_trials=6,
            num_minibatches=2,
            num_epochs=2,
            num_channels=4,
            num_features=6,
            num_looking_steps=60,
            num_eye_steps=3,
            eye_batch_size=16,
        )


class Rl2Pixels(Rl2):
    """The learner: an eye and the frames that it learns from, and RL² on what it tells."""

    config_type: ClassVar[type[Rl2PixelsConfig]] = Rl2PixelsConfig
    config: Rl2PixelsConfig
    worlds: SeenWorld

    def __init__(self, config: Rl2PixelsConfig, setup: TrainingSetup) -> None:
        super().__init__(config, setup)
        if self.sight.frame_shape is None:
            return
        self.eye_optimizer = torch.optim.Adam(
            self.eye.parameters(), lr=config.eye_learning_rate, fused=True
        )
        self.state.keep(modules={"eye": self.eye}, optimizers={"eye_optimizer": self.eye_optimizer})
        moments = setup.num_trial_episodes * self.worlds.episode_length + 1
        self.looked = SequenceReplay(
            {
                "frame": Column(shape=self.sight.frame_shape, dtype="uint8"),
                "angle": Column(shape=()),
            },
            num_tasks=1,
            max_length=moments,
            capacity=max(config.num_trials_remembered, config.num_trials),
            device=setup.device,
        )
        self.state.keep(replays={"looked": self.looked})

    def _make_worlds(self, setup: TrainingSetup) -> VectorWorld:
        """Worlds seen through the eye. Raises `ValueError` where none could be taught."""
        worlds = setup.make_worlds(self.config.num_trials, sees_frames=True)
        if worlds.frame_shape is not None and not isinstance(worlds, TellsAngle):
            worlds.close()
            raise ValueError(f"{setup.family.name}: it does not tell what an eye could be taught")
        seed = np.random.default_rng([setup.seed, 18])
        self.eye = PlaceEye(
            worlds.frame_shape,
            num_channels=self.config.num_channels,
            num_features=self.config.num_features,
            generator=torch.Generator().manual_seed(int(seed.integers(2**62))),
        ).to(setup.device)
        self.sight = Sight(eye=self.eye, frame_shape=worlds.frame_shape)
        return SeenWorld(worlds, self.eye, self.eye.num_features)

    # ---- collecting and improving --------------------------------------------------------------

    def iterate(self, progress: float) -> dict[str, float]:
        is_looking = self.is_looking
        trials = self.collect()
        learnt = {"train_return": trials.last_return(self.collector.num_episodes)}
        if self.sight.frame_shape is not None:
            learnt |= self.teach()
        return learnt if is_looking else learnt | self.ppo.improve(trials, progress)

    @property
    def is_looking(self) -> bool:
        """Whether the eye alone learns yet."""
        if self.sight.frame_shape is None:
            return False
        return self.state.num_environment_steps < self.config.num_looking_steps

    def collect(self) -> Trials:
        """One trial in every world as told by the eye; its frames are remembered."""
        actor = partial(self._actor, is_deterministic=False)
        trials = self.collector.collect(actor).trials
        if self.sight.frame_shape is not None:
            frame, angle = self.worlds.taken()
            lengths = np.full(self.worlds.num_worlds, len(frame), np.int64)
            tasks = np.zeros_like(lengths)
            self.looked.add(tasks, {"frame": frame, "angle": angle}, lengths)
        return trials

    def teach(self) -> dict[str, float]:
        """An iteration's gradient steps of the eye; the mean of its errors.

        Raises `TrainingFailed` where one is not finite.
        """
        config = self.config
        looked = self.state.num_environment_steps / max(config.num_looking_steps, 1)
        rates = config.eye_learning_rate, config.final_eye_learning_rate
        set_learning_rate(self.eye_optimizer, *rates, min(looked, 1.0))
        return self.state.counted(
            (self._eye_step() for _ in range(config.num_eye_steps)),
            num_steps=config.num_eye_steps,
        )

    def _eye_step(self) -> dict[str, Tensor]:
        generator = self.state.generator
        drawn = self.looked.sample(self.config.eye_batch_size, generator, window=1).columns
        frame = shifted(drawn["frame"][0], self.config.max_shift_pixels, generator)
        error = self.eye.error(frame, drawn["angle"][0])
        self.eye_optimizer.zero_grad()
        error.backward()
        self.eye_optimizer.step()
        return {"eye_error": error}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return self._actor(tasks, is_deterministic=is_deterministic, see=self.sight)

    def deployed(self) -> Deployed:
        """The eye, and what goes by measurements and what it tells side by side."""
        if self.sight.frame_shape is None:
            return super().deployed()
        return replace(self._deployed(eye=self.eye), taught=TAUGHT)
