"""`python benchmarks/decoded_posterior.py RUN`: VariBAD's belief beside Bayes' on the gridworld."""

import sys
from pathlib import Path

from training.algorithms.varibad import VariBad
from training.evaluation.decoded_posterior import posteriors
from training.families.gridworld import GridworldFamily
from training.runs.start import load_learner

learner = load_learner(Path(sys.argv[1]))
assert isinstance(learner, VariBad), "a run of varibad-gridworld"
for walk in ("policy", "random"):
    found = posteriors(learner, GridworldFamily(), num_histories=100, seed=1, walk=walk)
    print(
        f"100 histories of the {walk}: total variation mean {found.distance.mean():.3f}, "
        f"median {sorted(found.distance)[50]:.3f}, at most {found.distance.max():.3f}; "
        f"of the prior {found.distance_of_prior.mean():.3f}"
    )
