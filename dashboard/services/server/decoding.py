"""One thread decodes uploads, in the order in which visitors ask: while it lasts, each may take 225 MB."""

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import decode
from core.images.preprocessing import Place, Preprocessing
from core.images.upload import Prepared, prepare_pixels
from core.perturbations.postprocessing import Delivered, Delivery, deliver, seeing

# of decoded images, in bytes: two of the largest
MAX_HELD = 120 * 2**20
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="decode")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class Held:
    """The decoded upload that a visitor's session keeps, so that moving a slider decodes nothing.

    Attributes:
        pixels: uint8 (height, width, 3); None before it is decoded, and where others have needed the room since.
    """

    pixels: NDArray[np.uint8] | None = None


# least recently used first; weak, so that they go with their sessions; used by the decoding thread only
_HELD: list[weakref.ref[Held]] = []


def prepare_in_turn(held: Held, data: bytes, preprocessing: Preprocessing, place: Place | None = None) -> Prepared:
    """`core.images.upload.prepare_pixels` of the decoded file once it is this file's turn; raises what that raises."""
    return _THREAD.submit(lambda: prepare_pixels(_decoded(held, data), preprocessing, place)).result()


def in_turn(work: Callable[[], Answer]) -> Answer:
    """Do other work that decodes once it is its turn; raises what that raises."""
    return _THREAD.submit(work).result()


def deliver_in_turn(
    held: Held, data: bytes, delivery: Delivery, preprocessing: Preprocessing, place: Place | None = None
) -> Delivered:
    """The decoded file after one delivery, as a detector sees it, once it is this file's turn."""
    see = seeing(preprocessing, place)
    return _THREAD.submit(lambda: next(deliver(_decoded(held, data), see, among=[delivery]))).result()


def _decoded(held: Held, data: bytes) -> NDArray[np.uint8]:
    """The file's pixels, uint8 (height, width, 3), which are held where there is room."""
    if held.pixels is None:
        held.pixels = decode(data)
    pixels = held.pixels
    _make_room(held)
    return pixels


def _make_room(latest: Held) -> None:
    """Let go of the images that were cut longest ago, until the rest is within the limit."""
    alive = [one for reference in _HELD if (one := reference()) is not None and one is not latest]
    room = MAX_HELD
    for one in (latest, *reversed(alive)):
        room -= one.pixels.nbytes if one.pixels is not None else 0
        if room < 0:
            one.pixels = None
    _HELD[:] = [weakref.ref(one) for one in (*alive, latest) if one.pixels is not None]
