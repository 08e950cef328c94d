"""Adapters: detectors that others made, brought by `python -m core detectors add`. One module a kind of source."""
