"""Advice where pictures are missing, and offers to download them."""

import streamlit as st

from core.images.cifake import FINGERPRINTS
from dashboard import catalogue, datasets, sidebar
from dashboard.visitors import is_local


def how_to_get_pictures() -> str:
    """Return a sentence for places where pictures of the run are missing."""
    if datasets.registry().status.state == "reading":
        return "They are being read and will appear here by themselves."
    if not is_local():
        return "Whoever runs this server can attach them."
    return "Attach images on the left to see them."


def offer_training_images(missing: str, detector: str | None, *, key: str) -> None:
    """Say what is missing without the training images, and offer to download them.

    The button appears only where the detector was trained on CIFAKE, its images are missing, and the visitor sits at
    this computer.

    Args:
        missing: one sentence.
        detector: name of the detector trained on them, None where it is not here.
        key: of the button.
    """
    registry, found = datasets.registry(), catalogue.detectors().get(detector or "")
    fits = found is not None and found.manifest.get("training_set_fingerprint") == FINGERPRINTS["train"]
    st.caption(missing)
    offered = fits and registry.source is None and registry.status.state != "reading" and sidebar.is_local()  # type: ignore[attr-defined]
    if offered and st.button(
        "Download CIFAKE",
        key=key,
        icon=":material/download:",
        help="All 120,000 images from the repository of CIFAKE's authors: 43 MB, no account. If they are on this "
        "computer already, attach their folder on the left instead.",
    ):
        sidebar.fetch_cifake()
        # the whole page: the progress bar is outside this fragment
        st.rerun()
