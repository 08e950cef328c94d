"""Patterns: which images does the detector treat alike?"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.drawing import common_scale, draw_image, draw_map
from core.runs.filter import Filter
from core.runs.pictures import Pictures
from core.studies.cluster_cards import SPACES, Card, card_table, read_cards, worst_card
from core.studies.groups import VERDICTS
from core.studies.store import StudyResult
from core.studies.study import STUDIES
from dashboard import library, state
from dashboard.components.charts import rate_chart
from dashboard.components.differences import difference_table
from dashboard.components.downloads import csv_button
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold, unfold
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.scatter import MOST_POINTS, clicked_row, colourings, column_of, drawn_area, scatter
from dashboard.components.study import all_there, study_files, study_of
from dashboard.components.words import CLASS_WORDS, heading, percent
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting

FACE = 116
# rows of four
TYPICAL, WRONG = 8, 4
SPACE_NAMES = {"features": "By features", "maps": "By margin map"}
ORDER = Setting("order", "errors", {"errors": "Most errors first", "size": "Largest first"})
PICTURE, AREA, ROW = "patterns.picture", "patterns.area", "patterns.row"


@st.cache_resource(
    max_entries=8,
    show_spinner="Describing the clusters",
    hash_funcs=BY_STAMP | {Pictures: lambda pictures: (pictures.source, pictures.found)},
)
def cards_of(opened: Opened, answer: StudyResult, space: str, pictures: Pictures) -> list[Card]:
    """Return the cards of a space, largest cluster first; cached."""
    return read_cards(answer.table, opened.run, space, studies=all_there(opened, tuple(STUDIES)), pictures=pictures)


def members(space: str, number: int, *, wrong: bool = False) -> Filter:
    """Return the filter of the images of a cluster, or of those among them that are called wrongly."""
    found = Filter().ranging(f"clusters.{space}_cluster", number, number)
    return found.choosing("correct", ["wrong"]) if wrong else found


def rates(cards: Sequence[Card], of: int) -> pd.DataFrame:
    """Return the cards' error rates among the `of` images of the run, as `rate_chart` draws them."""
    # a sample holds a larger share of mistakes than the run, so counts are scaled to the run as the rates are
    images = [round(card.share * of) for card in cards]
    return pd.DataFrame(
        {
            "value": [f"cluster {card.number}" for card in cards],
            "images": images,
            "wrong": [round(card.error_rate.value * n) for card, n in zip(cards, images, strict=True)],
            "rate": [card.error_rate.value for card in cards],
            "low": [card.error_rate.low for card in cards],
            "high": [card.error_rate.high for card in cards],
            "expected": [card.expected.rate.value for card in cards],
        }
    )


def draw_worst() -> None:
    """Draw the findings on the clusters in which the detector errs most, and ways to the worst."""
    finding_table([finding for finding in answer.findings if finding.key.startswith("worst-")])
    if worst is None:
        return
    whose, card = worst
    with st.container(horizontal=True):
        only = f"See the {card.errors:,} wrong ones of cluster {card.number} ({SPACE_NAMES[whose].lower()})"
        if st.button(only, key="patterns.worst.errors", icon=":material/grid_view:"):
            state.go("mistakes", run=run, wanted=members(whose, card.number, wrong=True))
        if st.button("Show its card below", key="patterns.worst.card", type="tertiary"):
            unfold("cards")
            state.put_all({"space": SPACE.text_of(whose), "verdict": VERDICT.text_of(card.verdict)})
            st.rerun()


