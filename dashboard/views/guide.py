"""Guide: a tour of seven steps, for a presenter and for those who are new to this."""

import streamlit as st

from core.detectors.identity import same_maker
from dashboard import catalogue, library
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.plain import plain
from dashboard.components.requests import known_detectors
from dashboard.state import Setting
from dashboard.views.guide_parts.parts import Told, cast_of
from dashboard.views.guide_parts.steps import STEPS, ask_ahead

STEP = Setting("step", 1, kind=int, low=1, high=len(STEPS))
WIDE = Setting("wide", "no", choices=("no", "yes"))
# large enough to be read from the back of a room, and larger on a larger screen; nothing else is styled
LARGE = """<style>
.st-key-guide h1 { font-size: clamp(1.9rem, 1.6vw + 1.1rem, 3.4rem) }
.st-key-guide p, .st-key-guide li { font-size: clamp(1.15rem, .9vw + .6rem, 2rem); line-height: 1.5 }
.st-key-guide h3 { font-size: clamp(1.6rem, 1.2vw + .9rem, 2.8rem) }
.st-key-guide [data-testid=stSlider] p { font-size: 1.1rem; line-height: 1.3 }
.st-key-guide [data-testid=stCaptionContainer] p { font-size: clamp(1rem, .35vw + .75rem, 1.4rem) }
</style>"""
NO_SIDEBAR = "<style>[data-testid=stSidebar] { display: none }</style>"

opened = library.current()
if not len(opened.run):
    st.title("Guide", anchor=False)
    st.info("This run holds no image; choose another one on the left.", icon=":material/hide_image:")
    st.stop()
shown = about = opened
pictured = library.pictures(opened).where >= 0
if not pictured.any() and (found := library.samples()):
    # this run's pictures are not available; its detector, or another, has a run of the sample
    shown = found[0]
    pictured = library.pictures(shown).where >= 0
    if not same_maker(shown.run.manifest, opened.run.manifest):
        about = shown


if shown.run.maps is None:
    st.title("Guide", anchor=False)
    st.info(
        "The guide explains heat maps, and this run has none: its detector gives predictions only. Choose another run.",
        icon=":material/hide_image:",
    )
    st.stop()
cast = cast_of(shown, pictured)
if cast is None:
    # where the detector is never right of one class here, or no picture is at hand, another run shows how to read maps
    for other in library.with_samples():
        at_hand = library.pictures(other).where >= 0
        if other.run.maps is not None and (cast := cast_of(other, at_hand)) is not None:
            shown, pictured = other, at_hand
            about = opened if same_maker(shown.run.manifest, opened.run.manifest) else shown
            break
if cast is None:
    st.title("Guide", anchor=False)
    lacking = "" if pictured.all() else f" among those whose picture is available. {how_to_get_pictures()} Or"
    st.info(
        "The guide needs an image of each class that the detector got right, and for one class there is none"
        f"{lacking or '. Instead,'} choose a run of the sample gallery.",
        icon=":material/hide_image:",
    )
    st.stop()

told = Told(shown, about, cast, known_detectors().get(catalogue.maker(shown.run) or ""))
number = STEP.value
title, draw = STEPS[number - 1]


def move(by: int) -> None:
    """Move by some steps from the one in the URL, so that two quick presses count as two."""
    STEP.set(min(max(STEP.value + by, 1), len(STEPS)))


def widen() -> None:
    """Hide the sidebar to make room, or show it again."""
    WIDE.set("no" if WIDE.value == "yes" else "yes")


# by this page's own style: Streamlit's setting would outlast the page, and yields to what the browser has stored
st.html(LARGE + (NO_SIDEBAR if WIDE.value == "yes" else ""))
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"Step {number} of {len(STEPS)}", width="stretch")
    st.button(
        "Full width" if WIDE.value == "no" else "With the menu", key="guide.wide", shortcut="F", on_click=widen,
        type="tertiary", icon=":material/width_full:",
    )  # fmt: skip
    st.button(
        "Back", key="guide.back", shortcut="Left", on_click=move, args=(-1,), disabled=number == 1,
        icon=":material/arrow_back:",
    )  # fmt: skip
    st.button(
        "Next", key="guide.next", shortcut="Right", on_click=move, args=(1,),
        disabled=number == len(STEPS), type="primary", icon=":material/arrow_forward:",
    )  # fmt: skip
st.progress(number / len(STEPS))
if shown is not opened:
    own, lent = plain(opened.run.name), plain(shown.run.name)
    words = f"The pictures of {own} are not available, so "
    if library.pictures(opened).found:
        words = f"Among the pictures of {own} at hand the detector is right on none of one class, so "
    words += (
        f"this is told with {lent}, another detector's run."
        if about is shown
        else f"the pictures of {lent} stand in, by the same detector. The numbers are of {own}."
    )
    st.caption(words)
with st.container(key="guide"):
    st.title(title, anchor=False)
    draw(told)
ask_ahead(told, number)
