"""Robots: the protocol that all of them satisfy, and the servo bus that drives the real one."""
