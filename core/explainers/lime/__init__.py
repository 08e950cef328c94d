"""LIME: on the segments of an image, and on a grid."""
