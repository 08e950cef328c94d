"""docs/results.md and README's table: what the studies of the shipped runs found, as Markdown and as a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from core.answers import comparison
from core.cues.cues import find_results, markdown_table, read_results
from core.detectors.identity import identify_all
from core.findings.answer import MEANINGS, Word, answer_of, ruling_of
from core.findings.contrast import UNKNOWN, Control, Finding, Measure, Unit, find
from core.findings.numbers import format_measure
from core.findings.table import count_of, markdown
from core.homes import SHIPPED
from core.images.labels import CLASSES
from core.report import ordinary
from core.runs.folders import find_detectors, find_named, find_runs
from core.runs.metrics import ECE_BINS, PAPER
from core.runs.run import Run, read_run
from core.storage.atomic import write_bytes_atomically, write_text
from core.studies.registry import STUDIES, find_study, present_name
from core.studies.store import StudyResult, find_studies
from core.studies.study import StudyError

# the runs of docs/results.md; the first is told in full and is README's
SET = "cifake-test"
RUNS = tuple(f"{name}@{SET}" for name in ("swift", "strong", "robust", "paper", "masked", "patch", "patch17"))
# the rows of README's table
CHOSEN = ("probes.detail-FAKE", "out_of_distribution.imitations", "faithfulness.lime-FAKE", "agreement.rank-FAKE")
# the claims whose spread over trainings of the same recipe is shown
TRAINED = ("probes.detail-FAKE", "probes.blocks-FAKE", "probes.place-FAKE", "bands.relative-FAKE")
# studies whose findings are counts, or of one statistic each: only in the table of all
COUNTS = ("audit", "duplicates", "files", "clusters", "neighbours")
BLOCK = re.compile(r"(<!-- findings -->\n).*?(<!-- end -->)", re.DOTALL)
QUALITY = (
    "", "accuracy", "without leaks and repeats", "FAKE precision / recall / F1", "REAL precision / recall / F1",
    "FAKE called REAL", "REAL called FAKE", "AUROC", f"calibration error ({ECE_BINS} bins)",
)  # fmt: skip


def write_results(file: Path) -> None:
    """Write docs/results.md, and beside it a .csv with every contrast."""
    text, table = results()
    write_text(file, text)
    write_bytes_atomically(file.with_suffix(".csv"), lambda path: table.to_csv(path, index=False))


def insert_findings(file: Path) -> None:
    """Put the table of the most important findings between the marks in a Markdown file."""
    rows = markdown(brief_table(gather(RUNS[0], CHOSEN)))
    text = BLOCK.sub(lambda block: f"{block[1]}\n{rows}\n\n{block[2]}", file.read_text(encoding="utf-8"))
    write_text(file, text)


def gather(name: str, studies: Sequence[str] = ()) -> list[Finding]:
    """Read all findings of a run, or only the named ones, in the order of the names.

    Args:
        name: of the run, or its folder.
        studies: names of studies, or of findings as `<study>.<key>`; a pattern with * may match nothing.

    Raises:
        ValueError: there is no such run or study, or one cannot be read.
    """
    _, stored = _studies_of(find_named(name, find_runs(), "run"))
    every = {f"{key}.{finding.key}": finding for key, result in stored.items() for finding in result.findings}
    chosen: list[Finding] = []
    for pattern in studies:
        study, dot, key = pattern.partition(".")
        wanted = f"{present_name(study)}{dot}{key}"
        matching = [finding for key, finding in every.items() if finding.study == wanted or fnmatchcase(key, wanted)]
        if not matching and "*" not in wanted:
            there = ", ".join(stored) or "no study"
            raise StudyError(f"{name} has no study or finding {wanted}; it has {there}")
        chosen += matching
    return chosen if studies else list(every.values())


def brief_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Lay findings out for a reader in three columns of text: the claim, the effect against its control, the answer."""
    rows = []
    for finding in findings:
        claim = finding.question
        if finding.subject and finding.subject not in claim:
            claim = f"{claim} *{finding.subject}*"
        rows.append((claim, _effect(finding), f"**{answer_of(finding)}**"))
    return pd.DataFrame(rows, columns=["Question", "Effect against its strongest control", "Answer"])


def _effect(finding: Finding) -> str:
    text = _short(finding.measure, finding.about.unit)
    if finding.control is not None:
        text = f"{text} against {_short(finding.control.measure, finding.about.unit)}, {finding.control.name}"
    count = count_of(finding.main)
    return f"{text} (n = {count})" if count else text


def _short(measure: Measure, unit: Unit) -> str:
    return format_measure(replace(measure, low=nan, high=nan), unit)


def results() -> tuple[str, pd.DataFrame]:
    """Lay out what the shipped runs found: as Markdown for a person, and as a table of every contrast."""
    shipped = find_runs((SHIPPED,))
    read = {name.partition("@")[0]: _studies_of(shipped[name]) for name in RUNS}
    runs = {name: run for name, (run, _) in read.items()}
    studies = {name: stored for name, (_, stored) in read.items()}
    compared = _compared(list(runs.values()))
    parts = [
        *_introduction(runs, read),
        *_about_cues(),
        *_about_studies(studies),
        *_about_trainings(studies),
        *_about_comparisons(compared),
    ]
    return "\n\n".join(parts) + "\n", _all_contrasts(studies, compared)


