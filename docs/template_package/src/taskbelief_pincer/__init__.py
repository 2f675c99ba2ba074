"""A hand of two fingers for taskbelief. On the robot's computer only this and `skill` are read."""

from pathlib import Path

PINCER = Path(__file__).parent / "pincer"
"""robot.yaml, model.xml, reset.yaml and units/"""
