"""What the full turn's oracle is learnt with, changed one thing at a time."""
