"""The page of a report: what a run, or a selection of it, comes to. One HTML file without script or network."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.detectors.identity import find_maker, identify_all
from core.findings.words import tell
from core.metrics.classification import calibration, class_scores, confusion_at, error_by, is_right, largest, sweep
from core.metrics.intervals import wilson_interval
from core.report import figures
from core.report.figures import Drawn
from core.report.parts import bullets, figure, limits, listed, page, percent, section, sentence, table_of
from core.report.selection import Selection, selection_report
from core.report.settings import settings
from core.runs.finding import HOMES, find_detectors
from core.runs.paper import PAPER
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.probes.summary import ranking, read_turns, responses
from core.studies.store import find_studies
from core.studies.study import Answer
from core.studies.trust.summary import agreement_summary, excess, one_colour_summary
from core.system.atomic import write_bytes_atomically
from core.system.folders import ContractError

# what a reader asks first; studies of other names come after these
ORDER = (
    "probes", "transfer", "neighbours", "clusters", "faithfulness", "agreement", "stability", "sanity", "one_colour",
    "audit", "duplicates", "files",
)  # fmt: skip


def report_of(
    run: Run,
    *,
    detector: Mapping[str, Any] | None = None,
    answers: Mapping[str, Answer] | None = None,
    problems: Sequence[str] = (),
    table: pd.DataFrame | None = None,
    selection: Selection | None = None,
    pictures: Pictures | None = None,
) -> str:
    """The HTML of the report of a run, or of a selection of its images.

    Args:
        run: what is reported.
        detector: manifest of the detector that made it, for its training and settings.
        answers: the run's studies (`core.studies.store.find_studies`).
        problems: sentences about studies that could not be read.
        table: from `core.runs.browsing.browse_table`, which has the columns of studies too; the run's own rows when
            None.
        selection: the images it is about; all of them when None.
        pictures: where the selection's pixels are.
    """
    if selection is None:
        return run_report(run, detector=detector, answers=answers or {}, problems=problems)
    return selection_report(run, run.predictions if table is None else table, selection, pictures=pictures)


def save_report(path: Path, run: Run, **parts: Any) -> None:
    """Write the report that `report_of` makes, whole or not at all, into an HTML file."""
    text = report_of(run, **parts)
    write_bytes_atomically(path, lambda file: _write(file, text))


def gather(run: Run, homes: tuple[Path, ...] = HOMES) -> dict[str, Any]:
    """What `report_of` is told of a run beside its verdicts: `detector`, `answers` and `problems`, read from disk.

    Args:
        run: what is reported.
        homes: folders that hold detectors/.
    """
    found = find_studies(run)
    # a report is sent on: it names files from the run's folder on
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
    run: Run, *, detector: Mapping[str, Any] | None, answers: Mapping[str, Answer], problems: Sequence[str] = ()
) -> str:
    """The HTML of a whole run; every number is read from the run and its studies."""
    manifest = run.manifest
    metrics = manifest["metrics"]["all"]
    if not metrics["images"]:
        return page(run, f"{run.name}: a run without images", ["The run holds no image; nothing was measured."], "")
    body = "".join(
        [
            section("How good it is", *_quality(run, detector)),
            _studies(run, answers, problems),
            section("What this report cannot say", bullets(limits(run))),
            section("Settings and hashes", settings(run, detector, answers)),
        ]
    )
    return page(run, f"{manifest['detector']} on {manifest['set']}", _lead(run, answers), body)


def _lead(run: Run, answers: Mapping[str, Answer]) -> list[str]:
    metrics, manifest = run.manifest["metrics"]["all"], run.manifest
    wrong = metrics["images"] - round(metrics["accuracy"] * metrics["images"])
    low, high = wilson_interval(metrics["images"] - wrong, metrics["images"])
    (_, passed), (accused, _) = metrics["confusion"]
    lead = [
        f"It is right on {percent(metrics['accuracy'])} of {metrics['images']:,} images ({percent(float(low))} to "
        f"{percent(float(high))}).",
        f"{passed:,} generated images pass as photographs; {accused:,} photographs are called generated.",
        f"{_leaks(run)} and {manifest['repeats']:,} are copies of another; " + _without(manifest["metrics"]["clean"]),
    ]
    # what each study found first is its most telling
    first = (tell(found).whole for answer in answers.values() for found in answer.findings[:1])
    return [*map(sentence, lead), *map(sentence, first)]


def _leaks(run: Run) -> str:
    if not run.leaks_checked:
        return "Whether images were also in its training set was not checked"
    return f"{run.manifest['leaked']:,} of the images were also in its training set"


def _without(kept: Mapping[str, Any]) -> str:
    return (
        f"without them it is right on {percent(kept['accuracy'])}."
        if kept["images"]
        else "nothing is left without them."
    )


def _quality(run: Run, detector: Mapping[str, Any] | None) -> list[str]:
    table = run.predictions
    counts = confusion_at(table)
    drawn = [figures.confusion(counts)]
    scores = class_scores(counts)
    parts = []
    if counts.sum(axis=1).all():
        caption = (
            "What another threshold would give. The nearer the curves come to the upper left (ROC) and upper right "
            "(precision) corner, the better; the dot is the run's threshold."
        )
        drawn.append(
            figures.curves(
                sweep(table),
                caught=scores.loc["FAKE", "recall"],
                accused=1 - scores.loc["REAL", "recall"],
                precision=scores.loc["FAKE", "precision"],
                caption=caption,
            )
        )
    parts.append(table_of(["Class", "Precision", "Recall", "F1"], _score_rows(scores)))
    caption = "Whether its confidence can be believed: if so, the points lie on the dotted line."
    drawn.append(figures.calibration(calibration(table), caption=caption))
    found = error_by(table, "category")
    if len(found):
        wrong = float(1 - is_right(table).mean())
        caption = "Where it fails. The lines are 95% intervals: where two overlap, the difference may be chance."
        drawn.append(figures.rates(largest(found), overall=wrong, caption=caption + _of_all(found)))
    if detector and detector.get("history"):
        caption = "How it was trained: right verdicts after each pass over the training images."
        drawn.append(figures.training(list(detector["history"]), caption=caption))
    return [figure(drawn[0]), *parts, *map(figure, drawn[1:])]


def _of_all(found: pd.DataFrame) -> str:
    """What is said where only the largest categories are drawn."""
    shown, of = len(largest(found)), len(found)
    return f" Drawn are the {shown} of {of:,} categories that have the most images." if shown < of else ""


def _score_rows(scores: pd.DataFrame) -> list[list[str]]:
    return [
        [str(name), f"{row['precision']:.3f}", f"{row['recall']:.3f}", f"{row['f1']:.3f}"]
        for name, row in scores.iterrows()
    ]


def _studies(run: Run, answers: Mapping[str, Answer], problems: Sequence[str]) -> str:
    parts = []
    for answer in answers.values():
        about = answer.about
        parts.append(f"<h3>{html.escape(about['title'])}</h3><p>{html.escape(about['question'])}</p>")
        parts.append(bullets(tell(one).full for one in answer.findings))
        parts += [figure(drawn) for drawn in _study_figures(run, answer)]
        parts.append(
            f'<p class="note">{about["images"]:,} images. Compared with: {html.escape(about["control"])} Settings: '
            f"{html.escape(listed(about['parameters']))}.</p>"
        )
    parts += [f'<p class="note">{html.escape(problem)}</p>' for problem in problems]
    if not parts:
        parts.append("<p>No study has been made of this run.</p>")
    return section("What the studies found", *parts)


def _study_figures(run: Run, answer: Answer) -> list[Drawn]:
    table, name = answer.table, answer.about["study"]
    if name == "probes":
        rates = responses(read_turns(run, table, answer.about["parameters"]))
        found = {verdict: ranking(rates, verdict=verdict) for verdict in ("FAKE", "REAL")}
        caption = (
            "What turns verdicts: the change that turns the most for its size on top. The upright tick is the control, "
            "a change of the same size that leaves the named thing alone; what does not pass it says nothing."
        )
        return [figures.ranking({key: one for key, one in found.items() if len(one)}, caption=caption)]
    if name == "faithfulness":
        found = excess(table, run)
        found = found[found["fill"] == "unseen"].assign(
            name=found["method"].map({"gradcam": "Grad-CAM", "lime": "LIME"})
        )
        caption = (
            "How much better each explanation finds what the verdict rests on than the best order that knows nothing "
            "of it. Right of 0 it is better."
        )
        return [figures.estimates(found, unit="excess over the best control, in margins", caption=caption)]
    if name == "agreement":
        caption = "Rank correlation between Grad-CAM and LIME, and what maps of other images reach by chance."
        return [figures.estimates(agreement_summary(table, run), unit="rank correlation", caption=caption)]
    if name == "one_colour":
        caption = (
            "How often LIME shows one colour only, under the paper's settings and under ours. The paper: "
            f"{PAPER['author']}, {PAPER['title']} ({PAPER['link']})."
        )
        return [figures.estimates(one_colour_summary(table, run), unit="share of images", caption=caption, zero=False)]
    return []


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
