"""Cues: networks trained on versions of an image set that keep one thing only."""