# a fragment, so that a change of colour does not redraw the cards
@st.fragment
def draw_points(space: str, coloured: str) -> None:
    """Draw the picture; the page around it was drawn with `space` and `coloured`."""
    if area := st.session_state.pop(AREA, None):
        wanted = Filter(area=area)
        if len(library.matching(opened, wanted)):
            state.go("mistakes", run=run, wanted=wanted)
        st.toast("There is no image in that area.", icon=":material/crop_free:")
    if (row := st.session_state.pop(ROW, None)) is not None:
        state.go("inspect", run=run, id=str(opened.table["id"].iloc[row]))
    choices = colourings(opened)
    colour = Setting("colour", "cluster", choices)
    new = colour.value != coloured and column_of(colour.value, space) not in opened.table
    if SPACE.value != space or new:
        # the cards are of the previous space, or the table needs another column: rerun the page
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        SPACE.choose(
            "Group",
            help=explain(
                "Features",
                "Margin map",
                also="By features: what the network makes of an image. By margin map: the map's shape, whatever its "
                "size (the idea of SpRAy, Lapuschkin et al. 2019).",
            ),
        )
        colour.choose("Colour", st.selectbox, width=260)
    key = colour.value if column_of(colour.value, space) in opened.table else "cluster"
    images = answer.about["images"]

    def take() -> None:
        selection = st.session_state[PICTURE]["selection"]
        st.session_state[AREA] = drawn_area(selection, space)
        st.session_state[ROW] = clicked_row(selection, len(opened.table))

    st.plotly_chart(
        scatter(opened, space, key),
        key=PICTURE,
        on_select=take,
        config={"displaylogo": False, "modeBarButtons": [["select2d", "lasso2d", "pan2d", "zoomIn2d", "zoomOut2d"]]},
        alt=f"{min(images, MOST_POINTS):,} of {images:,} images as points, coloured by {choices[key].lower()}; the "
        "cards below say what is in each cluster",
    )
    thinned = f"{MOST_POINTS:,} of the {images:,} images are drawn; an area opens all that lie in it. "
    st.caption(
        f"{thinned if images > MOST_POINTS else ''}Drag a box or a lasso around images to open them, or click one. "
        f":gray[●] circles are called {CLASS_WORDS['REAL']}, :gray[◆] diamonds {CLASS_WORDS['FAKE']}; large and hollow "
        "means wrong. Numbers are clusters. Only which images are near each other means something: distances between "
        "groups, their sizes and shapes do not.",
        help=explain("t-SNE"),
    )


def draw_rates(cards: Sequence[Card]) -> None:
    """Draw the error rates of the clusters, for each verdict."""
    with st.grid(2, min_column_width=340, gap="large") as grid:
        for verdict in VERDICTS:
            mine = [card for card in cards if card.verdict == verdict]
            if not mine:
                continue
            with grid.cell():
                st.markdown(f"{CLASS_WORDS[verdict]} **verdicts**")
                value = rate_chart(
                    rates(mine, answer.about["of"]),
                    key=f"patterns.rates.{space}.{verdict}",
                    title=f"Error rates of the clusters of {verdict}",
                    opens="Show the errors of one cluster",
                    overall=mine[0].verdict_error_rate,
                )
            if value is not None:
                number = int(value.removeprefix("cluster "))
                state.go("mistakes", run=run, wanted=members(space, number, wrong=True))
    finding_table([finding for finding in answer.findings if finding.key.startswith(f"number-{space}")])


def draw_card(card: Card, scale: float) -> None:
    """Draw a cluster: how large, how often wrong, what it looks like, its most typical images, a way to all."""
    name = f"{space}.{card.number}"
    rate, expected = card.error_rate, card.expected.rate
    st.subheader(f"Cluster {card.number}", anchor=False)
    rows = {
        "images": f"{card.images:,} ({percent(card.share, 0)} of all), called {CLASS_WORDS[card.verdict]}",
        "wrong": f"**{percent(rate.value)}** ({percent(rate.low)} to {percent(rate.high)})",
        "expected from their margins": percent(expected.value),
        f"of all {card.verdict} verdicts": percent(card.verdict_error_rate),
    }
    st.table(rows, border="horizontal")
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=FACE, gap="small"):
            if card.mean_image is not None:
                image = draw_image(card.mean_image, FACE)
                st.image(image, caption="mean image", width=FACE, alt=f"Mean image of cluster {card.number}")
            mean_map = draw_map(card.mean_map, FACE, scale=scale)
            st.image(mean_map, caption="mean map", width=FACE, alt=f"Mean margin map of cluster {card.number}")
        with st.container(width="stretch", gap=None):
            st.caption(f"Compared with other {card.verdict} verdicts")
            difference_table(card.apart)
    st.caption("Most typical, the nearest to its middle first")
    draw_images(card.members[:TYPICAL], wanted=members(space, card.number), key=f"typical.{name}")
    if card.wrong:
        st.caption(f"Wrongly called {card.verdict}, the surest first")
        wrong = members(space, card.number, wrong=True)
        draw_images(card.wrong[:WRONG], wanted=wrong, key=f"wrong.{name}")
    with st.container(horizontal=True):
        if st.button(f"Explore all {card.images:,}", key=f"patterns.all.{name}", icon=":material/grid_view:"):
            state.go("mistakes", run=run, wanted=members(space, card.number))
        only = f"Only the {card.errors:,} wrong"
        if card.errors and st.button(only, key=f"patterns.errors.{name}", type="tertiary"):
            state.go("mistakes", run=run, wanted=members(space, card.number, wrong=True))


