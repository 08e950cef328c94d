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
from core.findings.answer import MEANINGS, Word, answer_of, verdict_of
from core.findings.contrast import UNKNOWN, Control, Finding, Measure, Unit, find
from core.findings.numbers import format_measure
from core.findings.table import count_of, markdown
from core.homes import SHIPPED
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
TRAINED = (
    "probes.detail-FAKE", "probes.blocks-FAKE", "probes.place-FAKE", "probes.colour-FAKE", "bands.fine-FAKE",
    "bands.relative-FAKE",
)  # fmt: skip
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
    runs = {name: _studies_of(shipped[name]) for name in RUNS}
    by_detector = {name.partition("@")[0]: read for name, read in runs.items()}
    parts = [
        "# Results",
        "Written by `telltale findings --write docs/results.md` from the runs that ship, on CIFAKE's official test "
        "set; `results.csv` beside this file has every number with its interval, under every choice that was tried.",
        "An effect is compared with its strongest control. "
        + " ".join(f"*{word.capitalize()}*: {meaning}." for word, meaning in MEANINGS.items()),
        "## How good the detectors are",
        markdown(quality([run for run, _ in runs.values()])),
        "## How much can be told from small patches",
        "Detectors whose margin is the mean of the scores of patches, and `swift`, which sees the whole image.",
        markdown(patches()),
        "## On other images",
        "Shares of right verdicts.",
        markdown(comparison.elsewhere(by_detector)),
    ]
    for name, path in find_results().items():
        parts += [f"## What can be learned from one cue alone: {name}", markdown_table(read_results(path))]
    for study in STUDIES:
        findings = {name: studies[study].findings for name, (_, studies) in by_detector.items() if study in studies}
        if findings and study not in COUNTS:
            declared = find_study(study)
            parts += [f"## {declared.title}", declared.question, markdown(across(findings))]
    spread = trainings({name: studies for name, (_, studies) in by_detector.items()})
    if len(spread):
        text = "Effect against its strongest control, in the detector that ships and in others of the same recipe."
        parts += ["## Other trainings", text, markdown(spread)]
    first, *rest = (run for run, _ in runs.values())
    pairs = {run.name: comparison.conclude(comparison.pair_of(first, run)) for run in rest}
    compared = {name.partition("@")[0]: findings for name, findings in pairs.items()}
    beside = across(compared).rename(columns={"control": next(iter(compared)), next(iter(compared)): "swift"})
    parts += ["## `swift` and each other detector", markdown(beside)]
    every = [contrast_rows(name, finding) for name, (_, studies) in by_detector.items()
             for result in studies.values() for finding in result.findings]  # fmt: skip
    every += [contrast_rows(f"swift and {name}", finding) for name, of in compared.items() for finding in of]
    return "\n\n".join(parts) + "\n", pd.concat(every, ignore_index=True)


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
            "says": verdict_of(finding, contrast), "answer": str(answer_of(finding)),
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows).round(6)


def quality(runs: Sequence[Run]) -> pd.DataFrame:
    """Lay out how good the detectors of some runs are, below the paper's numbers; all cells are text."""
    named = [("the paper", PAPER, None)]
    for run in runs:
        every, clean = (run.manifest["metrics"][name] for name in ("all", "clean"))
        named.append((f"`{run.manifest['detector']}`", every if every["images"] else {}, clean.get("accuracy")))
    return pd.DataFrame([[name, *_numbers(metrics, clean)] for name, metrics, clean in named], columns=list(QUALITY))


def patches() -> pd.DataFrame:
    """Lay out how right the shipped detectors of patches are, from the smallest patches to `swift`."""
    detectors, _ = identify_all(find_detectors((SHIPPED,)))
    sides = {handle.about.config["field"]: name for name, handle in detectors.items() if handle.about.kind == "patch"}
    rows = []
    for side, name in [*sorted(sides.items()), ("all 32", "swift")]:
        manifest = detectors[name].manifest
        metrics = read_run(SHIPPED / "runs" / f"{name}@{SET}").manifest["metrics"]
        held_out = manifest["history"][-1]["val_accuracy"]
        shares = [metrics["all"]["accuracy"], *(metrics["all"]["per_class"][of]["recall"] for of in ("FAKE", "REAL"))]
        accuracies = [f"{share:.4f}" for share in (held_out, *shares)]
        rows.append((f"{side} pixels a side", f"`{name}`", f"{manifest['parameters']:,}", *accuracies))
    columns = ["patches of", "detector", "weights", "held out", "test", "recall (FAKE)", "recall (REAL)"]
    return pd.DataFrame(rows, columns=columns)


def _numbers(metrics: Mapping[str, Any], clean: float | None) -> list[str]:
    def rounded(value: float | None, digits: int = 4) -> str:
        # with no more digits than were stated
        return "" if value is None else min(f"{value:g}", f"{value:.{digits}f}", key=len)

    if "confusion" not in metrics:
        return [""] * (len(QUALITY) - 1)
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    classes = (metrics["per_class"][name] for name in ("FAKE", "REAL"))
    scores = (" / ".join(rounded(of[name], 3) for name in ("precision", "recall", "f1")) for of in classes)
    ends = (rounded(metrics.get(name)) for name in ("auroc", "ece"))
    return [rounded(metrics.get("accuracy")), rounded(clean), *scores, f"{fake_real:,}", f"{real_fake:,}", *ends]


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
