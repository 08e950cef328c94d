"""Play: REAL or FAKE? Ten images, alone and with help; then how often help misled the group."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.reliance import HELPS, Answers, AnswersError, assign_helps, compare, measure_reliance
from core.arrays import Positions
from core.explainers.cam import stored_map
from core.explainers.drawing import Style, draw_explanation
from core.findings.contrast import Measure
from core.findings.numbers import format_measure
from core.perturbations.flips import flipping
from core.runs.pictures import ROUND, draw_game
from core.storage.atomic import cache_dir
from dashboard import library
from dashboard.catalogue import how_to_get_pictures
from dashboard.components.component import csv_button
from dashboard.components.dial import measured_flips, strongest_control
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.probing import change_words, changed_cell, probes_of, stored_changes
from dashboard.components.words import CLASS_WORDS, draw_title, draw_verdict, explain, plain
from dashboard.state import Setting

GAME = Setting("game", 1, kind=int, low=1, high=9999)
# pixels along a side of a map
SIDE = 384

opened = library.current()
table = opened.judged
pictures = library.pictures(opened)
draw_title("REAL or FAKE?")
# another set has other answers, and another detector other verdicts
images = opened.run.manifest["set_fingerprint"]
drawn = draw_game(table, pictures.where >= 0, seed=(GAME.value, int.from_bytes(images.encode()[:4])))
if drawn is None:
    few = "this run has fewer" if pictures.found == len(table) else f"not all are available. {how_to_get_pictures()}"
    st.info(
        f"The game needs {ROUND} pictures that the detector was not trained on, a fifth of them called wrongly, and "
        f"{few} Or choose another run, for instance one of the sample gallery.",
        icon=":material/hide_image:",
    )
    st.stop()

rows: Positions = drawn
dealt = table.iloc[rows].astype({"id": str, "label": str, "predicted": str})
ids = dealt["id"].tolist()
labels = dealt["label"].to_numpy()
verdicts = dealt["predicted"].to_numpy()
store = Answers(cache_dir() / "play.sqlite")


@contextmanager
def logged() -> Iterator[None]:
    """Write to the log why answers cannot be kept or read."""
    try:
        yield
    except AnswersError as error:
        logging.getLogger(__name__).warning("%s", error)


def begin_game() -> dict[str, Any]:
    """Begin a game: the player's number, the help at each picture, what is answered, and how many are done with."""
    player = None
    place = int(np.random.default_rng().integers(len(HELPS)))
    # otherwise the game goes on, and counts for nobody
    with logged():
        player, place = store.begin(f"{opened.run.name} {GAME.value}")
    has_data = {"map": opened.run.maps is not None, "flip": probes_of(opened) is not None}
    helps = assign_helps(labels != verdicts, place, [name for name in HELPS if has_data.get(name, True)])
    return {"player": player, "helps": helps, "choices": [], "done": 0}


# Back, or a look at another run, leads to a game that has been begun
games = st.session_state.setdefault("games", {})
key = (opened.run.name, images, GAME.value, *ids)
if key not in games:
    games[key] = begin_game()
game = games[key]


# a quick second press arrives before the page is redrawn, so an answer names its image
def give(number: int, choice: str) -> None:
    """Record the answer to an image, once."""
    if len(game["choices"]) != number:
        return
    game["choices"].append(choice)
    if game["player"] is not None:
        answer = {
            "player": game["player"],
            "game": GAME.value,
            "run": opened.run.name,
            "picture": ids[number],
            "label": labels[number],
            "verdict": verdicts[number],
            "help": game["helps"][number],
            "choice": choice,
        }
        with logged():
            store.add(answer)


def next_image() -> None:
    """Go on to the next image once this one is answered; a press on a button left from the image before counts."""
    game["done"] = min(len(game["choices"]), game["done"] + 1)


def new_game() -> None:
    """Go on to the ten images of the next game."""
    GAME.set(GAME.value % 9999 + 1)


def map_cells(row: int) -> list[Cell]:
    """The map of a row's score, where the run has maps."""
    image = pictures.get(row)
    if opened.run.maps is None or image is None:
        return []
    drawing = draw_explanation(stored_map(opened.run, row, image), SIDE, style=Style(scale=opened.map_scale))
    return [Cell(drawing, "Where its score comes from", "Map: where its score comes from")]


def flip_cells(row: int) -> list[Cell]:
    """The smallest change that flips a row's verdict while its controls do not, and its strongest control."""
    stored = stored_changes(opened, row)
    if stored is None or not len(flipping(stored[0])):
        return []
    changes = stored[0]
    column = flipping(changes).index[0]
    cells = [changed_cell(changes, column, f"After {change_words(column, opened.run.side)}")]
    control = strongest_control(column, measured_flips(opened.origin))
    if control is not None and pd.notna(changes.loc[control, "margin"]):
        cells.append(changed_cell(changes, control, "Control: changed as much"))
    return cells


