"""What to do for images that are not at hand, said in one place."""

from dashboard.services import library


def how_to_get_pictures() -> str:
    """A sentence for where pictures of the run are missing."""
    if library.shelf().status.state == "reading":
        return "They are being read and will appear here by themselves."
    return "Attach CIFAKE on the left to see them."
