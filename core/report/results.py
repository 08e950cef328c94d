"""docs/results.md, what the studies of the shipped runs found for a person, and results.csv with every contrast."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path

import pandas as pd

from core.answers import comparison
from core.arrays import Record
from core.cues import cues
from core.findings.answer import MEANINGS, Word, answer_of
from core.findings.contrast import QUANTITIES, SCALES, Contrast, Finding, Unit, find
from core.findings.numbers import format_value
from core.findings.table import contrast_rows, count_of, markdown
from core.homes import SHIPPED
from core.report import ordinary
from core.runs.folders import find_named, find_runs
from core.runs.metrics import ECE_BINS, PAPER
from core.runs.run import Run, read_run
from core.storage.atomic import write_bytes_atomically, write_text
from core.studies.former import present_name
from core.studies.store import StudyResult, find_studies
from core.studies.study import STUDIES, StudyError, find_study

# findings by detector
ByDetector = Mapping[str, Sequence[Finding]]
# detector -> its studies by name
Studies = Mapping[str, Mapping[str, StudyResult]]
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


def write_results(file: Path) -> None:
    """Write docs/results.md, and beside it a .csv with every contrast."""
    text, table = results()
    write_text(file, text)
    write_bytes_atomically(file.with_suffix(".csv"), partial(table.to_csv, index=False))


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
    chosen = []
    for pattern in studies:
        study, dot, key = pattern.partition(".")
        wanted = f"{present_name(study)}{dot}{key}"
        matching = [finding for key, finding in every.items() if finding.study == wanted or fnmatchcase(key, wanted)]
        if not matching and "*" not in wanted:
            there = ", ".join(stored) or "no study"
            raise StudyError(f"{name} has no study or finding {wanted}; it has {there}")
        chosen += matching
    if studies:
        return chosen
    return list(every.values())


def results() -> tuple[str, pd.DataFrame]:
    """Lay out what the shipped runs found: as Markdown for a person, and as a table of every contrast."""
    shipped = find_runs((SHIPPED,))
    read = {name.partition("@")[0]: _studies_of(shipped[name]) for name in RUNS}
    runs = [run for run, _ in read.values()]
    studies = {name: stored for name, (_, stored) in read.items()}
    compared = _compared(runs)
    learned = {name: cues.conclude(cues.read_results(path)) for name, path in cues.find_results().items()}
    table = _all_contrasts(studies, compared, learned)
    parts = [
        *_introduction(table),
        "## How good the detectors are",
        "`patch` adds up the scores of squares of 9 pixels a side; `patch5`, `patch13` and `patch17` say theirs.",
        markdown(quality([read_run(path) for name, path in shipped.items() if name.endswith(f"@{SET}")])),
        *_elsewhere(read),
        *ordinary.sections(),
        *_about_cues(learned),
        *_about_studies(studies),
        *_about_trainings(studies),
        "## `swift` and each other detector",
        markdown(across({f"`swift` and `{name}`": findings for name, findings in compared.items()})),
    ]
    return "\n\n".join(parts) + "\n", table


def _introduction(table: pd.DataFrame) -> list[str]:
    """Say what the document is, what answers mean, and how many there are."""
    # all that stand here have a control
    meanings = [f"*{word.capitalize()}*: {meaning}." for word, meaning in MEANINGS.items() if word != "no control"]
    tested = table[table["difference"].notna()]
    findings = len(tested[["detector", "study", "finding"]].drop_duplicates())
    return [
        "# Results",
        "Written by `telltale findings --write docs/results.md` from the runs that ship, on CIFAKE's official test "
        "set. `results.csv` has every finding, comparison and interval.",
        f"An effect is compared with its strongest control. {' '.join(meanings)} In brackets stand detectors that "
        "contradict it.",
        f"{findings:,} findings were tested, in {len(tested):,} comparisons, each with its own 95% interval, none "
        "corrected for their number: of effects just too small to matter, one in forty comes out as *yes* by chance. "
        "What several detectors repeat is a result.",
    ]


def _elsewhere(read: Mapping[str, tuple[Run, Mapping[str, StudyResult]]]) -> list[str]:
    shares = comparison.elsewhere(read)
    shares = shares[~shares["images"].isin(HARMLESS)].rename(columns=lambda name: name.removesuffix(" right"))
    harmless = ", ".join(HARMLESS)
    return ["## On other images", f"Shares that are right; after {harmless} none falls by a point.", markdown(shares)]


def _about_cues(learned: ByDetector) -> list[str]:
    """Say what networks learn from versions of an image set that keep one cue."""
    keys = {f"cue-{key}" for key in CUES}
    parts = []
    for name, findings in learned.items():
        shown = []
        for finding in findings:
            if finding.key in keys:
                shown.append(replace(finding, subject=finding.details["keeps"]))
        parts += [f"## What can be learned from one cue alone: {name}", cues.BOUND]
        parts.append(markdown(across({"a small network": shown})))
    return parts


def _about_studies(studies: Studies) -> list[str]:
    """Lay out the findings of each study but those of `COUNTS`."""
    parts = []
    for study in STUDIES:
        findings = {f"`{name}`": stored[study].findings for name, stored in studies.items() if study in stored}
        if findings and study not in COUNTS:
            effects = {}
            for finding in next(iter(findings.values())):
                label = QUANTITIES[finding.unit][finding.quantity]
                effects[label] = label
                if finding.unit in SCALES:
                    effects[label] += f" ({SCALES[finding.unit]})"
            text = f"Effects: {'; '.join(effects.values())}."
            parts += [f"## {find_study(study).title}", text, markdown(across(findings))]
    return parts


def _about_trainings(studies: Studies) -> list[str]:
    """Lay out the main claims over several trainings, where there are any."""
    spread = trainings(studies)
    if not len(spread):
        return []
    text = "Effect against control in several trainings by one recipe; the first ships."
    return ["## Other trainings", text, markdown(spread)]


def _compared(runs: Sequence[Run]) -> dict[str, list[Finding]]:
    """Compare the first detector with each other one: findings by the other's name."""
    first, *rest = runs
    compared = {}
    for run in rest:
        name = run.name.partition("@")[0]
        compared[name] = comparison.conclude(comparison.pair_of(first, run))
    return compared


