"""Findings of studies: as data, the rule by which they are claimed, and their words."""
