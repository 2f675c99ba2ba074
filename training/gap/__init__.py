"""What the gap needs to know about tasks: their dynamics, and the ranges they are drawn from."""
