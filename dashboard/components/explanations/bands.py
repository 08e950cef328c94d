"""Which kinds of detail of one image speak for which class: LIME on rings of the spectrum instead of segments."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.explainers.explanation import Explanation, Parts
from core.explainers.lime.bands import BAND_FILLS, LIME_BANDS, BandSettings, bands
from core.images.palette import FAKE, REAL
from dashboard.components.charts import style as charts
from dashboard.components.charts.style import GREY, TEMPLATE
from dashboard.components.explanations.asking import Known, Subject
from dashboard.components.explanations.follow import follow
from dashboard.components.glossary import explain
from dashboard.components.studies.finding_words import coloured
from dashboard.components.studies.study import csv_button
from dashboard.services.address import Setting
from dashboard.services.requests import Explain, Question

SLOT = "bands"
FILL = Setting("band_fill", BandSettings.fill, choices=tuple(BAND_FILLS))


def bands_panel(subject: Subject, detector: Known) -> None:
    """Weigh the bands of an image and draw them.

    Args:
        subject: the image.
        detector: who is asked.
    """
    st.caption(
        "A picture is a sum of waves, from broad shading to detail as fine as two pixels. Here LIME leaves out kinds "
        "of waves instead of places, many times, and weighs what each kind does to the margin.",
        help=explain("Band LIME", "Spectrum"),
    )
    FILL.linked(
        st.segmented_control,
        "What stands in for a kind that is left out",
        options=list(BAND_FILLS),
        format_func=BAND_FILLS.get,
        required=True,
        help="Leaving fine waves out blurs, which is a change of its own. Noise with the same spectrum keeps how much "
        "there is of each kind and takes away its order. What both agree on is worth most.",
    )
    settings = BandSettings(fill=FILL.value)
    question = Question(detector.path, detector.identity, subject.sha256, Explain(LIME_BANDS.name, settings))
    follow(
        question,
        subject.image[None],
        lambda result: _draw(result, subject.name),
        slot=SLOT,
        doing=lambda result: (
            f"{result.diagnostics.numbers['samples']} of {settings.n_samples} versions" if result else "Making versions"
        ),
    )


def _draw(result: Explanation, name: str) -> None:
    parts, numbers = _parts(result), result.diagnostics.numbers
    st.markdown(coloured(result.diagnostics.sentence))
    said = "; ".join(f"{label} {weight:+.2f}" for label, weight in zip(parts.labels, parts.weights, strict=True))
    charts.show(band_bars(parts), key="bands.chart", alt=f"Weight of each kind of detail: {said}")
    st.caption(
        "To the right for REAL, to the left for FAKE. Lines: 95 % interval over other draws of the samples. Hatched "
        f"grey: undecided, the interval reaches 0 or the effect is too small to name. {numbers['samples']} versions, "
        f"{numbers['distinct']} of them different."
    )
    if result.complete:
        csv_button(
            "Every weight (CSV)",
            lambda: _table(result),
            f"{name}-bands.csv",
            key="bands.csv",
            help="Each with its interval.",
        )


def band_bars(parts: Parts) -> go.Figure:
    """A bar a kind of detail, finest last; colour and side are the class, hatched grey is undecided."""
    colours = {1: REAL, -1: FAKE, 0: GREY}
    layout = {"template": TEMPLATE, "margin": {"l": 8, "r": 28, "t": 8, "b": 8}, "height": 420, "showlegend": False}
    figure = go.Figure(layout=layout)
    decisions = [int(one) for one in parts.decisions]
    figure.add_bar(
        x=parts.weights,
        y=list(parts.labels),
        orientation="h",
        marker={
            "color": [colours[one] for one in decisions],
            "pattern": {"shape": ["" if one else "/" for one in decisions], "size": 5, "solidity": 0.4},
        },
        error_x={
            "type": "data",
            "array": parts.high - parts.weights,
            "arrayminus": parts.weights - parts.low,
            "color": GREY,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[{1: "for REAL", -1: "for FAKE", 0: "undecided"}[one] for one in decisions],
        hovertemplate="%{y}: %{x:+.2f}, %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="what having it adds to the margin")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _parts(result: Explanation) -> Parts:
    assert result.parts is not None  # noqa: S101 - bands are parts
    return result.parts


def _table(result: Explanation) -> pd.DataFrame:
    parts, found = _parts(result), bands(len(result.image))
    return pd.DataFrame(
        {
            "kind": [band.label for band in found],
            "channel": [band.channel for band in found],
            "from_cycles": [band.low for band in found],
            "to_cycles": [band.high for band in found],
            "weight": parts.weights,
            "low": parts.low,
            "high": parts.high,
            "speaks_for": [{1: "REAL", -1: "FAKE", 0: "undecided"}[int(one)] for one in parts.decisions],
        }
    )
