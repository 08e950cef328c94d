"""What every report is put together from, and the page around it. Text is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from core.console import one_direction
from core.findings.finding import Finding
from core.findings.numbers import percent
from core.findings.table import findings_text
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS
from core.report.charts import Chart
from core.runs.run import Run
from core.storage import sha256_of
from core.studies.result import StudyResult

LIMITS = (
    "Differences within the 95% intervals may be chance.",
    "Explanations say what moves this detector's score, not what makes a picture real.",
    "No number here is evidence about a single picture from the world, or against a person.",
)


@dataclass(frozen=True)
class Table:
    """Rows of text under their headings."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A titled part of the page.

    Attributes:
        title: its heading.
        blocks: charts and tables; text is a note, a list of texts is bulleted, and `{"tiles": [...]}` is a grid of
            images: each with `called`, `wrong`, `words`, `name`, and `picture` as a data URL or None.
    """

    title: str
    blocks: Sequence[Chart | Table | Mapping[str, Any] | str | list[str]]


def page(run: Run, title: str, lead: Sequence[str], sections: Sequence[Section], *, other: Run | None = None) -> str:
    """Render the whole page: a title, sentences to begin with, and sections; `other` is a run beside the first."""
    return render("report.html", run=run, other=other, title=title, lead=lead, sections=sections, colours=CLASS_COLOURS)


def findings(rows: Sequence[Finding], *columns: str, most: int) -> Table:
    """Lay out the first findings, at most `most`, in columns of `core.findings.table.findings_text`."""
    table = findings_text(rows[:most])[list(columns)]
    table = table.loc[:, (table != "").any()]
    return Table(list(table), table.to_numpy(str).tolist())


def confusion_table(counts: NDArray[np.int64]) -> Table:
    """Lay out int (2, 2) counts [label][prediction], FAKE first, with the shares of each label."""
    rows = [
        [f"is {label}", *(f"{count:,} ({percent(count / row.sum())})" if row.any() else "no images" for count in row)]
        for label, row in zip(CLASSES, counts, strict=True)
    ]
    return Table(["", *(f"called {name}" for name in CLASSES)], rows)


def limits(*runs: Run) -> Section:
    """State what no report of these runs can say."""
    sides = " or ".join(dict.fromkeys(f"{run.side} x {run.side}" for run in runs))
    about = f"A detector knows images like those it was trained on, at {sides} pixels, and nothing else."
    return Section("What this report cannot say", [[about, *LIMITS]])


def settings(run: Run, detector: Mapping[str, Any] | None, studies: Mapping[str, StudyResult]) -> Section:
    """Tabulate the settings and hashes of a run; `detector` is the detector's manifest, if available."""
    manifest, detector = run.manifest, detector or {}
    rows = [
        ["Detector", f"{manifest['detector']}, weights sha256 {manifest['detector_sha256']}"],
        ["Images", f"{manifest['set']}, fingerprint {manifest['set_fingerprint']}"],
        ["Created", str(manifest["created"])],
        ["Left out as unreadable", f"{len(manifest['skipped']):,}"],
        ["Temperature", f"{manifest['temperature']:.4f}"],
        ["Versions", listed(manifest["versions"])],
    ]
    if not run.sealed:
        rows.append(["Seal", "none: a change of the run's manifest would not be noticed"])
    # detectors of others do not say how they were trained
    if detector.get("recipe"):
        rows.append(["Training", f"{listed(detector['recipe'])}; in {detector.get('computed_in', 'unknown')}"])
    for member in detector.get("members", ()):
        rows.append([f"Joined of {member['name']}", f"weight {member['weight']:.3f}; {listed(member['recipe'])}"])
    if detector.get("training_set"):
        training = (detector["training_set"], detector.get("training_set_fingerprint"))
        rows.append(["Trained on", ", ".join(str(name) for name in training if name)])
    rows += [[f"Study {name}", f"file sha256 {sha256_of(found.path)}"] for name, found in studies.items()]
    return Section(f"Settings and hashes of {run.name}", [Table(["Setting", "Value"], rows)])


def listed(values: Mapping[str, Any]) -> str:
    """Write settings in one line."""
    return ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in values.items()) or "none"


def render(template: str, **values: Any) -> str:
    """Fill in a template."""
    return _ENVIRONMENT.get_template(template).render(**values)


def _finished(value: Any) -> Any:
    """Keep a stranger's text from reversing the sentence around it."""
    return one_direction(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=_finished,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
