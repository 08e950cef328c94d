"""Two runs side by side: which is right more often, do they err alike, and how do their studies compare? No torch.

The first run is what a finding measures and the second its control, so that "above its control" reads as "the first is
better". A difference of accuracies is claimed only where it also holds without repeats and the leaks that are known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, claim_status, with_headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import difference_of_shares, exact_sign_test, weighted_mean
from core.findings.numbers import format_measure
from core.findings.separation import auroc, difference_of_aurocs, rank_correlation
from core.findings.table import markdown
from core.images.labels import CLASSES
from core.runs.metrics import largest, wilson_interval
from core.runs.run import distinct_names
from core.studies.compared_images import after_deliveries, on_other_images
from core.studies.compared_probes import read, side_by_side
from core.studies.pair import BETTER, LEVEL, OUTCOMES, Pair, Shared, pair_of, share_rows
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, StudyError

__all__ = ["SEVERAL", "TRUST", "Comparison", "Pair", "Read", "SideBySide", "as_row", "elsewhere", "pair_of"]

STUDY = "comparison"
# columns that a comparison is broken down by, and their plurals
SEVERAL = {"category": "categories", "source": "sources"}
# the studies of explanations, in the order in which they are compared
TRUST = ("faithfulness", "agreement", "stability", "certainty", "sanity", "one_colour")
# the study of this name, whose findings can be made; None where the run has none
Read = Callable[[str], StudyResult | None]
Rows = NDArray[np.bool_]

HEADLINES: Headlines = {
    "accuracy": {"question": "Which detector is right more often?", **BETTER},
    "recall-REAL": {"question": "Which recognises more REAL images?", **BETTER},
    "recall-FAKE": {"question": "Which recognises more FAKE images?", **BETTER},
    "both_wrong": {
        "question": "Do they err on the same images?",
        "subject": "both wrong",
        "holds": "They err together more often than independent detectors would.",
        "holds below": "They err together less often than independent detectors would.",
        "not shown": "Not shown to err together more than by chance.",
    },
    "auroc": {
        "question": "Which separates the classes better?",
        "holds": "The first separates them better.",
        "holds below": "The second separates them better.",
        "not shown": "No difference between the two was found.",
    },
    "margins-*": {
        "question": "Do they find the same images easy?",
        "holds": "They rank the images alike, at least in part.",
        "holds below": "They rank the images against each other.",
        "not shown": "Not shown to rank the images alike.",
    },
    "confidence": {
        "question": "Which is more overconfident?",
        "subject": "mean confidence less accuracy",
        "holds": "The first is more confident for its accuracy.",
        "holds below": "The second is more confident for its accuracy.",
        "not shown": "No difference between the two was found.",
    },
    "*": {"question": "Which detector is right more often on these?", **BETTER},
}


def conclude(pair: Pair) -> list[Finding]:
    """Compare accuracy, recalls, shared errors, AUROC, margins and calibration."""
    everything, other = np.ones(len(pair.is_real), bool), pair.names[1]
    findings = [_compared(pair, "accuracy", everything)]
    for label in CLASSES:
        findings.append(_compared(pair, f"recall-{label}", pair.is_real == (label == "REAL"), group=label))
    findings.append(_both_wrong(pair))
    areas = [Measure(auroc(scores, pair.is_real).value, n=len(pair.is_real)) for scores in pair.margins]
    difference = Measure.of(difference_of_aurocs(*pair.margins, pair.is_real))
    findings.append(Finding("auroc", STUDY, "auroc", areas[0], None, Control(other, areas[1]), difference))
    for label in CLASSES:
        own = (values[pair.is_real == (label == "REAL")] for values in pair.margins)
        # 0 is what margins that know nothing of each other have
        control, rank = Control("unrelated margins", Measure(0.0)), Measure.of(rank_correlation(*own))
        findings.append(Finding(f"margins-{label}", STUDY, "rank_correlation", rank, label, control))
    p_real = (values.astype(np.float64) for values in pair.p_real)
    over = [np.maximum(p, 1 - p) - right for p, right in zip(p_real, pair.right, strict=True)]
    first, second, lead = (Measure.of(weighted_mean(values)) for values in (*over, over[0] - over[1]))
    findings.append(Finding("confidence", STUDY, "overconfidence", first, None, Control(other, second), lead))
    return with_headlines([finding for finding in findings if finding.measure.known], HEADLINES)


def _compared(
    pair: Pair, key: str, chosen: Rows, *, group: str | None = None, confidence: float = 0.95, value: str = ""
) -> Finding:
    """Compare the shares of right predictions on the chosen rows."""
    clean = chosen & pair.clean
    subsets = {"all": chosen, pair.without_leaks: clean} if clean.sum() < chosen.sum() else {}
    choices = tuple(Choice("images", name, *_shares(pair, rows, confidence)) for name, rows in subsets.items())
    quantity, (measure, control, difference) = (
        "accuracy" if group is None else "recall",
        _shares(pair, chosen, confidence),
    )
    details, subject = {"value": value}, value.replace("_", " ")
    return Finding(key, STUDY, quantity, measure, group, control, difference, choices, details=details, subject=subject)


def _shares(pair: Pair, chosen: Rows, confidence: float) -> tuple[Measure, Control, Measure]:
    counts = pair.counts(chosen)
    n = counts.images
    if not n:
        return Measure(np.nan), Control(pair.names[1], Measure(np.nan)), Measure(np.nan)
    only_wrong = counts.only_first_wrong, counts.only_second_wrong
    first, second = (_share(n - wrong - counts.both_wrong, n, confidence) for wrong in only_wrong)
    difference = Measure.of(difference_of_shares(counts, confidence=confidence))
    # McNemar's exact test (1947): for few images the interval is narrower than it allows
    if exact_sign_test(*only_wrong) >= 1 - confidence:
        difference = replace(difference, low=min(difference.low, 0.0), high=max(difference.high, 0.0))
    return first, Control(pair.names[1], second), difference


def _share(hits: int, n: int, confidence: float = 0.95) -> Measure:
    low, high = wilson_interval(hits, n, confidence=confidence)
    return Measure(hits / n, float(low), float(high), n)


def _both_wrong(pair: Pair) -> Finding:
    """Compare the share that both get wrong with what it would be if they erred independently within each class."""
    rates, n = outcome_rates(pair), len(pair.is_real)
    both = rates[rates["outcome"] == OUTCOMES[-1]]
    expected = float((both["expected"] * both["images"]).sum()) / n
    control = Control("errors that were independent within each class", Measure(expected, n=n))
    return Finding("both_wrong", STUDY, "both_wrong", _share(int(both["wrong"].sum()), n), None, control)


def outcome_rates(pair: Pair) -> pd.DataFrame:
    """Estimate the share of each class that only the first, only the second, and both get wrong.

    Returns:
        Columns `label`, `outcome` (of `OUTCOMES`), `images` (of the class), `wrong`, `rate`, `low`, `high` (0 to 1),
        and `expected`: the share that both would get wrong if their errors were independent, NaN for the others.
    """
    rows = []
    for label in CLASSES:
        counts = pair.counts(pair.is_real == (label == "REAL"))
        first, second = counts.only_first_wrong + counts.both_wrong, counts.only_second_wrong + counts.both_wrong
        for outcome, wrong in zip(OUTCOMES[1:], counts[1:], strict=True) if counts.images else ():
            share = _share(wrong, counts.images)
            expected = first * second / counts.images**2 if outcome == OUTCOMES[-1] else np.nan
            rows.append((label, outcome, share.n, wrong, share.value, share.low, share.high, expected))
    return pd.DataFrame(rows, columns=["label", "outcome", "images", "wrong", "rate", "low", "high", "expected"])


def columns_of(pair: Pair) -> list[str]:
    """Return the columns by whose values a comparison can be broken down: those in which images differ."""
    return [name for name in SEVERAL if name in pair.first.predictions and len(set(pair.values(name)) - {None}) > 1]


def by(pair: Pair, column: str) -> list[Finding]:
    """Compare the accuracies on each value of a column, largest difference first.

    Intervals are simultaneous: all of them hold together with 95% confidence (Bonferroni), so that the largest of many
    differences is no more likely to be due to chance than a single one.

    Args:
        pair: of runs.
        column: "category" or "source".
    """
    values = pair.values(column)
    names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711 - elementwise
    kept = largest(pd.DataFrame({"value": names, "images": counts}))
    confidence = 1 - LEVEL / max(1, len(kept))
    findings = [
        _compared(pair, f"{column}-{name}", values == name, confidence=confidence, value=str(name))
        for name in kept["value"]
    ]
    findings.sort(key=lambda finding: -abs(0.0 if finding.difference is None else finding.difference.value))
    return with_headlines(findings, HEADLINES)


@dataclass(frozen=True)
class SideBySide:
    """One finding on explanations of both runs; each measured on images of its own sample.

    Attributes:
        study, title: its name and title.
        first, second: of the same key.
    """

    study: str
    title: str
    first: Finding
    second: Finding

    @property
    def alike(self) -> bool:
        """True where both have the same status, and in one direction."""
        first, second = claim_status(self.first), claim_status(self.second)
        return (first.kind, first.sign) == (second.kind, second.sign)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs and their studies; each part is computed when it is first used.

    Attributes:
        pair: the runs.
        readers: read a study of the first, and of the second.
        problems: a sentence for each study that cannot be read.
    """

    pair: Pair
    readers: tuple[Read, Read]
    problems: tuple[str, ...] = ()

    @cached_property
    def findings(self) -> list[Finding]:
        """On the predictions of both, from `conclude`."""
        return conclude(self.pair)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """How often only one and both are wrong, from `outcome_rates`."""
        return outcome_rates(self.pair)

    @cached_property
    def broken_down(self) -> dict[str, list[Finding]]:
        """Column -> the accuracies of each of its values, from `by`."""
        return {column: by(self.pair, column) for column in columns_of(self.pair)}

    @cached_property
    def changes(self) -> pd.DataFrame:
        """Every strength of every probe of both, from `side_by_side`; empty where a run has no probes."""
        shared = self._shared("probes")
        return pd.DataFrame() if shared is None else side_by_side(shared)

    @cached_property
    def reads(self) -> list[Finding]:
        """What each relies on, from `read`; empty where a run has no probes."""
        shared = self._shared("probes")
        return [] if shared is None else read(shared, self.changes)

    @cached_property
    def deliveries(self) -> list[Finding]:
        """Both after each delivery, from `after_deliveries`; empty where a run has no such study."""
        shared = self._shared("deliveries")
        return [] if shared is None else after_deliveries(shared)

    @cached_property
    def other_images(self) -> list[Finding]:
        """Both on images of other sources, from `on_other_images`; empty where a run has no study `transfer`."""
        first, second = self.studies("transfer")
        if first is None or second is None:
            return []
        imitates = [str(result.about["parameters"].get("imitates", "")) for result in (first, second)]
        return on_other_images(self.pair, (first.table, second.table), (imitates[0], imitates[1]))

    @cached_property
    def explanations(self) -> list[SideBySide]:
        """The findings on explanations that both have, by key."""
        pairs = []
        for name in TRUST:
            first, second = (reader(name) for reader in self.readers)
            if first is None or second is None:
                continue
            title = str(first.about.get("title") or name)
            others = {finding.key: finding for finding in second.findings}
            pairs += [
                SideBySide(name, title, finding, others[finding.key])
                for finding in first.findings
                if finding.key in others
            ]
        return pairs

    def studies(self, name: str) -> tuple[StudyResult | None, StudyResult | None]:
        """Return a study of each run; None where it has none, or one without what is compared."""
        needed = {"fingerprint", "depends"} if name == "transfer" else {"id", WEIGHT}
        first, second = (
            result if (result := reader(name)) is not None and needed <= set(result.table) else None
            for reader in self.readers
        )
        return first, second

    def _shared(self, name: str) -> Shared | None:
        first, second = self.studies(name)
        return None if first is None or second is None else share_rows(self.pair, first.table, second.table)


