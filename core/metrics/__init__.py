"""Metrics: classification curves, separation of two classes, nearest rows, and their intervals."""
