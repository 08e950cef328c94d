"""Patterns, a tab of What it reads: which images the detector treats alike, as points, and where each group errs."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
import streamlit as st

from core.explainers.drawing import Style, common_scale, draw_image, draw_map
from core.images.labels import CLASS_COLOURS, CLASSES, GREY
from core.runs.filter import Area, Filter
from core.runs.pictures import Pictures
from core.runs.rows import evenly
from core.studies.shared.differences import outline, read_cards
from core.studies.shared.groups import VERDICTS
from core.studies.store import StudyResult
from dashboard import library, state
from dashboard.components.comparison import difference_table
from dashboard.components.component import fold
from dashboard.components.grid import image_grid
from dashboard.components.study import finding_table, study_files, study_of
from dashboard.components.words import CLASS_WORDS, explain, figure_text, inline, percent
from dashboard.library import Opened, cached
from dashboard.state import Setting

FACE = 116
# rows of four
TYPICAL = 8
WRONG = 4
SPACE = Setting("space", "features", {"features": "By features", "maps": "By margin map"})
VERDICT = Setting("verdict", "FAKE", {name: CLASS_WORDS[name] for name in VERDICTS})
# points that are drawn: a browser that encloses them sends about 170 bytes of each back, of 2 MB that a server takes
MOST_POINTS = 8_000
# distinct under any colour blindness (Tol's muted scheme)
COLOURS = (
    "#6f63bb", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499",
)  # fmt: skip
WRONG_COLOUR = "#cc6677"
# of the outlines of groups, which are told apart without colour
DASHES = ("solid", "dash", "dot", "dashdot")
# what is not among the most frequent, and what has no value
OTHERS = "others"
COLOURINGS = {
    "cluster": "Cluster",
    "predicted": "Prediction",
    "label": "Label",
    "correct": "Right or wrong",
    "confidence": "Confidence",
    "category": "Category",
    "source": "Source",
}
# what an image is and is called -> symbol; wrong ones are hollow
SYMBOLS = {
    "FAKE called FAKE": "diamond",
    "REAL called REAL": "circle",
    "REAL called FAKE": "diamond-open",
    "FAKE called REAL": "circle-open",
    "called FAKE": "diamond",
    "called REAL": "circle",
}


def draw(opened: Opened) -> None:
    """Draw the tab."""
    answer = study_of(opened, "clusters")
    if answer is None:
        return
    space = SPACE.value
    draw_lesson(answer, space)
    draw_points(opened, answer, space)
    finding_table(answer.findings, only="worst-")
    with fold(
        "cards",
        "What is in each group, and where does it err?",
        explained="Share of wrong verdicts with 95% intervals, averages, the most typical images, and what sets each "
        "group apart. Mean maps are on one scale.",
        help=explain("Cluster", "Silhouette", "Interval"),
    ) as is_open:
        if is_open:
            draw_cards(opened, answer, space)
    study_files(opened, answer, key="patterns")


def draw_lesson(answer: StudyResult, space: str) -> None:
    """Say which group errs most, beside all verdicts of its class; of both classes the worse one."""
    worst = [answer.finding(f"worst-{space}-{verdict}") for verdict in VERDICTS]
    measured = [finding for finding in worst if finding is not None and "cluster" in finding.details]
    if not measured:
        st.markdown("**No group errs more than the others, for certain.**")
        return
    finding = max(measured, key=attrgetter("measure.value"))
    others = "" if finding.control is None else f" ({percent(finding.control.measure.value)} of {finding.control.name})"
    st.markdown(
        f"**Group {finding.details['cluster']} errs most: "
        f"{percent(finding.measure.value)} of its verdicts are wrong**{inline(others)}."
    )


def draw_points(opened: Opened, answer: StudyResult, space: str) -> None:
    """Draw the picture of all images; what is enclosed or clicked opens."""
    table = opened.judged.dropna(axis=1, how="all")
    choices = {key: name for key, name in COLOURINGS.items() if key == "cluster" or key in table}
    colour = Setting("colour", "cluster", choices)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        SPACE.choose("Group", help=explain("Features", "Margin map", "Cluster"))
        colour.choose("Colour", st.selectbox, width=260)
    st.caption(
        f"Circles are called {CLASS_WORDS['REAL']}, diamonds {CLASS_WORDS['FAKE']}; hollow ones wrongly. Near points "
        "look alike to the detector; a numbered line is around nine in ten of a group.",
        help=explain("t-SNE"),
    )
    images = answer.about["images"]
    event = st.plotly_chart(
        scatter(opened, space, colour.value),
        key="patterns.picture",
        on_select="rerun",
        config={"displaylogo": False, "modeBarButtons": [["select2d", "lasso2d", "pan2d", "zoomIn2d", "zoomOut2d"]]},
        alt=f"{min(images, MOST_POINTS):,} of {images:,} images as points, coloured by {choices[colour.value].lower()}",
    )
    st.caption(
        "Drag a box or a lasso around images to open them, or click one. Only nearness means something, not the "
        "distance between groups."
    )
    row = clicked_row(event["selection"], len(opened.table))
    area = drawn_area(event["selection"], space)
    if row is not None:
        state.show_images(opened.run.name, id=opened.table["id"].iloc[row])
    elif area is not None:
        wanted = Filter(area=area)
        if len(library.matching(opened, wanted)):
            state.show_images(opened.run.name, wanted)
        st.toast("There is no image in that area.", icon=":material/crop_free:")


@cached(show_spinner="Describing the groups")
def cards_of(opened: Opened, answer: StudyResult, space: str, pictures: Pictures) -> pd.DataFrame:
    """Return the cards of a space, most errors first; cached."""
    cards = read_cards(answer.table, opened.run, space, compared=True, pictures=pictures)
    return cards.sort_values("error_rate", ascending=False, kind="stable")


def members(space: str, number: int, *, wrong: bool = False) -> Filter:
    """Return the filter of the images of a group, or of those among them that are called wrongly."""
    found = Filter().ranging(f"clusters.{space}_cluster", number, number)
    return found.choosing("correct", ["wrong"]) if wrong else found


def draw_cards(opened: Opened, answer: StudyResult, space: str) -> None:
    """Draw the groups of one verdict, those that err most first."""
    VERDICT.choose("Called")
    cards = cards_of(opened.origin, answer, space, library.pictures(opened))
    shown = cards[cards["verdict"] == VERDICT.value]
    scale = common_scale(list(shown["mean_map"]))
    with st.grid(2, min_column_width=420) as grid:
        for card in shown.itertuples():
            with grid.cell(), st.container(border=True, height="stretch"):
                draw_card(opened, card, space, scale)
    finding_table(answer.findings, only=f"number-{space}")


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
                st.image(face, width=FACE, alt=f"The {what} of group {card.number}")
                st.caption(what)
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
        wanted = members(space, card.number, wrong=kind == "wrong")
        key = f"patterns.{kind}.{space}.{card.number}"
        rows = opened.rows.get_indexer(ids)
        id_ = image_grid(opened, rows, key=key, size="small")
        if id_:
            state.show_images(opened.run.name, wanted, id=id_)
        if st.button(words, key=f"{key}.all", type="tertiary"):
            state.show_images(opened.run.name, wanted)


@cached(max_entries=24)
def scatter(opened: Opened, space: str, key: str) -> go.Figure:
    """Draw the run's images, or an even selection of very many, where the study `clusters` puts them.

    Args:
        opened: the run.
        space: "features" or "maps".
        key: of `COLOURINGS`, what to colour by.
    """
    points = points_of(opened, space, key)
    figure = px.scatter(
        points,
        x="x",
        y="y",
        color="colour",
        symbol="cell",
        symbol_map=SYMBOLS,
        color_discrete_map={**CLASS_COLOURS, "right": GREY, "wrong": WRONG_COLOUR, OTHERS: GREY},
        color_discrete_sequence=COLOURS,
        color_continuous_scale="Cividis",
        category_orders={"cell": list(SYMBOLS)},
        custom_data=["row"],
        hover_data={"x": False, "y": False, "sure": ":.0%"},
        labels={"colour": COLOURINGS[key].lower(), "cell": "picture"},
        render_mode="webgl",
    )
    name_colours(figure, has_legend=key not in ("cluster", "confidence"))
    figure.update_traces(marker={"size": float(np.clip(260 / np.sqrt(max(len(points), 1)), 4, 9)), "opacity": 0.75})
    # another colouring keeps the place that was zoomed to, and what a legend hides would still be in a box
    legend = {"itemsizing": "constant", "itemclick": False, "itemdoubleclick": False, "title": None}
    figure.update_layout(height=560, dragmode="select", uirevision=space, legend=legend, coloraxis_colorbar_title=None)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    for number, places in points.groupby("cluster")[["x", "y"]]:
        outline_group(figure, number, places)
    return figure


def points_of(opened: Opened, space: str, key: str) -> pd.DataFrame:
    """Return the points of `scatter`: `x`, `y`, `row`, `cluster`, `cell` (a key of `SYMBOLS`), `sure` and `colour`."""
    has_place = np.isfinite(opened.table[f"{space}_x"].to_numpy(np.float64))
    rows = evenly(np.flatnonzero(has_place), MOST_POINTS)
    table = opened.table.iloc[rows]
    points = pd.DataFrame({"x": table[f"{space}_x"], "y": table[f"{space}_y"], "row": rows})
    points["cluster"] = table[f"clusters.{space}_cluster"].astype(int)
    points["cell"] = (table["label"].astype(str) + " ").where(table["label"].isin(CLASSES), "")
    points["cell"] += "called " + table["predicted"].astype(str)
    points["sure"] = table["confidence"]
    points["colour"] = table["confidence"]
    if key != "confidence":
        points["colour"] = _names(points["cluster"] if key == "cluster" else table[key])
    return points


def name_colours(figure: go.Figure, *, has_legend: bool) -> None:
    """Name the traces of a figure by their colours alone, each once in its legend; symbols have their own key."""
    named: set[str] = set()
    for trace in figure.data:
        name = trace.name.rpartition(", ")[0]
        trace.update(name=name, legendgroup=name, showlegend=has_legend and name not in named)
        named.add(name)


def outline_group(figure: go.Figure, number: int, places: pd.DataFrame) -> None:
    """Draw a line around most points of a group, whose `x` and `y` are `places`, and its number in their middle."""
    x, y = places.median()
    path = " L".join(f"{x:.2f},{y:.2f}" for x, y in outline(places.to_numpy(np.float64)))
    line = {"color": GREY, "width": 2.5, "dash": DASHES[number % len(DASHES)]}
    figure.add_shape(type="path", path=f"M{path} Z", line=line, layer="above")
    figure.add_annotation(
        x=x, y=y, text=f"<b>{number}</b>", showarrow=False, font={"color": "#ffffff", "size": 14},
        bgcolor="#39414f", borderpad=3, opacity=0.92,
    )  # fmt: skip


def _names(values: pd.Series) -> pd.Series:
    """Name each image's value, the rare ones together."""
    names = values.astype(object).where(values.notna(), OTHERS).astype(str)
    names = names.str.replace("_", " ").map(figure_text)
    frequent = names.value_counts().index[: len(COLOURS)]
    return names.where(names.isin(frequent), OTHERS)


def drawn_area(selection: Mapping[str, Any], space: str) -> Area | None:
    """Return the area that was boxed in or lassoed last, as the browser sent it; None for anything else."""
    for kind in ("lasso", "box"):
        try:
            area = Area.drawn(space, selection[kind][-1]["x"], selection[kind][-1]["y"])
            if area:
                return area
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return None


def clicked_row(selection: Mapping[str, Any], rows: int) -> int | None:
    """Return the position of the one image that was clicked; None where it was none, or several.

    Args:
        selection: as the browser sent it.
        rows: how many the run has.
    """
    if selection.get("box") or selection.get("lasso"):
        return None
    try:
        (point,) = selection["points"]
        row = int(point["customdata"][0])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return row if 0 <= row < rows else None
