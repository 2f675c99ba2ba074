"""Every task family by name: what recipes, the command line and the conformance tests go by."""

from __future__ import annotations

from training.families.point_robot import PointRobot
from training.families.sparse_point_robot import SparsePointRobot
from training.families.task import TaskFamily

_FAMILIES: tuple[TaskFamily, ...] = (
    PointRobot(),
    SparsePointRobot(),
)

FAMILIES: dict[str, TaskFamily] = {family.name: family for family in _FAMILIES}
