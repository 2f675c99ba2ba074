"""The compiled models that tasks are met in: one of each, as many as memory should hold."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import mujoco

from training.tasks.task import Task
from training.worlds.scene import Scene
from training.worlds.view import View


@dataclass(frozen=True)
class _Kept:
    """A task's model, and the camera over it once something is seen."""

    mj_model: mujoco.MjModel
    scene: Scene

    @cached_property
    def view(self) -> View:
        assert self.scene.camera is not None
        return View(self.mj_model, self.scene.camera)


class TaskModels:
    """Models of a scene by task. Those that were asked for last are kept, the others made anew.

    A model of the hand is 1.2 MB and takes a millisecond; training draws from thousands of tasks.
    """

    def __init__(self, scene: Scene, *, num_kept: int) -> None:
        """`num_kept` is at least the number of tasks that are met at the same time."""
        self._scene, self._num_kept = scene, num_kept
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._scratch = mujoco.MjData(scene.mj_model)

    def __len__(self) -> int:
        return len(self._kept)

    def model_of(self, task: Task) -> mujoco.MjModel:
        """The compiled model that `task` is met in; shared, so not to be edited."""
        return self._of(task).mj_model

    def view_of(self, task: Task) -> View:
        """What the scene's camera sees of it."""
        return self._of(task).view

    def clear(self) -> None:
        self._kept.clear()

    def _of(self, task: Task) -> _Kept:
        key = tuple(sorted(task.parameters.items())) if self._scene.changes_model else None
        if key not in self._kept:
            self._kept[key] = _Kept(self._made(task), self._scene)
            while len(self._kept) > self._num_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _made(self, task: Task) -> mujoco.MjModel:
        if not self._scene.changes_model:
            return self._scene.mj_model
        mj_model = copy.copy(self._scene.mj_model)
        self._scene.apply(mj_model, task)
        mujoco.mj_setConst(mj_model, self._scratch)
        return mj_model
