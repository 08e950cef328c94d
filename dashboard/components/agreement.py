"""Agreement of an image's explanations, compared with what two maps reach by chance."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.explainers.agreement import Agreement, agreement_of, compared_side
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
    found = found[found != row]
    # evenly spaced over the run, so that they are the same ones each time
    chosen = evenly(found, OTHERS)
    return np.asarray(opened.run.needed_maps[chosen], np.float32)


def agreement_panel(side: SideBySide, others: NDArray[np.float32], *, whose: str) -> list[str]:
    """Draw the comparison of each two explanations by the first detector, once all are there; return it as text.

    Args:
        side: the explanations.
        others: float32 (M, h, w), maps of other images, of the kind that runs keep, to compare chance with.
        whose: what those images are, for the sentence.
    """
    st.markdown("#### Do they agree?", help=explain("Agreement"))
    detector, methods = side.detectors[0], side.methods
    by = f" By **{plain(detector.name)}**." if len(side.detectors) > 1 else ""
    st.caption(f"The methods know nothing of each other, so what two show is worth more than what one shows.{by}")
    note_drawn(side)
    if len(methods) < 2:
        st.caption("Choose another method beside this one to compare.")
        return []
    found = [one for one in side.finished(detector) if one is not None]
    if len(found) < len(methods):
        st.caption(_awaited(side.interrupted()))
        return []
    told = []
    for one, other in combinations(found, 2):
        # the map of the kind that runs keep goes second, because `others` are of that kind
        first, second = (other, one) if is_kept_kind(one) else (one, other)
        if len(methods) > 2:
            st.markdown(f"**{_title(one)} and {_title(other)}**")
        said = _draw_pair(first, second, others, whose=whose, short=len(methods) > 2)
        told.append(f"{_title(one)} and {_title(other)}: {said.replace('**', '')}")
    return told


def _draw_pair(first: Explanation, second: Explanation, others: NDArray[np.float32], *, whose: str, short: bool) -> str:
    """Two explanations compared, and that in Markdown; `short` leaves all but the first sentence to the help."""
    for one in (first, second):
        if one.parts is not None and len(one.parts.weights) == 1:
            told = f"{_title(one)} has one segment, so there is nothing to compare place by place."
            st.markdown(told)
            return told
        if not one.has_picture:
            told = f"{_title(one)} is undecided everywhere, so agreement cannot be measured."
            st.markdown(told)
            return told
    same_kind = is_kept_kind(second)
    found = agreement_of(first, second, others=others if same_kind else None)
    for one in (first, second):
        if one.undecided is not None and one.undecided.mean() > MOST:
            told = f"{_title(one)} is undecided on most of this image, so there is little to compare."
            st.markdown(told, help=explain("Undecided"))
    titles = _title(first), _title(second)
    said, *rest = sentences(found, titles=titles, side=compared_side(first, second), whose=whose, same_kind=same_kind)
    if short:
        st.markdown(said, help="\n\n".join([*rest, conclusion(found, same_kind=same_kind)]))
        return " ".join([said, *rest, conclusion(found, same_kind=same_kind)])
    st.markdown(said)
    for sentence in rest:
        st.caption(sentence)
    st.markdown(conclusion(found, same_kind=same_kind))
    return " ".join([said, *rest, conclusion(found, same_kind=same_kind)])


def _title(explanation: Explanation) -> str:
    return find_explainer(explanation.method).title


def _awaited(ended: Sequence[str]) -> str:
    """Say what the comparison waits for; `ended` are the explanations that were stopped or failed."""
    if not ended:
        return "Shown once all explanations are complete."
    return f"{' and '.join(ended)} did not finish; press “Go on” or “Try again” there to compare."


def conclusion(found: Agreement, *, same_kind: bool) -> str:
    """Conclude from a comparison, in one sentence."""
    if same_kind and found.beyond_chance:
        return "What both point at is worth more than what one of them says; it is still no proof."
    if same_kind and found.beyond_chance is False:
        return "Neither map confirms the other, so do not take either as showing where the evidence is."
    return "This does not say whether one map confirms the other, so do not rely on either alone."


def sentences(found: Agreement, *, titles: tuple[str, str], side: str, whose: str, same_kind: bool) -> Sequence[str]:
    """Put a comparison into words.

    Args:
        found: the comparison.
        titles: of the two methods.
        side: the class whose foremost places were compared.
        whose: the other images, in words.
        same_kind: whether the second map is of the kind that runs keep.
    """
    first, second = titles
    if math.isnan(found.rank):
        return ["One of the maps is the same everywhere, so it has no order to compare."]
    said = [
        f"Rank correlation over places **{plus(found.rank)}** (1: the same order, 0: none, -1: the reverse). "
        f"Of the quarter of places that speak most for {side} by {first}, **{percent(found.overlap, 0)}** are "
        f"also in {second}'s; by chance "
        f"{percent(found.by_chance, 0)}."
    ]
    if not same_kind:
        return [*said, "How much of that is chance is known only for maps of the kind that the run has kept."]
    if not found.others:
        return [*said, "There are no other images to say how much of that is chance."]
    fitting = (
        f"{found.as_well} of {found.others} {whose} have a {second} map that fits this {first} map at least as well"
    )
    if found.beyond_chance is None:
        return [*said, f"{fitting}; these are too few to say how much of that is chance."]
    verdict = "They agree about this image" if found.beyond_chance else "Their agreement cannot be told from chance"
    return [f"**{verdict}.** {fitting}.", *said]
