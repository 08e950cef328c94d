"""The report of a run or of a selection of its images: one HTML file without script or network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.identity import find_maker, identify_all
from core.explainers.cam import KEPT
from core.findings.numbers import unbroken_percent as percent
from core.findings.words import tell
from core.perturbations.masking import FILLS
from core.perturbations.table import OTHER_WAYS
from core.report import figures
from core.report.drawing import Drawn
from core.report.parts import (
    Block,
    Bullets,
    Heading,
    Note,
    Section,
    Table,
    limits,
    listed,
    of_all,
    page,
    sentence,
)
from core.report.selection import Selection, selection_report
from core.report.settings import settings
from core.runs.folders import find_detectors
from core.runs.metrics import (
    CURVE_BINS,
    PAPER,
    calibration,
    class_scores,
    confusion_at,
    error_by,
    is_right,
    largest,
    sweep,
    wilson_interval,
)
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.storage import ContractError, write_bytes_atomically
from core.studies.agreement import agreement_summary
from core.studies.faithfulness_curves import leads
from core.studies.flips import flip_rates, ranking, read_flips
from core.studies.result import StudyResult
from core.studies.single_sign import one_colour_summary
from core.studies.store import find_studies

# order of the studies in a report, what readers ask first on top; studies not named here come last
ORDER = (
    "probes", "transfer", "deliveries", "neighbours", "clusters", "faithfulness", "agreement", "stability", "certainty",
    "sanity", "one_colour",
    "audit", "duplicates", "files",
)  # fmt: skip


def report_of(
    run: Run,
    *,
    detector: Mapping[str, Any] | None = None,
    answers: Mapping[str, StudyResult] | None = None,
    problems: Sequence[str] = (),
    table: pd.DataFrame | None = None,
    selection: Selection | None = None,
    pictures: Pictures | None = None,
) -> str:
    """Write the HTML report of a run, or of a selection of its images.

    Args:
        run: to report on.
        detector: manifest of the detector that made it, for its training and settings.
        answers: the run's studies (`core.studies.store.find_studies`).
        problems: sentences about studies that could not be read.
        table: from `core.studies.columns.browse_table`, which has the columns of studies too; when None, the run's
            own rows.
        selection: the images it is about; all of them when None.
        pictures: the selection's pixels.
    """
    if selection is None:
        return run_report(run, detector=detector, answers=answers or {}, problems=problems)
    return selection_report(run, run.predictions if table is None else table, selection, pictures=pictures)


def save_report(path: Path, run: Run, **parts: Any) -> None:
    """Write a report to an HTML file, whole or not at all; arguments as for `report_of`."""
    text = report_of(run, **parts)
    write_bytes_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))


def gather(run: Run, homes: tuple[Path, ...] | None = None) -> dict[str, Any]:
    """Read what `report_of` takes besides the run: `detector`, `answers` and `problems`.

    Args:
        run: to report on.
        homes: folders that hold detectors/; those that commands look in by default.
    """
    found = find_studies(run)
    # a report may be sent to others, so its paths are relative to the run's folder
    problems = [problem.replace(f"{run.path}{os.sep}", "") for problem in found.problems]
    detectors, _ = identify_all(find_detectors(homes))
    maker = find_maker(run.manifest, detectors)
    made_by = None if maker is None else detectors[maker].manifest
    first = {name: number for number, name in enumerate(ORDER)}
    answers = {}
    for name in sorted(found.answers, key=lambda name: first.get(name, len(ORDER))):
        try:
            found.answers[name].findings  # noqa: B018 - remembered
        except ContractError as error:
            problems.append(str(error).replace(f"{run.path}{os.sep}", ""))
        else:
            answers[name] = found.answers[name]
    return {"detector": made_by, "answers": answers, "problems": problems}


def run_report(
    run: Run, *, detector: Mapping[str, Any] | None, answers: Mapping[str, StudyResult], problems: Sequence[str] = ()
) -> str:
    """Write the HTML report of a whole run; every number is read from the run and its studies."""
    manifest = run.manifest
    metrics = manifest["metrics"]["all"]
    if not metrics["images"]:
        return page(run, f"{run.name}: a run without images", ["The run holds no image; nothing was measured."], [])
    sections = [
        Section("How good is it?", _quality(run, detector)),
        Section("What the studies found", _studies(run, answers, problems)),
        limits(run),
        settings(run, detector, answers),
    ]
    return page(run, f"{manifest['detector']} on {manifest['set']}", _lead(run, answers), sections)


def _lead(run: Run, answers: Mapping[str, StudyResult]) -> list[str]:
    metrics, manifest = run.manifest["metrics"]["all"], run.manifest
    wrong = metrics["images"] - round(metrics["accuracy"] * metrics["images"])
    low, high = wilson_interval(metrics["images"] - wrong, metrics["images"])
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    lead = [
        f"It is right on {percent(metrics['accuracy'])} of {_count(metrics['images'], 'image', 'images')} "
        f"({percent(float(low))} to {percent(float(high))}).",
        f"{fake_real:,} FAKE called REAL, {real_fake:,} REAL called FAKE.",
        f"{_leaks(run)} and {_count(manifest['repeats'], 'is a copy', 'are copies')} of another; "
        + _without(manifest["metrics"]["clean"]),
    ]
    # what each study found first is its most telling
    first = (tell(found).whole for answer in answers.values() for found in answer.findings[:1])
    return [*lead, *map(sentence, first)]


def _leaks(run: Run) -> str:
    if not run.leaks_checked:
        return "It was not checked whether images were also in its training set"
    return f"{_count(run.manifest['leaked'], 'of the images was', 'of the images were')} also in its training set"


def _count(count: int, one: str, several: str) -> str:
    """ "1 is a copy", "7 are copies"."""
    return f"{count:,} {one if count == 1 else several}"


def _without(kept: Mapping[str, Any]) -> str:
    return (
        f"without them it is right on {percent(kept['accuracy'])}."
        if kept["images"]
        else "nothing is left without them."
    )


def _quality(run: Run, detector: Mapping[str, Any] | None) -> list[Block]:
    table = run.predictions
    counts = confusion_at(table)
    scores = class_scores(counts)
    parts: list[Block] = [
        figures.confusion(counts),
        Table(["Class", "Precision", "Recall", "F1"], _score_rows(scores, counts)),
    ]
    if counts.sum(axis=1).all():
        caption = (
            "All thresholds at once. The closer a curve is to the upper left corner (ROC) or the upper right one "
            "(precision-recall), the better; the dot is the run's threshold."
        )
        parts.append(
            figures.curves(
                sweep(table),
                recall=scores.loc["FAKE", "recall"],
                false_positive_rate=1 - scores.loc["REAL", "recall"],
                # where nothing is called FAKE, the curve begins at 1
                precision=scores.loc["FAKE", "precision"] if counts[:, 0].sum() else 1.0,
                caption=caption,
            )
        )
    caption = (
        f"Calibration, in {CURVE_BINS} equally wide bins of confidence: with perfect calibration, the points lie on "
        "the dotted line."
    )
    parts.append(figures.calibration(calibration(table), caption=caption))
    wrong = float(1 - is_right(table).mean())
    for column, several in (("category", "categories"), ("source", "sources")):
        found = error_by(table, column) if column in table else pd.DataFrame()
        if len(found):
            caption = f"Error rate by {column}. Where two of the 95% intervals overlap, the difference may be chance."
            parts.append(
                figures.rates(largest(found), overall=wrong, caption=caption + of_all(found, several), by=column)
            )
    if detector and detector.get("history"):
        caption = "Training: accuracy after each pass over the training images."
        parts.append(figures.training(list(detector["history"]), caption=caption))
    return parts


def _score_rows(scores: pd.DataFrame, counts: NDArray[np.int64]) -> list[list[str]]:
    rows = []
    for number, (name, row) in enumerate(scores.iterrows()):
        there, called = counts[number].sum() > 0, counts[:, number].sum() > 0
        has = {"precision": there and called, "recall": there, "f1": there}
        rows.append([str(name), *(f"{row[key]:.3f}" if known else "none" for key, known in has.items())])
    return rows


def _studies(run: Run, answers: Mapping[str, StudyResult], problems: Sequence[str]) -> list[Block]:
    parts: list[Block] = []
    for answer in answers.values():
        about = answer.about
        parts.append(Heading(about["title"], about["question"]))
        told = [sentence(tell(one).full) for one in answer.findings]
        parts.append(Bullets(told) if told else Note("These images allow no conclusion."))
        parts += _study_figures(run, answer)
        compared = f"{about['images']:,} images. Compared with: {about['control'].rstrip('.')}."
        parts.append(Note(f"{compared} Settings: {listed(about['parameters'])}."))
    parts += map(Note, problems)
    return parts or [Note("No study has been made of this run.")]


def _study_figures(run: Run, answer: StudyResult) -> list[Drawn]:
    table, name = answer.table, answer.about["study"]
    if name == "probes":
        turns = read_flips(run, table, answer.about["parameters"])
        rates = flip_rates(turns)
        found = {verdict: ranking(rates, verdict=verdict) for verdict in turns.verdicts}
        # other ways of making a change say the same again
        found = {verdict: one[~one["probe"].isin(OTHER_WAYS)] for verdict, one in found.items()}
        caption = (
            "What flips verdicts: the change that flips the most for its size on top. The upright tick is the control, "
            "a change of the same size that leaves the named thing alone; what does not pass it says nothing."
        )
        drawn = {key: one for key, one in found.items() if len(one)}
        return [figures.ranking(drawn, caption=caption)] if drawn else []
    if name == "faithfulness":
        found = leads(table, run)
        found = found.assign(name=found["name"] + ", " + found["fill"].map({k: one.title for k, one in FILLS.items()}))
        captions = {
            "deletion": "How much further the margin falls when parts are filled in the order of each explanation than "
            "in the best order that knows nothing of the detector. Right of 0 it is better.",
            "insertion": "The same when parts are shown in that order: how much further the margin rises.",
        }
        return [
            figures.estimates(
                found[found["direction"] == direction],
                unit=f"difference from the best control by {direction}, in margins",
                caption=caption,
            )
            for direction, caption in captions.items()
        ]
    if name == "agreement":
        caption = f"Rank correlation of explanations with {KEPT.title}, and what maps of other images reach by chance."
        found = agreement_summary(table, run)
        # a file of other explainers than there are now has nothing to compare
        return [figures.estimates(found, unit="rank correlation", caption=caption)] if len(found) else []
    # about LIME alone: the paper's figures by it came out in one colour
    if name == "one_colour":
        caption = (
            "How often LIME shows one colour only, under the paper's settings and under ours. The paper: "
            f"{PAPER['author']}, {PAPER['title']} ({PAPER['link']})."
        )
        return [figures.estimates(one_colour_summary(table, run), unit="share of images", caption=caption, zero=False)]
    return []
