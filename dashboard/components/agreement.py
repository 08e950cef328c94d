"""Agreement of an image's explanations, compared with what two maps reach by chance."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.agreement import Agreement, agreement_of
from core.explainers.cam import is_kept_kind
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.findings.numbers import plus
from core.runs.rows import evenly
from dashboard.components.glossary import explain
from dashboard.components.panels import SideBySide, note_drawn
from dashboard.components.plain import plain
from dashboard.components.words import percent
from dashboard.library import Opened

OTHERS = 200
# with less of the area decided most of the map is a guess
MOST = 0.5


def other_maps(opened: Opened, *, verdict: str, label: str | None, row: int | None) -> NDArray[np.float32]:
    """Return margin maps of up to 200 other images of the run with this verdict and, unless None, this label.

    float32 (M, h, w), spread evenly over the run; M is 0 where the run has no maps.
    """
    if opened.run.maps is None:
        return np.zeros((0, 1, 1), np.float32)
    fits = opened.table["predicted"] == verdict
    if label is not None:
        fits &= opened.table["label"] == label
    found = np.flatnonzero(fits)
    # evenly spaced over the run, so that they are the same ones each time
    return np.asarray(opened.run.needed_maps[evenly(found[found != row], OTHERS)], np.float32)


def agreement_panel(side: SideBySide, others: NDArray[np.float32], *, whose: str) -> list[str]:
    """Draw the comparison of each two explanations by the first detector, once all are there; return it as text.

    Args:
        side: the explanations.
        others: float32 (M, h, w), maps of other images, of the kind that runs store, to compare chance with.
        whose: what those images are, for the caption.
    """
    st.markdown("#### Do they agree?", help=explain("Agreement"))
    detector, methods = side.detectors[0], side.methods
    note_drawn(side)
    if len(methods) < 2:
        st.caption("Choose another method beside this one to compare.")
        return []
    found = [explanation for explanation in side.finished(detector) if explanation is not None]
    if len(found) < len(methods):
        st.caption("Shown once all explanations are complete; “Go on” or “Try again” where one was stopped or failed.")
        return []
    lines, rows = [], []
    for pair in combinations(found, 2):
        # the map of the kind that runs store goes second, because `others` are of that kind
        first, second = pair[::-1] if is_kept_kind(pair[0]) else pair
        agreement = None if unclear(first) or unclear(second) else agreement_of(
            first, second, others=others if is_kept_kind(second) else None
        )  # fmt: skip
        titles = " and ".join(find_explainer(explanation.method).title for explanation in (first, second))
        told = unclear(first) or unclear(second) or conclusion(agreement)
        st.markdown(f"**{titles}:** {told}")
        lines.append(f"{titles}: {told}")
        if agreement is not None and not math.isnan(agreement.rank):
            rows.append((titles, plus(agreement.rank), percent(agreement.overlap, 0), percent(agreement.by_chance, 0),
                         f"{agreement.as_well} of {agreement.others}" if agreement.others else "unknown"))  # fmt: skip
    if rows:
        heads = ["methods", "rank correlation", "foremost places shared", "by chance", "other images' maps fit as well"]
        table = pd.DataFrame(rows, columns=heads).set_index("methods").T
        # an unnamed index has an empty header, which says nothing to a screen reader
        st.table(table.rename_axis(index="measure", columns=None), border="horizontal")
        by = f" By {plain(detector.name)}." if len(side.detectors) > 1 else ""
        st.caption(f"Over the places of the image; compared with {whose}.{by}", help=explain("Rank correlation"))
        lines += [", ".join(f"{head} {value}" for head, value in zip(heads, row, strict=True)) for row in rows]
    return lines


def unclear(explanation: Explanation) -> str:
    """Say why an explanation cannot be compared place by place; "" where it can."""
    title = find_explainer(explanation.method).title
    if explanation.parts is not None and len(explanation.parts.weights) == 1:
        return f"{title} has one segment, so there is nothing to compare."
    if not explanation.has_picture:
        return f"{title} is undecided everywhere, so there is nothing to compare."
    if explanation.undecided is not None and explanation.undecided.mean() > MOST:
        return f"{title} is undecided on most of this image, so there is little to compare."
    return ""


def conclusion(agreement: Agreement | None) -> str:
    """Conclude from a comparison, in one sentence."""
    if agreement is None or math.isnan(agreement.rank):
        return "One of the maps is the same everywhere, so it has no order to compare."
    if agreement.beyond_chance:
        return "They agree about this image, more than maps of other images do."
    if agreement.beyond_chance is False:
        return "No more alike than maps of other images: take neither as showing where the evidence is."
    return "How much of it is chance is not known here, so do not rely on either alone."
