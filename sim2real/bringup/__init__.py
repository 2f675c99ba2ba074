"""Bringing the hand up: the node graph as data, and the processes that make it real."""