def _introduction(runs: Mapping[str, Run], read: Mapping[str, tuple[Run, Mapping[str, StudyResult]]]) -> list[str]:
    """Say what the document is, and how good the detectors are, on CIFAKE and elsewhere."""
    meanings = " ".join(f"*{word.capitalize()}*: {meaning}." for word, meaning in MEANINGS.items())
    return [
        "# Results",
        "Written by `telltale findings --write docs/results.md` from the runs that ship, on CIFAKE's official test "
        "set; `results.csv` beside this file has every number with its interval, under every choice that was tried.",
        f"An effect is compared with its strongest control. {meanings}",
        "## How good the detectors are",
        markdown(quality(list(runs.values()))),
        "## How much can be told from small patches",
        "Detectors whose margin is the mean of the scores of patches, and `swift`, which sees the whole image.",
        markdown(patches()),
        "## On other images",
        "Shares of right verdicts.",
        markdown(comparison.elsewhere(read)),
        *ordinary.sections(),
    ]


def _about_cues() -> list[str]:
    """Say what networks learn from versions of an image set that keep one cue."""
    parts = []
    for name, path in find_results().items():
        parts += [f"## What can be learned from one cue alone: {name}", markdown_table(read_results(path))]
    return parts


def _about_studies(studies: Mapping[str, Mapping[str, StudyResult]]) -> list[str]:
    """Lay out the findings of each study but those of `COUNTS`."""
    parts = []
    for study in STUDIES:
        findings = {name: stored[study].findings for name, stored in studies.items() if study in stored}
        if findings and study not in COUNTS:
            declared = find_study(study)
            parts += [f"## {declared.title}", declared.question, markdown(across(findings))]
    return parts


def _about_trainings(studies: Mapping[str, Mapping[str, StudyResult]]) -> list[str]:
    """Lay out the main claims over several trainings, where there are any."""
    spread = trainings(studies)
    if not len(spread):
        return []
    text = "Effect against control, in the detector that ships and two others of its recipe."
    return ["## Other trainings", text, markdown(spread)]


def _compared(runs: Sequence[Run]) -> dict[str, list[Finding]]:
    """Compare the first detector with each other one: findings by the other's name."""
    first, *rest = runs
    compared = {}
    for run in rest:
        name = run.name.partition("@")[0]
        compared[name] = comparison.conclude(comparison.pair_of(first, run))
    return compared


def _about_comparisons(compared: Mapping[str, Sequence[Finding]]) -> list[str]:
    """Lay out the findings of `_compared`."""
    second = next(iter(compared))
    beside = across(compared).rename(columns={"control": second, second: "swift"})
    return ["## `swift` and each other detector", markdown(beside)]


def _all_contrasts(
    studies: Mapping[str, Mapping[str, StudyResult]], compared: Mapping[str, Sequence[Finding]]
) -> pd.DataFrame:
    """Lay out every contrast of every finding."""
    tables = []
    for name, stored in studies.items():
        for result in stored.values():
            tables += [contrast_rows(name, finding) for finding in result.findings]
    for name, findings in compared.items():
        tables += [contrast_rows(f"swift and {name}", finding) for finding in findings]
    return pd.concat(tables, ignore_index=True)


def across(findings: Mapping[str, Sequence[Finding]]) -> pd.DataFrame:
    """Lay out what one detector's findings answer, and which other detectors answer otherwise.

    Args:
        findings: of each detector, by name; numbers are those of the first.
    """
    first, *others = findings
    rows = []
    question = ""
    for finding in findings[first]:
        if finding.control is None:
            # a number only, which is in the table of all
            continue
        unit = finding.about.unit
        answer = answer_of(finding).word
        # a question of several methods stands once
        shown = "" if finding.question == question else finding.question
        question = finding.question
        rows.append((
            shown, " ".join(filter(None, (finding.subject, finding.group))), _short(finding.measure, unit),
            _short(finding.control.measure, unit), count_of(finding.main), answer,
            _otherwise(finding.key, answer, {name: findings[name] for name in others}),
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=["question", "of", first, "control", "n", "answer", "otherwise"])


def trainings(studies: Mapping[str, Mapping[str, StudyResult]]) -> pd.DataFrame:
    """Lay out the main claims of detectors that were trained several times: effect against control in each.

    Args:
        studies: of each detector, by name.
    """
    rows = []
    for name, of in studies.items():
        for key in TRAINED:
            study, _, finding_key = key.partition(".")
            finding = None if study not in of else of[study].finding(finding_key)
            others = [] if finding is None else [other for other in finding.choices if other.kind == "training"]
            if finding is None or not others:
                continue
            texts = []
            for contrast in (finding.main, *others):
                text = _short(contrast.measure, finding.about.unit)
                if contrast.control is not None:
                    text += f" against {_short(contrast.control.measure, finding.about.unit)}"
                texts.append(text)
            row = {"claim": finding.question, "detector": name, "first": texts[0]}
            row |= {f"training {number}": text for number, text in enumerate(texts[1:], 2)}
            rows.append(row | {"answer": str(answer_of(finding))})
    return pd.DataFrame(rows).fillna("")


def _otherwise(key: str, answer: Word, findings: Mapping[str, Sequence[Finding]]) -> str:
    """List the detectors whose finding of this key has another answer: "no: robust; depends: paper"."""
    by_word: dict[Word, list[str]] = {}
    for name, of in findings.items():
        finding = find(of, key)
        if finding is not None:
            by_word.setdefault(answer_of(finding).word, []).append(name)
    by_word.pop(answer, None)
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items())


