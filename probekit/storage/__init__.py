"""Bytes on disk: strict JSON, files that appear whole or not at all, locks."""
