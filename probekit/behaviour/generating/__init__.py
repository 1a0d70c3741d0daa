"""Continuations of prompts by a model itself, recorded with what they were drawn by."""
