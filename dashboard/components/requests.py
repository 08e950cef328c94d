"""A page's requests to the worker: sent, followed until they are answered, stopped, tried again."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.detectors.identity import Identity
from core.detectors.manifest import About
from core.images.decoding import pixels_sha256
from dashboard import catalogue
from dashboard.components.plain import with_code
from dashboard.components.words import remaining
from dashboard.jobs import ExplainRequest, JobStatus, PredictRequest, Request, Worker

# seconds between two looks at what is being computed
SECONDS = 0.5


@dataclass(frozen=True)
class DetectorHandle:
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
        """Return the subject that an image is."""
        return cls(image, name, pixels_sha256(image))


# where caches are cleared the old thread must end
@st.cache_resource(show_spinner=False, on_release=lambda made: made.close(wait=False))
def worker() -> Worker:
    """Return the thread that owns the detectors, one for all visitors."""
    return Worker()


def visitor() -> str:
    """Return the visitor's name, one a session."""
    name: str = st.session_state.setdefault("visitor", uuid.uuid4().hex)
    return name


def ask(
    detector: DetectorHandle,
    pixels: NDArray[np.uint8],
    settings: PredictRequest | ExplainRequest,
    *,
    slot: str,
    sha256: str = "",
    patience: float = 0.0,
) -> JobStatus:
    """Put a question about some images to the worker, or come back for its answer; see `Worker.ask`.

    Args:
        detector: who is asked.
        pixels: uint8 (K, side, side, 3).
        settings: the question.
        slot: for which part of the page.
        sha256: of the pixels, where it is known.
        patience: seconds to wait for an answer.
    """
    question = Request(detector.path, detector.identity, sha256 or pixels_sha256(pixels), settings)
    return worker().ask(visitor(), slot, question, pixels, patience=patience)


def known_detectors() -> dict[str, DetectorHandle]:
    """Return the detectors that can be asked, by name."""
    return {
        name: DetectorHandle(name, one.path, one.identity, one.about) for name, one in catalogue.detectors().items()
    }


def poll(draw: Callable[[], bool], *, busy: bool) -> None:
    """Draw a part of a page, and draw it again while something that it shows is being computed.

    Args:
        draw: draws it; returns whether more is to come.
        busy: whether more was to come when the page was drawn.
    """

    def again() -> None:
        if not draw():
            # only a whole run ends the timer of a fragment
            st.rerun()

    if busy:
        st.fragment(again, run_every=SECONDS)()
    elif draw():
        st.rerun()


def poll_part(draw: Callable[[], bool], *, busy: bool) -> None:
    """Draw a part of a page whose widgets redraw it alone, and draw it again while something in it is being computed.

    Args:
        draw: draws it; returns whether more is to come.
        busy: whether more is to come now.
    """

    def part() -> None:
        if draw() != busy:
            # only a whole run begins or ends the timer of a fragment
            st.rerun()

    st.fragment(part, run_every=SECONDS if busy else None)()


def follow(
    question: Request,
    pixels: NDArray[np.uint8],
    draw: Callable[[Any], None],
    *,
    slot: str,
    doing: Callable[[Any], str] = lambda _answer: "Asking the detector",
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Send a request, draw its answer so far, and poll while more may come.

    Args:
        question: the request.
        pixels: uint8 (K, side, side, 3), the images whose hash the request carries.
        draw: called with every answer, also with one that is still being refined.
        slot: for which part of the page.
        doing: what is being done, from the last answer or None.
        on_stop: called when it is stopped.
    """

    def show(now: JobStatus) -> None:
        if now.answer is not None:
            draw(now.answer)
        draw_progress(now, slot, doing(now.answer), on_stop)

    keep_up(lambda: worker().ask(visitor(), slot, question, pixels), show, slot=slot)


def keep_up(status: Callable[[], JobStatus], show: Callable[[JobStatus], None], *, slot: str) -> None:
    """Show the status of a request, repeatedly while it is busy; then why it ended without a full answer."""

    def draw() -> bool:
        now = status()
        show(now)
        draw_ended(now, slot)
        return now.busy

    poll(draw, busy=status().busy)


def any_busy(statuses: Iterable[JobStatus | None]) -> bool:
    """Check whether more may come of some requests."""
    return any(status is not None and status.busy for status in statuses)


def waiting(now: JobStatus) -> str:
    """Say how many requests are before one that waits, and when it is done; "" where it is its turn."""
    left = f", {remaining(now.seconds_left)}" if now.seconds_left is not None else ""
    if now.place:
        return f"Waiting, {now.place} before you{left}"
    return f"Waiting, you are next{left}" if now.state == "waiting" else ""


def draw_progress(now: JobStatus, slot: str, doing: str, on_stop: Callable[[], None] = lambda: None) -> None:
    """Draw how far a busy request is, with what is being done, and a button that stops it."""
    if now.busy:
        with st.container(horizontal=True, vertical_alignment="center"):
            left = f", {remaining(now.seconds_left)}" if now.seconds_left is not None else ""
            st.progress(now.share, waiting(now) or doing + left)
            st.button("Stop", key=f"{slot}.stop", on_click=_stop, args=(slot, on_stop), type="tertiary")


def draw_ended(now: JobStatus, slot: str) -> None:
    """Draw why a question ended without its whole answer, and a button that lets it be asked again."""
    if now.state == "failed":
        st.error(with_code(now.message))
    if now.state in ("stopped", "failed"):
        st.button(
            "Go on" if now.state == "stopped" else "Try again",
            key=f"{slot}.again",
            on_click=worker().go_on,
            args=(visitor(), slot),
            icon=":material/play_arrow:",
        )


def _stop(slot: str, on_stop: Callable[[], None]) -> None:
    on_stop()
    worker().stop(visitor(), slot)
