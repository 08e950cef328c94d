"""Edits: everything that changes an image, from masking and noise to shuffled blocks and frequency bands."""
