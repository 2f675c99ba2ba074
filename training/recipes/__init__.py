"""Named experiments: what is trained on what, and how."""
