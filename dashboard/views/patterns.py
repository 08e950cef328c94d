"""Patterns: which images does the detector treat alike?"""

import numpy as np
import streamlit as st

from core.browse import Filter
from core.places import Area
from core.studies.cluster_summary import SPACES, card_table
from core.studies.groups import VERDICTS
from dashboard import address, library
from dashboard.address import Setting
from dashboard.glossary import explain
from dashboard.widgets import clusters
from dashboard.widgets.bars import rate_bars
from dashboard.widgets.evidence_words import bullets
from dashboard.widgets.scatter import clicked_row, colourings, column_of, drawn_area, scatter
from dashboard.widgets.study import csv_button, study_of
from dashboard.widgets.trust import group_words
from dashboard.widgets.words import CLASS_WORDS, heading, section

SPACE = Setting("space", "features", choices=tuple(SPACES))
SPACE_NAMES = {"features": "By what it sees", "maps": "By where it looks"}
DRAG = Setting("drag", "box", choices=("box", "lasso", "move"))
DRAG_NAMES = {"box": "Box", "lasso": "Lasso", "move": "Move"}
ORDER = Setting("order", "errors", choices=("errors", "size"))
ORDER_NAMES = {"errors": "Most errors first", "size": "Largest first"}
VERDICT = Setting("verdict", "FAKE", choices=VERDICTS)
PICTURE = "patterns.picture"

opened = library.current()
run, space = opened.run.name, SPACE.value
heading(
    "Which images does it treat alike?",
    "Every point is an image; what lies close together the detector sees alike. Clusters are found within each "
    "verdict, by the detector's own features or by where its margin maps point.",
    "Look for a cluster that errs more than the rest, and for what sets it apart.",
    help=explain("Cluster"),
)
answer = study_of(opened, "clusters")
if answer is None:
    st.stop()


def take_drawn() -> None:
    """What was drawn or clicked on the picture is opened in this run of the page."""
    selection = st.session_state[PICTURE]["selection"]
    st.session_state["patterns.area"] = drawn_area(selection, space)
    st.session_state["patterns.row"] = clicked_row(selection, len(opened.table))


def explore(area: Area) -> None:
    """Open Explore on the images in an area."""
    wanted = Filter(area=area)
    if len(library.matching(opened, wanted)):
        address.go("explore", run=run, wanted=wanted)
    st.toast("There is no image in that area.", icon=":material/crop_free:")


if area := st.session_state.pop("patterns.area", None):
    explore(area)
if (row := st.session_state.pop("patterns.row", None)) is not None:
    address.go("inspect", run=run, id=str(opened.table["id"].iloc[row]))

choices = colourings(opened)
COLOUR = Setting("colour", "cluster", choices=tuple(choices))
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    SPACE.linked(
        st.segmented_control,
        "Alike",
        options=list(SPACES),
        format_func=SPACE_NAMES.get,
        required=True,
        help=explain(
            "Features",
            "Margin map",
            also="What it sees compares features; where it looks the shapes of margin maps, whatever their size "
            "(the idea of SpRAy, Lapuschkin et al. 2019).",
        ),
    )
    COLOUR.linked(st.selectbox, "Colour", options=list(choices), format_func=choices.get, width=300)
    DRAG.linked(
        st.segmented_control,
        "Dragging",
        options=list(DRAG_NAMES),
        format_func=DRAG_NAMES.get,
        required=True,
        help="Draw a box or a lasso around images to open them in Explore. Move: drag and turn the wheel, and click a "
        "point to open it in Inspect.",
    )
key = COLOUR.value if column_of(COLOUR.value, space) in opened.table else "cluster"
st.plotly_chart(
    scatter(opened, space, key, drag=DRAG.value),
    key=PICTURE,
    on_select=take_drawn,
    config={"displayModeBar": False, "scrollZoom": DRAG.value == "move"},
    alt=f"{answer.about['images']:,} images as points, coloured by {choices[key].lower()}; the cards below say in "
    "words what is in each cluster",
)
st.caption(
    f"Circles are called {CLASS_WORDS['REAL']}, diamonds {CLASS_WORDS['FAKE']}; large and hollow is wrong. Numbers are "
    "clusters. What this cannot show: two dimensions keep who is near whom and little else (t-SNE), so distances "
    "between groups, their sizes and their shapes say nothing.",
    help=explain("t-SNE"),
)
with st.expander("Choose an area by numbers", icon=":material/keyboard:"):
    across, up = (opened.table[f"{space}_{end}"].to_numpy(np.float64) for end in "xy")
    with st.form("patterns.numbers", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        ends = [
            st.number_input(label, value=float(value), format="%.1f", key=f"patterns.{space}.{label}", width=130)
            for label, value in (
                ("Left", np.nanmin(across)),
                ("Right", np.nanmax(across)),
                ("Bottom", np.nanmin(up)),
                ("Top", np.nanmax(up)),
            )
        ]
        if st.form_submit_button("Explore it", icon=":material/grid_view:"):
            boxed = Area.drawn(space, ends[:2], ends[2:])
            if boxed is None:
                st.toast("An area needs a width and a height.", icon=":material/crop_free:")
            else:
                explore(boxed)

pictures = library.pictures(opened)
cards = clusters.cards_of(opened, answer, space, pictures)
if ORDER.value == "errors":
    cards = sorted(cards, key=lambda card: -card.error_rate.value)

st.space("small")
section(
    "Where it errs",
    "Share of wrong verdicts in each cluster; the line through each bar is its 95 % interval, the dashed one all "
    "verdicts of that kind. A click shows the wrong ones.",
    help=explain("Cluster", "Interval"),
)
with st.grid(2, min_column_width=340, gap="large"):
    for verdict in VERDICTS:
        mine = [card for card in cards if card.verdict == verdict]
        if not mine:
            continue
        with st.container():
            st.markdown(group_words(verdict))
            findings = (answer.finding(f"{what}-{space}-{verdict}") for what in ("worst", "number"))
            bullets([one.sentence for one in findings if one is not None])
            overall = mine[0].verdict_error_rate
            if found := rate_bars(clusters.rates(mine), overall=overall, key=f"patterns.rates.{space}.{verdict}"):
                wanted = clusters.members(space, int(found.removeprefix("cluster ")), wrong=True)
                address.go("explore", run=run, wanted=wanted)

st.space("small")
section(
    "Cluster by cluster",
    "What each looks like on the average, its most typical images, and what sets it apart from the other verdicts of "
    "its kind, as far as that is certain. An image opens in Inspect. Mean maps are on one scale.",
)
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    VERDICT.linked(
        st.segmented_control,
        "Called",
        options=list(VERDICTS),
        format_func={"FAKE": ":orange[FAKE]", "REAL": ":blue[REAL]"}.get,
        required=True,
    )
    ORDER.linked(st.segmented_control, "Order", options=list(ORDER_NAMES), format_func=ORDER_NAMES.get, required=True)
    csv_button("Clusters (CSV)", card_table(cards), f"{run}-clusters-{space}.csv", key="patterns.cards.csv")
    csv_button("Every image (CSV)", answer.table, f"{run}-clusters.csv", key="patterns.images.csv")
shown = [card for card in cards if card.verdict == VERDICT.value]
if shown:
    clusters.draw_cards(opened, shown, space, pictures)
else:
    st.info(f"No image of this run is called {VERDICT.value}.")
if answer.about["images"] < answer.about["of"]:
    st.caption(f"The study has {answer.about['images']:,} of the {answer.about['of']:,} images of this run.")
