"""Trust: can the explanations be trusted?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.explainers.registry import find_explainer
from core.findings.claims import Sign, sign_of
from core.findings.finding import Finding
from core.findings.numbers import signed
from core.perturbations.masking import FILLS as FILLINGS
from core.storage import ContractError
from core.studies.agreement import agreement_summary
from core.studies.certainty import certainty_summary
from core.studies.explanations import coverage
from core.studies.faithfulness import CONTROLS, DIRECTIONS, FILLS, choice_value, leads, mean_curves
from core.studies.randomisation import sanity_summary
from core.studies.single_sign import one_colour_summary
from core.studies.stability import stability_summary
from core.studies.store import StudyResult
from dashboard import library
from dashboard.components import charts, trust_charts
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import plain
from dashboard.components.study import (
    Summary,
    all_there,
    refused,
    study_files,
    study_fold,
    study_of,
    summary,
)
from dashboard.components.words import CLASS_WORDS, heading, name_paper
from dashboard.state import Setting

BY = Setting("by", "verdict", {"verdict": "Verdict", "cell": "Verdict, right and wrong separately"})
FILL = Setting("filled", "mean", {fill: FILLINGS[fill].title for fill in FILLS})
# told apart with every kind of colour blindness, and by the symbol without any
SYMBOLS: dict[Sign | None, str] = {1: "▲", -1: "▼", 0: "◇", None: "·"}
COLOURS: dict[Sign | None, str] = {1: "green", -1: "violet"}


class Part(NamedTuple):
    """A part of the page about a study.

    Attributes:
        name: of the study.
        title: a question.
        explained: what is measured, and with what it is compared.
        terms: of the glossary.
        make: what summarises the study for the chart.
        draw: draws the chart from that; None without one.
    """

    name: str
    title: str
    explained: str
    terms: tuple[str, ...]
    make: Summary
    draw: Callable[[str, pd.DataFrame], None] | None


def group_words(group: str) -> str:
    """Write a group as a heading, the verdict in its colour."""
    label, called, verdict = group.partition(" called ")
    return f"**{label} called** {CLASS_WORDS[verdict]}" if called else f"{CLASS_WORDS[label]} **verdicts**"


def draw_faithfulness() -> None:
    """Draw the table of all methods under all fills, and the curves behind it."""
    answer = study_of(opened, "faithfulness")
    if answer is None:
        return
    try:
        draw_methods(answer.findings)
        with fold(
            "faithfulness",
            "How far does the margin fall and rise?",
            explained="Parts of the image are filled in the order that an explanation gives (deletion), or shown in "
            "that order (insertion; Petsiuk et al. 2018). Where it is right the margin falls fast, and rises fast.",
            help=explain("Faithfulness", "Deletion and insertion", "Fill", "Margin", "Control"),
        ) as is_open:
            if is_open:
                draw_curves(answer)
                finding_table([finding for finding in answer.findings if finding.quantity == "faithfulness"])
                tables = {"Numbers": lambda: summary(opened, answer, leads, BY.value)}
                study_files(opened, answer, key="trust.faithfulness", tables=tables)
    except ContractError as error:
        refused(error)


def draw_methods(findings: Sequence[Finding]) -> None:
    """Draw a table per verdict, methods by fills: better or worse than both controls, deletion then insertion."""
    scored = [finding for finding in findings if finding.quantity == "faithfulness"]
    st.caption(
        "Faithfulness minus that of a random order as coarse as the map, in units of the margin: deletion first, then "
        "insertion. Columns are what covers a part. The first mark compares with that order, the second with another "
        "image's map: ▲ significantly better, ▼ significantly worse, ◇ neither. Methods in one row score alike. Edges "
        "are a baseline and no control: for a detector of fine detail they are nearly the right answer."
    )
    with st.grid(2, min_column_width=340) as grid:
        for group in dict.fromkeys(str(finding.group) for finding in scored):
            mine = [finding for finding in scored if finding.group == group]
            fills = list(dict.fromkeys(fill for finding in mine for fill in finding.details["fills"]))
            rows: dict[tuple[str, ...], list[str]] = {}
            for finding in mine:
                cells = tuple(cell(finding, fill) for fill in fills)
                rows.setdefault(cells, []).append(plain(str(finding.details["name"])))
            head = ["method", *(FILLINGS[fill].title for fill in fills)]
            lines = [head, ["---"] * len(head), *([f"**{', '.join(names)}**", *cells] for cells, names in rows.items())]
            with grid.cell():
                st.markdown(group_words(group))
                st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def cell(finding: Finding, fill: str) -> str:
    """Write a method's difference from a random order under one fill, with marks against both controls."""
    signs, texts = set(), []
    for direction in DIRECTIONS:
        tried = [finding.choice(direction, choice_value(fill, control)) for control in CONTROLS]
        found = [choice for choice in tried if choice is not None]
        if found:
            signs |= {sign_of(choice) for choice in found}
            lead = signed((found[0].difference or found[0].measure).value)
            texts.append(f"{''.join(SYMBOLS[sign_of(choice)] for choice in found)}\N{NO-BREAK SPACE}{lead}")
    text = " ".join(texts)
    colour = COLOURS.get(signs.pop()) if len(signs) == 1 else None
    return f":{colour}-background[{text}]" if colour else text


