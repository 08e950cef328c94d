"""What reports are put together from: tables, charts as SVG, and the page around them, without script or network."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray

from core.console import one_direction
from core.findings.finding import Finding
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.images.encoding import data_url
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS
from core.runs.metrics import largest
from core.runs.run import Run
from core.storage import sha256_of
from core.studies.store import StudyResult

INK, GREY, PALE = "#1d2026", "#5b616b", "#e3e5e9"
# pixels of a chart, and around its axes
WIDTH, HEIGHT = 470, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 28, 46
# label, and the values at both ends
Axis = tuple[str, float, float]
LIMITS = (
    "Differences within the 95% intervals may be chance.",
    "Explanations say what moves this detector's score, not what makes a picture real.",
    "No number here is evidence about a single picture from the world, or against a person.",
)


@dataclass(frozen=True)
class Chart:
    """A chart with its caption.

    Attributes:
            shapes: SVG elements.
        alt: description for those who do not see it.
        caption: what it shows.
    """

    shapes: Sequence[str]
    alt: str
    caption: str

    @property
    def svg(self) -> str:
        """The picture; its text is drawn in the reader's own font."""
        box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="system-ui, sans-serif" font-size="13">'
        return f"{head}{''.join(self.shapes)}</svg>"

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return data_url(self.svg.encode(), mime="image/svg+xml")


Block: TypeAlias = "Chart | pd.DataFrame | Mapping[str, Any] | str | list[str]"
# title -> charts and tables; text is a note, a list of texts is bulleted, and `{"tiles": [...]}` is a grid of images:
# each with `called`, `wrong`, `words`, `name`, and `picture` as a data URL or None
Sections: TypeAlias = Mapping[str, Sequence[Block]]


@dataclass(frozen=True, eq=False)
class Curve:
    """Points on two axes, joined by a line unless they have intervals.

    Attributes:
        name: for the legend; "" for none.
        x, y: (N,) coordinates.
        colour: CSS.
        dash: SVG's dash pattern of the line.
        low, high: (N,) ends of the intervals of y; None without.
    """

    name: str
    x: Sequence[float] | NDArray[np.floating]
    y: Sequence[float] | NDArray[np.floating]
    colour: str = INK
    dash: str = ""
    low: NDArray[np.floating] | None = None
    high: NDArray[np.floating] | None = None


def page(title: str, lead: Sequence[str], first: Sections, details: Sections, *runs: Run) -> str:
    """Render a report: a title, sentences to begin with, the sections of the first page, and those after it."""
    sections = [*first.items(), *details.items()]
    return render(
        "report.html", runs=runs, title=title, lead=lead, sections=sections, first=len(first), colours=CLASS_COLOURS
    )


def findings(rows: Sequence[Finding], *columns: str) -> pd.DataFrame:
    """Lay findings out as text in columns of `core.findings.table.findings_text`, without those that are empty."""
    table = findings_text(rows)[list(columns)]
    return table.loc[:, (table != "").any()]


