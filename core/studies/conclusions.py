"""Print the findings of a run's studies as a Markdown table or as JSON, or write them for all shipped runs.

python -m core findings swift@cifake-test
python -m core findings swift@cifake-test probes.detail-FAKE 'faithfulness.*-FAKE'
python -m core findings swift@cifake-test probes --json
python -m core findings --write docs/results.md
python -m core findings --readme README.md
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from core.console import PROGRAM, command, parser_of
from core.detectors.identity import identify_all
from core.findings.finding import Finding, to_json
from core.findings.table import findings_markdown, findings_text, markdown
from core.homes import SHIPPED
from core.runs.folders import find_detectors, find_named, find_runs
from core.runs.metrics import ECE_BINS, PAPER
from core.runs.run import Run, read_run
from core.storage import write_bytes_atomically
from core.studies import comparison, factorial
from core.studies.cues import find_results, markdown_table, read_results
from core.studies.registry import STUDIES, find_study
from core.studies.store import StudyResult, find_studies
from core.studies.study import StudyError

# the runs of docs/results.md; the first is told in full and is README's
SET = "cifake-test"
RUNS = tuple(f"{name}@{SET}" for name in ("swift", "strong", "robust", "paper", "masked", "patch", "patch17"))
# the rows of README's table
CHOSEN = (
    "probes.detail-FAKE", "probes.transplant-FAKE", "probes.blocks-FAKE", "transfer.imitations",
    "deliveries.flips_fake", "faithfulness.lime-FAKE", "certainty.contradicted-lime-FAKE", "agreement.rank-FAKE",
)  # fmt: skip
BLOCK = re.compile(r"(<!-- findings -->\n).*?(<!-- end -->)", re.DOTALL)
CELLS = (
    "Mean margin of `{}` for pictures made of a coarse and a fine half (waves under 4 pixels): of the image itself, of "
    "another of its class, or of one of the other class. On the diagonal both are of one picture; above 0 is REAL."
)
QUALITY = (
    "", "accuracy", "without leaks and repeats", "FAKE precision / recall / F1", "REAL precision / recall / F1",
    "FAKE called REAL", "REAL called FAKE", "AUROC", f"calibration error ({ECE_BINS} bins)",
)  # fmt: skip


@command(f"{PROGRAM} findings")
def main(arguments: list[str] | None = None) -> None:
    """Print or write the findings that the command line names."""
    options = parse(arguments)
    if options.write is not None:
        text = results()
        write_bytes_atomically(options.write, lambda file: file.write_text(text, encoding="utf-8"))
    elif options.readme is not None:
        table = findings_markdown(gather(RUNS[0], CHOSEN))
        text = BLOCK.sub(lambda block: f"{block[1]}\n{table}\n\n{block[2]}", options.readme.read_text(encoding="utf-8"))
        write_bytes_atomically(options.readme, lambda file: file.write_text(text, encoding="utf-8"))
    else:
        findings = gather(options.run, options.study)
        print(to_json(findings) if options.json else findings_markdown(findings))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("findings", __doc__)
    parser.add_argument("run", nargs="?", default=RUNS[0], help="name of the run, or its folder; default: %(default)s")
    parser.add_argument(
        "study", nargs="*", help="studies, or findings as STUDY.KEY, in which * stands for anything; default: all"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as data")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what the shipped runs found")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the table of the most important findings")
    return parser.parse_args(arguments)


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
    for wanted in studies:
        matching = [finding for key, finding in every.items() if finding.study == wanted or fnmatchcase(key, wanted)]
        if not matching and "*" not in wanted:
            there = ", ".join(stored) or "no study"
            raise StudyError(f"{name} has no study or finding {wanted}; it has {there}")
        chosen += matching
    return chosen if studies else list(every.values())


def results() -> str:
    """Lay out what the shipped runs found as Markdown, for docs/results.md."""
    shipped = find_runs((SHIPPED,))
    runs = {name: _studies_of(shipped[name]) for name in RUNS}
    parts = [
        "# Results",
        "Written by `python -m core findings --write docs/results.md` from the runs that ship, on CIFAKE's "
        "official test set. An effect is compared with a control of equal size and shape; its claim *holds* if the "
        "difference is significant with one sign under every choice that was tried, is shown *in part* if only some "
        "choices make it significant, *depends* if choices disagree, and is *not shown* otherwise. Intervals are of "
        "95 %.",
        "## How good the detectors are",
        markdown(quality([run for run, _ in runs.values()])),
        "## How much can be told from small patches",
        "Detectors whose margin is the mean of the scores of patches, so that nothing wider than a patch counts, and "
        "`swift`, which sees the whole image.",
        markdown(patches()),
        "## On other images",
        "Shares of right verdicts, of each detector by itself.",
        markdown(comparison.elsewhere({name.partition("@")[0]: read for name, read in runs.items()})),
    ]
    for name, path in find_results().items():
        parts += [f"## What can be learned from one cue alone: {name}", markdown_table(read_results(path))]
    for study in STUDIES:
        findings = {name: results[study].findings for name, (_, results) in runs.items() if study in results}
        if findings:
            title = find_study(study)
            parts += [f"## {title.title}", title.question, findings_markdown(next(iter(findings.values())))]
            if len(findings) > 1:
                parts += ["The same for all detectors:", markdown(across(findings))]
        if study == "probes":
            for name, those in findings.items():
                if len(cells := factorial.cell_text(those)):
                    parts += [CELLS.format(name.partition("@")[0]), markdown(cells)]
    first, *rest = (run for run, _ in runs.values())
    for pair in (comparison.pair_of(first, run) for run in rest):
        parts += [f"## {' and '.join(pair.names)}", findings_markdown(comparison.conclude(pair))]
    return "\n\n".join(parts) + "\n"


def across(findings: Mapping[str, Sequence[Finding]]) -> pd.DataFrame:
    """Lay out the effects and claim status of several runs' findings, a row a question and a column a run."""
    tables = {}
    for name, those in findings.items():
        text = findings_text(those).replace("", pd.NA)
        text.index = pd.Index([finding.key for finding in those])
        tables[name.partition("@")[0]] = text["Effect"].str.cat(text["Status"], sep="; ", na_rep="")
    first = next(iter(findings.values()))
    rows = findings_text(first)[["Question", "Group"]].set_axis([finding.key for finding in first])
    # findings of one question differ in their method or change
    keys = rows["Question"].duplicated(keep=False)
    rows["Question"] = rows["Question"].where(~keys, rows["Question"] + [f" ({key})" for key in rows.index])
    return rows.join(pd.DataFrame(tables)).fillna("")


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
        manifest, metrics = detectors[name].manifest, read_run(SHIPPED / "runs" / f"{name}@{SET}").manifest["metrics"]
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
