"""Detectors and images for the worker, and a page's way to send it a request."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.detectors.identity import Identity
from core.detectors.manifest import About
from core.images.decoding import pixels_sha256
from dashboard import catalogue
from dashboard.jobs import ExplainRequest, JobStatus, PredictRequest, Request, Worker


@dataclass(frozen=True)
class Known:
    """A detector that can be asked.

    Attributes:
        name: of its folder.
        path: its folder.
        identity: who it is, as computed from its files.
        about: what its manifest says of it: its side, its layers, what it can do.
    """

    name: str
    path: Path
    identity: Identity
    about: About


@dataclass(frozen=True, eq=False)
class Subject:
    """An image to explain.

    Attributes:
        image: uint8 (side, side, 3).
        name: for headings and files.
        sha256: of the pixels.
    """

    image: NDArray[np.uint8]
    name: str
    sha256: str

    @classmethod
    def of(cls, image: NDArray[np.uint8], name: str) -> "Subject":
        """The subject that an image is."""
        return cls(image, name, pixels_sha256(image))


# where caches are cleared the old thread must end
@st.cache_resource(show_spinner=False, on_release=lambda made: made.close(wait=False))
def worker() -> Worker:
    """The thread that owns the detectors, one for all visitors."""
    return Worker()


def visitor() -> str:
    """Return the visitor's name, one a session."""
    name: str = st.session_state.setdefault("visitor", uuid.uuid4().hex)
    return name


def ask(
    detector: Known,
    pixels: NDArray[np.uint8],
    sha256: str,
    settings: PredictRequest | ExplainRequest,
    *,
    slot: str,
    patience: float = 0.0,
) -> JobStatus:
    """Put a question to the worker, or come back for its answer; see `Worker.ask`."""
    question = Request(detector.path, detector.identity, sha256, settings)
    return worker().ask(visitor(), slot, question, pixels, patience=patience)


def known_detectors() -> dict[str, Known]:
    """The detectors that can be asked, by name."""
    return {name: Known(name, one.path, one.identity, one.about) for name, one in catalogue.detectors().items()}
