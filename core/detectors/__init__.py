"""Detectors: a network with its preprocessing and classes, its training, and its files on disk."""
