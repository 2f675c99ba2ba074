"""Every algorithm by name."""

from __future__ import annotations

from typing import Any

from training.algorithms import pearl, rl2, sac

ALGORITHMS: dict[str, type[Any]] = {
    "pearl": pearl.Pearl,
    "rl2": rl2.Rl2,
    "sac": sac.Sac,
}
"""classes that fulfil `training.algorithms.learner.Learner`"""
