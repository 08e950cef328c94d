"""Two runs on the same images: which is right more often, do they err alike, and what do their studies say? No torch.

The first run is what a finding measures and the second its control, so that "above its control" reads as "the first is
better". A difference of accuracies is claimed only where it also holds without repeats and the leaks that are known.
Of studies, the findings of both stand side by side: nothing is claimed about their difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Float64, Mask
from core.findings.contrast import UNITS, UNKNOWN, Contrast, Control, Finding, Measure
from core.findings.intervals import weighted_share
from core.findings.numbers import percent
from core.findings.paired import compare_apart, compare_means, compare_shares
from core.findings.separation import auroc, difference_of_aurocs, rank_correlation
from core.findings.table import findings_text
from core.images.labels import CLASSES
from core.perturbations.delivery import DELIVERIES
from core.runs.metrics import confidence_of, is_right, largest
from core.runs.run import Run, distinct_names
from core.storage.memory import lazy_property
from core.studies.questions.out_of_distribution import GROUPS
from core.studies.shared.groups import with_predictions
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, StudyError

STUDY = "comparison"
BOTH_WRONG = "both wrong"

# good detectors differ in few images: half a point is a tenth or more of the errors of either
LEAST_EFFECT = 0.005


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs on the same images; rows are those of the first, in its order.

    Attributes:
        first, second: the runs.
        rows: of the second, a row for each of the first's, in its order.
    """

    first: Run
    second: Run
    rows: pd.DataFrame

    @property
    def names(self) -> tuple[str, str]:
        """Names of both detectors, or of both runs where the detectors have the same name."""
        first, second = distinct_names([self.first, self.second])
        return first, second

    @lazy_property
    def right(self) -> tuple[Mask, Mask]:
        """bool (N,) for each run, True where its prediction is right."""
        return is_right(self.first.predictions), is_right(self.rows)

    def both(self, column: str) -> tuple[Float64, Float64]:
        """Return a column of numbers of each run, float64 (N,)."""
        return self.first.predictions[column].to_numpy(np.float64), self.rows[column].to_numpy(np.float64)

    @lazy_property
    def clean(self) -> Mask:
        """bool (N,), True where neither detector is known to be trained on the file and it repeats no other."""
        rows = self.first.predictions
        return ~np.asarray(rows["in_train"] | self.rows["in_train"] | rows["is_repeat"], bool)


def pair_of(first: Run, second: Run) -> Pair:
    """Bring two runs together.

    Args:
        first, second: two runs with labels on one image set (`core.runs.run.same_images`).

    Raises:
        StudyError: they name or label their images differently.
    """
    rows = second.predictions.set_index("id").reindex(first.predictions["id"]).reset_index()
    # of a file that a list names under both labels the ids say which was read first, no more
    labels = rows["label"].astype(str) == first.predictions["label"].astype(str)
    if len(first) != len(second) or not labels.all():
        raise StudyError(f"{first.name} and {second.name} name or label images differently; make one of them again")
    return Pair(first, second, rows)


def conclude(pair: Pair) -> list[Finding]:
    """Compare accuracy, recalls, shared errors, AUROC, margins and calibration."""
    _, other = pair.names
    is_real = pair.first.is_real
    margins = pair.both("margin")
    classes = {label: is_real == (label == "REAL") for label in CLASSES}
    findings = [
        _compared(pair, "accuracy", "Is the first right more often than the second?", np.ones(len(is_real), bool))
    ]
    for label, chosen in classes.items():
        question = f"Does the first recognise more {label} images than the second?"
        findings.append(_compared(pair, f"recall-{label}", question, chosen, group=label))
    findings.append(_both_wrong(pair))
    areas = [replace(auroc(scores, is_real), low=np.nan, high=np.nan) for scores in margins]
    difference = difference_of_aurocs(*margins, is_real)
    separation = Contrast("control", other, areas[0], Control(other, areas[1]), difference)
    findings.append(
        _finding("auroc", "Does the first separate the classes better than the second?", "auroc", separation)
    )
    for label, chosen in classes.items():
        rank = rank_correlation(*(values[chosen] for values in margins))
        # 0 is what margins that know nothing of each other have
        unrelated = Control("unrelated margins", Measure(0.0))
        contrast = compare_apart("control", unrelated.name, rank, unrelated)
        easy = _finding(
            f"margins-{label}", "Do they find the same images easy?", "rank_correlation", contrast, group=label
        )
        findings.append(replace(easy, least=UNITS["correlation"]["least"]))
    excess = [confidence_of(p_real) - right for p_real, right in zip(pair.both("p_real"), pair.right, strict=True)]
    contrast = compare_means("control", other, excess[0], excess[1], None, control=other)
    findings.append(
        _finding("confidence", "Is the first more overconfident than the second?", "overconfidence", contrast)
    )
    return [finding for finding in findings if finding.measure.known]


