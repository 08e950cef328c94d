"""The report of a run, or of the images that a filter finds in it, as one HTML file."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from core.arrays import Positions, Record
from core.detectors.identity import find_maker, identify_all
from core.findings.contrast import Finding
from core.findings.numbers import percent
from core.findings.table import FindingTable
from core.homes import homes
from core.images.encoding import data_url
from core.images.labels import CLASS_COLOURS
from core.report import render
from core.runs.filter import SORTS, Filter
from core.runs.folders import find_detectors
from core.runs.metrics import (
    HALF,
    calibration,
    class_scores,
    confusion_at,
    error_by,
    largest,
    means_by_source,
    predicted_real,
    wilson_interval,
)
from core.runs.pictures import Pictures
from core.runs.rows import judged_table
from core.runs.run import Run
from core.runs.summary import warnings_of
from core.storage.limits import ContractError, sha256_of
from core.studies.store import StudyResult, find_studies
from core.studies.study import STUDIES

# findings of each study; all are on the dashboard
MOST_FINDINGS = 2
# images of a selection that are shown
TILES = 48
NAMES = {
    "label": "is",
    "predicted": "called",
    "correct": "verdict",
    "in_train": "also in the training set:",
    "is_repeat": "a copy of an earlier file:",
    "versus.correct": "verdict of the other run",
    "versus.predicted": "called by the other run",
    "versus.margin": "margin by the other run",
}
Block: TypeAlias = "FindingTable | pd.DataFrame | Record | str | list[str]"
# title -> what stands beneath it: a note, a list of notes, tables, or a record that templates/report.html draws:
# `confusion`, counts [label][prediction], FAKE first; `rates` by a column;
# `detector` and hashes of `studies`, for the settings of the run; `LIMITS`; or `tiles`, images with their verdicts
Sections: TypeAlias = Mapping[str, Sequence[Block]]
LIMITS: Record = {"limits": True}


def report_of(run: Run) -> str:
    """Write the HTML report of a run, with what its studies found and how its detector was trained."""
    manifest = run.manifest
    page = partial(_render, "run.html", run, interval=wilson_interval)
    studies, problems = _concluded(run)
    details = {}
    if run.classes:
        details["How good is it?"] = _quality(run)
    if problems:
        # a report may be sent to others, so its paths are relative to the run's folder
        details["Not read"] = [[problem.replace(f"{run.path}{os.sep}", "") for problem in problems]]
    hashes = {name: sha256_of(study.path) for name, study in studies.items()}
    details[f"Settings and hashes of {run.name}"] = [{"detector": maker_of(run), "studies": hashes}]
    front: Sections = {"What was found": _summary(studies), "What this report cannot say": [LIMITS]}
    return page(f"{manifest['detector']} on {manifest['set']}", front, details)


def _concluded(run: Run) -> tuple[dict[str, StudyResult], list[str]]:
    """Read a run's studies, in the order of `STUDIES`; returns those with findings, and sentences about the others."""
    studies, problems = find_studies(run)
    concluded = {}
    for name in sorted(studies, key=(*STUDIES, *studies).index):
        try:
            studies[name].findings  # noqa: B018 - remembered
            concluded[name] = studies[name]
        except ContractError as error:
            problems.append(str(error))
    return concluded, problems


def maker_of(run: Run) -> Record:
    """Return the manifest of the detector that made a run; empty where it is not here."""
    detectors, _ = identify_all(find_detectors((run.path.parents[1], *homes())))
    maker = find_maker(run.manifest, detectors)
    if maker is None:
        return {}
    return detectors[maker].manifest


def _summary(studies: Mapping[str, StudyResult]) -> list[Block]:
    """Show the first findings of each study, which are its most telling."""
    findings: list[Finding] = []
    total = 0
    for study in studies.values():
        findings += study.findings[:MOST_FINDINGS]
        total += len(study.findings)
    if not findings:
        return ["No study has a finding."]
    counts = f"{len(findings)} of {total} findings, at most {MOST_FINDINGS} of each study."
    return [FindingTable(findings), counts]


def _quality(run: Run) -> list[Block]:
    """Show confusion matrix, scores of each class, calibration, and error rates by group."""
    table = run.predictions
    counts = confusion_at(table)
    scores = class_scores(counts)
    labelled = counts.sum(axis=1) > 0
    defined = {"precision": labelled & (counts.sum(axis=0) > 0), "recall": labelled, "f1": labelled}
    written = scores.map("{:.3f}".format).where(pd.DataFrame(defined, index=scores.index), "none")
    blocks: list[Block] = [{"confusion": counts}, written.rename_axis("class").reset_index()]
    if labelled.all():
        bins = calibration(table)[["confidence", "accuracy", "low", "high"]].map(percent)
        intervals = bins["accuracy"] + " (" + bins["low"] + " to " + bins["high"] + ")"
        blocks.append(pd.DataFrame({"Confidence": bins["confidence"], "Accuracy (calibration)": intervals}))
    judged = judged_table(run)
    if "source" in judged:
        means = means_by_source(judged)
        if len(means):
            rates = ["Pooled error rate", "Macro mean"]
            blocks.append(means.astype({"Number": str, "Images": str}).assign(**means[rates].map(percent)))
    for column in ("category", "source", "seen"):
        if column in judged:
            groups = error_by(judged, column)
            if len(groups):
                blocks.append({"by": column, "rates": largest(groups)})
    return blocks


