"""Brings the hand's nodes up, records them, and measures what a policy is worth on it."""
