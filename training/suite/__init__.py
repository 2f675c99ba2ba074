"""Suites of trainings, their table and their page."""
