"""One HTML page that explains one image; pictures and style are inside it, and there is no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.explainers.drawing import (
    DEFAULT,
    DRAWINGS,
    SIZE,
    Drawing,
    Style,
    draw_explanation,
    draw_image,
    legend,
    scale_of,
)
from core.explainers.explanation import Explanation, Parts
from core.explainers.probing import ProbeResult, describe_effect
from core.explainers.registry import find_explainer
from core.explainers.settings import readable_settings
from core.findings.numbers import percent, plus
from core.images.encoding import data_url
from core.images.labels import ClassName
from core.images.palette import CLASS_COLOURS, UNDECIDED
from core.perturbations.table import probe_columns
from core.report.html import render
from core.storage import write_bytes_atomically

Panel = tuple[Explanation, Style]


@dataclass(frozen=True)
class Beside:
    """Results that a page shows beside the explanations.

    Attributes:
        label: the image's true class; None if unknown.
        measured: method -> a sentence on how faithful its maps were measured to be for such verdicts.
        agreement: sentences on how far the explanations agree.
        probes: results of the probes; None if they were not run.
    """

    label: ClassName | None = None
    measured: Mapping[str, str] = field(default_factory=dict)
    agreement: Sequence[str] = ()
    probes: ProbeResult | None = None


NOTHING = Beside()


def save_html(
    path: Path,
    panels: Sequence[Explanation | Panel],
    *,
    title: str,
    notes: Sequence[str] = (),
    beside: Beside = NOTHING,
) -> None:
    """Write the page `html_of` explanations to a file; the arguments are those."""
    page = html_of(panels, title=title, notes=notes, beside=beside)
    write_bytes_atomically(path, lambda file: file.write_bytes(page.encode()))


def html_of(
    panels: Sequence[Explanation | Panel], *, title: str, notes: Sequence[str] = (), beside: Beside = NOTHING
) -> str:
    """Return one page that explains one image to a reader who knows none of the methods.

    Args:
        panels: explanations of one image by one detector, each alone or with its style.
        title: of the image.
        notes: sentences that must be read with it, for instance how the image was cropped.
        beside: what else is known of the image and of such explanations.
    """
    styled = [panel if isinstance(panel, tuple) else (panel, DEFAULT) for panel in panels]
    first = styled[0][0]
    height, width = first.image.shape[:2]
    return render(
        "explanation.html",
        title=title,
        notes=notes,
        first=first,
        panels=[_panel(explanation, style) for explanation, style in styled],
        beside=beside,
        probes=None if beside.probes is None else _probes(beside.probes),
        colours=CLASS_COLOURS,
        undecided_colour=UNDECIDED,
        confidence=percent(max(first.p_real, 1 - first.p_real)),
        margin=plus(first.margin),
        size=f"{width} x {height}",
        image=data_url(draw_image(first.image, max(SIZE, width))),
        enlarged=width < SIZE,
    )


def _panel(explanation: Explanation, style: Style) -> dict[str, Any]:
    explainer, made = find_explainer(explanation.method), explanation.provenance
    settings = "; ".join(f"{label}: {value}" for label, value in readable_settings(explanation.settings).items())
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    took = f"Took {made.seconds:.2f} seconds." if made.seconds else "Read from the run, which stores 16-bit numbers."
    panel: dict[str, Any] = {
        "explanation": explanation,
        "heading": explainer.title,
        "reading": explainer.reading(explanation),
        "settings": f"{settings}{f'. Computed with {versions}' if versions else ''}. {took}",
    }
    if explanation.has_picture:
        other: Drawing = "overlay" if style.drawing == "alone" else "alone"
        panel["drawings"] = {
            DRAWINGS[own.drawing].capitalize(): data_url(draw_explanation(explanation, style=own))
            for own in (style, replace(style, drawing=other))
        }
        panel["bar"] = legend(scale_of(explanation, style), palette=style.palette, unit=explanation.unit)
    if explanation.parts is not None:
        panel["parts"] = _parts(explanation.parts)
    return panel


def _probes(result: ProbeResult) -> dict[str, Any]:
    """Collect the conclusion, every change that flips the verdict unlike its controls, and pictures of the smallest."""
    pictures = {}
    if result.smallest is not None:
        probed, drawn = result.smallest, dict(zip(probe_columns(), result.pictures, strict=True))
        controls = [control for control in map(result.get, probed.controls) if control.known]
        shown = {"The image": (result.image, result.verdict)}
        shown |= {probed.probe.title: (drawn[probed.column], probed.verdict)}
        shown |= {f"Control: {after.probe.inline}": (drawn[after.column], after.verdict) for after in controls}
        pictures = {
            f"{name}, called {verdict}": data_url(draw_image(image, max(SIZE, len(image))))
            for name, (image, verdict) in shown.items()
        }
    changes = [
        (f"{after.probe.title}, {after.strength.told}", describe_effect(result, after)) for after in result.flipping
    ]
    return {"sentence": result.sentence, "rows": changes, "pictures": pictures}


def _parts(parts: Parts) -> pd.DataFrame:
    """Tabulate the ten parts with the largest weights."""
    top = np.argsort(-np.abs(parts.weights))[:10]
    ends = np.stack([parts.low, parts.high], axis=1)
    table = pd.DataFrame(
        {
            "Part": [parts.labels[part] for part in top],
            "Effect": [plus(parts.weights[part]) for part in top],
            f"{parts.confidence:.0%} interval": [
                " to ".join(map(plus, ends[part])) if np.isfinite(ends[part]).all() else "unknown: too few samples"
                for part in top
            ],
            "Reading": [parts.reading(int(part)) for part in top],
        }
    )
    if parts.regions is not None:
        table.insert(1, "Pixels", np.bincount(parts.regions.ravel())[top])
    return table
