"""Play: REAL or FAKE? Ten images, then your score beside the detector's."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.explainers.drawing import Style
from core.explainers.stored import stored_map
from core.runs.metrics import wilson_interval
from core.runs.showcase import ROUND, draw_round
from dashboard import library, state
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.picture import explained_picture, plain_picture
from dashboard.components.story import compare
from dashboard.components.words import CLASS_WORDS, draw_title, percent
from dashboard.datasets import how_to_get_pictures
from dashboard.state import Setting

GAME = Setting("game", 1, kind=int, low=1, high=9999)

opened = library.current()
table, pictures = opened.judged, library.pictures(opened)
has_maps = opened.run.maps is not None
draw_title("REAL or FAKE?")
# another set has other answers, and another detector on this one the same images
images = str(opened.run.manifest["set_fingerprint"])
drawn = draw_round(table, pictures.where >= 0, seed=(GAME.value, int.from_bytes(images.encode()[:4])))
if drawn is None:
    few = "this run has fewer" if pictures.found == len(table) else f"not all are available. {how_to_get_pictures()}"
    st.info(
        f"The game needs {ROUND} pictures of each class that the detector was not trained on, and {few} "
        "Or choose another run, for instance one of the sample gallery.",
        icon=":material/hide_image:",
    )
    st.stop()

rows: NDArray[np.intp] = drawn
# answers belong to this session and these images, which change if pictures are attached meanwhile; nothing is stored.
# Back, or a look at another run, leads to a game that has been begun
games = st.session_state.setdefault("games", {})
answers, seen = games.setdefault((images, GAME.value, tuple(table["id"].iloc[rows])), ([], []))
labels = table["label"].astype(str).to_numpy()[rows]
predictions = table["predicted"].astype(str).to_numpy()[rows]


# a quick second press arrives before the page is redrawn, so an answer names its image
def give(number: int, answer: str) -> None:
    """Record the answer to an image, once."""
    if len(answers) == number:
        answers.append(answer)


def next_image() -> None:
    """Go on to the next image once this one is answered; a press on a button left from the image before counts."""
    if len(seen) < len(answers):
        seen.append(True)


def new_game() -> None:
    """Go on to the ten images of the next game."""
    GAME.set(GAME.value % 9999 + 1)


def picture(row: int) -> NDArray[np.uint8]:
    """Return the picture of a row of this game."""
    found = pictures.get(row)
    if found is None:
        st.error("The file of this picture has changed or is gone, so the game cannot go on.", icon=":material/error:")
        st.button("Ten other images", key="game.other", on_click=new_game)
        st.stop()
    return found


def play(number: int) -> None:
    """Draw the current image with the question or, once answered, the result."""
    answered, row = len(answers) > number, int(rows[number])
    image = picture(row)
    st.progress(number / ROUND, f"Image {number + 1} of {ROUND}")
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(width=300):
        plain_picture(
            image, key=f"game.image.{number}", alt="Is this a photograph or generated?",
            edge=labels[number] if answered else None,
        )  # fmt: skip
    with right:
        if not answered:
            st.markdown("### Did a camera take it, or a generator make it?")
            st.caption("You against the detector; keys 1 and 2.")
            with st.container(horizontal=True):
                st.button("REAL: a camera", key="game.real", shortcut="1", on_click=give, args=(number, "REAL"))
                st.button("FAKE: a generator", key="game.fake", shortcut="2", on_click=give, args=(number, "FAKE"))
            return
        st.subheader("Right." if answers[number] == labels[number] else "Wrong.", anchor=False)
        sure = percent(float(table["confidence"].iloc[row]), 0)
        judged = "right" if predictions[number] == labels[number] else "wrong"
        st.markdown(
            f"It is {CLASS_WORDS[labels[number]]}. You said {CLASS_WORDS[answers[number]]}, "
            f"the detector {CLASS_WORDS[predictions[number]]}, {sure} sure: {judged}."
        )
        name = "See the score" if number == ROUND - 1 else "Next image"
        st.button(name, key="game.next", type="primary", shortcut="N", on_click=next_image)
        if has_maps:
            st.caption("Where its score comes from, not what looks fake:", help=explain("Margin map"))
            with st.container(width=260):
                explained_picture(
                    stored_map(opened.run, row, image),
                    key=f"game.map.{number}",
                    style=Style(smooth=True, scale=opened.map_scale),
                )


def finish() -> None:
    """Draw both scores, and every image again."""
    st.subheader(compare(labels, answers, predictions), anchor=False)
    with st.grid(2, min_column_width=220, gap="large") as grid:
        for name, given in (("You", answers), ("The detector", predictions)):
            right = int((labels == np.array(given)).sum())
            low, high = map(float, wilson_interval(right, ROUND))
            with grid.cell(), st.container(border=True):
                st.metric(name, f"{right} of {ROUND}")
                likely = f"{percent(low, 0)} to {percent(high, 0)}"
                st.caption(f"In the long run {likely} (95% interval)", help=explain("Interval"))
    accuracy = opened.run.manifest["metrics"]["all"]["accuracy"]
    st.caption(f"On all {len(table):,} images the detector is right {percent(accuracy)} of the time.")
    marks = (f"{'✓' if answer == label else '✗'} {answer}" for answer, label in zip(answers, labels, strict=True))
    notes = dict(zip(table["id"].iloc[rows], marks, strict=True))
    if id_ := image_grid(opened, rows, pictures, key="game.grid", maps=has_maps, notes=notes):
        state.go("mistakes", run=opened.run.name, id=id_)
    with st.container(horizontal=True):
        st.button("Ten other images", key="game.again", type="primary", on_click=new_game)
        wrong = bool((table["correct"] == "wrong").any())
        if wrong and st.button("Look at the detector's mistakes", key="game.mistakes"):
            state.go("mistakes", run=opened.run.name, result="wrong")
    st.caption("Share the address to compare scores on the same ten images. Only a first try counts.")


if len(seen) < ROUND:
    play(len(seen))
else:
    finish()