def _finding(key: str, question: str, quantity: str, *contrasts: Contrast, **about: Any) -> Finding:
    return Finding(key, question, quantity, contrasts, least=LEAST_EFFECT, study=STUDY, **about)


def _compared(
    pair: Pair,
    key: str,
    question: str,
    chosen: Mask,
    *,
    group: str | None = None,
    confidence: float = 0.95,
    value: str = "",
) -> Finding:
    """Compare the shares of right predictions on the chosen rows, and on those without leaks and repeats."""
    subsets = {"all": chosen}
    clean = chosen & pair.clean
    if clean.sum() < chosen.sum():
        checked = pair.first.leaks_checked and pair.second.leaks_checked
        subsets["without leaks and repeats" if checked else "without repeats and known leaks"] = clean
    contrasts = []
    for name, rows in subsets.items():
        first, second = (right[rows] for right in pair.right)
        contrast = compare_shares("images", name, first, second, None, control=pair.names[1], confidence=confidence)
        contrasts.append(contrast)
    quantity = "recall" if group else "accuracy"
    about = {"group": group, "details": {"value": value}, "subject": value.replace("_", " ")}
    return _finding(key, question, quantity, *contrasts, **about)


def _both_wrong(pair: Pair) -> Finding:
    """Compare the share that both get wrong with what it would be if they erred independently within each class."""
    rates = outcome_rates(pair)
    images = len(pair.first.is_real)
    both = rates[rates["outcome"] == BOTH_WRONG]
    expected = float((both["expected"] * both["images"]).sum()) / images
    control = Control("errors that were independent within each class", Measure(expected, n=images))
    share = weighted_share(~(pair.right[0] | pair.right[1]))
    return _finding(
        "both_wrong",
        "Do they err together more often than independent detectors would?",
        "both_wrong",
        compare_apart("control", control.name, share, control),
    )


def outcome_rates(pair: Pair) -> pd.DataFrame:
    """Estimate the share of each class that only the first, only the second, and both get wrong.

    Returns:
        Columns `label`, `outcome` ("only first wrong", "only second wrong", "both wrong"), `images` (of the class),
        `wrong`, `rate`, `low`, `high` (0 to 1), and `expected`: the share that both would get wrong if their errors
        were independent, NaN for the others.
    """
    rows = []
    for label in CLASSES:
        chosen = pair.first.is_real == (label == "REAL")
        if not chosen.any():
            continue
        first, second = (~right[chosen] for right in pair.right)
        for outcome, wrong, expected in (
            ("only first wrong", first & ~second, np.nan),
            ("only second wrong", second & ~first, np.nan),
            (BOTH_WRONG, first & second, first.mean() * second.mean()),
        ):
            share = weighted_share(wrong)
            rows.append((label, outcome, share.n, int(wrong.sum()), share.value, share.low, share.high, expected))
    return pd.DataFrame(rows, columns=["label", "outcome", "images", "wrong", "rate", "low", "high", "expected"])


def columns_of(pair: Pair) -> list[str]:
    """Return the columns by whose values a comparison can be broken down: those in which images differ."""
    return [name for name in ("category", "source", "seen") if _values(pair, name).nunique() > 1]


def _values(pair: Pair, column: str) -> "pd.Series[Any]":
    values = pair.first.seen if column == "seen" else pair.first.predictions.get(column)
    return pd.Series(values, dtype=object)


