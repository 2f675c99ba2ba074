"""The driver node: a lifecycle node that owns the servo bus."""
