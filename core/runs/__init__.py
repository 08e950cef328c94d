"""Runs: one detector on one image set; writing, validating, browsing and tagging them."""
