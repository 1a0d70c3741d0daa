"""Intervals, tests and metrics: what a score is worth."""
