"""Parts of the page Trust: a study with its sentence, picture and limits, and the paper's complaints answered."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from core.findings.finding import Finding
from core.findings.lines import Line
from core.findings.words import explanations
from core.studies.groups import By
from core.studies.study import StudyResult
from core.studies.trust import summary as trust_summary
from core.system.folders import ContractError
from dashboard.components.plain import plain
from dashboard.components.studies.finding_words import card, markdown, strong
from dashboard.components.studies.study import Summary, cannot, numbers, refused, study_of, summary
from dashboard.components.words import CLASS_WORDS, section
from dashboard.services.library import Opened

WHAT = {"group": "verdict", "name": "what"}
# study -> what the paper complains of, in a question and in its own words, and what the findings come to; the paper's
# two methods are named here because it complains of these
COMPLAINTS: Mapping[str, tuple[str, str, Callable[[Sequence[Finding]], Line]]] = {
    "one_colour": (
        "Is LIME all one colour?",
        "A large majority of the images I looked at are uniformly red",
        explanations.cured,
    ),
    "agreement": (
        "Does LIME contradict Grad-CAM?",
        "the LIME method simply does not corroborate",
        explanations.agreeing,
    ),
}


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
) -> None:
    """A section about a study: its sentence, its picture, what it cannot show, its numbers.

    Args:
        opened: the run.
        name: of the study.
        title, explained, help: of the section.
        make: of `core.studies.trust.summary`.
        by: what the picture counts by.
        tell: the sentence, from the study's findings.
        draw: the picture, from the summary.
        limits: what it cannot show.
        names: see `numbers`.
    """
    section(title, explained, help=help)
    answer = study_of(opened, name)
    if answer is None:
        return
    try:
        frame = summary(opened, answer, make, by)
    except ContractError as error:
        refused(error)
        return
    st.markdown(strong(tell(answer.findings)))
    # a file of other explainers than there are now has nothing to draw
    if frame.empty:
        return
    draw(frame)
    cannot(limits)
    numbers(opened, answer, frame, names=names, key=name)


def complaints(opened: Opened, answers: Mapping[str, StudyResult]) -> None:
    """The paper's three complaints side by side, each answered with numbers of this run."""
    with st.grid(3, min_column_width=250):
        for name, (title, quote, conclude) in COMPLAINTS.items():
            with st.container(border=True, height="stretch", gap="small"):
                if (answer := study_of(opened, name, title)) is None:
                    continue
                _quoted(title, quote)
                first = answer.findings[0].quantity if answer.findings else ""
                for one in answer.findings:
                    if one.quantity == first and one.control is not None:
                        card(one)
                st.markdown(markdown(conclude(answer.findings)))
        with st.container(border=True, height="stretch", gap="small"):
            _scale(opened, answers)


def _quoted(title: str, quote: str) -> None:
    """One of the paper's complaints in its own words."""
    st.markdown(f"**{title}**")
    st.caption(f"The paper: “{quote}”")


def _scale(opened: Opened, answers: Mapping[str, StudyResult]) -> None:
    """Draw how many images have maps, and how many the studies have judged."""
    _quoted("Does it scale?", "any more than a handful require teams")
    st.metric("images with a margin map", f"{len(opened.run):,}")
    st.caption("all images of the run; the paper shows a dozen")
    judged = trust_summary.coverage(answers, opened.run)
    if judged.empty:
        st.markdown("No study has judged explanations of this run yet.")
        return
    most = judged.loc[judged["images"].idxmax()]
    st.metric("images with explanations judged", f"{most['images']:,}")
    st.caption(f"{most['errors']:,} of the run's {most['errors_of']:,} errors are among them")
    each = ", ".join(f"{plain(row.title.lower())} {row.images:,}" for row in judged.itertuples())
    st.markdown(f"By study: {each}.")
