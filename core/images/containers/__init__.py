"""Image containers, split into their parts; metadata is returned as bytes, not parsed."""
