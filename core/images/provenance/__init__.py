"""Provenance: an image file's claims about its origin, which anybody can forge; one module per kind of evidence."""
