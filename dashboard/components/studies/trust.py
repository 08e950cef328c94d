"""Parts of the page Trust: a study with its sentence, picture and limits, and the paper's complaints answered."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from core.findings.claims import sign_of
from core.findings.finding import Finding, Measure
from core.findings.lines import Line
from core.findings.numbers import signed
from core.findings.words import explanations
from core.studies.groups import By
from core.studies.study import Answer
from core.studies.trust import summary as trust_summary
from core.system.folders import ContractError
from dashboard.components.plain import plain
from dashboard.components.studies.finding_words import strong
from dashboard.components.studies.study import Summary, cannot, numbers, refused, study_of, summary
from dashboard.components.words import CLASS_WORDS, percent, section
from dashboard.services.library import Opened

WHAT = {"group": "verdict", "name": "what"}
# label, number and small print of each answer, and what they come to
Lines = tuple[list[tuple[str, str, str]], str]


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
    draw(frame)
    cannot(limits)
    numbers(opened, answer, frame, names=names, key=name)


def complaints(opened: Opened, answers: Mapping[str, Answer]) -> None:
    """The paper's three complaints side by side, each answered with numbers of this run."""
    with st.grid(3, min_column_width=250):
        with st.container(border=True, height="stretch", gap="small"):
            _measured(
                opened,
                "one_colour",
                "Is LIME all one colour?",
                "A large majority of the images I looked at are uniformly red",
                answered=_one_colour,
            )
        with st.container(border=True, height="stretch", gap="small"):
            _measured(
                opened,
                "agreement",
                "Does LIME contradict Grad-CAM?",
                "the LIME method simply does not corroborate",
                answered=_agreement,
            )
        with st.container(border=True, height="stretch", gap="small"):
            _scale(opened, answers)


def _measured(
    opened: Opened, name: str, title: str, quote: str, *, answered: Callable[[Sequence[Finding]], Lines]
) -> None:
    """A complaint that a study answers."""
    answer = study_of(opened, name, title)
    if answer is not None:
        _complaint(title, quote, *answered(answer.findings))


def _one_colour(found: Sequence[Finding]) -> Lines:
    lines = []
    for one in found:
        if one.control is None:
            continue
        before, after = one.control.measure, one.measure
        shares = f"{percent(before.value, 0)} → {percent(after.value, 0)}"
        under = f"{before.n:,} images; 95% intervals {_ends(before)} and {_ends(after)}"
        lines.append((f"of {CLASS_WORDS[str(one.group)]} verdicts: their settings → ours", shares, under))
    if explanations.cured(found):
        return lines, "Most of it is the settings: the paper's leave a segment or two, and one segment has one colour."
    return lines, "Finer segments alone do not cure it here."


def _agreement(found: Sequence[Finding]) -> Lines:
    lines, beyond = [], True
    for one in found:
        if one.quantity != "rank_correlation" or one.control is None:
            continue
        own = one.measure
        beyond &= sign_of(one) == 1
        value = f"{signed(own.value)} against {signed(one.control.measure.value)}"
        under = f"{own.n:,} images; 95% interval {signed(own.low)} to {signed(own.high)}"
        lines.append((f"{CLASS_WORDS[str(one.group)]} verdicts: agreement against chance", value, under))
    if beyond:
        return lines, (
            "They agree more than maps of different images do; 1 would be the same order of places, 0 no common order."
        )
    return lines, "That is not more than chance on every kind of verdict; 1 would be the same order of places."


def _scale(opened: Opened, answers: Mapping[str, Answer]) -> None:
    """How many images have maps, and how many the studies have judged."""
    lines = [("images with a margin map", f"{len(opened.run):,}", "all images of the run; the paper shows a dozen")]
    judged = trust_summary.coverage(answers, opened.run)
    if not judged.empty:
        most = judged.loc[judged["images"].idxmax()]
        under = f"{most['errors']:,} of the run's {most['errors_of']:,} errors are among them"
        lines.append(("images with explanations judged", f"{most['images']:,}", under))
    each = ", ".join(f"{plain(row.title.lower())} {row.images:,}" for row in judged.itertuples())
    said = f"By study: {each}." if each else "No study has judged explanations of this run yet."
    _complaint("Does it scale?", "any more than a handful require teams", lines, said)


def _complaint(title: str, quote: str, lines: Sequence[tuple[str, str, str]], answered: str) -> None:
    """One of the paper's complaints in its own words, with label, number and small print of each answer."""
    st.markdown(f"**{title}**")
    st.caption(f"The paper: “{quote}”")
    for label, value, under in lines:
        with st.container(gap=None):
            st.metric(label, value)
            st.caption(under)
    st.markdown(answered)


def _ends(measure: Measure) -> str:
    return f"{100 * measure.low:.0f} to {100 * measure.high:.0f}"
