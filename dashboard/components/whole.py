"""A whole picture with the exact map of a detector that reads its own pixels: as it is, and after a change."""

from functools import cache
from typing import NamedTuple

import numpy as np
import streamlit as st
from PIL import Image

from core.arrays import Float32, Floats, Pixels
from core.detectors.identity import DetectorHandle
from core.detectors.manifest import Capability
from core.explainers.drawing import grey_picture
from core.findings.numbers import plus
from core.images.decoding import pixels_sha256
from core.images.labels import CLASS_COLOURS, rgb
from core.images.out_of_distribution import find_photograph
from core.images.preprocessing import Location, preview
from core.perturbations.delivery import DELIVERIES, pasted, pasted_side
from core.storage.memory import Bounded
from dashboard.components.requests import any_busy, ask, draw_ended, draw_progress, poll
from dashboard.components.uploads import Picture, draw_square, place_of
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import JobStatus, WholeRequest
from dashboard.state import Setting

# a press -> its words; all but the first and the last are deliveries
PASTE = "paste"
CHANGES = {
    "": "Nothing",
    "jpeg_75": "Save as JPEG",
    "scale_50_box": "Halve",
    "screenshot": "Screenshot",
    "messenger": "Send by messenger",
    PASTE: "Paste a photograph into it",
}
CHANGE = Setting("then", "", choices=CHANGES)
OPACITY = "upload.opacity"
# of all local scores, the part that is drawn in less than full colour
FULL = 0.99
APPLY = {delivery.name: delivery.apply for delivery in DELIVERIES}


class Version(NamedTuple):
    """A picture as it is, or changed.

    Attributes:
        pixels: uint8 (height, width, 3).
        sha256: of them.
        small: its preview, uint8.
    """

    pixels: Pixels
    sha256: str
    small: Pixels


# up to 60 MB each
_versions: Bounded[tuple[str, str, Location | None], Version] = Bounded(4)


def draw_whole(picture: Picture, detector: DetectorHandle) -> None:
    """Draw the map of a whole picture, what can be done to it, and the map of what comes of that.

    Nothing is drawn where the detector has no scores of parts.
    """
    if Capability.PATCH_SCORES not in detector.about.capabilities:
        return
    st.subheader("Where its score comes from", anchor=False)
    changes = [name for name in CHANGES if name != PASTE or find_photograph() is not None]
    change = CHANGE.choose("What happens to it", options=changes)
    shown = {"upload.whole": version_of(picture, "")}
    if change:
        where = choose_place(picture) if change == PASTE else None
        shown["upload.changed"] = version_of(picture, change, where)

    def statuses() -> list[JobStatus]:
        return [
            ask(detector, version.pixels[None], WholeRequest(), slot=slot, sha256=version.sha256)
            for slot, version in shown.items()
        ]

    def draw(asked: list[JobStatus]) -> None:
        opacity = st.slider("Opacity of the map", 0, 100, 70, format="%d %%", key=OPACITY, width=330) / 100
        scale = full_colour(asked)
        titles = ["As it is", CHANGES[change]]
        columns = st.columns(2)
        # one that is alone is drawn as large as one of two: nothing moves when the other comes
        for column, title, version, status, slot in zip(columns, titles, shown.values(), asked, shown, strict=False):
            with column:
                draw_version(title, version, status, opacity=opacity, scale=scale)
                draw_progress(status, slot, "Part by part")
                draw_ended(status, slot)
        st.caption(
            "Exact: the score is the mean of the local scores that are drawn, nothing is estimated. Below 0 speaks for "
            "FAKE (orange), above for REAL (blue). Both maps have one scale."
        )

    poll(statuses(), statuses, draw, any_busy)


def draw_version(title: str, version: Version, status: JobStatus, *, opacity: float, scale: float) -> None:
    """Draw one version with its map, as far as that is computed, and its score."""
    drawn = version.small
    score = "not computed yet"
    if status.answer is not None:
        drawn = overlay(drawn, status.answer.scores / scale, opacity)
        score = f"score **{plus(status.answer.margin)}**{' so far' if status.busy else ''}"
        side = "REAL" if status.answer.margin > 0 else "FAKE"
        score += f", the side of {CLASS_WORDS[side]}"
    st.image(drawn, alt=f"{title}, with the exact map over it", width="stretch")
    st.markdown(f"**{title}**: {score}")


def choose_place(picture: Picture) -> Location:
    """Draw the picture with the square that a photograph is pasted into, which is dragged; return where it is."""
    photograph = find_photograph()
    assert photograph is not None  # noqa: S101 - else pasting is not offered

    def measure(pixels: Pixels) -> tuple[int, int, int]:
        return (*pixels.shape[:2], pasted_side(pixels, photograph))

    height, width, side = picture.use(measure)
    zoom = min(height, width) / side
    first = Location(zoom=zoom)
    key = f"{picture.key}.paste"
    place = place_of(key) or first
    alt = f"{picture.name} with the square that the photograph is pasted into"
    draw_square(picture, key, (width, height), place, first=first, zooms=(zoom, zoom), alt=alt)
    return place


def version_of(picture: Picture, change: str, where: Location | None = None) -> Version:
    """Return a picture after one of `CHANGES`, "" for none, `PASTE` at a place; the last few are kept."""
    key = (picture.key, change, where)

    def make(pixels: Pixels) -> Version:
        if key not in _versions:
            photograph = find_photograph()
            if where is not None and photograph is not None:
                pixels = pasted(pixels, photograph, where.x, where.y)
            elif change in APPLY:
                pixels = APPLY[change](pixels)
            _versions[key] = Version(pixels, pixels_sha256(pixels), preview(pixels))
        return _versions[key]

    return picture.use(make)


def full_colour(statuses: list[JobStatus]) -> float:
    """Return the size of a local score that is drawn in full colour, for all maps together."""
    scores = [np.abs(status.answer.scores).ravel() for status in statuses if status.answer is not None]
    sizes = np.concatenate(scores) if scores else np.ones(1)
    return max(float(np.nanquantile(sizes, FULL)), 1e-6)


def overlay(picture: Pixels, shares: Floats, opacity: float) -> Pixels:
    """Lay a map over the grey picture: its class's colour, the denser the stronger; nothing where the map is NaN.

    Args:
        picture: uint8 (height, width, 3).
        shares: float (h, w), 1 or more in size for full colour, above 0 for REAL.
        opacity: of full colour, 0 to 1.
    """
    height, width = picture.shape[:2]
    known = np.nan_to_num(np.clip(shares, -1, 1)).astype(np.float32)
    large = np.asarray(Image.fromarray(known).resize((width, height), Image.Resampling.BILINEAR))[..., None]
    colours = np.where(large > 0, _colour("REAL"), _colour("FAKE"))
    weight = opacity * np.abs(large)
    return np.asarray(np.rint(grey_picture(picture) * (1 - weight) + colours * weight), np.uint8)


@cache
def _colour(label: str) -> Float32:
    return np.array(rgb(CLASS_COLOURS[label]), np.float32)
