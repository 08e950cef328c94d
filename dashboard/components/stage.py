"""The stage: six beats for an audience, on the whole screen, moved by one key.

Streamlit lacks a modal that fills the screen, and keys that answer before the server does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from core.arrays import Pixels
from core.explainers.cam import stored_map
from core.explainers.drawing import Style, draw_explanation
from core.explainers.explanation import shuffled
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import verdict_of
from core.perturbations.flips import strength_words
from core.perturbations.registry import PROBES, probe_columns
from core.runs.pictures import choose_other
from dashboard import library
from dashboard.components.component import component
from dashboard.components.dial import SHOWN, measured_flips, second_picture, share_bar, strongest_control
from dashboard.components.probing import stored_changes
from dashboard.components.requests import Subject
from dashboard.library import Opened
from dashboard.state import Setting

BEATS = 6
# 0 is the page without the stage
STAGE = Setting("stage", 0, kind=int, low=0, high=BEATS)
# the strength that the audience sees, the strongest that changes no more than fine detail
COLUMN = PROBES[SHOWN.key].column("8")
# pixels along a side of a map
SIDE = 512
LETTERS = "AB"
Beat = dict[str, Any]
_mount = component("stage")


def is_open() -> bool:
    """Check whether the address asks for the stage, by `?stage` or one of its beats."""
    return STAGE.name in st.query_params


def draw_stage(opened: Opened, row: int) -> None:
    """Draw the stage over the page, at the beat in the address.

    Args:
        opened: the run.
        row: of the FAKE image on the page beneath; the stage shows another one, or the vote would be known.
    """
    row = second_picture(opened, row)
    beats = [vote(opened, row), flip(opened, row), shares(opened), maps(opened, row), own_picture(opened), trust()]
    data = {
        "id": f"{opened.run.name} {row}",
        "beats": [{"number": number, **beat} for number, beat in enumerate(beats, start=1) if beat is not None],
        "at": max(1, STAGE.value),
    }

    @st.fragment
    def mount() -> None:
        # once it was left, the page beneath is all there is
        if is_open():
            _mount(key="stage", data=data, on_at_change=_follow)

    mount()


def _follow() -> None:
    """Write the beat that the browser shows to the address."""
    at = st.session_state["stage"].at
    STAGE.set(at if at in range(BEATS + 1) else 0)


def vote(opened: Opened, row: int) -> Beat | None:
    """Which of two pictures is the photograph?"""
    other = choose_other(opened.judged, library.pictures(opened).where >= 0, row)
    images = [] if other is None else [library.pictures(opened).get(at) for at in (row, other)]
    pictures = [_url(image) for image in images if image is not None]
    if len(pictures) < len(LETTERS):
        return None
    return {
        "kind": "vote",
        "title": "Which one did a camera take?",
        "text": f"The other is generated. Both have {opened.run.side} x {opened.run.side} pixels.",
        "notes": "Ask for hands. Press A or B once for each; the next key tells.",
        **_lettered({"Generated": pictures[0], "The photograph": pictures[1]}, seed=row),
    }


def flip(opened: Opened, row: int) -> Beat | None:
    """One picture, without its fine detail, and after its strongest control."""
    stored = stored_changes(opened, row)
    if stored is None:
        return None
    changes = stored[0]
    control = strongest_control(COLUMN, measured_flips(opened.origin))
    captions = {"": "As it is", COLUMN: f"Without detail {strength_words(COLUMN, opened.run.side)}"}
    if control is not None:
        captions[control] = f"As large a change: {probe_columns()[control][0].inline}"
    frames = [
        {
            "caption": caption,
            "source": _url(changes.loc[column, "picture"]),
            "verdict": verdict_of(changes.loc[column, "margin"]),
        }
        for column, caption in captions.items()
    ]
    return {
        "kind": "frames",
        "title": "Still the same picture. The opposite verdict.",
        "text": "The generated one, and what the detector calls it",
        "frames": frames,
        "notes": "The middle picture lost its fine detail. The last one was changed as much, and keeps it.",
    }


def shares(opened: Opened) -> Beat | None:
    """The share of all FAKE verdicts that flip, beside the strongest control."""
    contrast = measured_flips(opened.origin).get((COLUMN, "FAKE"))
    if contrast is None or contrast.control is None:
        return None
    control = f"become REAL after as large a change: {contrast.control.name}"
    return {
        "kind": "shares",
        "title": "Do all FAKE verdicts do this?",
        "text": f"Of {contrast.n:,} FAKE verdicts",
        "bars": [
            share_bar("become REAL without fine detail", contrast.measure, "FAKE"),
            share_bar(control, contrast.control.measure, "control"),
        ],
        "notes": "Is it blur? A blur takes medium detail too, and few flip. What counts is fine detail beside medium.",
    }


def maps(opened: Opened, row: int) -> Beat | None:
    """A map beside one of the same values in random places."""
    image = library.pictures(opened).get(row)
    if opened.run.maps is None or image is None:
        return None
    own = stored_map(opened.run, row, image)
    style = Style(smooth=True, scale=opened.map_scale)
    both = {"The detector's map": own, "Random": shuffled(own, seed=Subject(image, "").seed)}
    drawn = {name: thumbnail_url(draw_explanation(one, style=style), SIDE) for name, one in both.items()}
    return {
        "kind": "vote",
        "title": "One of these maps is random. Which?",
        "text": "Orange marks what is said to speak for FAKE.",
        "notes": "Hands again. Both look like an explanation; only an experiment tells them apart.",
        **_lettered(drawn, seed=row + 1),
    }


def own_picture(opened: Opened) -> Beat:
    """The audience's own picture, on the page for it."""
    return {
        "kind": "own",
        "title": "Now your own picture",
        "text": f"This detector knows {opened.run.side} x {opened.run.side} pixels, and does not answer on others.",
        "page": "try_picture",
        "notes": "Open the address in another tab, or leave the stage with Esc.",
    }


def trust() -> Beat:
    """What to take away."""
    return {
        "kind": "trust",
        "title": "So trust this, and not that.",
        "text": "Telltale shows why a detector says REAL or FAKE, not what a picture is.",
        "trust": [
            "A change that flips the verdict, while an equal change does not",
            "A share of many pictures, beside its control",
        ],
        "doubt": ["A heatmap alone", "A verdict on a kind of picture that the detector never learned from"],
        "notes": "Ask which of the two they would have believed ten minutes ago.",
    }


def _lettered(sources: Mapping[str, str], *, seed: int) -> Beat:
    """Letter two pictures by name, of which the second is the right one, in an order that the seed decides."""
    _, right = sources
    names = np.random.default_rng(seed).permutation(list(sources)).tolist()
    pictures = [
        {"letter": letter, "name": name, "source": sources[name]} for letter, name in zip(LETTERS, names, strict=True)
    ]
    return {"pictures": pictures, "answer": LETTERS[names.index(right)]}


def _url(image: Pixels) -> str:
    return thumbnail_url(image, SMOOTH)
