"""Every algorithm by name."""

from __future__ import annotations

from typing import Any

from sim2real.contract.registry import Registry
from training.algorithms import (
    dvrl,
    e_maml,
    learned_exploration,
    maesn,
    maml,
    meld,
    pearl,
    pearl_search,
    promp,
    psrl,
    recurrent_sac,
    reinforce,
    rl2,
    rl2_pixels,
    sac,
    sac_pixels,
    slac,
    task_inference,
    varibad,
)

_OWN: dict[str, type[Any]] = {
    "reinforce": reinforce.Reinforce,
    "maml": maml.Maml,
    "e_maml": e_maml.EMaml,
    "meld": meld.Meld,
    "promp": promp.Promp,
    "maesn": maesn.Maesn,
    "learned_exploration": learned_exploration.LearnedExploration,
    "pearl": pearl.Pearl,
    "pearl_search": pearl_search.PearlSearch,
    "rl2": rl2.Rl2,
    "e_rl2": rl2.ERl2,
    "rl2_hypernetwork": rl2.Rl2Hypernetwork,
    "rl2_split": rl2.Rl2Split,
    "rl2_pixels": rl2_pixels.Rl2Pixels,
    "psrl": psrl.Psrl,
    "dvrl": dvrl.Dvrl,
    "rdpg": recurrent_sac.Rdpg,
    "recurrent_sac": recurrent_sac.RecurrentSac,
    "sac": sac.Sac,
    "sac_pixels": sac_pixels.SacPixels,
    "slac": slac.Slac,
    "task_inference": task_inference.TaskInference,
    "varibad": varibad.VariBad,
}

ALGORITHMS: Registry[type[Any]] = Registry("algorithms", _OWN)
"""classes that fulfil `training.algorithms.learner.Learner`"""