def _render(template: str, run: Run, title: str, first: Sections, details: Sections, **lead: Any) -> str:
    """Render a report: a title, sentences to begin with, the run's warnings, sections of the first page, and the rest.

    Readers of a report see neither the dashboard nor a terminal, so its first page carries the warnings.
    """
    warnings = warnings_of(run)
    if warnings:
        first = {"What speaks against these numbers": [warnings], **first}
    sections = [*first.items(), *details.items()]
    return render(template, run=run, title=title, sections=sections, first=len(first), colours=CLASS_COLOURS, **lead)


def selection_report(
    run: Run,
    table: pd.DataFrame,
    wanted: Filter,
    chosen: Positions,
    *,
    other: str = "",
    pictures: Pictures | None = None,
) -> str:
    """Write the HTML report of some of a run's images.

    Args:
        run: that holds them.
        table: the run's rows, as `core.studies.columns.browse_table` gives them.
        wanted: the filter that found them.
        chosen: intp (K,), their positions in the run, in the filter's order.
        other: name of the run whose verdicts the filter also knows; "" without one.
        pictures: their pixels; None for a report without pictures.
    """
    rows = table.iloc[chosen]
    words = describe(wanted, other)
    title = f"{len(rows):,} image{'s' * (len(rows) != 1)} of {run.name}"
    if rows.empty:
        return _render("report.html", run, title, {}, {}, lead=["No image fits this selection.", words])
    lead = [f"The selection: {words}."]
    first: dict[str, list[Block]] = {}
    if run.classes:
        counts = confusion_at(rows, wanted.threshold)
        wrong = int(counts[0, 1] + counts[1, 0])
        lead += _error_rates(wrong, len(rows), table, wanted)
        first["Confusion matrix"] = [{"confusion": counts}]
        groups = error_by(rows, "category", threshold=wanted.threshold)
        if len(groups) > 1 and 0 < wrong < len(rows):
            first["Confusion matrix"].append({"by": "category", "rates": largest(groups)})
    else:
        lead.append(f"Of the run's {len(table):,} images. They have no labels, so there is no error rate.")
    urls = []
    if pictures is not None:
        found = [pictures.get(int(row)) for row in chosen[:TILES]]
        urls = [None if picture is None else data_url(picture) for picture in found]
    first["The images"] = _tiles(rows, wanted, urls)
    details: Sections = {
        "What this report cannot say": [LIMITS],
        f"Settings and hashes of {run.name}": [{"detector": {}, "studies": {}}],
    }
    return _render("report.html", run, title, first, details, lead=lead)


def describe(wanted: Filter, other: str = "") -> str:
    """Describe a filter in words: "is REAL, called FAKE, confidence from 0.95"; `other` is as in `selection_report`."""
    phrases = [(column, " or ".join(values)) for column, values in wanted.choices]
    for column, low, high in wanted.ranges:
        ends = []
        if np.isfinite(low):
            ends.append(f"from {low:.9g}")
        if np.isfinite(high):
            ends.append(f"up to {high:.9g}")
        phrases.append((column, " ".join(ends)))
    words = [f"{NAMES.get(column, column.replace('_', ' '))} {phrase}" for column, phrase in phrases]
    if wanted.area is not None:
        words.append("in an area drawn on Patterns")
    if wanted.tag:
        words.append(f"tagged {wanted.tag}")
    if wanted.name:
        words.append(f"file name with {wanted.name}")
    if wanted.threshold != HALF:
        words.append(f"at a threshold of {100 * wanted.threshold:g}%")
    return (", ".join(words) or "all images").replace("the other run", other or "the other run")


def _error_rates(wrong: int, total: int, table: pd.DataFrame, wanted: Filter) -> list[str]:
    """State the error rate of the selected rows, and that of all rows of the run."""
    low, high = map(float, wilson_interval(wrong, total))
    everything = confusion_at(table, wanted.threshold)
    of_all = percent(float(everything[0, 1] + everything[1, 0]) / len(table))
    return [
        f"Error rate {percent(wrong / total)} ({percent(low)} to {percent(high)}): {wrong:,} of {total:,} images.",
        f"Over all {len(table):,} images of the run: {of_all}.",
    ]


def _tiles(rows: pd.DataFrame, wanted: Filter, urls: list[str | None]) -> list[Block]:
    """Show the first images with their verdicts, and their pictures where `urls` has them."""
    shown = rows.head(TILES)
    predicted = np.where(predicted_real(shown, wanted.threshold), "REAL", "FAKE")
    tiles = list(zip_longest(shown.itertuples(), predicted, urls))
    note = "The border is the verdict: blue for REAL, orange for FAKE."
    if rows["label"].notna().any():
        note += " It is dashed where it is wrong."
    if not any(urls):
        note = "Their pictures are not available."
    if len(rows) > TILES:
        order = SORTS.get(wanted.sort) or f"by {wanted.sort.removeprefix('-')}"
        note = f"The first {TILES} of {len(rows):,}, {order}. {note}"
    return [note, {"tiles": tiles}]
