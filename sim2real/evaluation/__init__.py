"""What a bundle is worth on a robot: trials, metrics with intervals, results on disk."""
