"""Start: the dial on one picture and three doors; or the same as a story of five steps."""

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.explainers.explanation import shuffled
from core.perturbations.registry import probe_pictures
from core.runs.showcase import choose_fakes, choose_other
from dashboard import datasets, library
from dashboard.components.dial import measured, measured_flips, short_percent
from dashboard.components.glossary import explain
from dashboard.components.picture import Cell, explained_picture, picture_strip
from dashboard.components.plain import code, inline
from dashboard.components.probing import strength_words
from dashboard.components.requests import Subject
from dashboard.components.story import SHOWN, draw_first_dial, first_picture, flips_without_detail
from dashboard.components.study import command
from dashboard.components.words import CLASS_WORDS
from dashboard.datasets import how_to_get_pictures
from dashboard.navigation import script_of
from dashboard.state import Setting

# the strength of "all FAKE verdicts do this"
COLUMN = list(SHOWN.columns)[-1]


def image_of(position: int) -> NDArray[np.uint8]:
    """Return the picture of a row that was chosen among those with one."""
    found = library.pictures(shown).get(position)
    if found is None:
        st.error("The file of this picture has changed or is gone. Reload this page.", icon=":material/error:")
        st.stop()
    return found


def draw_doors() -> None:
    """Draw the three ways on."""
    wrong, images = int((opened.judged["correct"] == "wrong").sum()), len(opened.run)
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


def play() -> None:
    """Draw step 1: which of two pictures is the photograph?"""
    other = choose_other(shown.judged, library.pictures(shown).where >= 0, row)
    pair = [image_of(row), *([] if other is None else [image_of(other)])]
    picture_strip([Cell(image, f"Picture {letter}") for letter, image in zip("AB", pair, strict=False)], width=280)
    st.markdown("Decide, then go on." if other is not None else "A camera or a generator? Decide, then go on.")


def flips() -> None:
    """Draw step 2: the dial."""
    st.markdown(f"A is generated, and the detector calls it {CLASS_WORDS['FAKE']}. Now take its finest detail away.")
    draw_first_dial(shown, row, key="start")


def all_do() -> None:
    """Draw step 3: a row of FAKE images before and after, and the share of all that flip."""
    table = measured(shown.origin)
    contrast = measured_flips(shown.origin)[1].get((COLUMN, "FAKE"))
    if table is None or contrast is None or contrast.control is None:
        st.caption(f"This has not been measured for this run yet: {code(command(shown, 'probes'))}")
        return
    finest = strength_words(COLUMN, shown.run.side)
    st.markdown(
        f"**{short_percent(contrast.measure.value)}** of {contrast.n:,} {CLASS_WORDS['FAKE']} verdicts flip without "
        f"detail {finest}. Strongest control: **{short_percent(contrast.control.measure.value)}**.",
        help=explain("Control", "Low-pass"),
    )
    rows = choose_fakes(shown.judged, library.pictures(shown).where >= 0)
    images = [image_of(int(position)) for position in rows]
    ids = shown.judged["id"].iloc[rows]
    after = [probe_pictures(image, name=id_, columns=[COLUMN])[COLUMN] for image, id_ in zip(images, ids, strict=True)]
    called = ["REAL" if table[COLUMN].get(id_, -1) > 0 else "FAKE" for id_ in ids]
    picture_strip([Cell(image, "Generated, called FAKE", "FAKE", "FAKE") for image in images], width=150)
    cells = zip(after, called, strict=True)
    picture_strip(
        [Cell(image, f"Without its finest detail, called {name}", name, name) for image, name in cells], width=150
    )


def random_map() -> None:
    """Draw step 4: a map beside one of the same values in random places."""
    if shown.run.maps is None:
        st.markdown("A map colours the places that speak for each class. This run has none.")
        return
    own = stored_map(shown.run, row, image_of(row))
    style = Style(smooth=True, scale=shown.map_scale)
    with st.container(horizontal=True, gap="large"):
        maps = {"Its map": own, "A random map": shuffled(own, seed=Subject(own.image, "").seed)}
        for name, explanation in maps.items():
            with st.container(width=330):
                st.markdown(name)
                explained_picture(explanation, key=f"story.{name}", style=style)
    st.markdown("Both look like an explanation. So every map here is tested against maps that know nothing.")
    st.page_link(script_of("maps"), label="Can maps be believed?", query_params={"run": opened.run.name})


STEPS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("Which one did a camera take?", play),
    ("Same picture to you. The opposite verdict.", flips),
    ("Do all FAKE verdicts do this?", all_do),
    ("Would a map have told you?", random_map),
    ("Now your own picture", draw_doors),
)
# 0 is the page without the story
STEP = Setting("step", 0, kind=int, low=0, high=len(STEPS))


def move(by: int) -> None:
    """Move by some steps from the one in the URL, so that two quick presses count as two."""
    STEP.set(min(max(STEP.value + by, 0), len(STEPS)))


opened = library.current()
number = STEP.value
if datasets.registry().status.state == "reading" and not library.pictures(opened).found:
    # they are there in a moment, and the sidebar draws the page again
    st.title("Same picture to you. The opposite verdict.", anchor=False)
    st.skeleton(height=430)
    draw_doors()
    st.stop()
if (first := first_picture(opened)) is None:
    st.title("No picture to show yet", anchor=False)
    st.info(
        f"Start needs the picture of a generated image that is called FAKE. {how_to_get_pictures()} "
        "Or choose a run of the sample gallery.",
        icon=":material/hide_image:",
    )
    draw_doors()
    st.stop()
shown, row = first
if not number:
    same = "Same picture to you. The opposite verdict."
    st.title(same if flips_without_detail(shown, row) else "What flips the verdict?", anchor=False)
    st.markdown(
        "Why does a detector call a picture real or AI-generated? Change it and see.  \n"
        f":gray[The detector knows only {shown.run.side}-pixel pictures like those it learned from.]"
    )
    draw_first_dial(shown, row, key="start")
    if shown is not opened:
        st.caption(f"The picture is of {inline(shown.run.name)}; this run has none here that it calls FAKE rightly.")
    draw_doors()
    st.button(
        "The story in five steps", key="story.begin", type="tertiary", icon=":material/tour:", on_click=move, args=(1,)
    )
else:
    with st.container(key="story"):
        st.title(STEPS[number - 1][0], anchor=False)
        STEPS[number - 1][1]()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", key="story.back", shortcut="Left", on_click=move, args=(-1,))
        st.button("Next", key="story.next", shortcut="Right", type="primary", on_click=move, args=(1,),
                  disabled=number == len(STEPS))  # fmt: skip
        st.caption(f"Step {number} of {len(STEPS)}")
