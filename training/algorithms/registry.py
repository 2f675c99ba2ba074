"""Every algorithm by name."""

from __future__ import annotations

from typing import Any

from training.algorithms import e_maml, maesn, maml, pearl, promp, reinforce, rl2, sac

ALGORITHMS: dict[str, type[Any]] = {
    "reinforce": reinforce.Reinforce,
    "maml": maml.Maml,
    "e_maml": e_maml.EMaml,
    "promp": promp.Promp,
    "maesn": maesn.Maesn,
    "pearl": pearl.Pearl,
    "rl2": rl2.Rl2,
    "sac": sac.Sac,
}
"""classes that fulfil `training.algorithms.learner.Learner`"""
