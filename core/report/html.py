"""Building blocks of reports: tables, charts as SVG, and the page around them, without script or network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from core.arrays import Floats, Int64, Record
from core.console import one_direction
from core.findings.numbers import percent
from core.findings.table import FindingTable
from core.images.encoding import data_url
from core.images.labels import CLASS_COLOURS, CLASSES
from core.runs.metrics import largest
from core.runs.run import Run
from core.runs.summary import warnings_of
from core.storage.limits import sha256_of
from core.studies.store import StudyResult

INK = "#1d2026"
GREY = "#5b616b"
PALE = "#e3e5e9"
# pixels of a chart, and around its axes
WIDTH = 470
HEIGHT = 330
LEFT = 62
RIGHT = 24
TOP = 28
BOTTOM = 46
LIMITS = (
    "Differences within the 95% intervals may be chance.",
    "Explanations say what moves this detector's score, not what makes a picture real.",
    "No number here is evidence about a single picture from the world, or against a person.",
)


class Chart(NamedTuple):
    """A chart: an SVG file as a data URL, a description for those who do not see it, and a caption."""

    url: str
    alt: str
    caption: str


Block: TypeAlias = "Chart | FindingTable | pd.DataFrame | Record | str | list[str]"
# title -> charts and tables; text is a note, a list of texts is bulleted, and `{"tiles": [...]}` is a grid of images:
# each with `called`, `wrong`, `words`, `name`, and `picture` as a data URL or None
Sections: TypeAlias = Mapping[str, Sequence[Block]]


class Curve(NamedTuple):
    """N points on two axes, joined by a line; `dash` is SVG's."""

    name: str
    x: Sequence[float] | Floats
    y: Sequence[float] | Floats
    colour: str = INK
    dash: str = ""


def render_page(title: str, lead: Sequence[str], first: Sections, details: Sections, run: Run) -> str:
    """Render a report: a title, sentences to begin with, the run's warnings, sections of the first page, and the rest.

    Readers of a report see neither the dashboard nor a terminal, so its first page carries the warnings.
    """
    warnings = warnings_of(run)
    if warnings:
        first = {"What speaks against these numbers": [warnings], **first}
    sections = [*first.items(), *details.items()]
    return render(
        "report.html", run=run, title=title, lead=lead, sections=sections, first=len(first), colours=CLASS_COLOURS
    )


def confusion_table(counts: Int64) -> pd.DataFrame:
    """Lay out int (2, 2) counts [label][prediction], FAKE first, with the shares of each label."""
    rows = []
    for label, row in zip(CLASSES, counts, strict=True):
        cells = ["no images"] * len(row)
        if row.any():
            cells = [f"{count:,} ({percent(count / row.sum())})" for count in row]
        rows.append([f"is {label}", *cells])
    return pd.DataFrame(rows, columns=["", *(f"called {name}" for name in CLASSES)])


def rates_table(groups: pd.DataFrame, by: str) -> pd.DataFrame:
    """Lay out the error rates of `core.runs.metrics.error_by`, worst first, of the groups with the most images."""
    rows = [
        (str(row.value), f"{row.images:,}", f"{percent(row.rate)} ({percent(row.low)} to {percent(row.high)})")
        for row in largest(groups).itertuples(index=False)
    ]
    return pd.DataFrame(rows, columns=[by.capitalize(), "Images", "Error rate"])


def limits(run: Run) -> list[Block]:
    """State the limits of any report of a run."""
    side = f"{run.side} x {run.side}"
    return [[f"A detector knows images like those it was trained on, at {side} pixels, and nothing else.", *LIMITS]]


def settings(run: Run, detector: Record, studies: Mapping[str, StudyResult]) -> pd.DataFrame:
    """Tabulate the settings and hashes of a run; `detector` is its detector's manifest, empty where it is unknown."""
    manifest = run.manifest
    rows = {
        "Detector": f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}",
        "Images": f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}",
        "Created": str(manifest["created"]),
        "Temperature": f"{manifest['temperature']:.4f}",
        "Versions": _in_a_line(manifest["versions"]),
    }
    # detectors of others do not say how they were trained
    if detector.get("recipe"):
        rows["Training"] = f"{_in_a_line(detector['recipe'])}; in {detector.get('computed_in', 'unknown')}"
    for member in detector.get("members", ()):
        rows[f"Joined of {member['name']}"] = f"weight {member['weight']:.3f}; {_in_a_line(member['recipe'])}"
    if detector.get("training_set"):
        names = (detector["training_set"], detector.get("training_set_fingerprint"))
        rows["Trained on"] = ", ".join(str(name) for name in names if name)
    rows |= {f"Study {name}": f"file sha256 {sha256_of(study.path)}" for name, study in studies.items()}
    return pd.DataFrame(rows.items(), columns=["Setting", "Value"])


def _in_a_line(values: Record) -> str:
    return ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in values.items()) or "none"


def curve_chart(curves: Sequence[Curve], across: str, up: str, *, alt: str, caption: str) -> Chart:
    """Draw curves of shares on two axes with these labels, both from 0 to 1; one point is a dot."""
    right = WIDTH - RIGHT
    bottom = HEIGHT - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + float(x) * (right - LEFT), bottom - float(y) * (bottom - TOP)

    shapes = [_text((LEFT + right) / 2, HEIGHT - 8, across), _text(LEFT - 46, 16, up, anchor="start")]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = at(share, share)
        shapes += [_text(x, bottom + 18, f"{share:.0%}", GREY), _line([(LEFT, y), (right, y)], PALE)]
        shapes.append(_text(LEFT - 8, y + 4, f"{share:.0%}", GREY, anchor="end"))
    for number, curve in enumerate(curves[::-1]):
        points = [at(*point) for point in zip(curve.x, curve.y, strict=True)]
        if len(points) > 1:
            shapes.append(_line(points, curve.colour, curve.dash))
        else:
            shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{curve.colour}"/>' for x, y in points]
        shapes.append(_text(right - 6, bottom - 10 - 17 * number, curve.name, curve.colour, anchor="end"))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="system-ui, sans-serif" font-size="13">'
    return Chart(data_url(f"{head}{''.join(shapes)}</svg>".encode(), mime="image/svg+xml"), alt, caption)


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>'


def _text(x: float, y: float, text: str, colour: str = INK, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def render(template: str, **values: Any) -> str:
    """Fill in a template."""
    return ENVIRONMENT.get_template(template).render(**values)


def _finalize(value: Any) -> Any:
    """Keep a stranger's text from reversing the sentence around it; markup is our own."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return one_direction(value)
    return value


ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=_finalize,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
