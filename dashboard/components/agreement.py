"""Agreement of an image's explanations, compared with what two maps reach by chance."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.arrays import Float32
from core.explainers.explanation import Explanation
from core.report.comparing import compared
from core.runs.rows import evenly
from dashboard.components.words import explain
from dashboard.library import Opened

OTHERS = 200


def other_maps(opened: Opened, *, verdict: str, label: str | None, row: int | None) -> Float32 | None:
    """Return margin maps of up to 200 other images of the run with this verdict and, unless None, this label.

    float32 (M, h, w), spread evenly over the run; None where the run has no maps.
    """
    if opened.run.maps is None:
        return None
    fits = opened.table["predicted"] == verdict
    if label is not None:
        fits &= opened.table["label"] == label
    rows = np.flatnonzero(fits)
    # evenly spaced over the run, so that they are the same ones each time
    return np.asarray(opened.run.needed_maps[evenly(rows[rows != row], OTHERS)], np.float32)


def draw(explanations: Sequence[Explanation], others: Float32 | None, *, whose: str) -> None:
    """Draw the comparison of each two complete explanations of an image.

    Args:
        explanations: with maps.
        others: float32 (M, h, w), maps of other images, of the kind that runs store, to compare chance with; or None.
        whose: what those images are.
    """
    if len(explanations) < 2:
        st.caption("Choose another method beside this one to compare.")
        return
    table = compared(explanations, others)
    for titles, sentence in table["conclusion"].items():
        st.markdown(f"**{titles}:** {sentence}")
    if len(measured := table.drop(columns="conclusion").dropna()):
        st.table(measured.T.rename_axis(index="measure", columns=None), border="horizontal")
        st.caption(f"Over the places of the image; compared with {whose}.", help=explain("Rank correlation"))
