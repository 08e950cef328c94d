"""One HTML page that explains one image; pictures and style are inside it, and there is no script."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.explainers.explanation import Explanation, Parts
from core.explainers.overlay import draw_image, legend
from core.explainers.registry import find_explainer
from core.explainers.saving import DEFAULT, DRAWINGS, SIZE, Style, draw_explanation, scale_of
from core.explainers.settings import told_settings
from core.images.decoding import data_url
from core.images.palette import CLASS_COLOURS, UNDECIDED
from core.report.templates import render
from core.system.atomic import write_bytes_atomically

Panel = tuple[Explanation, Style]


def save_html(path: Path, panels: Sequence[Explanation | Panel], *, title: str, notes: Sequence[str] = ()) -> None:
    """Write one page that explains one image to a reader who knows none of the methods.

    Args:
        path: the file.
        panels: explanations of one image by one detector, each alone or with its style.
        title: of the image.
        notes: sentences that must be read with it, for instance how the image was cropped.
    """
    styled = [one if isinstance(one, tuple) else (one, DEFAULT) for one in panels]
    first = styled[0][0]
    height, width = first.image.shape[:2]
    page = render(
        "explanation.html",
        title=title,
        notes=notes,
        first=first,
        panels=[_panel(explanation, style) for explanation, style in styled],
        colour=CLASS_COLOURS[first.verdict],
        undecided_colour=UNDECIDED,
        meaning="a photograph" if first.verdict == "REAL" else "made by an image generator",
        confidence=f"{max(first.p_real, 1 - first.p_real):.1%}",
        margin=f"{first.margin:+.2f}",
        size=f"{width} x {height}",
        image=data_url(draw_image(first.image, SIZE)),
    )
    write_bytes_atomically(path, lambda file: file.write_bytes(page.encode()))


def _panel(explanation: Explanation, style: Style) -> dict[str, Any]:
    explainer, provenance = find_explainer(explanation.method), explanation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    settings = "; ".join(f"{label}: {value}" for label, value in told_settings(explanation.settings).items())
    return {
        "heading": explainer.title,
        "reading": explainer.reading(explanation),
        "map": _map(explanation, style) if explanation.has_picture else None,
        "diagnostics": explanation.diagnostics.sentence,
        "parts": None if explanation.parts is None else _parts(explanation.parts),
        "settings": settings + (f". Computed with {versions}" if versions else ""),
        "seconds": f"{provenance.seconds:.2f}",
    }


def _map(explanation: Explanation, style: Style) -> dict[str, Any]:
    return {
        "drawings": [
            (DRAWINGS[one].capitalize(), data_url(draw_explanation(explanation, style=replace(style, drawing=one))))
            for one in dict.fromkeys((style.drawing, "overlay" if style.drawing == "alone" else "alone"))
        ],
        "bar": legend(scale_of(explanation, style), palette=style.palette, unit=explanation.unit),
        "hatched": explanation.undecided is not None,
        "light": explanation.light is not None,
    }


def _parts(parts: Parts) -> dict[str, Any]:
    """Tabulate the ten parts with the largest weights."""
    words = {1: "speaks for REAL", -1: "speaks for FAKE", 0: "undecided"}
    area = None if parts.regions is None else np.bincount(parts.regions.ravel())
    rows = [
        (
            parts.labels[index],
            *([] if area is None else [area[index]]),
            f"{parts.weights[index]:+.3f}",
            _interval(parts.low[index], parts.high[index]),
            words[int(parts.decisions[index])] + parts.held(int(index)),
        )
        for index in np.argsort(-np.abs(parts.weights))[:10]
    ]
    pixels = [] if area is None else ["Pixels"]
    return {"head": ["Part", *pixels, "Effect", f"{parts.confidence:.0%} interval", "Reading"], "rows": rows}


def _interval(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}" if np.isfinite([low, high]).all() else "unknown: too few samples"
