"""Kinds of detectors that others made, one module a kind of source; `python -m core detectors add` reads them."""
