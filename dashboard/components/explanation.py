"""One explanation on a page: its picture or bars, what was measured of such maps, and its files."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.explainers import drawing
from core.explainers.drawing import SIZE, Style, npz_of
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import SIDES, Explanation, Parts
from core.explainers.registry import find_explainer
from core.findings.finding import Finding
from core.findings.numbers import plus
from core.images.encoding import encode_png
from core.images.palette import FAKE, GREY, REAL
from core.storage import ContractError
from core.studies.explanations import MOST, cost_of
from core.studies.store import StudyResult
from dashboard import library
from dashboard.components import charts
from dashboard.components.charts import error_bars, new_figure
from dashboard.components.downloads import csv_button, file_button
from dashboard.components.glossary import explain, terms_in
from dashboard.components.picture import explained_picture
from dashboard.components.plain import code, plain
from dashboard.components.requests import DetectorHandle
from dashboard.components.study import command
from dashboard.components.words import coloured
from dashboard.library import Opened
from dashboard.navigation import script_of

STUDY = "faithfulness"
COLOURS = {1: REAL, -1: FAKE, 0: GREY}


def draw_explanation(
    explanation: Explanation, *, key: str, style: Style, by: DetectorHandle | None = None, alone: bool = False
) -> None:
    """Draw an explanation as a picture, or as bars where it has no place in the image, and its diagnostics.

    Where a map decides nothing there is no picture, only the sentence.

    Args:
        explanation: of any method.
        key: what the keys of its elements begin with.
        style: how a map is drawn.
        by: the detector that is explained, to say what was measured of such maps; None where it is not here.
        alone: draw the map without the image, which is not available.
    """
    explainer = find_explainer(explanation.method)
    sentence = explanation.diagnostics.sentence or "The map varies and shows evidence for both classes."
    help = explain(*terms_in(sentence), also=explainer.reading(explanation))
    if explanation.has_picture:
        style = replace(style, drawing="alone") if alone else style
        explained_picture(explanation, key=f"{key}.picture", style=style, blind=alone)
        if by is not None:
            _draw_trust(by, explainer, explanation)
        st.caption(sentence, help=help)
    elif explanation.values is not None:
        st.markdown(sentence, help=help)
    elif explanation.parts is not None:
        st.markdown(coloured(sentence), help=help)
        parts = explanation.parts
        told = "; ".join(f"{label} {plus(weight)}" for label, weight in zip(parts.labels, parts.weights, strict=True))
        charts.show(part_bars(parts, unit=explanation.unit), key=f"{key}.parts", alt=f"Weight of each part: {told}")
        st.caption(
            f"To the right for REAL, to the left for FAKE. Lines: {parts.confidence:.0%} interval over other draws of "
            "the samples. Hatched grey: undecided, the interval reaches 0 or the effect is too small to name."
        )


def part_bars(parts: Parts, *, unit: str) -> go.Figure:
    """Plot a bar a part, in their order; colour and side are the class, hatched grey is undecided."""
    figure = new_figure(f"what having it adds ({unit})", height=70 + 28 * len(parts.labels), showlegend=False)
    decisions = [int(decision) for decision in parts.decisions]
    figure.add_bar(
        x=parts.weights,
        y=list(parts.labels),
        orientation="h",
        marker={
            "color": [COLOURS[decision] for decision in decisions],
            "pattern": {"shape": ["" if decision else "/" for decision in decisions], "size": 5, "solidity": 0.4},
        },
        error_x=error_bars(parts.weights, parts.low, parts.high, thickness=1.5),
        customdata=[SIDES[decision] for decision in decisions],
        hovertemplate="%{y}: %{x:+.2f}, %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def parts_table(parts: Parts) -> pd.DataFrame:
    """Lay out parts, a row each, with their intervals and what they speak for."""
    sides = [SIDES[int(decision)].removeprefix("for ") for decision in parts.decisions]
    return pd.DataFrame(
        {"part": parts.labels, "weight": parts.weights, "low": parts.low, "high": parts.high, "speaks_for": sides}
    )


def result_downloads(explanation: Explanation, style: Style, *, name: str, key: str) -> None:
    """Draw buttons for the picture (PNG), as it is drawn, or a table without one, and for the numbers (.npz)."""
    stem = f"{Path(name).stem}-{explanation.provenance.detector}-{explanation.method}"
    with st.container(horizontal=True, gap="small"):
        if explanation.has_picture:
            file_button(
                "PNG",
                lambda: encode_png(drawing.draw_explanation(explanation, SIZE, style=style)),
                file_name=f"{stem}.png",
                mime="image/png",
                key=f"{key}.png",
                icon=":material/image:",
                type="tertiary",
            )
        file_button(
            "Numbers",
            lambda: npz_of(explanation),
            file_name=f"{stem}.npz",
            mime="application/octet-stream",
            key=f"{key}.npz",
            icon=":material/data_array:",
            type="tertiary",
            help="Every array and setting of this explanation, for numpy.load.",
        )
        if explanation.values is None and (parts := explanation.parts) is not None:
            csv_button("Every weight (CSV)", lambda: parts_table(parts), f"{stem}.csv", key=f"{key}.csv")


def _draw_trust(detector: DetectorHandle, explainer: AnyExplainer, explanation: Explanation) -> None:
    """Draw what was measured of a method's maps on verdicts like this one, and where, or how to measure it."""
    opened = library.current()
    try:
        answer, finding = _measured(detector, opened, explanation)
    except ContractError:
        st.caption("The study of such maps cannot be read; the page Trust says why.")
        return
    if answer is None or finding is None:
        st.caption(_unmeasured(opened, detector, explainer, answer))
        return
    with st.container(gap=None):
        st.markdown(f"{plain(finding.headline)}{_unlike(explanation)}")
        run = answer.path.parent.parent.name
        label, icon = "How this was measured", ":material/balance:"
        st.page_link(script_of("maps"), label=label, icon=icon, query_params={"run": run})


def trust_sentence(detector: DetectorHandle, explanation: Explanation) -> str:
    """Return what was measured of such maps, as text; "" where nothing was."""
    try:
        _, finding = _measured(detector, library.current(), explanation)
    except ContractError:
        return ""
    return "" if finding is None else finding.headline + _unlike(explanation)


def _unlike(explanation: Explanation) -> str:
    """Say that an explanation has other settings than the studies judge; "" where it has the same, but for its seed."""
    own, judged = (each.model_dump() | {"seed": 0} for each in (explanation.settings, type(explanation.settings)()))
    return "" if own == judged else " Measured with its default settings, which are not the present ones."


def _measured(
    detector: DetectorHandle, opened: Opened, explanation: Explanation
) -> tuple[StudyResult | None, Finding | None]:
    """Return the study that covers a detector, of this run if it made that, and what it found for a method and verdict.

    Raises:
        ContractError: there is a study, and it cannot be read.
    """
    if detector.identity.made(opened.run.manifest):
        answer = library.study_of(opened, STUDY)
    else:
        answer = library.study_by(detector.identity, STUDY)
    return answer, None if answer is None else answer.finding(f"{explanation.method}-{explanation.verdict}")


def _unmeasured(opened: Opened, detector: DetectorHandle, explainer: AnyExplainer, answer: StudyResult | None) -> str:
    """Say that a method was not judged, and which command does so."""
    if cost_of(explainer) > MOST:
        return f"No study judges {explainer.title}: it is too slow for a whole run."
    if not detector.identity.made(opened.run.manifest):
        return f"No run of {plain(detector.name)} has a trust study that covers {explainer.title}."
    there = answer is not None
    return f"Not measured for this run yet; {code(command(opened, STUDY, there=there))} does so."
