"""Estimators fitted on frozen vectors, and the belief they deserve: floors, controls, intervals."""
