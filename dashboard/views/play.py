"""Game: REAL or FAKE? Ten images, then your score beside the detector's."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from dashboard import library, state
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.picture import explained_picture, plain_picture
from dashboard.components.rounds import ROUND, compare, draw_round, score
from dashboard.components.words import CLASS_WORDS, heading, percent
from dashboard.state import Setting

GAME = Setting("game", 1, kind=int, low=1, high=9999)

opened = library.current()
table = opened.table
has_maps = opened.run.maps is not None
heading(
    "REAL or FAKE?",
    f"{ROUND} images from the test set. Decide whether a camera took each one or a generator made it; then see the "
    f"label, the detector's answer{' and its margin map' if has_maps else ''}.",
)
pictures = library.pictures(opened)
# another set has other answers, and another detector on this one the same images
images = str(opened.run.manifest["set_fingerprint"])
drawn = draw_round(table, pictures.where >= 0, seed=(GAME.value, int.from_bytes(images.encode()[:4])))
if drawn is None:
    lacking = (
        f"not all of this run's pictures are available. {how_to_get_pictures()} Or choose a run of the sample gallery."
        if pictures.found < len(table)
        else "this run has fewer. Choose another run, for instance one of the sample gallery."
    )
    st.info(
        f"The game needs {ROUND} pictures of each class that the detector was not trained on, and {lacking}",
        icon=":material/hide_image:",
    )
    st.stop()

rows: NDArray[np.intp] = drawn
# answers belong to this session and these images, which change if pictures are attached meanwhile; nothing is stored
mine = (images, GAME.value, tuple(table["id"].iloc[rows]))
if (of := st.session_state.get("game.of")) != mine:
    # Back, or a look at another run, leads to a game that has been begun
    begun = st.session_state.setdefault("game.begun", {})
    if of is not None:
        begun[of] = st.session_state["game.answers"], st.session_state["game.seen"]
    st.session_state["game.of"] = mine
    st.session_state["game.answers"], st.session_state["game.seen"] = begun.pop(mine, ([], 0))
answers: list[str] = st.session_state["game.answers"]
labels = table["label"].astype(str).to_numpy()[rows]
predictions = table["predicted"].astype(str).to_numpy()[rows]


# a quick second press arrives before the page is redrawn, so an answer names its image
def give(number: int, answer: str) -> None:
    """Record the answer to an image, once."""
    if len(st.session_state["game.answers"]) == number:
        st.session_state["game.answers"].append(answer)


def next_image() -> None:
    """Go on to the next image once this one is answered; a press on a button left from the image before counts."""
    if st.session_state["game.seen"] < len(st.session_state["game.answers"]):
        st.session_state["game.seen"] += 1


def new_game() -> None:
    """Draw ten images of a game that has not been begun."""
    begun = {(of, number) for of, number, _ in st.session_state.get("game.begun", {})}
    number = GAME.value % 9999 + 1
    while (images, number) in begun and number != GAME.value:
        number = number % 9999 + 1
    GAME.set(number)


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
    answered = len(answers) > number
    row = int(rows[number])
    image = picture(row)
    st.progress(number / ROUND, f"Image {number + 1} of {ROUND}")
    left, right = st.columns([2, 3], gap="large", vertical_alignment="top")
    with left:
        plain_picture(
            image, key=f"game.image.{number}", alt="Is this a photograph or generated?",
            edge=labels[number] if answered else None,
        )  # fmt: skip
    with right:
        if not answered:
            st.subheader("Did a camera take it, or did a generator make it?", anchor=False)
            with st.container(horizontal=True):
                st.button("REAL: a camera", key="game.real", shortcut="1", on_click=give, args=(number, "REAL"))
                st.button("FAKE: a generator", key="game.fake", shortcut="2", on_click=give, args=(number, "FAKE"))
            st.caption(
                "Keys: 1 for REAL, 2 for FAKE, N for the next image. "
                f"It is {opened.run.side} x {opened.run.side} pixels, which is all that the detector sees too."
            )
            return
        is_right = answers[number] == labels[number]
        st.subheader("Right." if is_right else "Wrong.", anchor=False)
        st.markdown(f"It is {CLASS_WORDS[labels[number]]}. You said {CLASS_WORDS[answers[number]]}.")
        sure = percent(float(table["confidence"].iloc[row]), 0)
        st.markdown(
            f"The detector says {CLASS_WORDS[predictions[number]]}, {sure} sure: "
            + ("right." if predictions[number] == labels[number] else "wrong.")
        )
        last = number == ROUND - 1
        st.button(
            "See the score" if last else "Next image",
            key="game.next",
            type="primary",
            shortcut="N",
            on_click=next_image,
        )
        if not has_maps:
            return
        with st.container(width=300):
            explained_picture(
                stored_map(opened.run, row, image),
                key=f"game.map.{number}",
                style=Style(smooth=True, scale=opened.map_scale),
            )
        st.caption(
            "Where its evidence lies (margin map). It says where the score comes from, not what looks fake.",
            help=explain("Margin map"),
        )


def marked(answers: Sequence[str]) -> list[str]:
    """Mark each answer as right or wrong."""
    return [f"{'✓' if answer == label else '✗'} {answer}" for answer, label in zip(answers, labels, strict=True)]


def finish() -> None:
    """Draw both scores, and every image again."""
    you, detector = score(labels, answers), score(labels, predictions)
    st.progress(1.0, "All answered")
    st.subheader(compare(labels, answers, predictions), anchor=False)
    with st.grid(2, min_column_width=220, gap="large") as grid:
        for name, one in (("You", you), ("The detector", detector)):
            with grid.cell(), st.container(border=True):
                st.metric(name, f"{one.right} of {one.of}")
                st.caption(
                    f"From {one.of} answers, the share right in the long run may be anywhere from "
                    f"{percent(one.low, 0)} to {percent(one.high, 0)} (95% interval).",
                    help=explain("Interval"),
                )
    accuracy = opened.run.manifest["metrics"]["all"]["accuracy"]
    st.caption(f"On all {len(table):,} images of this run it is right {percent(accuracy)} of the time.")
    under = " under their margin maps" if has_maps else ""
    st.markdown(f"The ten{under}. A click opens one in Inspect: why this verdict?")
    ids = table["id"].iloc[rows]
    notes = {id_: f"you: {said}" for id_, said in zip(ids, marked(answers), strict=True)}
    if id_ := image_grid(opened, rows, pictures, key="game.grid", maps=has_maps, notes=notes):
        state.go("inspect", run=opened.run.name, id=id_)
    with st.container(horizontal=True):
        st.button("Ten other images", key="game.again", type="primary", on_click=new_game)
        wrong = bool((table["correct"] == "wrong").any())
        if wrong and st.button("Look at the detector's mistakes", key="game.mistakes"):
            state.go("mistakes", run=opened.run.name, result="wrong")
    st.caption(
        "The address in the browser identifies these ten images: share it to compare scores. Only a first try counts: "
        "after a reload they begin again."
    )


if st.session_state["game.seen"] < ROUND:
    play(st.session_state["game.seen"])
else:
    finish()
