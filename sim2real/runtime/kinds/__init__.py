"""Kinds of adaptation: how behaviour changes with context on the robot, one file each."""
