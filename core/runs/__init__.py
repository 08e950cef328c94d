"""Runs: one detector on one image set, with what browses, tags and validates it."""
