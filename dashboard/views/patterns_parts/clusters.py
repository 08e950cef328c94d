"""A card for each cluster: how large, how often wrong, what it looks like, its most typical images, a way to all."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.drawing import common_scale, draw_image, draw_map
from core.findings import words
from core.findings.claims import sign
from core.findings.finding import Measure
from core.findings.lines import Line, joined, line
from core.findings.numbers import points, share
from core.findings.words.clusters import RESTATED
from core.findings.words.differences import tell
from core.images.encoding import encode_png
from core.runs.filter import Filter
from core.runs.pictures import Pictures
from core.studies.clusters.summary import Card, read_cards, worst_card
from core.studies.groups import VERDICTS
from core.studies.registry import STUDIES
from core.studies.result import StudyResult
from dashboard import state
from dashboard.components.charts import cached
from dashboard.components.grid import image_grid
from dashboard.components.study import all_there, markdown, strong
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.library import BY_STAMP, Opened

FACE = 116
# rows of four
TYPICAL = 8
WRONG = 4
SPACE_NAMES = {"features": "By features", "maps": "By margin map"}


def cards_of(opened: Opened, answer: StudyResult, space: str, pictures: Pictures) -> list[Card]:
    """Return the cards of a space, largest cluster first; cached."""
    return _cards(opened.origin, answer, pictures, space)


@st.cache_resource(
    max_entries=8,
    show_spinner="Describing the clusters",
    hash_funcs=BY_STAMP | {Pictures: lambda pictures: (pictures.source, pictures.found)},
)
def _cards(opened: Opened, answer: StudyResult, pictures: Pictures, space: str) -> list[Card]:
    return read_cards(answer.table, opened.run, space, studies=all_there(opened, tuple(STUDIES)), pictures=pictures)


def members(space: str, number: int, *, wrong: bool = False) -> Filter:
    """Finds the images of a cluster, or those among them that are called wrongly."""
    found = Filter().ranging(f"clusters.{space}_cluster", number, number)
    return found.choosing("correct", ["wrong"]) if wrong else found


def name_of(card: Card) -> str:
    """A cluster's name beside its bar."""
    return f"cluster {card.number}"


def rates(cards: Sequence[Card], of: int) -> pd.DataFrame:
    """The cards' error rates among the `of` images of the run, as `components.charts.bars.rate_bars` draws them."""
    # a sample holds a larger share of mistakes than the run, so counts are scaled to the run as the rates are
    images = [round(card.share * of) for card in cards]
    return pd.DataFrame(
        {
            "value": list(map(name_of, cards)),
            "images": images,
            "wrong": [round(card.error_rate.value * n) for card, n in zip(cards, images, strict=True)],
            "rate": [card.error_rate.value for card in cards],
            "low": [card.error_rate.low for card in cards],
            "high": [card.error_rate.high for card in cards],
            "expected": [card.expected.rate.value for card in cards],
        }
    )


def worst_of(cards: Mapping[str, Sequence[Card]]) -> tuple[str, Card] | None:
    """Find the cluster, in any space, in which the detector errs most, as (space, card); None where none stands out."""
    found = [
        (space, worst)
        for space, listed in cards.items()
        for verdict in VERDICTS
        if (worst := worst_card([card for card in listed if card.verdict == verdict]))
    ]
    return max(found, key=lambda one: one[1].error_rate.low, default=None)


def draw_worst(opened: Opened, answer: StudyResult, worst: tuple[str, Card] | None, space: str) -> bool:
    """Say in which cluster the detector errs most, and draw buttons that lead there.

    Args:
        opened: the run.
        answer: the study of clusters.
        worst: from `worst_of`.
        space: the space whose clusters are shown now.

    Returns:
        True if the button to its card was just pressed.
    """
    if worst is None:
        st.markdown("**No cluster errs significantly more than its verdict as a whole.**")
        return False
    whose, card = worst
    other = "" if whose == space else f" The picture now shows the other clusters, {SPACE_NAMES[space].lower()}."
    found = answer.finding(f"worst-{whose}-{card.verdict}")
    lead, more = f"**Cluster {card.number} errs most, {SPACE_NAMES[whose].lower()}.**", ""
    if found is not None:
        told = words.tell(found)
        lead, more = strong(told.answer), markdown(joined([told.control, told.standing or Line()]))
    st.markdown(f"{lead} {more} {_apart(card)}{other}")
    with st.container(horizontal=True):
        only = f"See the {card.errors:,} wrong ones"
        if st.button(only, key="patterns.worst.errors", icon=":material/grid_view:"):
            state.go("explore", run=opened.run.name, wanted=members(whose, card.number, wrong=True))
        return st.button(
            "Show its card below", key="patterns.worst.card", type="tertiary", icon=":material/arrow_downward:"
        )


