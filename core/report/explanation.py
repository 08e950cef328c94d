"""One HTML page that explains one image; pictures and style are inside it, and there is no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.explainers.drawing import DEFAULT, DRAWINGS, SIZE, Style, draw_explanation, draw_image, legend, scale_of
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

# pixels a side of the pictures of an experiment
SMALL = 160
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
        panels=[_panel(explanation, style, beside) for explanation, style in styled],
        beside=beside,
        probes=None if beside.probes is None else _probes(beside.probes),
        colour=CLASS_COLOURS[first.verdict],
        colours=CLASS_COLOURS,
        undecided_colour=UNDECIDED,
        meaning="a photograph" if first.verdict == "REAL" else "made by an image generator",
        confidence=percent(max(first.p_real, 1 - first.p_real)),
        margin=plus(first.margin),
        size=f"{width} x {height}",
        image=data_url(draw_image(first.image, max(SIZE, width))),
        enlarged=width < SIZE,
    )


def _panel(explanation: Explanation, style: Style, beside: Beside) -> dict[str, Any]:
    explainer, provenance = find_explainer(explanation.method), explanation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    settings = "; ".join(f"{label}: {value}" for label, value in readable_settings(explanation.settings).items())
    return {
        "heading": explainer.title,
        "reading": explainer.reading(explanation),
        "map": _map(explanation, style) if explanation.has_picture else None,
        "diagnostics": explanation.diagnostics.sentence,
        "measured": beside.measured.get(explanation.method, ""),
        "parts": None if explanation.parts is None else _parts(explanation.parts),
        "settings": settings + (f". Computed with {versions}" if versions else ""),
        "made": f"Took {provenance.seconds:.2f} seconds."
        if provenance.seconds
        else "Read from the run, which stores 16-bit numbers.",
    }


def _map(explanation: Explanation, style: Style) -> dict[str, Any]:
    return {
        "drawings": [
            (
                DRAWINGS[drawing].capitalize(),
                data_url(draw_explanation(explanation, style=replace(style, drawing=drawing))),
            )
            for drawing in dict.fromkeys((style.drawing, "overlay" if style.drawing == "alone" else "alone"))
        ],
        "bar": legend(scale_of(explanation, style), palette=style.palette, unit=explanation.unit),
        "hatched": explanation.undecided is not None,
        "light": explanation.light is not None,
    }


def _probes(result: ProbeResult) -> dict[str, Any]:
    """Collect the conclusion, every change that flips the verdict unlike its controls, and pictures of the smallest."""
    rows = [
        (f"{probed.probe.title}, {probed.strength.told}", f"{describe_effect(result, probed)}.")
        for probed in result.flipping
    ]
    pictures = []
    if result.smallest is not None:
        probed, drawn = result.smallest, dict(zip(probe_columns(), result.pictures, strict=True))
        shown = [
            ("The image", result.image, result.verdict),
            (probed.probe.title, drawn[probed.column], probed.verdict),
        ]
        for control in map(result.get, probed.controls):
            if control.known:
                name = f"Control: {control.probe.inline}"
                shown.append((name, drawn[control.column], control.verdict))
        pictures = [
            (f"{name}, called {verdict}", data_url(draw_image(image, max(SMALL, len(image)))))
            for name, image, verdict in shown
        ]
    return {"sentence": result.sentence, "rows": rows, "pictures": pictures}


def _parts(parts: Parts) -> dict[str, Any]:
    """Tabulate the ten parts with the largest weights."""
    words = {1: "speaks for REAL", -1: "speaks for FAKE", 0: "undecided"}
    area = None if parts.regions is None else np.bincount(parts.regions.ravel())
    rows = [
        (
            parts.labels[index],
            *([] if area is None else [area[index]]),
            plus(parts.weights[index]),
            _interval(parts.low[index], parts.high[index]),
            words[int(parts.decisions[index])] + parts.held(int(index)),
        )
        for index in np.argsort(-np.abs(parts.weights))[:10]
    ]
    pixels = [] if area is None else ["Pixels"]
    return {"head": ["Part", *pixels, "Effect", f"{parts.confidence:.0%} interval", "Reading"], "rows": rows}


def _interval(low: float, high: float) -> str:
    return f"{plus(low)} to {plus(high)}" if np.isfinite([low, high]).all() else "unknown: too few samples"
