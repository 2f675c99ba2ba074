"""One file per algorithm, readable top to bottom: a config, a learner, its training loop."""
