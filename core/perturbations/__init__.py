"""Perturbations: every nameable change of an image, from masking to frequency bands, and the table of probes."""
