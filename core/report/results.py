"""What the studies of the shipped runs found, for a person: docs/results.md and README's table.

docs/results.csv has every contrast.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pandas as pd

from core.answers import comparison
from core.cues import cues
from core.detectors.known import AS_IT_IS
from core.detectors.known import COUNTS as ORDINARY
from core.findings.answer import MEANINGS, Word, answer_of, ruling_of
from core.findings.contrast import UNITS, Contrast, Finding, Measure, Unit, find
from core.findings.numbers import format_difference, format_value
from core.findings.table import contrast_rows, count_of, markdown
from core.homes import SHIPPED
from core.report import render
from core.runs.folders import find_run, find_runs
from core.runs.metrics import ECE_BINS, PAPER
from core.runs.run import Run, read_run
from core.storage.atomic import write_bytes_atomically, write_text
from core.studies.former import present_name
from core.studies.store import StudyResult, find_studies
from core.studies.study import STUDIES, StudyError, find_study

# findings by detector
ByDetector = Mapping[str, Sequence[Finding]]
# the runs of docs/results.md; numbers are those of the first
SET = "cifake-test"
RUNS = tuple(f"{name}@{SET}" for name in ("swift", "strong", "robust", "paper", "masked", "patch", "patch17"))
# answers that can contradict another
CERTAIN = ("yes", "no", "depends")
# the claims whose spread over trainings of the same recipe is shown
TRAINED = ("probes.detail-FAKE", "probes.blocks-FAKE", "probes.place-FAKE", "bands.relative-FAKE")
# what stands only in the table of all: studies of counts, of one statistic each, or that all pass; most cues; a method;
# deliveries after which no detector is right a point less often
COUNTS = ("audit", "duplicates", "files", "clusters", "neighbours", "stability")
CUES = ("grey", "high-8", "low-8", "shuffle-4", "colour", "amplitudes", "patch-9")
LEFT_OUT = "gradcampp"
HARMLESS = ("JPEG 95", "JPEG 85", "JPEG 75", "WebP 80", "PNG")
# how well public detectors do on ordinary pictures: name of a delivery -> its words
DELIVERED = {
    AS_IT_IS: AS_IT_IS,
    "jpeg_85": "JPEG 85",
    "jpeg_75": "JPEG 75",
    "scale_50_box": "halved",
    "screenshot": "screenshot",
}
# what is replaced in README
BLOCK = re.compile(r"(<!-- findings -->\n).*?(<!-- end -->)", re.DOTALL)


def gather(name: str, studies: Sequence[str] = ()) -> list[Finding]:
    """Read all findings of a run, or only the named ones, in the order of the names.

    Args:
        name: of the run, or its folder.
        studies: names of studies, or of findings as `<study>.<key>`.

    Raises:
        ValueError: there is no such run or study, or one cannot be read.
    """
    _, stored = _studies_of(find_run(name))
    every = _by_name(stored)
    chosen = []
    for studied in studies:
        study, dot, key = studied.partition(".")
        wanted = f"{present_name(study)}{dot}{key}"
        matching = [finding for name, finding in every.items() if wanted in (finding.study, name)]
        if not matching:
            there = ", ".join(stored) or "no study"
            raise StudyError(f"{name} has no study or finding {wanted}; it has {there}")
        chosen += matching
    if studies:
        return chosen
    return list(every.values())


def insert_findings(file: Path) -> None:
    """Put the table of the most important findings between the marks in README."""
    run = RUNS[0]
    rows = render(
        "findings.md",
        detector=run.partition("@")[0],
        find=lambda key: gather(run, [key])[0],
        answer_of=answer_of,
        count_of=count_of,
        points_of=lambda value, unit: format_difference(Measure(value), unit),
        tally_of=_tally,
        value_of=format_value,
    )
    text = BLOCK.sub(lambda block: f"{block[1]}\n{rows}\n{block[2]}", file.read_text(encoding="utf-8"))
    write_text(file, text)


def _tally(finding: Finding) -> Counter[str]:
    """Count the choices of a finding by what they say."""
    rulings = [ruling_of(finding, contrast) for contrast in finding.contrasts]
    return Counter(ruling for ruling in rulings if ruling is not None)


def write_results(file: Path) -> None:
    """Write docs/results.md, and beside it a .csv with every contrast."""
    shipped = find_runs((SHIPPED,))
    read = {name.partition("@")[0]: _studies_of(shipped[name]) for name in RUNS}
    studies = {name: stored for name, (_, stored) in read.items()}
    (_, (first, _)), *others = read.items()
    compared = {name: comparison.conclude(comparison.pair_of(first, run)) for name, (run, _) in others}
    learned = {name: cues.conclude(cues.read_results(path)) for name, path in cues.find_results().items()}
    findings = {name: _by_name(stored) for name, stored in studies.items()}
    contrasts = _all_contrasts(
        {name: list(own.values()) for name, own in findings.items()}
        | {f"swift and {name}": pair for name, pair in compared.items()}
        | {f"networks of {name}": own for name, own in learned.items()}
    )
    tested = contrasts[contrasts["difference"].notna()]
    quality = {"the paper": PAPER}
    for name, path in shipped.items():
        if name.endswith(f"@{SET}"):
            manifest = read_run(path).manifest
            quality[f"`{manifest['detector']}`"] = manifest["metrics"]["all"]
    shares = comparison.elsewhere(read)
    text = render(
        "results.md",
        meanings=MEANINGS,
        findings=len(tested[["detector", "study", "finding"]].drop_duplicates()),
        comparisons=len(tested),
        quality=quality,
        bins=ECE_BINS,
        rounded=_rounded,
        harmless=HARMLESS,
        elsewhere=markdown(shares[~shares["images"].isin(HARMLESS)]),
        ordinary=markdown(ordinary_table()),
        bound=cues.BOUND,
        cues={name: markdown(across({"a small network": _of_cues(own)})) for name, own in learned.items()},
        studies=_about_studies(studies),
        units=UNITS,
        trainings=markdown(trainings(findings)),
        pairs=markdown(across({f"`swift` and `{name}`": pair for name, pair in compared.items()})),
    )
    write_text(file, text)
    write_bytes_atomically(file.with_suffix(".csv"), partial(contrasts.to_csv, index=False))


def _all_contrasts(findings: ByDetector) -> pd.DataFrame:
    """Lay out every contrast of every finding."""
    tables = []
    for name, own in findings.items():
        tables += [contrast_rows(name, finding) for finding in own]
    return pd.concat(tables, ignore_index=True)


def _rounded(value: float | None) -> str:
    """Write a number with no more digits than were stated, at most four; "" for none."""
    if value is None:
        return ""
    return min(f"{value:g}", f"{value:.4f}", key=len)


def _of_cues(findings: Sequence[Finding]) -> list[Finding]:
    """Choose the findings on `CUES`, each named by what it keeps."""
    keys = {f"cue-{key}" for key in CUES}
    return [replace(finding, subject=finding.details["keeps"]) for finding in findings if finding.key in keys]


def _about_studies(studies: Mapping[str, Mapping[str, StudyResult]]) -> Sequence[tuple[str, Sequence[Finding], str]]:
    """Lay out each study but those of `COUNTS`: its title, its findings on the first detector, and those on all."""
    parts = []
    for study in STUDIES:
        findings = {f"`{name}`": stored[study].findings for name, stored in studies.items() if study in stored}
        if findings and study not in COUNTS:
            first = next(iter(findings.values()))
            parts.append((find_study(study).title, first, markdown(across(findings))))
    return parts


def ordinary_table() -> pd.DataFrame:
    """Lay out how many ordinary pictures detectors call FAKE at both thresholds.

    Returns:
        A row a detector and delivery, a column a source, generators first, and one for all photographs. A column's head
        has its number of pictures, and a cell's text has it where fewer were large enough for the delivery.
    """
    numbers = ["pictures", "authors", "two_percent"]
    # those that are known for both thresholds
    counts = pd.read_csv(ORDINARY).dropna().astype({"two_percent": int}).sort_values("label", kind="stable")
    photographs = counts[counts["label"] == "REAL"]
    every = photographs.groupby(["detector", "delivery"], as_index=False)[numbers].sum()
    counts = pd.concat([counts, every.assign(source="all photographs")], ignore_index=True)
    counts["delivery"] = counts["delivery"].map(DELIVERED)
    originals = counts.groupby("source")["pictures"].transform("max")
    texts = counts.astype(str)
    both = texts["authors"] + "/" + texts["two_percent"]
    counts["text"] = both.where(counts["pictures"] == originals, both + " of " + texts["pictures"])
    counts["column"] = texts["source"] + " (" + originals.astype(str) + ")"
    table = counts.set_index(["detector", "delivery", "column"])["text"].unstack(sort=False, fill_value="")
    return table.reset_index().rename_axis(columns=None)


def across(findings: ByDetector) -> pd.DataFrame:
    """Lay out what findings answer, a row a question and change or method; classes that share a row have columns.

    A cell holds one detector's effect against its strongest control, the answer, and in brackets the detectors that
    contradict it. A number of images that a column shares stands in its head.

    Args:
        findings: of each detector, by name; numbers are those of the first.
    """
    first, *others = findings
    rest = {name: findings[name] for name in others}
    shown = [finding for finding in findings[first] if finding.control is not None and LEFT_OUT not in finding.key]
    cells = pd.DataFrame(
        {
            "question": finding.question,
            # the strength in brackets is the strongest of each class
            "of": finding.subject.partition(" (")[0],
            "column": finding.group or "all images",
            "text": _cell(finding, rest),
            "n": f"n = {count_of(finding.main)}",
        }
        for finding in shown
    )
    shared = [finding.question.replace(f"{finding.group} ", "") for finding in shown]
    by_class = cells.assign(question=shared)
    if by_class.duplicated(["question", "of"]).any():
        cells = by_class
    else:
        cells["column"] = "effect against control: answer"
    is_common = cells.groupby("column")["n"].transform("nunique") == 1
    cells["column"] = cells["column"].where(~is_common, cells["column"] + " (" + cells["n"] + ")")
    cells["text"] = cells["text"].where(is_common, cells["text"] + ", " + cells["n"])
    table = cells.groupby(["question", "of", "column"], sort=False)["text"].last().unstack(fill_value="")
    rows = cells[["question", "of"]].drop_duplicates()
    table = table.loc[pd.MultiIndex.from_frame(rows), cells["column"].unique()].reset_index()
    # a question of several methods stands once
    table["question"] = table["question"].mask(table["question"] == table["question"].shift(), "")
    if not table["of"].any():
        table = table.drop(columns="of")
    return table.rename(columns={"question": f"asked of {first}"})


def _cell(finding: Finding, others: ByDetector) -> str:
    """Write a finding's effect against its control, its answer, and who contradicts it: "no: robust"."""
    answer = answer_of(finding).word
    text = f"{_against(finding.main, finding.unit)}: {answer}"
    by_word: dict[Word, list[str]] = {}
    for name, findings in others.items():
        other = find(findings, finding.key)
        if other is not None:
            by_word.setdefault(answer_of(other).word, []).append(name.replace("`swift` and ", ""))
    contradicting = [word for word in CERTAIN if word in by_word and word != answer]
    if not contradicting:
        return text
    otherwise = "; ".join(f"{word}: {', '.join(by_word[word])}" for word in contradicting)
    return f"{text} ({otherwise})"


