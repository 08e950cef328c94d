"""One HTML page that explains one image, and how far explanations of an image agree.

Pictures and style are inside the page, and there is no script.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Float32
from core.explainers.cam import is_kept_kind
from core.explainers.drawing import (
    DRAWINGS,
    SIZE,
    Drawing,
    Style,
    bar_colours,
    draw_explanation,
    draw_image,
    npz_of,
    scale_of,
)
from core.explainers.explanation import CONFIDENCE, Explanation, Parts
from core.explainers.measures import Agreement, agreement_of
from core.explainers.registry import find_explainer
from core.explainers.settings import settings_text
from core.findings.numbers import percent, plus, unbroken_percent
from core.images.encoding import data_url, encode_png
from core.images.labels import CLASS_COLOURS, END_LABELS, UNDECIDED, ClassName, verdict_of
from core.perturbations.flips import flipping, reason
from core.perturbations.registry import PROBES, probe_columns
from core.report import render
from core.storage.atomic import write_data

# with less of the area decided most of the map is a guess
MOST_UNDECIDED = 0.5
MEASURES = ("rank correlation", "foremost places shared", "by chance", "other images' maps fit as well")


def html_of(
    panels: Sequence[tuple[Explanation, Style]],
    *,
    title: str,
    notes: Sequence[str] = (),
    label: ClassName | None = None,
    measured: Mapping[str, str] | None = None,
    agreement: Sequence[str] = (),
    probes: pd.DataFrame | None = None,
) -> str:
    """Return one page that explains one image to a reader who knows none of the methods.

    Args:
        panels: explanations of one image by one detector, each with its style.
        title: of the image.
        notes: sentences that must be read with it, for instance how the image was cropped.
        label: the image's true class; None if unknown.
        measured: method -> a sentence on how faithful its maps were measured to be for such verdicts.
        agreement: sentences on how far the explanations agree.
        probes: from `core.perturbations.flips.tabulate_changes`; None if they were not run.
    """
    first = panels[0][0]
    return render(
        "explanation.html",
        title=title,
        notes=notes,
        first=first,
        panels=[_panel(explanation, style) for explanation, style in panels],
        label=label,
        measured=measured or {},
        agreement=agreement,
        probes=None if probes is None else _probes(first, probes, label),
        colours=CLASS_COLOURS,
        undecided_colour=UNDECIDED,
        confidence=percent(max(first.p_real, 1 - first.p_real)),
        margin=plus(first.margin),
        side=len(first.image),
        image=data_url(draw_image(first.image, max(SIZE, len(first.image)))),
        enlarged=len(first.image) < SIZE,
    )


def write_explanations(out: Path, explanations: Sequence[Explanation], *, title: str, notes: Sequence[str]) -> None:
    """Write explanation.html and, for each explanation, METHOD.npz, plus METHOD.png if any of its map is decided."""
    page = html_of([(explanation, Style()) for explanation in explanations], title=title, notes=notes)
    write_data(out / "explanation.html", page.encode())
    for explanation in explanations:
        write_data(out / f"{explanation.method}.npz", npz_of(explanation))
        picture = out / f"{explanation.method}.png"
        # one of another image must not stand beside this one's numbers
        picture.unlink(missing_ok=True)
        if explanation.has_picture:
            write_data(picture, encode_png(draw_explanation(explanation, style=Style())))


def _panel(explanation: Explanation, style: Style) -> dict[str, Any]:
    panel = {
        "explanation": explanation,
        "explainer": find_explainer(explanation.method),
        "settings": settings_text(explanation.settings),
    }
    if explanation.has_picture:
        other: Drawing = "overlay" if style.drawing == "alone" else "alone"
        panel["drawings"] = {
            DRAWINGS[own.drawing].capitalize(): data_url(draw_explanation(explanation, style=own))
            for own in (style, replace(style, drawing=other))
        }
        panel["bar"] = bar_colours(style.palette), scale_of(explanation, style), END_LABELS[style.palette]
    if explanation.parts is not None:
        panel["parts"] = _parts(explanation.parts)
    return panel


def _probes(first: Explanation, changes: pd.DataFrame, label: ClassName | None) -> dict[str, Any]:
    """Collect the conclusion, and every change that flips the verdict unlike its controls."""
    rows = []
    for column, change in flipping(changes).iterrows():
        probe, strength = probe_columns()[str(column)]
        became = f"the verdict is now {verdict_of(change['margin'])}"
        if any(pd.notna(changes["flips"][PROBES[key].column(strength.key)]) for key in probe.controls):
            became += "; its control does not flip it"
        amount = f"{first.margin:+.2f} to {change['margin']:+.2f}, a change of {change['size']:.2g} grey levels"
        rows.append((f"{probe.title}, {strength.at(len(first.image)).full_label}", f"{became} (margin {amount})"))
    return {"sentence": reason(changes, side=len(first.image), label=label), "rows": rows}


def _parts(parts: Parts) -> pd.DataFrame:
    """Tabulate the ten parts with the largest weights."""
    ends = [f"{plus(low)} to {plus(high)}" for low, high in zip(parts.low, parts.high, strict=True)]
    table = pd.DataFrame(
        {
            "Part": parts.labels,
            "Pixels": np.bincount(parts.regions.ravel()),
            "Effect": list(map(plus, parts.weights)),
            f"{CONFIDENCE:.0%} interval": np.where(np.isfinite(parts.high), ends, "unknown: too few samples"),
            "Reading": [parts.reading(number) for number in range(len(parts.weights))],
        }
    )
    return table.iloc[np.argsort(-np.abs(parts.weights))[:10]]


def compared(explanations: Sequence[Explanation], others: Float32 | None) -> pd.DataFrame:
    """Compare each two explanations.

    Args:
        explanations: with maps.
        others: float32 (M, h, w), maps of other images, of the kind that runs store, to compare chance with; or None.

    Returns:
        A row for each two, named by their titles: `conclusion`, a sentence, and `MEASURES` as text, None where none is
        due.
    """
    rows = {}
    for pair in combinations(explanations, 2):
        # the map of the kind that runs store goes second, because `others` are of that kind
        first, second = sorted(pair, key=is_kept_kind)
        titles = " and ".join(find_explainer(explanation.method).title for explanation in (first, second))
        reason = _unclear(first) or _unclear(second)
        if reason:
            rows[titles] = {"conclusion": reason}
            continue
        agreement = agreement_of(first, second, others=others if is_kept_kind(second) else None)
        rows[titles] = {"conclusion": _conclusion(agreement)}
        if not math.isnan(agreement.rank):
            as_well = "unknown"
            if agreement.others:
                as_well = f"{agreement.as_well} of {agreement.others}"
            shares = (unbroken_percent(share, 0) for share in (agreement.overlap, agreement.by_chance))
            rows[titles] |= zip(MEASURES, (plus(agreement.rank), *shares, as_well), strict=True)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["conclusion", *MEASURES])


def _unclear(explanation: Explanation) -> str:
    """Say why an explanation cannot be compared place by place; "" where it can."""
    title = find_explainer(explanation.method).title
    if explanation.parts is not None and len(explanation.parts.weights) == 1:
        return f"{title} has one segment, so there is nothing to compare."
    if explanation.undecided is not None and explanation.undecided.mean() > MOST_UNDECIDED:
        return f"{title} is undecided on most of this image, so there is little to compare."
    return ""


def _conclusion(agreement: Agreement) -> str:
    """Conclude from a comparison, in one sentence."""
    if math.isnan(agreement.rank):
        return "One of the maps is the same everywhere, so it has no order to compare."
    if agreement.beyond_chance is None:
        return "How much of it is chance is not known here, so do not rely on either alone."
    if agreement.beyond_chance:
        return "They agree about this image, more than maps of other images do."
    return "No more alike than maps of other images: take neither as showing where the evidence is."
