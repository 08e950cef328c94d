"""Guide: a tour of seven steps, for a presenter and for those who are new to this."""

import streamlit as st

from core.guide import choose_cast
from core.storage import ContractError
from dashboard import library
from dashboard.address import Setting
from dashboard.widgets.asking import known_detectors
from dashboard.widgets.guide import STEPS, Told

STEP = Setting("step", 1, kind=int, low=1, high=len(STEPS))

opened = library.current()
shown = opened
pictured = library.pictures(opened).where >= 0
if not pictured.any() and (found := library.samples()):
    # this run's pictures may not ship; its detector, or another, has a run of the sample
    shown = found[0]
    pictured = library.pictures(shown).where >= 0
try:
    probes = library.answer(shown, "probes")
except ContractError:
    probes = None
cast = choose_cast(shown.table, pictured, None if probes is None else probes.table)
if cast is None:
    st.title("The tour", anchor=False)
    st.info(
        "The tour shows images that the detector judged rightly, and none of either class has its picture at hand. "
        "Attach CIFAKE on the left, or choose a run of the sample.",
        icon=":material/hide_image:",
    )
    st.stop()

made_by = shown.run.manifest["detector_sha256"]
detector = next((one for one in known_detectors().values() if one.sha256 == made_by), None)
number = STEP.value
title, draw = STEPS[number - 1]


def turn_to(step: int) -> None:
    """Another step, which the address then names."""
    STEP.set(min(max(step, 1), len(STEPS)))


# large enough to be read from the back of a room; nothing else is styled
st.html("<style>.st-key-guide p, .st-key-guide li { font-size: 1.2rem; line-height: 1.55 }</style>")
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"Step {number} of {len(STEPS)}. Arrow keys turn the page.", width="stretch")
    st.button(
        "Back", key="guide.back", shortcut="Left", on_click=turn_to, args=(number - 1,), disabled=number == 1,
        icon=":material/arrow_back:",
    )  # fmt: skip
    st.button(
        "Next", key="guide.next", shortcut="Right", on_click=turn_to, args=(number + 1,),
        disabled=number == len(STEPS), type="primary", icon=":material/arrow_forward:",
    )  # fmt: skip
st.progress(number / len(STEPS))
st.title(title, anchor=False)
if shown is not opened:
    st.caption(f"The pictures of {opened.run.name} are not at hand, so this is told with {shown.run.name}.")
with st.container(key="guide"):
    draw(Told(shown, cast, detector))
