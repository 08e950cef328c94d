"""LIME: on the segments of an image, and on bands of its spectrum."""
