"""Detectors: a network with its preprocessing and classes, how it is trained, and how it is kept on disk."""