def _against(contrast: Contrast, unit: Unit) -> str:
    text = format_value(contrast.measure, unit)
    if contrast.control is None:
        return text
    return f"{text} against {format_value(contrast.control.measure, unit)}"


def trainings(findings: Mapping[str, Mapping[str, Finding]]) -> pd.DataFrame:
    """Lay out the main claims of detectors that were trained several times: effect against control in each.

    Args:
        findings: of each detector, as `<study>.<key>`.
    """
    rows = []
    for key in TRAINED:
        for name, own in findings.items():
            others = []
            if key in own:
                others = [other for other in own[key].choices if other.kind == "training"]
            if others:
                finding = own[key]
                row = {"claim": finding.question, "detector": name}
                for number, contrast in enumerate((finding.main, *others), 1):
                    row[f"training {number}"] = _against(contrast, finding.unit)
                rows.append(row | {"answer": str(answer_of(finding))})
    table = pd.DataFrame(rows).fillna("")
    table["claim"] = table["claim"].mask(table["claim"] == table["claim"].shift(), "")
    return table


def _by_name(studies: Mapping[str, StudyResult]) -> dict[str, Finding]:
    """Name the findings of studies, `<study>.<key>`."""
    findings: dict[str, Finding] = {}
    for name, study in studies.items():
        findings |= {f"{name}.{finding.key}": finding for finding in study.findings}
    return findings


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