def confusion_table(counts: NDArray[np.int64]) -> pd.DataFrame:
    """Lay out int (2, 2) counts [label][prediction], FAKE first, with the shares of each label."""
    rows = [
        [f"is {label}", *(f"{count:,} ({percent(count / row.sum())})" if row.any() else "no images" for count in row)]
        for label, row in zip(CLASSES, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["", *(f"called {name}" for name in CLASSES)])


def rates_table(groups: pd.DataFrame, by: str) -> pd.DataFrame:
    """Lay out the error rates of `core.runs.metrics.error_by`, worst first, of the groups with the most images."""
    rows = [
        (str(row.value), f"{row.images:,}", f"{percent(row.rate)} ({percent(row.low)} to {percent(row.high)})")
        for row in largest(groups).itertuples(index=False)
    ]
    return pd.DataFrame(rows, columns=[by.capitalize(), "Images", "Error rate"])


def limits(*runs: Run) -> list[Block]:
    """State what no report of these runs can say."""
    sides = " or ".join(dict.fromkeys(f"{run.side} x {run.side}" for run in runs))
    return [[f"A detector knows images like those it was trained on, at {sides} pixels, and nothing else.", *LIMITS]]


def settings(run: Run, detector: Mapping[str, Any], studies: Mapping[str, StudyResult]) -> pd.DataFrame:
    """Tabulate the settings and hashes of a run; `detector` is its detector's manifest, empty where it is unknown."""
    manifest = run.manifest
    rows = [
        ("Detector", f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}"),
        ("Images", f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}"),
        ("Created", str(manifest["created"])),
        ("Left out as unreadable", f"{len(manifest['skipped']):,}"),
        ("Temperature", f"{manifest['temperature']:.4f}"),
        ("Versions", _in_a_line(manifest["versions"])),
    ]
    if not run.sealed:
        rows.append(("Seal", "none: a change of the run's manifest would not be noticed"))
    # detectors of others do not say how they were trained
    if detector.get("recipe"):
        rows.append(("Training", f"{_in_a_line(detector['recipe'])}; in {detector.get('computed_in', 'unknown')}"))
    for member in detector.get("members", ()):
        rows.append((f"Joined of {member['name']}", f"weight {member['weight']:.3f}; {_in_a_line(member['recipe'])}"))
    if detector.get("training_set"):
        training = (detector["training_set"], detector.get("training_set_fingerprint"))
        rows.append(("Trained on", ", ".join(str(name) for name in training if name)))
    rows += [(f"Study {name}", f"file sha256 {sha256_of(study.path)}") for name, study in studies.items()]
    return pd.DataFrame(rows, columns=["Setting", "Value"])


def _in_a_line(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in values.items()) or "none"


def curve_chart(curves: Sequence[Curve], across: Axis, up: Axis, *, alt: str, caption: str) -> Chart:
    """Draw curves on two axes, each given as its label and its ends; a curve of one point is a dot."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x, y = _scale(across, LEFT, right), _scale(up, bottom, TOP)
    shapes = [_text((LEFT + right) / 2, HEIGHT - 8, across[0]), _text(LEFT - 46, 16, up[0], anchor="start")]
    shapes += [_text(x(value), bottom + 18, _percent(value), GREY) for value in _ticks(across)]
    for value in _ticks(up):
        shapes.append(_line([(LEFT, y(value)), (right, y(value))], PALE))
        shapes.append(_text(LEFT - 8, y(value) + 4, _percent(value), GREY, anchor="end"))
    for curve in curves:
        points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        if curve.low is not None and curve.high is not None:
            for (a, _), low, high in zip(points, curve.low, curve.high, strict=True):
                shapes.append(_line([(a, y(low)), (a, y(high))], curve.colour))
        elif len(points) > 1:
            shapes.append(_line(points, curve.colour, curve.dash))
            continue
        shapes += [_dot(a, b, curve.colour) for a, b in points]
    for number, curve in enumerate(curve for curve in curves[::-1] if curve.name):
        shapes.append(_text(right - 6, bottom - 10 - 17 * number, curve.name, curve.colour, anchor="end"))
    return Chart(shapes, alt, caption)


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>'


def _text(x: float, y: float, text: str, colour: str = INK, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    """Return the function from a value on an axis to its pixel."""
    _, low, high = axis
    return lambda value: start + (float(value) - low) / ((high - low) or 1) * (end - start)


def _ticks(axis: Axis) -> list[float]:
    """Choose three to eight round values within an axis."""
    _, low, high = axis
    size = 10.0 ** math.floor(math.log10((high - low) or 1))
    step = next(size * part for part in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (size * part) <= 8)
    return [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def render(template: str, **values: Any) -> str:
    """Fill in a template."""
    return ENVIRONMENT.get_template(template).render(**values)


ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    # keeps a stranger's text from reversing the sentence around it
    finalize=lambda value: one_direction(value) if type(value) is not Markup and isinstance(value, str) else value,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
