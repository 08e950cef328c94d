"""The study `audit`: which shortcuts the data offer, and whether the detector relies on them.

Each image statistic is given its best chance: a rule that may use it in any way, fitted to the training images (or,
where they are not available, cross-fitted on the run's own) and tested on the run's. It is compared with the same rule
after shuffling the labels, two logistic regressions on a few numbers, and the network itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_share
from core.findings.separation import RULE_BINS
from core.runs.run import Run
from core.studies.audit_rows import (
    ENDS,
    baseline_rows,
    leak_row,
    network_row,
    radial_spectrum,
    ring_rows,
    statistic_row,
    training_copies,
)
from core.studies.audit_summary import STATISTIC_NAMES, worst_first
from core.studies.splits import compressions, links_of, own_part, training_part
from core.studies.study import Context, Study, StudyError

Row: TypeAlias = "pd.Series[Any]"
SHUFFLED, EVERY = "shuffled labels", "all images"
# greyness from which an image counts as grey: JPEG seldom leaves a grey image exactly grey
GREY = 0.99
# choices of the rule by which a number separates the classes
FITTED, RANK = f"{RULE_BINS} fitted bins", "rank"

COLUMNS = {
    "kind": "fact; ring (of the radial power spectrum); leak (copies of training images); baseline (a logistic "
    "regression); network (the detector); or copies (among the training images)",
    "name": "of the fact, ring, baseline or count",
    "images": "how many images it rests on",
    "count": "of copies: how many images",
    "other_class": "of copies: how many of them copy an image of the other class",
    "fitted": "how many training images a rule or regression was fitted on; 0 where they were not at hand and each "
    "image was judged by the others of its set",
    "values": "of a fact in words: how many values there are",
    **{
        f"{part}_{name}": f"{words} of the fact over {name.upper()} images"
        for name in ("real", "fake")
        for part, words in (("lower", "lower quartile"), ("median", "median"), ("upper", "upper quartile"))
    },
    "direct": "of a number: how often a REAL image has the higher value than a FAKE one, 0 to 1",
    "auroc": "how often a REAL image looks more REAL than a FAKE one by this alone, used in the best way, "
    "0.5 (guessing) to 1",
    "shuffled": "the same after labels were shuffled: the control, about 0.5",
    "accuracy": "share of right verdicts by this alone, 0 to 1",
    "matched_auroc": "the detector's AUROC among images that are alike in the fact, or that have no copy, 0 to 1",
    "matched_accuracy": "mean of the detector's recalls among the same images, 0 to 1",
    "lean": "rank correlation of the detector's margin with what the fact says, within a class, -1 to 1",
}
ESTIMATED = ("direct", "auroc", "shuffled", "accuracy", "matched_auroc", "matched_accuracy", "lean")
COLUMNS |= {f"{name}{end}": "an end of its 95 % interval" for name in ESTIMATED for end in ENDS[1:]}

HEADLINES: Headlines = {
    "fact.*": {
        "question": "Does this image statistic alone tell REAL from FAKE?",
        "holds": "It says something about the class.",
        "not shown": "Not shown to say anything about the class.",
        "no control": "All images have the same value.",
    },
    "leak": {
        "question": "Does remembering the training images tell REAL from FAKE?",
        "subject": "copies in the training set",
        "holds": "Copies in the training set give the class of some images away.",
        "not shown": "Not shown that copies in the training set give classes away.",
    },
    "grey": {
        "question": "Is one class grey more often than the other?",
        "holds": "One class is grey more often than the other.",
    },
    "baseline.spectrum": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of the spectrum",
        "holds": "The strengths of frequencies alone tell the classes apart.",
    },
    "baseline.*": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of image statistics",
        "holds": "Simple image statistics tell the classes apart.",
    },
    "lean.*": {
        "question": "Does the detector need this image statistic?",
        "holds": "It does better where this statistic cannot help.",
        "holds below": "It does worse where this statistic cannot help.",
        "not shown": "Not shown that the detector needs this statistic.",
    },
    "ring": {
        "question": "Which ring of the spectrum differs most between the classes?",
        "no control": "Descriptive only: the ring that differs most.",
    },
    "training.*": {
        "question": "How many images have a copy in the training set?",
        "no control": "A count, which has no control.",
    },
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Measure a row a statistic, ring, baseline and count of copies, and one for the network.

    Raises:
        StudyError: `rows` are not the whole run, or a class has fewer than two images to fit a regression to.
    """
    if len(rows) < len(context.run):
        raise StudyError("the audit is of a whole set, because a copy may be anywhere in it; leave --images out")
    own, training, seed = own_part(context), training_part(context), int(parameters["seed"])
    margins = context.run.predictions["margin"].to_numpy(np.float64)
    links = links_of(context, own, training)
    table = [network_row(margins, own.is_real)]
    if training is not None:
        table += [leak_row(links, own, training, margins, seed=seed), *training_copies(links, training)]
    context.report(0.6, "how files were compressed")
    statistics, learned = (
        None if part is None else part.rows.assign(compression=pd.Series(compressions(context, part), dtype=object))
        for part in (own, training)
    )
    for number, name in enumerate(STATISTIC_NAMES):
        context.report(0.75 + 0.01 * number, name)
        if row := statistic_row(name, statistics, margins, training=learned, seed=seed):
            table.append(row)
    context.report(0.85, "spectra")
    spectra = radial_spectrum(own.pixels)
    table += [*ring_rows(spectra, own.is_real), *baseline_rows(own, training, spectra, seed=seed)]
    return pd.DataFrame(table).reindex(columns=list(COLUMNS))


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Findings `fact.<name>` and `leak` worst first; `grey`, `baseline.<name>`, `lean.<name>`, `ring`, `training.*`."""
    rows = {kind: [row for _, row in part.iterrows()] for kind, part in table.groupby("kind", sort=False)}
    alone = [row for _, row in worst_first(table).iterrows()]
    everything = Control(EVERY, _measure(rows["network"][0], "auroc"))
    strongest = max(rows["ring"], key=lambda row: abs(row["direct"] - 0.5))
    findings = [_cue(row) for row in alone]
    if any(row["name"] == "greyness" for row in alone):
        findings += grey_finding(run)
    for row in rows["baseline"]:
        control = Control(SHUFFLED, _measure(row, "shuffled"))
        findings.append(
            Finding(f"baseline.{row['name']}", "audit", "cue_auroc", _measure(row, "auroc"), control=control)
        )
    for row in alone:
        # how the detector does where a statistic, or a copy, cannot help it. Matched pairs are fewer than the images,
        # and the file does not say how many
        matched = replace(_measure(row, "matched_auroc"), n=0)
        details = _title(row)
        findings.append(
            Finding(f"lean.{row['name']}", "audit", "matched_auroc", matched, control=everything, details=details)
        )
    details = {"ring": int(strongest["name"])}
    findings.append(Finding("ring", "audit", "ring_auroc", _measure(strongest, "direct"), details=details))
    for row in rows.get("copies", ()):
        images, details = int(row["images"]), _copied(row)
        findings.append(
            Finding(row["name"], "audit", "copies", Measure(details["count"] / images, n=images), details=details)
        )
    return findings


def _copied(row: Row) -> dict[str, int]:
    return {name: int(row[name]) for name in ("count", "other_class")}


def _measure(row: Row, name: str) -> Measure:
    value, low, high = (float(row[name + end]) for end in ENDS)
    return Measure(value, low, high, int(row["images"]))


def _title(row: Row) -> dict[str, Any]:
    """The details that name a statistic; none for a leak."""
    return {} if row["kind"] == "leak" else {"title": STATISTIC_NAMES[row["name"]].title}


def _cue(row: Row) -> Finding:
    """How well a statistic, or remembering the training images, separates the classes alone."""
    measure, control, details = _measure(row, "auroc"), Control(SHUFFLED, _measure(row, "shuffled")), _title(row)
    if row["kind"] == "leak":
        return Finding("leak", "audit", "cue_auroc", measure, control=control, details=_copied(row))
    key = f"fact.{row['name']}"
    if row["values"] == 1:
        return Finding(key, "audit", "cue_auroc", Measure(0.5, 0.5, 0.5, measure.n), details=details)
    if not STATISTIC_NAMES[row["name"]].is_number:
        return Finding(key, "audit", "cue_auroc", measure, control=control, details=details)
    direct = ranked = _measure(row, "direct")
    if direct.value < 0.5:
        ranked = Measure(1 - direct.value, 1 - direct.high, 1 - direct.low, direct.n)
    choices = (
        Choice("rule", FITTED, measure, control),
        Choice("rule", RANK, ranked, Control("guessing", Measure(0.5))),
    )
    return Finding(key, "audit", "cue_auroc", measure, control=control, choices=choices, details=details)


def grey_finding(run: Run) -> list[Finding]:
    """Compare how many images of each class are grey all over or nearly; nothing where a class has none."""
    grey = run.predictions["greyness"].to_numpy() >= GREY
    labels = run.predictions["label"].astype(str).to_numpy()
    parts = {label: grey[labels == label] for label in ("FAKE", "REAL")}
    if not all(part.any() for part in parts.values()):
        return []
    less, more = sorted(parts, key=lambda label: float(parts[label].mean()))
    shares = {label: Measure.of(weighted_share(part)) for label, part in parts.items()}
    return [Finding("grey", "audit", "grey_share", shares[more], more, Control(f"{less} images", shares[less]))]


STUDY = Study(
    name="audit",
    title="Audit of the data",
    question="What could be learned from this data that is not the point, and does the detector lean on it?",
    columns=COLUMNS,
    control="the same rules and regressions after the labels were shuffled",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"seed": 0},
    whole=True,
)