def draw_curves(answer: StudyResult) -> None:
    """Draw deletion and insertion curves under one fill."""
    FILL.choose("Fill", help=explain("Fill"))
    drawn = summary(opened, answer, mean_curves, BY.value)
    fill = FILL.value if FILL.value in set(drawn["fill"]) else drawn["fill"].iloc[0]
    drawn = drawn[drawn["fill"] == fill]
    with st.grid(2, min_column_width=320) as grid:
        for group in dict.fromkeys(drawn["group"]):
            with grid.cell():
                st.markdown(group_words(group))
                charts.show(
                    trust_charts.deletion_curves(drawn[drawn["group"] == group]),
                    key=f"trust.curves.{group}",
                    alt=f"Deletion and insertion curves of {group}: every explanation and every control",
                )


def draw_correlations(name: str, frame: pd.DataFrame) -> None:
    """Draw rank correlations with their controls."""
    figure = trust_charts.dots(frame, unit="rank correlation", zero=True)
    charts.show(figure, key=f"trust.{name}", alt="Rank correlations; the table has the numbers")


def draw_shares(name: str, frame: pd.DataFrame) -> None:
    """Draw the share of single-sign results under both settings."""
    figure = trust_charts.dots(frame, unit="share of verdicts", share=True)
    charts.show(figure, key=f"trust.{name}", alt="Share of single-sign LIME results; the table has the numbers")


def draw_sanity(name: str, frame: pd.DataFrame) -> None:
    """Draw a picture for each explanation."""
    with st.grid(2, min_column_width=340, gap="large") as grid:
        for method in dict.fromkeys(frame["method"]):
            title = find_explainer(method).title
            with grid.cell():
                st.markdown(f"**{title}**")
                alt = f"Correlation of {title} with that by a randomised detector, level by level"
                charts.show(trust_charts.randomised(frame, method), key=f"trust.{name}.{method}", alt=alt)


PARTS = (
    Part(
        "one_colour",
        "Is LIME all one colour?",
        "The paper: “A large majority of the images I looked at are uniformly red”. A single colour does not say "
        "where. Its settings segment by quickshift; ours use about thirty segments and leave undecided ones grey.",
        ("LIME", "Segment", "Undecided"),
        one_colour_summary,
        draw_shares,
    ),
    Part(
        "agreement",
        "Does LIME contradict Grad-CAM?",
        "The paper: “the LIME method simply does not corroborate”. Rank correlation of both maps of one image over 64 "
        "cells; the control uses another image's Grad-CAM. Two methods can agree and both be wrong.",
        ("Agreement", "Rank correlation"),
        agreement_summary,
        draw_correlations,
    ),
    Part(
        "stability",
        "Are the maps repeatable?",
        "Rank correlation of an explanation with itself under another seed, and under noise of 1 in 255; the control "
        "is the explanation of another image.",
        ("Stability", "Rank correlation", "Seed"),
        stability_summary,
        draw_correlations,
    ),
    Part(
        "certainty",
        "Does what LIME calls certain hold under another fill?",
        "Each image is explained again with every other fill. The control draws other samples with the same fill.",
        ("Fill", "Undecided", "LIME"),
        certainty_summary,
        None,
    ),
    Part(
        "sanity",
        "Does it depend on what the detector has learned?",
        "The detector's weights are randomised from the classifier down (Adebayo et al. 2018). A map that does not "
        "change shows the image and not the detector. Dotted: another image's map by the fully random detector.",
        ("Sanity",),
        sanity_summary,
        draw_sanity,
    ),
)


def draw_part(part: Part) -> None:
    """Draw a part about a study: its findings, its picture, its files."""
    explained, help = part.explained, explain(*part.terms)
    with study_fold(opened, part.name, part.title, explained=explained, help=help) as answer:
        if answer is None:
            return
        try:
            frame = summary(opened, answer, part.make, BY.value)
        except ContractError as error:
            refused(error)
            return
        # a file of other explainers than there are now has nothing to draw
        if part.draw is not None and not frame.empty:
            part.draw(part.name, frame)
        study_files(opened, answer, key=f"trust.{part.name}", tables={"Numbers": lambda: frame})


def draw_scale() -> None:
    """Draw how many images have maps, and how many the studies have judged."""
    judged = coverage(all_there(opened, ("faithfulness", *(part.name for part in PARTS))), opened.run)
    with fold("scale", "Does it scale?", explained="The paper: “any more than a handful require teams”.") as is_open:
        if is_open:
            if opened.run.maps is not None:
                st.markdown(f"All {len(opened.run):,} images have a margin map.")
            if judged.empty:
                st.caption("No study has judged explanations of this run yet.")
            else:
                st.dataframe(judged, hide_index=True, alt="Images, and errors among them, that each study has judged")


opened = library.current()
detector, images = (plain(str(opened.run.manifest[key])) for key in ("detector", "set"))
heading(
    "Can the explanations be trusted?",
    f"Explanations of **{detector}** on **{images}** by every method, measured beside controls that know nothing of "
    "the detector.",
    help=explain("Grad-CAM", "LIME", "Control"),
)
draw_faithfulness()
for part in PARTS:
    draw_part(part)
draw_scale()
BY.choose(
    "Group the figures above by",
    help="REAL and FAKE verdicts are never pooled: an edit that speaks against one speaks for the other.",
)
name_paper()
