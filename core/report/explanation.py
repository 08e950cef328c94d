"""One HTML page that explains one image; pictures and style are inside it, and there is no script."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.explainers.drawing import DRAWINGS, SIZE, Drawing, Style, bar_colours, draw_explanation, draw_image, scale_of
from core.explainers.explanation import Explanation, Parts
from core.explainers.probing import ProbeResult, describe_effect
from core.explainers.registry import find_explainer
from core.explainers.settings import settings_text
from core.findings.numbers import percent, plus
from core.images.encoding import data_url
from core.images.labels import ClassName
from core.images.palette import CLASS_COLOURS, END_LABELS, UNDECIDED
from core.perturbations.table import probe_columns
from core.report.html import render


def html_of(
    panels: Sequence[tuple[Explanation, Style]],
    *,
    title: str,
    notes: Sequence[str] = (),
    label: ClassName | None = None,
    measured: Mapping[str, str] | None = None,
    agreement: Sequence[str] = (),
    probes: ProbeResult | None = None,
) -> str:
    """Return one page that explains one image to a reader who knows none of the methods.

    Args:
        panels: explanations of one image by one detector, each with its style.
        title: of the image.
        notes: sentences that must be read with it, for instance how the image was cropped.
        label: the image's true class; None if unknown.
        measured: method -> a sentence on how faithful its maps were measured to be for such verdicts.
        agreement: sentences on how far the explanations agree.
        probes: results of the probes; None if they were not run.
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
        probes=None if probes is None else _probes(probes),
        colours=CLASS_COLOURS,
        undecided_colour=UNDECIDED,
        confidence=percent(max(first.p_real, 1 - first.p_real)),
        margin=plus(first.margin),
        side=len(first.image),
        image=data_url(draw_image(first.image, max(SIZE, len(first.image)))),
        enlarged=len(first.image) < SIZE,
    )


def _panel(explanation: Explanation, style: Style) -> dict[str, Any]:
    explainer, made = find_explainer(explanation.method), explanation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    took = f"Took {made.seconds:.2f} seconds." if made.seconds else "Read from the run, which stores 16-bit numbers."
    with_versions = f"{settings_text(explanation.settings)}{f'. Computed with {versions}' if versions else ''}. {took}"
    panel: dict[str, Any] = {"explanation": explanation, "heading": explainer.title, "settings": with_versions}
    panel["reading"] = explainer.reading(explanation)
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


def _probes(result: ProbeResult) -> dict[str, Any]:
    """Collect the conclusion, every change that flips the verdict unlike its controls, and pictures of the smallest."""
    shown = {}
    if (probed := result.smallest) is not None:
        drawn = dict(zip(probe_columns(), result.pictures, strict=True))
        controls = [control for control in map(result.get, probed.controls) if control.known]
        shown = {f"The image, called {result.verdict}": result.image}
        shown |= {f"{probed.probe.title}, called {probed.verdict}": drawn[probed.column]}
        shown |= {f"Control: {after.probe.inline}, called {after.verdict}": drawn[after.column] for after in controls}
    changes = [
        (f"{after.probe.title}, {after.strength.told}", describe_effect(result, after)) for after in result.flipping
    ]
    pictures = {caption: data_url(draw_image(image, max(SIZE, len(image)))) for caption, image in shown.items()}
    return {"sentence": result.sentence, "rows": changes, "pictures": pictures}


def _parts(parts: Parts) -> pd.DataFrame:
    """Tabulate the ten parts with the largest weights."""
    ends = [f"{plus(low)} to {plus(high)}" for low, high in zip(parts.low, parts.high, strict=True)]
    sizes = {} if parts.regions is None else {"Pixels": np.bincount(parts.regions.ravel())}
    table = pd.DataFrame(
        {
            "Part": parts.labels,
            **sizes,
            "Effect": list(map(plus, parts.weights)),
            f"{parts.confidence:.0%} interval": np.where(np.isfinite(parts.high), ends, "unknown: too few samples"),
            "Reading": [parts.reading(number) for number in range(len(parts.weights))],
        }
    )
    return table.iloc[np.argsort(-np.abs(parts.weights))[:10]]
