"""Capabilities of detectors: explainers name what they need, detectors what they offer."""

from enum import StrEnum


class Capability(StrEnum):
    """One thing that a detector can do."""

    PREDICTIONS = "predictions"  # margins of a batch of pixels
    GRADIENTS = "gradients"  # differentiable scores of a batch of inputs
    LAYERS = "layers"  # named layers that hooks can read
    INSTANT_MAP = "instant map"  # a signed map from the forward pass itself
