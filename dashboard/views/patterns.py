"""Patterns, a tab of What it reads: which images the detector treats alike, and where each group errs."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.explainers.drawing import Style, common_scale, draw_image, draw_map
from core.runs.filter import Filter
from core.runs.pictures import Pictures
from core.studies.cluster_cards import card_table, read_cards
from core.studies.groups import VERDICTS
from core.studies.store import StudyResult
from core.studies.study import STUDIES
from dashboard import library, state
from dashboard.components.charts import rate_chart
from dashboard.components.differences import difference_table
from dashboard.components.downloads import csv_button
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.scatter import MOST_POINTS, clicked_row, colourings, drawn_area, scatter
from dashboard.components.study import all_there, study_files, study_of
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting

FACE = 116
# rows of four
TYPICAL, WRONG = 8, 4
SPACE = Setting("space", "features", {"features": "By features", "maps": "By margin map"})
VERDICT = Setting("verdict", "FAKE", {name: CLASS_WORDS[name] for name in VERDICTS})
PICTURE, CHOSEN = "patterns.picture", "patterns.chosen"


def draw(opened: Opened) -> None:
    """Draw the tab."""
    answer = study_of(opened, "clusters")
    if answer is None:
        return
    space = SPACE.value
    draw_points(opened, answer, space)
    finding_table([finding for finding in answer.findings if finding.key.startswith("worst-")])
    with fold(
        "errors",
        "Where does it err?",
        explained="Share of wrong verdicts with 95% intervals; dashed: all verdicts. A click shows the wrong images.",
        help=explain("Cluster", "Silhouette", "Interval"),
    ) as is_open:
        if is_open:
            draw_rates(opened, answer, space)
    with fold(
        "cards",
        "What is in each group?",
        explained="Averages, the most typical images, and what sets it apart. Mean maps are on one scale.",
    ) as is_open:
        if is_open:
            draw_cards(opened, answer, space)
    study_files(opened, answer, key="patterns")


def draw_points(opened: Opened, answer: StudyResult, space: str) -> None:
    """Draw the picture of all images; what is enclosed or clicked opens."""
    run = opened.run.name
    chosen = st.session_state.pop(CHOSEN, None)
    if isinstance(chosen, int):
        state.go("mistakes", run=run, id=str(opened.table["id"].iloc[chosen]))
    elif chosen is not None:
        wanted = Filter(area=chosen)
        if len(library.matching(opened, wanted)):
            state.go("mistakes", run=run, wanted=wanted)
        st.toast("There is no image in that area.", icon=":material/crop_free:")
    choices = colourings(opened)
    colour = Setting("colour", "cluster", choices)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        SPACE.choose("Group", help=explain("Features", "Margin map", "Cluster"))
        colour.choose("Colour", st.selectbox, width=260)

    def take() -> None:
        selection = st.session_state[PICTURE]["selection"]
        row = clicked_row(selection, len(opened.table))
        st.session_state[CHOSEN] = drawn_area(selection, space) if row is None else row

    images = answer.about["images"]
    st.plotly_chart(
        scatter(opened, space, colour.value),
        key=PICTURE,
        on_select=take,
        config={"displaylogo": False, "modeBarButtons": [["select2d", "lasso2d", "pan2d", "zoomIn2d", "zoomOut2d"]]},
        alt=f"{min(images, MOST_POINTS):,} of {images:,} images as points, coloured by {choices[colour.value].lower()}",
    )
    st.caption(
        f"Drag a box or a lasso around images to open them, or click one. Circles are called {CLASS_WORDS['REAL']}, "
        f"diamonds {CLASS_WORDS['FAKE']}; hollow means wrong. Each number is in the middle of its group. Only "
        "nearness means something, not the distance between groups.",
        help=explain("t-SNE"),
    )


@st.cache_resource(
    max_entries=8,
    show_spinner="Describing the groups",
    hash_funcs=BY_STAMP | {Pictures: lambda pictures: pictures.stamp},
)
def cards_of(opened: Opened, answer: StudyResult, space: str, pictures: Pictures) -> pd.DataFrame:
    """Return the cards of a space, most errors first; cached."""
    cards = read_cards(answer.table, opened.run, space, studies=all_there(opened, tuple(STUDIES)), pictures=pictures)
    return cards.sort_values("error_rate", ascending=False, kind="stable")


def members(space: str, number: int, *, wrong: bool = False) -> Filter:
    """Return the filter of the images of a group, or of those among them that are called wrongly."""
    found = Filter().ranging(f"clusters.{space}_cluster", number, number)
    return found.choosing("correct", ["wrong"]) if wrong else found


def rates(cards: pd.DataFrame, of: int) -> pd.DataFrame:
    """Return the cards' error rates among the `of` images of the run, as `rate_chart` draws them."""
    # a sample holds a larger share of mistakes than the run, so counts are scaled to the run as the rates are
    images = (cards["share"] * of).round().astype(int)
    return cards.assign(
        value="group " + cards["number"].astype(str),
        rate=cards["error_rate"],
        images=images,
        wrong=(cards["error_rate"] * images).round().astype(int),
    )


