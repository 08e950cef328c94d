"""Parts of the page Trust: a study with its sentence, picture and limits, beside what the paper complains of."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from core.findings.finding import Finding
from core.findings.lines import Line
from core.storage import ContractError
from core.studies.explanations import coverage
from core.studies.groups import By
from core.studies.result import StudyResult
from dashboard.components.fold import fold
from dashboard.components.plain import plain
from dashboard.components.study import (
    Summary,
    cannot,
    numbers,
    refused,
    study_fold,
    summary,
)
from dashboard.components.words import CLASS_WORDS
from dashboard.library import Opened

WHAT = {"group": "verdict", "name": "measured"}


def group_words(group: str) -> str:
    """A group as a heading, the verdict in its colour."""
    truth, called, verdict = group.partition(" called ")
    return f"**{truth} called** {CLASS_WORDS[verdict]}" if called else f"{CLASS_WORDS[truth]} **verdicts**"


def part(
    opened: Opened,
    name: str,
    title: str,
    explained: str,
    *,
    help: str,
    make: Summary,
    by: By,
    tell: Callable[[Sequence[Finding]], Line],
    draw: Callable[[pd.DataFrame], None],
    limits: str,
    names: Mapping[str, str] = WHAT,
    quote: str = "",
) -> None:
    """A part about a study under its sentence: its picture, what it cannot show, its numbers.

    Args:
        opened: the run.
        name: of the study.
        title, explained, help: of the part.
        make: summarises its table.
        by: what the picture counts by.
        tell: the sentence, from the study's findings.
        draw: the picture, from the summary.
        limits: what it cannot show.
        names: see `numbers`.
        quote: what the paper complains of, in its own words.
    """
    with study_fold(opened, name, title, tell, explained=explained, help=help) as answer:
        if answer is None:
            return
        if quote:
            st.markdown(f"The paper: “{quote}”.")
        try:
            frame = summary(opened, answer, make, by)
        except ContractError as error:
            refused(error)
            return
        # a file of other explainers than there are now has nothing to draw
        if frame.empty:
            return
        draw(frame)
        cannot(limits)
        numbers(opened, answer, frame, names=names, key=name)


def draw_scale(opened: Opened, answers: Mapping[str, StudyResult]) -> None:
    """How many images have maps, and how many the studies have judged."""
    judged = coverage(answers, opened.run)
    most = None if judged.empty else judged.loc[judged["images"].idxmax()]
    told = (
        "no study has judged explanations of this run yet" if most is None else f"{most['images']:,} images were judged"
    )
    mapped = f"All {len(opened.run):,} images have a margin map; {told}"
    if opened.run.maps is None:
        mapped = told[0].upper() + told[1:]
    with fold("scale", "Does it scale?", f"{mapped}.") as is_open:
        if not is_open:
            return
        st.markdown("The paper: “any more than a handful require teams”. It shows a dozen.")
        if most is not None:
            each = ", ".join(f"{plain(row.title.lower())} {row.images:,}" for row in judged.itertuples())
            st.markdown(
                f"By study: {each}. {most['errors']:,} of the run's {most['errors_of']:,} errors are among them."
            )
