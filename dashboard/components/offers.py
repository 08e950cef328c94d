"""What is missing on a page, with the button that gets it."""

import streamlit as st

from core.images.cifake_files import FINGERPRINTS
from dashboard import sidebar
from dashboard.services import library


def offer_training_images(missing: str, detector: str | None, *, key: str) -> None:
    """Say what is missing without the training images, and offer to download them.

    There is a button where the detector was trained on CIFAKE, its images are not at hand, and the visitor sits at this
    computer; others are told what is missing and no more.

    Args:
        missing: one sentence.
        detector: the name of the one whose training images they are, None where it is not here.
        key: of the button.
    """
    shelf = library.shelf()
    if shelf.source is not None or not sidebar.is_local() or not _learned_cifake(detector):
        st.caption(missing)
    elif shelf.status.state == "reading":
        st.caption(f"{missing} Pictures are being read: the bar on the left says how far that is.")
    else:
        st.caption(missing)
        if st.button(
            "Download CIFAKE",
            key=key,
            icon=":material/download:",
            help="All 120,000 images from the repository of CIFAKE's authors: 43 MB, no account. If they are on this "
            "computer already, attach their folder on the left instead.",
        ):
            sidebar.fetch_cifake()
            # the whole page, since the bar that shows how far it is stands outside of this part
            st.rerun()


def _learned_cifake(detector: str | None) -> bool:
    found = library.detectors().get(detector or "")
    return found is not None and found.manifest.get("training_set_fingerprint") == FINGERPRINTS["train"]
