"""Compare the explanations of one image, each two of them, in a sentence and in numbers."""

import math
from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from core.arrays import Float32
from core.explainers.cam import is_kept_kind
from core.explainers.explanation import Explanation
from core.explainers.measures import Agreement, agreement_of
from core.explainers.registry import find_explainer
from core.findings.numbers import plus, unbroken_percent

# with less of the area decided most of the map is a guess
MOST_UNDECIDED = 0.5
MEASURES = ("rank correlation", "foremost places shared", "by chance", "other images' maps fit as well")


def compared(explanations: Sequence[Explanation], others: Float32 | None) -> pd.DataFrame:
    """Compare each two explanations.

    Args:
        explanations: with maps.
        others: float32 (M, h, w), maps of other images, of the kind that runs store, to compare chance with; or None.

    Returns:
        A row for each two, named by their titles: `conclusion`, a sentence, and measures as text, None where none is
        due.
    """
    rows = {}
    for pair in combinations(explanations, 2):
        # the map of the kind that runs store goes second, because `others` are of that kind
        first, second = sorted(pair, key=is_kept_kind)
        titles = " and ".join(find_explainer(explanation.method).title for explanation in (first, second))
        reason = unclear(first) or unclear(second)
        if reason:
            rows[titles] = {"conclusion": reason}
            continue
        comparable = None
        if is_kept_kind(second):
            comparable = others
        agreement = agreement_of(first, second, others=comparable)
        rows[titles] = {"conclusion": conclusion(agreement)}
        if not math.isnan(agreement.rank):
            as_well = "unknown"
            if agreement.others:
                as_well = f"{agreement.as_well} of {agreement.others}"
            measures = (
                plus(agreement.rank),
                unbroken_percent(agreement.overlap, 0),
                unbroken_percent(agreement.by_chance, 0),
                as_well,
            )
            rows[titles] |= zip(MEASURES, measures, strict=True)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["conclusion", *MEASURES])


def unclear(explanation: Explanation) -> str:
    """Say why an explanation cannot be compared place by place; "" where it can."""
    title = find_explainer(explanation.method).title
    if explanation.parts is not None and len(explanation.parts.weights) == 1:
        return f"{title} has one segment, so there is nothing to compare."
    if explanation.undecided is not None and explanation.undecided.mean() > MOST_UNDECIDED:
        return f"{title} is undecided on most of this image, so there is little to compare."
    return ""


def conclusion(agreement: Agreement) -> str:
    """Conclude from a comparison, in one sentence."""
    if math.isnan(agreement.rank):
        return "One of the maps is the same everywhere, so it has no order to compare."
    if agreement.beyond_chance is None:
        return "How much of it is chance is not known here, so do not rely on either alone."
    if agreement.beyond_chance:
        return "They agree about this image, more than maps of other images do."
    return "No more alike than maps of other images: take neither as showing where the evidence is."