def draw_images(ids: Sequence[str], *, wanted: Filter, key: str) -> None:
    """Draw images of a cluster; one that is clicked opens in Inspect."""
    rows: NDArray[np.intp] = np.array([row for id_ in ids if (row := opened.row_of(id_)) is not None], np.intp)
    if id_ := image_grid(opened, rows, pictures, key=f"patterns.{key}", size="small"):
        state.go("inspect", run=run, wanted=wanted, id=id_)


opened = library.current()
run = opened.run.name
heading(
    "Which images does it treat alike?",
    "Every point is an image; the detector sees nearby ones alike. Clusters are found within each "
    "verdict, by the detector's own features or by its margin maps.",
    help=explain("Cluster"),
)
found = study_of(opened, "clusters")
if found is None:
    st.stop()
answer: StudyResult = found
pictures = library.pictures(opened)
cards = {name: cards_of(opened.origin, answer, name, pictures) for name in SPACES}
# the cluster, in any space, in which the detector errs most for certain
standing_out = [
    (space, card)
    for space, listed in cards.items()
    for verdict in VERDICTS
    if (card := worst_card([row for row in listed if row.verdict == verdict]))
]
worst = max(standing_out, key=lambda row: row[1].error_rate.low, default=None)
# show by default what the first table is about
SPACE = Setting("space", worst[0] if worst else "features", SPACE_NAMES)
VERDICT = Setting("verdict", worst[1].verdict if worst else "FAKE", {name: CLASS_WORDS[name] for name in VERDICTS})
space = SPACE.value
draw_worst()
draw_points(space, Setting("colour", "cluster", colourings(opened)).value)

here = cards[space]
if ORDER.value == "errors":
    here = sorted(here, key=lambda card: -card.error_rate.value)
with fold(
    "errors",
    "Where does it err?",
    explained="Share of wrong verdicts in each cluster with 95% intervals; dashed all verdicts of that class; the "
    "diamond is the error rate of verdicts with equal margins. A click shows the wrong images.",
    help=explain("Cluster", "Silhouette", "Interval"),
) as is_open:
    if is_open:
        draw_rates(here)
with fold(
    "cards",
    "What is in each cluster?",
    f"{len(here)} clusters.",
    explained="What each looks like on average, its most typical images, and what sets it apart from the other "
    "verdicts of its kind. Mean maps are on one scale.",
) as is_open:
    if is_open:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            VERDICT.choose("Called")
            ORDER.choose("Order")
        shown = [card for card in here if card.verdict == VERDICT.value]
        if not shown:
            st.info(f"No image of this run is called {VERDICT.value}.")
        scale = common_scale([card.mean_map for card in shown]) if shown else 1.0
        with st.grid(2, min_column_width=420) as grid:
            for card in shown:
                with grid.cell(), st.container(border=True, height="stretch"):
                    draw_card(card, scale)
        csv_button("Clusters (CSV)", partial(card_table, here), f"{run}-clusters-{space}.csv", key="patterns.cards.csv")
study_files(opened, answer, key="patterns")
