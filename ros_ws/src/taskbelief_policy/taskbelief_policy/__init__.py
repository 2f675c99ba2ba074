"""The policy node: a lifecycle node that owns a bundle and the belief."""