def contrast_rows(name: str, finding: Finding) -> pd.DataFrame:
    """Lay out every contrast of a finding, a row each, for a file; numbers are in the unit that the row names.

    Args:
        name: of the detector or run.
        finding: the finding.
    """
    rows = []
    for number, contrast in enumerate(finding.contrasts):
        control = contrast.control or Control("", UNKNOWN)
        measures = {
            "effect": contrast.measure,
            "control": control.measure,
            "difference": contrast.difference or UNKNOWN,
        }
        row: dict[str, Any] = {
            "detector": name, "study": finding.study, "finding": finding.key, "question": finding.question,
            "group": finding.group, "subject": finding.subject, "unit": finding.about.unit, "is_main": not number,
            "choice": contrast.kind, "value": contrast.value, "control_name": control.name,
        }  # fmt: skip
        for measure_name, measure in measures.items():
            row |= {
                measure_name: measure.value,
                f"{measure_name}_low": measure.low,
                f"{measure_name}_high": measure.high,
            }
        row |= {
            "images": contrast.n, "sources": contrast.measure.sources, "least": finding.least,
            "says": ruling_of(finding, contrast), "answer": str(answer_of(finding)),
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows).round(6)


def quality(runs: Sequence[Run]) -> pd.DataFrame:
    """Lay out how good the detectors of some runs are, below the paper's numbers; all cells are text."""
    named = [("the paper", PAPER, None)]
    for run in runs:
        metrics = run.manifest["metrics"]
        named.append((f"`{run.manifest['detector']}`", metrics["all"], metrics["clean"].get("accuracy")))
    return pd.DataFrame([[name, *_numbers(metrics, clean)] for name, metrics, clean in named], columns=list(QUALITY))


def patches() -> pd.DataFrame:
    """Lay out how right the shipped detectors of patches are, from the smallest patches to `swift`."""
    detectors, _ = identify_all(find_detectors((SHIPPED,)))
    sides = {handle.about.config["field"]: name for name, handle in detectors.items() if handle.about.kind == "patch"}
    rows = []
    for side, name in [*sorted(sides.items()), ("all 32", "swift")]:
        manifest = detectors[name].manifest
        metrics = read_run(SHIPPED / "runs" / f"{name}@{SET}").manifest["metrics"]["all"]
        recalls = [metrics["per_class"][class_name]["recall"] for class_name in CLASSES]
        shares = [manifest["history"][-1]["val_accuracy"], metrics["accuracy"], *recalls]
        texts = [f"{share:.4f}" for share in shares]
        rows.append((f"{side} pixels a side", f"`{name}`", f"{manifest['parameters']:,}", *texts))
    columns = ["patches of", "detector", "weights", "held out", "test", "recall (FAKE)", "recall (REAL)"]
    return pd.DataFrame(rows, columns=columns)


def _numbers(metrics: Mapping[str, Any], clean: float | None) -> list[str]:
    """Write the cells of `QUALITY` after the name; all are empty without a label."""
    if "confusion" not in metrics:
        return [""] * (len(QUALITY) - 1)
    scores = []
    for name in CLASSES:
        own = metrics["per_class"][name]
        scores.append(" / ".join(_rounded(own[score], 3) for score in ("precision", "recall", "f1")))
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    return [
        _rounded(metrics.get("accuracy")),
        _rounded(clean),
        *scores,
        f"{fake_real:,}",
        f"{real_fake:,}",
        _rounded(metrics.get("auroc")),
        _rounded(metrics.get("ece")),
    ]


def _rounded(value: float | None, digits: int = 4) -> str:
    """Write a number with no more digits than were stated; "" for none."""
    if value is None:
        return ""
    return min(f"{value:g}", f"{value:.{digits}f}", key=len)


@cache
def _studies_of(path: Path) -> tuple[Run, dict[str, StudyResult]]:
    """Read a run and its studies.

    Raises:
        ValueError: one of them cannot be read.
    """
    run = read_run(path)
    studies, problems = find_studies(run)
    if problems:
        raise StudyError(problems[0])
    return run, studies
