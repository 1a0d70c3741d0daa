"""Losses beside the task's: penalties that hold a model close, and further signals."""
