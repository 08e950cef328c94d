"""Patterns: which images does the detector treat alike?"""

from collections.abc import Sequence

import streamlit as st

from core.studies.clusters.summary import SPACES, Card, card_table
from core.studies.groups import VERDICTS
from core.studies.result import StudyResult
from dashboard import library, state
from dashboard.components import scroll
from dashboard.components.bars import rate_bars
from dashboard.components.fold import fold, unfold
from dashboard.components.glossary import explain
from dashboard.components.study import bullets, csv_button, study_of
from dashboard.components.trust import group_words
from dashboard.components.words import CLASS_WORDS, heading
from dashboard.state import Setting
from dashboard.views.patterns_parts import clusters
from dashboard.views.patterns_parts.points import draw_points

ORDER = Setting("order", "errors", {"errors": "Most errors first", "size": "Largest first"})

opened = library.current()
run = opened.run.name
heading(
    "Which images does it treat alike?",
    "Every point is an image; the detector sees nearby ones alike. Clusters are found within each "
    "verdict, by the detector's own features or by its margin maps.",
    help=explain("Cluster"),
)
answer = study_of(opened, "clusters")
if answer is None:
    st.stop()
pictures = library.pictures(opened)
cards = {name: clusters.cards_of(opened, answer, name, pictures) for name in SPACES}
worst = clusters.worst_of(cards)
# show by default what the first sentence is about
SPACE = Setting("space", worst[0] if worst else "features", clusters.SPACE_NAMES)
VERDICT = Setting("verdict", worst[1].verdict if worst else "FAKE", {one: CLASS_WORDS[one] for one in VERDICTS})
space = SPACE.value
if clusters.draw_worst(opened, answer, worst, space) and worst is not None:
    unfold("cards", space=SPACE.text_of(worst[0]), verdict=VERDICT.text_of(worst[1].verdict))
    scroll.ask_for(clusters.anchor(worst[0], worst[1].number))
    st.rerun()


def draw_rates(answer: StudyResult, cards: Sequence[Card]) -> None:
    """The error rates of the clusters, for each verdict."""
    with st.grid(2, min_column_width=340, gap="large"):
        for verdict in VERDICTS:
            mine = [card for card in cards if card.verdict == verdict]
            if not mine:
                continue
            with st.container():
                st.markdown(group_words(verdict))
                findings = (answer.finding(f"{what}-{space}-{verdict}") for what in ("worst", "number"))
                bullets([one for one in findings if one is not None])
                overall = mine[0].verdict_error_rate
                key, title = (
                    f"patterns.rates.{space}.{verdict}",
                    f"Error rates, a button for each cluster of {verdict}.",
                )
                if clicked := rate_bars(
                    clusters.rates(mine, answer.about["of"]), overall=overall, key=key, title=title
                ):
                    number = {clusters.name_of(card): card.number for card in mine}[clicked]
                    state.go("explore", run=run, wanted=clusters.members(space, number, wrong=True))


draw_points(opened, SPACE, answer.about["images"])

here = cards[space]
if ORDER.value == "errors":
    here = sorted(here, key=lambda card: -card.error_rate.value)
with fold(
    "errors",
    "Where does it err?",
    clusters.most_errors(cards[space]),
    explained="Share of wrong verdicts in each cluster; the line through each bar is its 95% interval, the dashed line "
    "is all verdicts of that class. The diamond is the error rate of verdicts with equal margins: a cluster no higher "
    "than that errs as often as its margins let expect. A click shows the wrong images. Silhouette: 1 means a cluster "
    "fully separated from the next, 0 overlapping."
    + (
        " Counts in brackets are scaled up to the run; a click shows those in the sample."
        if answer.about["images"] < answer.about["of"]
        else ""
    ),
    help=explain("Cluster", "Silhouette", "Interval"),
) as is_open:
    if is_open:
        draw_rates(answer, here)
with fold(
    "cards",
    "What is in each cluster?",
    f"{len(here)} clusters: what each looks like, and what sets it apart.",
    explained="What each looks like on average, its most typical images, and what sets it apart from the other "
    "verdicts of its kind, as far as that is certain. An image opens in Inspect. Mean maps are on one scale.",
) as is_open:
    if is_open:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            VERDICT.choose("Called")
            ORDER.choose("Order")
            csv_button("Clusters (CSV)", card_table(here), f"{run}-clusters-{space}.csv", key="patterns.cards.csv")
            csv_button("Every image (CSV)", answer.table, f"{run}-clusters.csv", key="patterns.images.csv")
        if shown := [card for card in here if card.verdict == VERDICT.value]:
            clusters.draw_cards(opened, shown, space, pictures)
        else:
            st.info(f"No image of this run is called {VERDICT.value}.")
scroll.go_there()
if answer.about["images"] < answer.about["of"]:
    st.caption(f"The study has {answer.about['images']:,} of the {answer.about['of']:,} images of this run.")
