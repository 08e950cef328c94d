"""Explanations on a page: panels, settings, experiments on one image, and following an answer as it comes."""
