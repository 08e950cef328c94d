"""Game: REAL or AI? Ten images, then your score beside the detector's."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.explainers.saving import Style
from core.explainers.stored import stored_map
from core.images.decoding import data_url
from core.runs.game import ROUND, draw_round, score, verdict
from dashboard.components.glossary import explain
from dashboard.components.images.grid import image_grid
from dashboard.components.images.picture import explained_picture, plain_picture
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.words import CLASS_WORDS, heading, percent
from dashboard.services import address, library
from dashboard.services.address import Setting

GAME = Setting("game", 1, kind=int, low=1, high=9999)

opened = library.current()
table = opened.table
heading(
    "REAL or AI?",
    f"{ROUND} images that the detector has never seen either. Say of each whether a camera took it or a generator made "
    "it; then see the truth, the detector's answer and where its evidence lies.",
)
pictures = library.pictures(opened)
rows = draw_round(table, pictures.where >= 0, seed=GAME.value)
if rows is None:
    st.info(
        f"The game takes {ROUND} pictures of each class, and this run's pictures are not available. "
        f"{how_to_get_pictures()} Or choose a run of the sample gallery.",
        icon=":material/hide_image:",
    )
    st.stop()

# answers are of this visit, this run and this game only; nothing is stored
mine = (opened.run.name, GAME.value)
if st.session_state.get("game.of") != mine:
    st.session_state["game.of"], st.session_state["game.answers"], st.session_state["game.seen"] = mine, [], 0
answers: list[str] = st.session_state["game.answers"]
truth = table["label"].astype(str).to_numpy()[rows]
said = table["predicted"].astype(str).to_numpy()[rows]


# a second quick press comes before the first is drawn, so each says which image it is about
def give(number: int, answer: str) -> None:
    """Keep the answer to an image, once."""
    if len(st.session_state["game.answers"]) == number:
        st.session_state["game.answers"].append(answer)


def next_image(number: int) -> None:
    """Go on to the image after, once this one is answered."""
    if st.session_state["game.seen"] == number < len(st.session_state["game.answers"]):
        st.session_state["game.seen"] += 1


def new_game() -> None:
    """Ten other images."""
    GAME.set(GAME.value % 9999 + 1)


def play(number: int) -> None:
    """The image of this turn: a question, or what came out."""
    answered = len(answers) > number
    row = int(rows[number])
    image = pictures.get(row)
    st.progress(number / ROUND, f"Image {number + 1} of {ROUND}")
    left, right = st.columns([2, 3], gap="large", vertical_alignment="top")
    with left:
        plain_picture(
            image, key=f"game.image.{number}", alt="Is this a photograph or generated?",
            edge=truth[number] if answered else None,
        )  # fmt: skip
    with right:
        if not answered:
            st.subheader("Did a camera take it, or did a generator make it?", anchor=False)
            with st.container(horizontal=True):
                st.button("REAL: a camera", key="game.real", shortcut="1", on_click=give, args=(number, "REAL"))
                st.button("FAKE: a generator", key="game.fake", shortcut="2", on_click=give, args=(number, "FAKE"))
            st.caption(
                "Keys: 1 for REAL, 2 for FAKE, N for the next image. "
                f"It is {opened.run.side} x {opened.run.side} pixels: that is all the detector sees too."
            )
            return
        right_ = answers[number] == truth[number]
        st.subheader("Right." if right_ else "Wrong.", anchor=False)
        st.markdown(f"It is {CLASS_WORDS[truth[number]]}. You said {CLASS_WORDS[answers[number]]}.")
        sure = percent(float(table["confidence"].iloc[row]), 0)
        st.markdown(
            f"The detector says {CLASS_WORDS[said[number]]}, {sure} sure: "
            + ("right." if said[number] == truth[number] else "wrong.")
        )
        last = number == ROUND - 1
        st.button(
            "See the score" if last else "Next image",
            key="game.next",
            type="primary",
            shortcut="N",
            on_click=next_image,
            args=(number,),
        )
        if opened.run.maps is None:
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


def marked(answers: Sequence[str], truth: Sequence[str]) -> list[str]:
    """Each answer with whether it is right."""
    return [f"{'✓' if one == is_ else '✗'} {one}" for one, is_ in zip(answers, truth, strict=True)]


def finish() -> None:
    """Both scores, and every image once more."""
    you, detector = score(truth, answers), score(truth, said)
    st.progress(1.0, "All answered")
    st.subheader(verdict(you, detector), anchor=False)
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
    frame = pd.DataFrame(
        {
            "image": [data_url(pictures.get(int(row))) for row in rows],
            "it is": truth,
            "you said": marked(answers, truth),
            "the detector said": marked(said, truth),
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        row_height=64,
        height=38 + 64 * ROUND,
        alt="The ten images, and what was said of each",
        column_config={"image": st.column_config.ImageColumn("", width="small")},
    )
    st.caption("The same ten under their margin maps, in order. A click opens one in Inspect: why was it called that?")
    if id_ := image_grid(opened, rows, pictures, key="game.grid", maps=True, size="small"):
        address.go("inspect", run=opened.run.name, id=id_)
    with st.container(horizontal=True):
        st.button("Ten other images", key="game.again", type="primary", on_click=new_game)
        if st.button("Look at the detector's mistakes", key="game.mistakes"):
            address.go("explore", run=opened.run.name, result="wrong")
    st.caption("The address in the browser holds which ten images these were: send it on to compare scores.")


if st.session_state["game.seen"] < ROUND:
    play(st.session_state["game.seen"])
else:
    finish()
