"""Parts of the page Trust: a study with its sentence, picture and limits, and the paper's complaints answered."""

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from core.metrics.intervals import Estimate
from core.studies.groups import By
from core.studies.study import Answer
from core.studies.trust import summary as trust_summary
from core.system.folders import ContractError
from dashboard.components.plain import plain
from dashboard.components.studies import trust_words
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


def strong(sentence: str) -> str:
    """A sentence in bold, the classes in their colours."""
    plain = {name: words.replace("*", "") for name, words in CLASS_WORDS.items()}
    inked = re.sub(r"\b(REAL|FAKE)\b", lambda found: plain[found[1]], sentence)
    return f"**{inked}**"


def part(
    opened: Opened,
    name: str,
    title: str,
    explained: str,
    *,
    help: str,
    make: Summary,
    by: By,
    tell: Callable[[Answer, pd.DataFrame], str],
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
        tell: the sentence, from the study and its summary by verdict.
        draw: the picture, from the summary.
        limits: what it cannot show.
        names: see `numbers`.
    """
    section(title, explained, help=help)
    answer = study_of(opened, name)
    if answer is None:
        return
    try:
        told, frame = (summary(opened, answer, make, each) for each in ("verdict", by))
    except ContractError as error:
        refused(error)
        return
    st.markdown(strong(tell(answer, told)))
    draw(frame)
    cannot(limits)
    numbers(opened, answer, frame, names=names, key=name)


def beyond_chance(answer: Answer) -> dict[str, float]:
    """Verdict -> the lower end of how much more than by chance LIME and Grad-CAM agree, from that study's findings."""
    return {one.key.removeprefix("rank-"): one.low for one in answer.findings if one.key.startswith("rank-")}


def complaints(opened: Opened, answers: Mapping[str, Answer]) -> None:
    """The paper's three complaints side by side, each answered with numbers of this run."""
    with st.grid(3, min_column_width=250):
        with st.container(border=True, height="stretch", gap="small"):
            _measured(
                opened,
                "one_colour",
                "Is LIME all one colour?",
                "A large majority of the images I looked at are uniformly red",
                make=trust_summary.one_colour_summary,
                answered=_one_colour,
            )
        with st.container(border=True, height="stretch", gap="small"):
            _measured(
                opened,
                "agreement",
                "Does LIME contradict Grad-CAM?",
                "the LIME method simply does not corroborate",
                make=trust_summary.agreement_summary,
                answered=_agreement,
            )
        with st.container(border=True, height="stretch", gap="small"):
            _scale(opened, answers)


def _measured(
    opened: Opened,
    name: str,
    title: str,
    quote: str,
    *,
    make: Summary,
    answered: Callable[[Answer, dict[str, dict[str, Estimate]]], Lines],
) -> None:
    """A complaint that a study answers."""
    answer = study_of(opened, name, title)
    if answer is None:
        return
    try:
        frame = summary(opened, answer, make, "verdict")
    except ContractError as error:
        refused(error, title)
        return
    found = {
        str(group): {str(row.column): trust_summary.estimate_of(row) for row in rows.itertuples()}
        for group, rows in frame.groupby("group", sort=False)
    }
    _complaint(title, quote, *answered(answer, found))


def _one_colour(_answer: Answer, found: Mapping[str, Mapping[str, Estimate]]) -> Lines:
    lines, cured = [], True
    for group, of in found.items():
        before, after = of["paper_one_sign"], of["ours_shown_one"]
        cured &= after.high < before.low
        shares = f"{percent(before.value, 0)} → {percent(after.value, 0)}"
        under = f"{before.images:,} images; 95 % intervals {_ends(before)} and {_ends(after)}"
        lines.append((f"of {CLASS_WORDS[group]} verdicts: their settings → ours", shares, under))
    if cured:
        return lines, "Most of it is the settings: the paper's leave a segment or two, and one segment has one colour."
    return lines, "Finer segments alone do not cure it here."


def _agreement(answer: Answer, found: Mapping[str, Mapping[str, Estimate]]) -> Lines:
    lines, beyond = [], beyond_chance(answer)
    for group, of in found.items():
        own, chance = of["rank"], of["others_rank"]
        value = f"{trust_words.signed(own.value)} against {trust_words.signed(chance.value)}"
        ends = " to ".join(map(trust_words.signed, (own.low, own.high)))
        under = f"{own.images:,} images; 95 % interval {ends}"
        lines.append((f"{CLASS_WORDS[group]} verdicts: agreement against chance", value, under))
    if all(beyond.get(group, float("nan")) > 0 for group in found):
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


def _ends(estimate: Estimate) -> str:
    return f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f}"
