"""A page's requests to the worker: sent, followed until they are answered, stopped, tried again."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
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
    ask: Callable[[], T],
    draw: Callable[[T], None],
    is_busy: Callable[[T], bool],
    seconds: float = SECONDS,
    status: T | None = None,
) -> None:
    """Draw a part of a page whose widgets redraw it alone, and draw it again while something in it is being computed.

    Args:
        ask: asks for its status, once for each drawing.
        draw: draws it.
        is_busy: whether more is to come.
        seconds: between two drawings.
        status: its first status, where somebody has asked already.
    """
    now = ask() if status is None else status
    first = [now]
    busy = is_busy(now)

    def part() -> None:
        now = first.pop() if first else ask()
        draw(now)
        if is_busy(now) != busy:
            # only a whole run begins or ends the timer of a fragment
            st.rerun()

    st.fragment(part, run_every=seconds if busy else None)()


def follow(
    detector: DetectorHandle,
    pixels: Pixels,
    settings: Asked,
    show: Callable[[JobStatus], None],
    *,
    slot: str,
    doing: str = "",
    sha256: str = "",
) -> None:
    """Ask, and show the status of the request, repeatedly while it is busy; then why it ended without a full answer.

    Args:
        detector, pixels, settings, slot, sha256: as for `ask`.
        show: draws its answer so far, if there is one.
        doing: what is being done, "{} pictures judged", with how many of all; without it no progress is drawn.
    """

    def draw(now: JobStatus) -> None:
        show(now)
        of = len(pixels)
        draw_status(now, slot, doing.format(f"{round(now.share * of)} of {of}"))

    status = partial(ask, detector, pixels, settings, slot=slot, sha256=sha256)
    first = status()
    poll(status, draw, attrgetter("busy"), pace(first), first)


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


def draw_status(now: JobStatus, slot: str, doing: str) -> None:
    """Draw how far a request is, and a button that stops it, or why it ended without its whole answer, and another try.

    Args:
        now: its status.
        slot: for which part of the page.
        doing: what is being done; "" draws no progress.
    """
    who = (visitor(), slot)
    if now.busy and doing:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(now.share, waiting(now) or doing)
            st.button("Stop", key=f"{slot}.stop", on_click=worker().stop, args=who, type="tertiary")
    if now.state == "failed":
        st.error(with_code(now.message))
    if now.state in ("stopped", "failed"):
        again = "Go on" if now.state == "stopped" else "Try again"
        icon = ":material/play_arrow:"
        st.button(again, key=f"{slot}.again", on_click=worker().go_on, args=who, icon=icon)
