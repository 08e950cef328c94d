"""Kinds of detectors that others made, one module a kind of source; `telltale detectors add` reads them."""