def draw_help(number: int) -> None:
    """Draw what the player may see beside a picture before the answer."""
    help_ = game["helps"][number]
    if help_ == "alone":
        draw_verdict("Without help")
        return
    draw_verdict(f"The detector says {verdicts[number]}")
    row = int(rows[number])
    cells = map_cells(row) if help_ == "map" else flip_cells(row)
    if help_ == "flip" and not cells:
        st.markdown("Nothing that we tried flips it.")
    elif help_ != "verdict":
        picture_grid(cells, columns=2, least=120)


def play(number: int) -> None:
    """Draw the current image with the question or, once answered, the result."""
    answered = len(game["choices"]) > number
    image = pictures.get(int(rows[number]))
    if image is None:
        st.error("The file of this picture has changed or is gone, so the game cannot go on.", icon=":material/error:")
        st.button("Ten other images", key="game.other", on_click=new_game)
        return
    st.progress(number / ROUND, f"Image {number + 1} of {ROUND}")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        label = labels[number] if answered else None
        size = f"{len(image)} x {len(image)} pixels, enlarged"
        picture_grid([Cell(image, "Is this a photograph or generated?", size, label)], columns=1, least=100)
    with right:
        if answered:
            draw_result(number)
            return
        draw_help(number)
        st.markdown("Did a camera take it, or a generator make it?")
        with st.container(horizontal=True):
            st.button("REAL: a camera", key="game.real", shortcut="Left", on_click=give, args=(number, "REAL"))
            st.button("FAKE: a generator", key="game.fake", shortcut="Right", on_click=give, args=(number, "FAKE"))


def draw_result(number: int) -> None:
    """Draw whether an answer was right, and what flips the detector's verdict; the map stands beside it."""
    choice = game["choices"][number]
    judged = "right" if verdicts[number] == labels[number] else "wrong"
    draw_verdict(f"{'Right' if choice == labels[number] else 'Wrong'}: it is {labels[number]}")
    st.markdown(
        f"You said {CLASS_WORDS[choice]}. The detector says {CLASS_WORDS[verdicts[number]]}, which is {judged}."
    )
    name = "See the score" if number == ROUND - 1 else "Next image"
    st.button(name, key="game.next", type="primary", shortcut="N", on_click=next_image)
    row = int(rows[number])
    flips = flip_cells(row)
    st.markdown("**What flips its verdict?**" if flips else "**Nothing that we tried flips its verdict.**")
    picture_grid([*flips, *map_cells(row)], columns=3, least=100)


def finish() -> None:
    """Draw the scores, how help misled the group, and every image again."""
    choices = game["choices"]
    st.subheader(compare(labels, choices, verdicts), anchor=False)
    with st.grid(2, min_column_width=220, gap="large") as grid:
        for name, answers in (("You", choices), ("The detector", verdicts)):
            with grid.cell(), st.container(border=True):
                st.metric(name, f"{(labels == np.array(answers)).sum()} of {ROUND}")
    draw_group()
    cells = []
    for row, label, choice, help_ in zip(rows, labels, choices, game["helps"], strict=True):
        image = pictures.get(int(row))
        mark = "✓" if choice == label else "✗"
        if image is not None:
            cells.append(Cell(image, f"It is {label}", f"{mark} {choice}, {HELPS[help_].lower()}", label))
    picture_grid(cells, columns=5, least=130)
    st.button("Ten other images", key="game.again", type="primary", on_click=new_game)
    st.caption("Share the address: others judge the same ten images, each with help at other ones.")


def share_words(share: Measure) -> str:
    """Write how many answers of how many; the share with its interval where there are players enough."""
    if not share.n:
        return ""
    counts = f"{round(share.value * share.n)} of {share.n}"
    return f"{format_measure(share, 'share')}, {counts}" if share.has_interval else counts


def draw_group() -> None:
    """Draw what all players on this machine did under each help, with a table to take away."""
    answers = None
    with logged():
        answers = store.frame()
    if answers is None:
        st.info("The answers of this machine cannot be read, so there is no score of the group.")
        return
    answers = answers[answers["run"] == opened.run.name]
    if answers.empty:
        return
    players = answers["player"].nunique()
    st.subheader("Did help make the group right, or only trusting?", anchor=False)
    shares = {
        HELPS[reliance.help]: {
            "right": share_words(reliance.accuracy),
            "said the same as a wrong verdict": share_words(reliance.followed),
        }
        for reliance in measure_reliance(answers)
    }
    st.table(pd.DataFrame.from_dict(shares, orient="index").rename_axis("help"), border="horizontal")
    few = " Intervals need five." if players < 5 else ""
    st.caption(
        f"Players: {players:,}. The answers stay on this machine. "
        f"Alone, nobody saw the verdict: what help adds is the difference.{few}",
        help=explain("Interval"),
    )
    csv_button("All answers (CSV)", answers, f"{plain(opened.run.name)}-play.csv", key="game.csv")


if game["done"] < ROUND:
    play(game["done"])
else:
    finish()