def draw_rates(opened: Opened, answer: StudyResult, space: str) -> None:
    """Draw the error rates of the groups, for each verdict."""
    cards = cards_of(opened.origin, answer, space, library.pictures(opened))
    with st.grid(2, min_column_width=340, gap="large") as grid:
        for verdict, mine in cards.groupby("verdict"):
            with grid.cell():
                st.markdown(f"{CLASS_WORDS[str(verdict)]} **verdicts**")
                value = rate_chart(
                    rates(mine, answer.about["of"]),
                    key=f"patterns.rates.{space}.{verdict}",
                    title=f"Error rates of the groups of {verdict}",
                    opens="Show the errors of one group",
                    overall=mine["verdict_error_rate"].iloc[0],
                )
            if value is not None:
                number = int(value.removeprefix("group "))
                state.go("mistakes", run=opened.run.name, wanted=members(space, number, wrong=True))
    finding_table([finding for finding in answer.findings if finding.key.startswith(f"number-{space}")])


def draw_cards(opened: Opened, answer: StudyResult, space: str) -> None:
    """Draw the groups of one verdict."""
    VERDICT.choose("Called")
    cards = cards_of(opened.origin, answer, space, library.pictures(opened))
    shown = cards[cards["verdict"] == VERDICT.value]
    scale = common_scale(list(shown["mean_map"]))
    with st.grid(2, min_column_width=420) as grid:
        for card in shown.itertuples():
            with grid.cell(), st.container(border=True, height="stretch"):
                draw_card(opened, card, space, scale)
    name = f"{opened.run.name}-clusters-{space}.csv"
    csv_button("Groups (CSV)", partial(card_table, cards), name, key="patterns.cards.csv")


def draw_card(opened: Opened, card: Any, space: str, scale: float) -> None:
    """Draw a group, a row of `read_cards`: size, errors, average, typical images, and a way to all."""
    st.subheader(f"Group {card.number}", anchor=False)
    facts = {
        "images": f"{card.images:,} ({percent(card.share, 0)} of all), called {CLASS_WORDS[card.verdict]}",
        "wrong": f"**{percent(card.error_rate)}** ({percent(card.low)} to {percent(card.high)})",
        f"of all {card.verdict} verdicts": percent(card.verdict_error_rate),
    }
    st.table(facts, border="horizontal")
    faces = [] if card.mean_image is None else [("mean image", draw_image(card.mean_image, FACE))]
    faces.append(("mean map", draw_map(card.mean_map, FACE, Style(scale=scale))))
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=FACE, gap="small"):
            for what, face in faces:
                st.image(face, caption=what, width=FACE, alt=f"The {what} of group {card.number}")
        with st.container(width="stretch", gap=None):
            st.caption(f"Compared with other {card.verdict} verdicts")
            difference_table(card.apart)
    for kind, ids, caption, words in (
        ("typical", card.members[:TYPICAL], "Most typical, the nearest to its middle first", f"All {card.images:,}"),
        ("wrong", card.wrong[:WRONG], "Wrong, the surest first", f"Only the {card.errors:,} wrong"),
    ):
        if not ids:
            continue
        st.caption(caption)
        wanted, key = members(space, card.number, wrong=kind == "wrong"), f"patterns.{kind}.{space}.{card.number}"
        rows = opened.rows.get_indexer(ids)
        if id_ := image_grid(opened, rows, library.pictures(opened), key=key, size="small"):
            state.go("mistakes", run=opened.run.name, wanted=wanted, id=id_)
        if st.button(words, key=f"{key}.all", type="tertiary"):
            state.go("mistakes", run=opened.run.name, wanted=wanted)
