"""The report of a run as one HTML file."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.arrays import Record
from core.detectors.identity import find_maker, identify_all
from core.findings.contrast import Finding
from core.findings.numbers import percent
from core.findings.table import FindingTable
from core.homes import homes
from core.images.labels import CURVE
from core.report.html import (
    GREY,
    Block,
    Curve,
    Sections,
    confusion_table,
    curve_chart,
    limits,
    rates_table,
    render_page,
    settings,
)
from core.runs.folders import find_detectors
from core.runs.metrics import calibration, class_scores, confusion_at, error_by, means_by_source, sweep, wilson_interval
from core.runs.rows import judged_table
from core.runs.run import Run
from core.storage.limits import ContractError
from core.studies.store import StudyResult, find_studies

# order of the studies in a report, what readers ask first on top; studies not named here come last
ORDER = (
    "probes",
    "out_of_distribution",
    "deliveries",
    "neighbours",
    "clusters",
    "faithfulness",
    "agreement",
    "stability",
)
# findings of each study; all are on the dashboard
MOST_FINDINGS = 2


def report_of(
    run: Run,
    *,
    detector: Record | None = None,
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
    manifest = run.manifest
    answers = answers or {}
    overall = manifest["metrics"]["all"]
    clean = manifest["metrics"]["clean"]
    images = overall["images"]
    if not images:
        return render_page(
            f"{run.name}: a run without images", ["The run holds no image; nothing was measured."], {}, {}, run
        )
    lead = []
    if "accuracy" in overall:
        low, high = map(float, wilson_interval(round(overall["accuracy"] * images), images))
        (_, fake_real), (real_fake, _) = overall["confusion"]
        interval = f"({percent(low)} to {percent(high)})"
        lead.append(f"Accuracy {percent(overall['accuracy'])} {interval} on {images:,} images.")
        lead.append(f"{fake_real:,} FAKE called REAL, {real_fake:,} REAL called FAKE.")
    leaks = "an unknown number"
    if run.leaks_checked:
        leaks = f"{manifest['leaked']:,}"
    lead.append(f"Images also in the training set: {leaks}; copies of another: {manifest['repeats']:,}.")
    if "accuracy" in clean:
        lead.append(f"Accuracy without them: {percent(clean['accuracy'])}.")
    elif "accuracy" in overall:
        lead.append("Nothing is left without them.")
    details = {}
    if run.classes:
        details["How good is it?"] = _quality(run)
    findings: list[Finding] = []
    for study in answers.values():
        # the first are its most telling
        findings += study.findings[:MOST_FINDINGS]
    summary: list[Block] = ["No study has a finding."]
    if findings:
        total = sum(len(study.findings) for study in answers.values())
        summary = [
            FindingTable(findings),
            f"{len(findings)} of {total} findings, at most {MOST_FINDINGS} of each study.",
        ]
    if problems:
        details["Not read"] = [list(problems)]
    details[f"Settings and hashes of {run.name}"] = [settings(run, detector or {}, answers)]
    front: Sections = {"What was found": summary, "What this report cannot say": limits(run)}
    return render_page(f"{manifest['detector']} on {manifest['set']}", lead, front, details, run)


def gather(run: Run) -> dict[str, Any]:
    """Read what `report_of` takes besides the run: `detector`, `answers` and `problems`."""
    studies, problems = find_studies(run)
    answers = {}
    detectors, _ = identify_all(find_detectors((run.path.parents[1], *homes())))
    maker = find_maker(run.manifest, detectors)
    for name in sorted(studies, key=lambda name: (*ORDER, name).index(name)):
        try:
            studies[name].findings  # noqa: B018 - remembered
            answers[name] = studies[name]
        except ContractError as error:
            problems.append(str(error))
    # a report may be sent to others, so its paths are relative to the run's folder
    problems = [problem.replace(f"{run.path}{os.sep}", "") for problem in problems]
    detector = None
    if maker is not None:
        detector = detectors[maker].manifest
    return {"detector": detector, "answers": answers, "problems": problems}


def _quality(run: Run) -> list[Block]:
    table = run.predictions
    counts = confusion_at(table)
    scores = class_scores(counts)
    labelled = counts.sum(axis=1) > 0
    defined = {"precision": labelled & (counts.sum(axis=0) > 0), "recall": labelled, "f1": labelled}
    written = scores.map("{:.3f}".format).where(pd.DataFrame(defined, index=scores.index), "none")
    blocks = [confusion_table(counts), written.rename_axis("class").reset_index()]
    if labelled.all():
        recall = scores.loc["FAKE", "recall"]
        alarms = 1 - scores.loc["REAL", "recall"]
        swept = sweep(table)
        curves = [
            Curve("guessing", (0, 1), (0, 1), GREY, "2 4"),
            Curve("all thresholds", swept.false_positive_rate, swept.true_positive_rate, CURVE),
            Curve("the run's threshold", [alarms], [recall]),
        ]
        axes = "false-positive rate (REAL called FAKE)", "true-positive rate (FAKE called FAKE)"
        alt = f"ROC curve; at the run's threshold {recall:.1%} of FAKE and {alarms:.1%} of REAL are called FAKE."
        blocks.append(curve_chart(curves, *axes, alt=alt, caption="ROC curve."))
        bins = calibration(table)[["confidence", "accuracy", "low", "high"]].map(percent)
        intervals = bins["accuracy"] + " (" + bins["low"] + " to " + bins["high"] + ")"
        blocks.append(pd.DataFrame({"Confidence": bins["confidence"], "Accuracy (calibration)": intervals}))
    judged = judged_table(run)
    groups = {column: error_by(judged, column) for column in ("category", "source", "seen") if column in judged}
    if "source" in judged:
        means = means_by_source(judged)
    else:
        means = pd.DataFrame()
    if len(means):
        rates = ["Pooled error rate", "Macro mean"]
        blocks.append(means.astype({"Number": str, "Images": str}).assign(**means[rates].map(percent)))
    return blocks + [rates_table(rates, column) for column, rates in groups.items() if len(rates)]