def as_row(finding: Finding, name: str) -> dict[str, object]:
    """Return the measures of both runs as one row for a chart: `name`, `value`, `images`, and the ends of both."""
    other = finding.measure if finding.control is None else finding.control.measure
    ends = {
        f"{side}_{end}": getattr(measure, end)
        for side, measure in (("first", finding.measure), ("second", other))
        for end in ("value", "low", "high")
    }
    return {"name": name, "value": name, "images": finding.measure.n, **ends}


def elsewhere(compared: Sequence[Comparison]) -> str:
    """Write what several detectors get right after deliveries and on other images as Markdown, a column for each run.

    A share in bold differs from the first run's, and one in italics depends on how it is measured. Rows in which the
    first run was not compared with all the others on the same images are left out.

    Args:
        compared: the first run with each of the others, one or more.

    Raises:
        StudyError: nothing was measured on the same pictures by all of them.
    """
    rows: list[Mapping[str, Finding]] = [
        {finding.subject: finding for finding in (*those.deliveries, *those.other_images)} for those in compared
    ]
    # another sample gives another interval
    common = [
        name
        for name, finding in rows[0].items()
        if all(name in row and row[name].measure == finding.measure for row in rows)
    ]
    if not common:
        raise StudyError("these runs have no deliveries and no images of other sources in common")
    names = distinct_names([compared[0].pair.first, *(those.pair.second for those in compared)])
    cells = [
        [name, format_measure(rows[0][name].measure, "share"), *(_marked(row[name]) for row in rows)] for name in common
    ]
    return markdown(pd.DataFrame(cells, columns=["images", *(f"`{name}` right" for name in names)]))


def _marked(finding: Finding) -> str:
    mark = {"holds": "**", "depends": "_", "in part": "_"}.get(claim_status(finding).kind, "")
    other = finding.measure if finding.control is None else finding.control.measure
    return f"{mark}{format_measure(other, 'share')}{mark}"
