"""A page's requests to the worker: sent, followed until they are answered, stopped, tried again."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter, methodcaller
from typing import TypeVar

import streamlit as st

from core.arrays import Pixels
from core.detectors.identity import DetectorHandle
from core.images.decoding import pixels_sha256
from core.storage.memory import lazy_property
from dashboard.components.words import with_code
from dashboard.jobs import Asked, JobStatus, Request, Worker

# seconds between two looks at what is being computed, and the most for who waits behind others
SECONDS = 0.5
MOST_SECONDS = 4.0
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Subject:
    """An image to explain.

    Attributes:
        image: uint8 (side, side, 3).
        name: for headings and files.
    """

    image: Pixels
    name: str

    @lazy_property
    def sha256(self) -> str:
        """The hash of the pixels."""
        return pixels_sha256(self.image)

    @property
    def seed(self) -> int:
        """Of what is drawn at random for this image, and the same each time."""
        return int(self.sha256[:8], 16)


# where caches are cleared the old thread must end
@st.cache_resource(show_spinner=False, on_release=methodcaller("close", wait=False))
def worker() -> Worker:
    """Return the thread that owns the detectors, one for all visitors."""
    return Worker()


def visitor() -> str:
    """Return the visitor's name, one a session."""
    name: str = st.session_state.setdefault("visitor", uuid.uuid4().hex)
    return name


def ask(
    detector: DetectorHandle,
    pixels: Pixels,
    settings: Asked,
    *,
    slot: str,
    sha256: str = "",
) -> JobStatus:
    """Ask the worker about some images, or poll for its answer; see `Worker.ask`.

    Args:
        detector: who is asked.
        pixels: uint8 (K, side, side, 3), or (1, height, width, 3) for a whole picture's scores.
        settings: what is asked.
        slot: for which part of the page.
        sha256: of the pixels, where it is known.
    """
    request = Request(detector.path, detector.identity, sha256 or pixels_sha256(pixels), settings)
    return worker().ask(visitor(), slot, request, pixels)


def poll(
    status: T, ask: Callable[[], T], draw: Callable[[T], None], is_busy: Callable[[T], bool], seconds: float = SECONDS
) -> None:
    """Draw a part of a page whose widgets redraw it alone, and draw it again while something in it is being computed.

    Args:
        status: how far it is now.
        ask: asks for its status again, once for each later drawing.
        draw: draws it.
        is_busy: whether more is to come.
        seconds: between two drawings.
    """
    first = [status]
    busy = is_busy(status)

    def part() -> None:
        now = first.pop() if first else ask()
        draw(now)
        if is_busy(now) != busy:
            # only a whole run begins or ends the timer of a fragment
            st.rerun()

    st.fragment(part, run_every=seconds if busy else None)()


def follow(
    status: Callable[[], JobStatus],
    show: Callable[[JobStatus], None],
    *,
    slot: str,
    doing: str = "",
    of: int = 0,
) -> None:
    """Show the status of a request, repeatedly while it is busy, and then why it ended without a full answer.

    Args:
        status: asks for it.
        show: draws its answer so far, if there is one.
        slot: for which part of the page.
        doing: what is being done; without it no progress is drawn.
        of: how many parts the whole answer has, which are then counted.
    """

    def draw(now: JobStatus) -> None:
        show(now)
        if doing:
            count = "" if not of else f"{0 if now.answer is None else len(now.answer)} of {of} "
            draw_progress(now, slot, count + doing)
        draw_ended(now, slot)

    first = status()
    poll(first, status, draw, attrgetter("busy"), pace(first))


def pace(now: JobStatus) -> float:
    """Return the seconds until the next look: the more wait before, the longer, or the looks of a crowd delay it."""
    return min(SECONDS * (1 + now.place), MOST_SECONDS)


def any_busy(statuses: Iterable[JobStatus | None]) -> bool:
    """Check whether more may come of some requests."""
    return any(status is not None and status.busy for status in statuses)


def waiting(now: JobStatus) -> str:
    """Say how many requests are before one that waits; "" where it is its turn."""
    if now.state != "waiting":
        return ""
    return f"Waiting, {now.place} before you" if now.place else "Waiting, you are next"


def draw_progress(now: JobStatus, slot: str, doing: str) -> None:
    """Draw how far a busy request is, with what is being done, and a button that stops it."""
    if now.busy:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(now.share, waiting(now) or doing)
            st.button("Stop", key=f"{slot}.stop", on_click=worker().stop, args=(visitor(), slot), type="tertiary")


def draw_ended(now: JobStatus, slot: str) -> None:
    """Draw why a request ended without its whole answer, and a button that lets it be made again."""
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
