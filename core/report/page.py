"""The report of a run: one HTML file without script or network."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.identity import find_maker, identify_all
from core.findings.numbers import percent
from core.images.palette import CURVE, REAL
from core.report.charts import GREY, INK, Chart, Curve, curve_chart, rates_chart
from core.report.html import Section, Table, confusion_table, findings, limits, page, settings
from core.runs.folders import find_detectors
from core.runs.metrics import calibration, class_scores, confusion_at, error_by, sweep, wilson_interval
from core.runs.run import Run
from core.storage import ContractError
from core.studies.result import StudyResult
from core.studies.store import find_studies

# order of the studies in a report, what readers ask first on top; studies not named here come last
ORDER = ("probes", "transfer", "deliveries", "neighbours", "clusters", "faithfulness", "agreement", "stability")
# findings of each study; all of them are on the dashboard and in `python -m core findings`
MOST = 2


def report_of(
    run: Run,
    *,
    detector: Mapping[str, Any] | None = None,
    answers: Mapping[str, StudyResult] | None = None,
    problems: Sequence[str] = (),
) -> str:
    """Write the HTML report of a run.

    Args:
        run: to report on.
        detector: manifest of the detector that made it, for its settings.
        answers: the run's studies (`core.studies.store.find_studies`).
        problems: sentences about studies that could not be read.
    """
    metrics, answers = run.manifest["metrics"]["all"], answers or {}
    if not metrics["images"]:
        return page(run, f"{run.name}: a run without images", ["The run holds no image; nothing was measured."], [])
    sections = [
        _summary(answers),
        Section("How good is it?", _quality(run)),
        *(_study(study) for study in answers.values()),
        *([Section("Not read", [list(problems)])] if problems else []),
        limits(run),
        settings(run, detector, answers),
    ]
    return page(run, f"{run.manifest['detector']} on {run.manifest['set']}", _lead(run), sections)


def gather(run: Run, homes: tuple[Path, ...] | None = None) -> dict[str, Any]:
    """Read what `report_of` takes besides the run: `detector`, `answers` and `problems`.

    Args:
        run: to report on.
        homes: folders that hold detectors/; those that commands look in by default.
    """
    studies = find_studies(run)
    problems = list(studies.problems)
    detectors, _ = identify_all(find_detectors(homes))
    maker = find_maker(run.manifest, detectors)
    rank = {name: number for number, name in enumerate(ORDER)}
    answers = {}
    for name in sorted(studies.answers, key=lambda name: rank.get(name, len(ORDER))):
        try:
            studies.answers[name].findings  # noqa: B018 - remembered
        except ContractError as error:
            problems.append(str(error))
        else:
            answers[name] = studies.answers[name]
    # a report may be sent to others, so its paths are relative to the run's folder
    problems = [problem.replace(f"{run.path}{os.sep}", "") for problem in problems]
    return {"detector": None if maker is None else detectors[maker].manifest, "answers": answers, "problems": problems}


def _lead(run: Run) -> list[str]:
    manifest = run.manifest
    metrics, clean = manifest["metrics"]["all"], manifest["metrics"]["clean"]
    images, accuracy = metrics["images"], metrics["accuracy"]
    low, high = map(float, wilson_interval(round(accuracy * images), images))
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    leaks = f"{manifest['leaked']:,}" if run.leaks_checked else "an unknown number"
    left = f"accuracy without them: {percent(clean['accuracy'])}" if clean["images"] else "nothing is left without them"
    return [
        f"Accuracy {percent(accuracy)} ({percent(low)} to {percent(high)}) on {images:,} images.",
        f"{fake_real:,} FAKE called REAL, {real_fake:,} REAL called FAKE.",
        f"Images also in the training set: {leaks}; copies of another: {manifest['repeats']:,}; {left}.",
    ]


def _summary(answers: Mapping[str, StudyResult]) -> Section:
    # each study's first finding is its most telling
    first = [study.findings[0] for study in answers.values() if study.findings]
    table = findings(first, "Question", "Group", "Headline", "Status", most=len(first))
    return Section("What was found", [table if first else "No study of this run has a finding."])


def _study(study: StudyResult) -> Section:
    about, rows = study.about, study.findings
    note = f"{about['images']:,} images; {len(rows)} findings, of which {min(MOST, len(rows))} are shown."
    table = findings(rows, "Of", "Group", "Effect", "Control", "Status", most=MOST)
    return Section(str(about["title"]), [str(about["question"]), *([table] if rows else []), note])


def _quality(run: Run) -> list[Chart | Table]:
    table = run.predictions
    counts = confusion_at(table)
    scores = class_scores(counts)
    blocks: list[Chart | Table] = [confusion_table(counts), _scores(scores, counts)]
    if counts.sum(axis=1).all():
        blocks.append(_roc(table, scores))
    bins = calibration(table)
    points = "; ".join(f"{row.confidence:.0%} sure: {row.accuracy:.0%} right" for row in bins.itertuples())
    curves = [
        Curve("perfect calibration", (0.5, 1), (0.5, 1), GREY, "2 4"),
        Curve(
            "this run, 95% intervals", bins["confidence"].tolist(), bins["accuracy"].tolist(), REAL,
            low=bins["low"].to_numpy(), high=bins["high"].to_numpy(),
        ),
    ]  # fmt: skip
    axes = ("confidence", 0.5, 1.0), ("accuracy", 0.0, 1.0)
    blocks.append(curve_chart(curves, *axes, alt=f"Accuracy by confidence. {points}.", caption="Calibration."))
    wrong = float(counts[0, 1] + counts[1, 0]) / len(table)
    for column in ("category", "source"):
        groups = error_by(table, column) if column in table else pd.DataFrame()
        blocks += [rates_chart(groups, wrong, by=column)] if len(groups) else []
    return blocks


def _scores(scores: pd.DataFrame, counts: NDArray[np.int64]) -> Table:
    rows = []
    for number, (name, row) in enumerate(scores.iterrows()):
        labelled, predicted = counts[number].sum() > 0, counts[:, number].sum() > 0
        defined = {"precision": labelled and predicted, "recall": labelled, "f1": labelled}
        rows.append([str(name), *(f"{row[key]:.3f}" if fits else "none" for key, fits in defined.items())])
    return Table(["Class", "Precision", "Recall", "F1"], rows)


def _roc(table: pd.DataFrame, scores: pd.DataFrame) -> Chart:
    swept, recall = sweep(table), scores.loc["FAKE", "recall"]
    alarms = 1 - scores.loc["REAL", "recall"]
    return curve_chart(
        [
            Curve("guessing", (0, 1), (0, 1), GREY, "2 4"),
            Curve("all thresholds", swept.false_positive_rate, swept.true_positive_rate, CURVE),
            Curve("the run's threshold", [alarms], [recall], INK),
        ],
        ("false-positive rate (REAL called FAKE)", 0, 1),
        ("true-positive rate (FAKE called FAKE)", 0, 1),
        alt=f"ROC curve; at the run's threshold {recall:.1%} of FAKE and {alarms:.1%} of REAL are called FAKE.",
        caption="ROC curve.",
    )