def by(pair: Pair, column: str) -> list[Finding]:
    """Compare the accuracies on each value of a column, largest difference first.

    Intervals are simultaneous: all of them hold together with 95% confidence (Bonferroni), so that the largest of many
    differences is no more likely to be due to chance than a single one.

    Args:
        pair: of runs.
        column: "category", "source", or "seen" by the first detector.
    """
    values = _values(pair, column)
    kept = largest(values.groupby(values).size().rename_axis("value").reset_index(name="images"))["value"]
    confidence = 1 - 0.05 / max(1, len(kept))
    findings = []
    for name in kept:
        rows = (values == name).to_numpy()
        question = "Is the first right more often than the second on these?"
        key = f"{column}-{name}"
        findings.append(_compared(pair, key, question, rows, confidence=confidence, value=str(name)))
    return sorted(findings, key=lambda finding: -abs((finding.difference or UNKNOWN).value))


def side_by_side(names: Sequence[str], studies: Sequence[Mapping[str, StudyResult]]) -> pd.DataFrame:
    """Lay out the findings that the studies of two runs share, as text; those that differ in their answer first.

    Args:
        names: of the two.
        studies: of each, by name; findings are joined by study and key.

    Returns:
        Columns `Question`, `Of`, `Group`, and effect and answer of each, `<name>` and `<name>, answer`.

    Raises:
        ContractError: the findings of a study cannot be read.
    """
    tables = []
    for name, results in zip(names, studies, strict=True):
        findings = {(study, finding.key): finding for study, result in results.items() for finding in result.findings}
        table = findings_text(findings.values()).rename(columns={"Effect": name, "Answer": f"{name}, answer"})
        tables.append(table.set_index(pd.MultiIndex.from_tuples(list(findings), names=["study", "key"])))
    own, other = ([name, f"{name}, answer"] for name in names)
    both = tables[0][["Question", "Of", "Group", *own]].join(tables[1][other], how="inner")
    alike = both[own[1]] == both[other[1]]
    return both.loc[alike.sort_values(kind="stable").index].reset_index(drop=True)


def right_elsewhere(run: Run, studies: Mapping[str, StudyResult]) -> dict[str, Measure]:
    """Measure the shares that are right after each delivery and on other pictures, 0 to 1.

    Args:
        run: a run.
        studies: of it, by name.

    Returns:
        Name of the delivery, or key of the finding of `out_of_distribution` -> the share with its own interval.

    Raises:
        ContractError: the findings of a study cannot be read.
    """
    shares = {}
    deliveries = studies.get("deliveries")
    if deliveries is not None:
        table = with_predictions(deliveries.table, run)
        for delivery in DELIVERIES:
            if delivery.column in table and table[delivery.column].notna().all():
                right = (table[delivery.column] > 0) == (table["label"] == "REAL")
                shares[delivery.name] = weighted_share(right, table[WEIGHT].to_numpy(np.float64))
    others = studies.get("out_of_distribution")
    if others is not None:
        for group in GROUPS.values():
            finding = others.finding(group.key)
            if finding is not None and finding.measure.known:
                wrong = finding.measure
                shares[group.key] = replace(wrong, value=1 - wrong.value, low=1 - wrong.high, high=1 - wrong.low)
    return shares


def elsewhere(runs: Mapping[str, tuple[Run, Mapping[str, StudyResult]]]) -> pd.DataFrame:
    """Lay out `right_elsewhere` of runs by name, with their studies, as text: a column a run that was measured."""
    titles = {delivery.name: delivery.title for delivery in DELIVERIES}
    titles |= {group.key: group.images.format(imitates="CIFAR-10") for group in GROUPS.values()}
    columns = {}
    for name, (run, studies) in runs.items():
        shares = right_elsewhere(run, studies)
        if shares:
            columns[f"`{name}`"] = {titles[key]: percent(share.value) for key, share in shares.items()}
    return pd.DataFrame(columns, dtype=object).fillna("").rename_axis("images").reset_index()
