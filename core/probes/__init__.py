"""Probes: small named changes to an image, each with a control, and which of them flip a verdict."""
