"""Advice where pictures are missing."""

from dashboard import datasets
from dashboard.visitors import is_local


def how_to_get_pictures() -> str:
    """Return a sentence for places where pictures of the run are missing."""
    if datasets.registry().status.state == "reading":
        return "They are being read and will appear here by themselves."
    if not is_local():
        return "Whoever runs this server can attach them."
    return "Attach images on the left to see them."