def most_errors(cards: Sequence[Card]) -> str:
    """The cluster of each verdict with the highest error rate, of several, in a sentence of Markdown."""
    mine = [[card for card in cards if card.verdict == verdict] for verdict in VERDICTS]
    worst = [max(those, key=lambda card: card.error_rate.value) for those in mine if len(those) > 1]
    each = [
        f"{CLASS_WORDS[card.verdict]} verdicts most in cluster {card.number}, {percent(card.error_rate.value)} wrong "
        f"(of all {percent(card.verdict_error_rate)})"
        for card in worst
        if card.errors
    ]
    return f"{'; '.join(each)}." if each else ""


def _apart(card: Card) -> str:
    """Say what sets a cluster apart, what is visible first."""
    if card.visible:
        return f"What sets it apart: {markdown(tell(card.apart[0]))}."
    told = f" What does cannot be seen: {markdown(tell(card.apart[0]))}." if card.apart else ""
    return f"Nothing visible sets it apart.{told}"


def anchor(space: str, number: int) -> str:
    """Return the anchor of a cluster's card."""
    return f"card-{space}-{number}"


def draw_cards(opened: Opened, cards: Sequence[Card], space: str, pictures: Pictures) -> None:
    """Draw cards in their order, two beside each other where there is room; their maps on one scale."""
    scale = common_scale([card.mean_map for card in cards])
    with st.grid(2, min_column_width=420):
        for card in cards:
            with st.container(border=True, height="stretch"):
                _draw_card(opened, card, space, pictures, scale)


def _draw_card(opened: Opened, card: Card, space: str, pictures: Pictures, scale: float) -> None:
    rate, name = card.error_rate, f"{space}.{card.number}"
    st.subheader(f"Cluster {card.number}", anchor=anchor(space, card.number))
    st.markdown(
        f"**{card.images:,} images** called {CLASS_WORDS[card.verdict]}, {percent(card.share, 0)} of all. "
        f"**{percent(rate.value)} are wrong** ({percent(rate.low)} to {percent(rate.high)}); of all {card.verdict} "
        f"verdicts {percent(card.verdict_error_rate)}."
    )
    expected, beyond = map(Measure.of, card.expected)
    told = line("Its margins predict {rate}: it {restates}, {beyond}.", rate=share(expected),
                restates=RESTATED[sign(beyond)], beyond=points(beyond))  # fmt: skip
    st.caption(markdown(told))
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=FACE, gap="small"):
            _draw_faces(card, scale)
        with st.container(width="stretch", gap=None):
            if card.apart:
                st.caption(f"Compared with other {card.verdict} verdicts")
                nothing = [] if card.visible else ["nothing visible sets it apart"]
                st.markdown("\n".join(f"- {one}" for one in (*nothing, *(markdown(tell(one)) for one in card.apart))))
            else:
                st.caption(f"Nothing that is known sets it apart from other {card.verdict} verdicts by much.")
    st.caption("Most typical, the nearest to its middle first")
    _draw_images(opened, card.members[:TYPICAL], pictures, wanted=members(space, card.number), key=f"typical.{name}")
    if card.wrong:
        wrong = members(space, card.number, wrong=True)
        st.caption(f"Wrongly called {card.verdict}, the surest first")
        _draw_images(opened, card.wrong[:WRONG], pictures, wanted=wrong, key=f"wrong.{name}")
    with st.container(horizontal=True):
        if st.button(f"Explore all {card.images:,}", key=f"patterns.all.{name}", icon=":material/grid_view:"):
            state.go("explore", run=opened.run.name, wanted=members(space, card.number))
        only = f"Only the {card.errors:,} wrong"
        if card.errors and st.button(only, key=f"patterns.errors.{name}", type="tertiary"):
            state.go("explore", run=opened.run.name, wanted=wrong)


def _draw_faces(card: Card, scale: float) -> None:
    """The mean image, where its pictures are available, and the mean map."""
    if card.mean_image is not None:
        alt = f"Mean image of cluster {card.number}"
        st.image(_mean_image(card.mean_image), caption="mean image", width=FACE, alt=alt)
    alt = f"Mean margin map of cluster {card.number}, blue where it speaks for REAL and orange for FAKE"
    st.image(_mean_map(card.mean_map, scale), caption="mean map", width=FACE, alt=alt)


@partial(cached, most=128)
def _mean_image(image: NDArray[np.uint8]) -> bytes:
    return encode_png(draw_image(image, FACE))


@partial(cached, most=128)
def _mean_map(values: NDArray[np.float32], scale: float) -> bytes:
    return encode_png(draw_map(values, FACE, scale=scale))


def _draw_images(opened: Opened, ids: Sequence[str], pictures: Pictures, *, wanted: Filter, key: str) -> None:
    rows: NDArray[np.intp] = np.array([row for id_ in ids if (row := opened.row_of(id_)) is not None], np.intp)
    if id_ := image_grid(opened, rows, pictures, key=f"patterns.{key}", size="small"):
        state.go("inspect", run=opened.run.name, wanted=wanted, id=id_)
