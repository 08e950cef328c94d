"""Metrics: classification curves, separation of two classes, nearest rows, and intervals for all of them."""