def _all_contrasts(studies: Studies, compared: ByDetector, learned: ByDetector) -> pd.DataFrame:
    """Lay out every contrast of every finding."""
    findings = {f"swift and {name}": pair for name, pair in compared.items()}
    findings |= {f"networks of {name}": of for name, of in learned.items()}
    tables = []
    for name, stored in studies.items():
        for result in stored.values():
            tables += [contrast_rows(name, finding) for finding in result.findings]
    for name, of in findings.items():
        tables += [contrast_rows(name, finding) for finding in of]
    return pd.concat(tables, ignore_index=True)


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
    by_class = len({_row_of(finding, by_class=True) for finding in shown}) < len(shown)
    counts: dict[str, set[str]] = {}
    for finding in shown:
        counts.setdefault(_column_of(finding, by_class=by_class), set()).add(count_of(finding.main))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for finding in shown:
        column = _column_of(finding, by_class=by_class)
        head = column
        cell = _cell(finding, rest)
        if len(counts[column]) == 1:
            head += f" (n = {count_of(finding.main)})"
        else:
            cell += f", n = {count_of(finding.main)}"
        rows.setdefault(_row_of(finding, by_class=by_class), {})[head] = cell
    table = pd.DataFrame(list(rows.values())).fillna("")
    questions = pd.Series([question for question, _ in rows])
    # a question of several methods stands once
    table.insert(0, f"asked of {first}", questions.mask(questions == questions.shift(), ""))
    subjects = [subject for _, subject in rows]
    if any(subjects):
        table.insert(1, "of", subjects)
    return table


def _row_of(finding: Finding, *, by_class: bool) -> tuple[str, str]:
    """Return a finding's question, without the class that its column names, and its change or method."""
    question = finding.question
    if by_class:
        question = question.replace(f"{finding.group} ", "")
    # the strength in brackets is the strongest of each class
    return question, finding.subject.partition(" (")[0]


def _column_of(finding: Finding, *, by_class: bool) -> str:
    if by_class:
        return finding.group or "all images"
    return "effect against control: answer"


def _cell(finding: Finding, others: ByDetector) -> str:
    """Write a finding's effect against its control, its answer, and who contradicts it."""
    answer = answer_of(finding).word
    text = f"{_against(finding.main, finding.unit)}: {answer}"
    otherwise = _otherwise(finding.key, answer, others)
    if otherwise:
        return f"{text} ({otherwise})"
    return text


def _against(contrast: Contrast, unit: Unit) -> str:
    text = format_value(contrast.measure, unit)
    if contrast.control is None:
        return text
    return f"{text} against {format_value(contrast.control.measure, unit)}"


def trainings(studies: Studies) -> pd.DataFrame:
    """Lay out the main claims of detectors that were trained several times: effect against control in each.

    Args:
        studies: of each detector, by name.
    """
    rows = []
    for key in TRAINED:
        study, _, finding_key = key.partition(".")
        for name, of in studies.items():
            finding = None
            if study in of:
                finding = of[study].finding(finding_key)
            others = [] if finding is None else [other for other in finding.choices if other.kind == "training"]
            if finding is None or not others:
                continue
            row = {"claim": finding.question, "detector": name}
            for number, contrast in enumerate((finding.main, *others), 1):
                row[f"training {number}"] = _against(contrast, finding.unit)
            rows.append(row | {"answer": str(answer_of(finding))})
    table = pd.DataFrame(rows).fillna("")
    if len(table):
        table["claim"] = table["claim"].mask(table["claim"] == table["claim"].shift(), "")
    return table


def _otherwise(key: str, answer: Word, findings: ByDetector) -> str:
    """List the detectors whose finding of this key contradicts an answer: "no: robust; depends: paper"."""
    by_word: dict[Word, list[str]] = {}
    for name, of in findings.items():
        finding = find(of, key)
        if finding is not None:
            by_word.setdefault(answer_of(finding).word, []).append(name.replace("`swift` and ", ""))
    contradicting = [word for word in CERTAIN if word in by_word and word != answer]
    return "; ".join(f"{word}: {', '.join(by_word[word])}" for word in contradicting)


def quality(runs: Sequence[Run]) -> pd.DataFrame:
    """Lay out how good the detectors of some runs are, below the paper's numbers; all cells are text."""
    rows = [_quality("the paper", PAPER)]
    for run in runs:
        rows.append(_quality(f"`{run.manifest['detector']}`", run.manifest["metrics"]["all"]))
    return pd.DataFrame(rows)


def _quality(name: str, metrics: Record) -> dict[str, str]:
    (_, fake_real), (real_fake, _) = metrics["confusion"]
    return {
        "": name,
        "accuracy": _rounded(metrics["accuracy"]),
        "FAKE called REAL": f"{fake_real:,}",
        "REAL called FAKE": f"{real_fake:,}",
        "AUROC": _rounded(metrics.get("auroc")),
        f"calibration error ({ECE_BINS} bins)": _rounded(metrics.get("ece")),
    }


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
