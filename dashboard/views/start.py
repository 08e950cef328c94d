"""Start: the dial on one picture and three doors; and the stage over it, where the address asks for it."""

import streamlit as st

from dashboard import library
from dashboard.catalogue import how_to_get_pictures
from dashboard.components.dial import draw_first_dial, first_picture, flips_without_detail
from dashboard.components.stage import STAGE, draw_stage, is_open
from dashboard.components.words import inline
from dashboard.state import script_of


def draw_doors() -> None:
    """Draw the three ways on."""
    wrong = (opened.judged["correct"] == "wrong").sum()
    images = len(opened.run)
    doors = {
        "try_picture": ("Try a picture", "What would flip it?"),
        "mistakes": ("See its mistakes", f"{wrong:,} of {images:,}")
        if opened.run.classes
        else ("See its verdicts", f"on {images:,} pictures, and why each"),
        "play": ("Play", "You against the detector"),
    }
    with st.grid(3, min_column_width=220) as grid:
        for page, (name, text) in doors.items():
            with grid.cell(), st.container(border=True, height="stretch", gap=None):
                st.page_link(
                    script_of(page), label=f"**{name}**", icon=":material/arrow_forward:", icon_position="right",
                    query_params={"run": opened.run.name},
                )  # fmt: skip
                st.caption(text)


opened = library.current()
first = first_picture(opened)
if first is None:
    st.title("No picture to show yet", anchor=False)
    st.info(
        f"Start needs the picture of a generated image that is called FAKE. {how_to_get_pictures()} "
        "Or choose a run of the sample gallery.",
        icon=":material/hide_image:",
    )
    draw_doors()
    st.stop()
shown, row = first
same = "Same picture to you. The opposite verdict."
st.title(same if flips_without_detail(shown, row) else "What flips the verdict?", anchor=False)
st.markdown(
    "Why does a detector call a picture real or AI-generated? Change it and see.  \n"
    f":gray[It knows only {shown.run.side}-pixel pictures like those it learned from.]"
)
draw_first_dial(shown, row, key="start")
if shown is not opened:
    st.caption(f"The picture is of {inline(shown.run.name)}; this run has none here that it calls FAKE rightly.")
draw_doors()
st.button("On stage: six beats", key="stage.begin", type="tertiary", icon=":material/slideshow:",
          on_click=STAGE.set, args=(1,))  # fmt: skip
if is_open():
    draw_stage(shown, row)
