"""From a training run to a bundle that a robot can load."""
