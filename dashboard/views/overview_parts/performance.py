"""Parts of the page Overview: the detector's numbers, its errors, and its confidence."""

from typing import Any

import pandas as pd
import streamlit as st

from core.runs.filter import Filter
from core.runs.metrics import (
    ECE_BINS,
    HALF,
    PAPER,
    beyond_confidence,
    calibration,
    class_scores,
    confidence_histogram,
    confusion_at,
    error_by,
    largest,
    sweep,
    wilson_interval,
)
from dashboard.components.bars import rate_bars
from dashboard.components.glossary import explain
from dashboard.components.matrix import confusion_matrix
from dashboard.components.words import CLASS_WORDS, name_paper, percent, section
from dashboard.state import Setting
from dashboard.views.overview_parts import curves

THRESHOLD = Setting("cut", HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", {"all": "All images", "FAKE": "FAKE called REAL", "REAL": "REAL called FAKE"})
SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def draw_threshold() -> None:
    """Draw the threshold slider; every number on the page that depends on a threshold follows it."""
    THRESHOLD.linked(
        st.slider,
        "Threshold: call it REAL when p(REAL) is above",
        min_value=0.01,
        max_value=0.99,
        step=0.01,
        format="percent",
        width=330,
        help=explain(
            "Threshold",
            also="A higher one means fewer FAKE called REAL and more REAL called FAKE. Every number on this page "
            "follows it except AUROC and calibration, which do not depend on it.",
        ),
    )


def draw_headlines(numbers: dict[str, Any], *, beside_paper: bool) -> None:
    """Draw accuracy, both recalls and AUROC, each with plain words beneath.

    Args:
        numbers: `core.runs.metrics.metrics_at` of some rows.
        beside_paper: show the paper's numbers as well.
    """
    (fake_fake, fake_real), (real_fake, real_real) = numbers["confusion"]
    fake, real = fake_fake + fake_real, real_fake + real_real
    paper: dict[str, Any] = PAPER if beside_paper else {}
    recalls = {name: scores["recall"] for name, scores in paper.get("per_class", {}).items()}
    # with no image of a class the run says 0
    recall = {name: scores["recall"] if scores["support"] else None for name, scores in numbers["per_class"].items()}
    with st.grid(4, min_column_width=190):
        _headline(
            "Accuracy",
            numbers["accuracy"],
            "right on {} of 100 images",
            help=explain("Accuracy", "Interval"),
            counted=(fake_fake + real_real, fake + real),
            paper=paper.get("accuracy"),
        )
        _headline(
            "Recall (FAKE)",
            recall["FAKE"],
            "{} of 100 generated images are recognised",
            help=explain("Recall"),
            counted=(fake_fake, fake),
            paper=recalls.get("FAKE"),
        )
        _headline(
            "Recall (REAL)",
            recall["REAL"],
            "{} of 100 photographs are recognised",
            help=explain("Recall"),
            counted=(real_real, real),
            paper=recalls.get("REAL"),
        )
        _headline(
            "AUROC",
            numbers["auroc"],
            "given one photograph and one generated image, how often the photograph scores higher",
            help=explain("AUROC"),
        )


def _headline(
    label: str,
    value: float | None,
    words: str,
    *,
    help: str,
    counted: tuple[int, int] | None = None,
    paper: float | None = None,
) -> None:
    """Draw a share and what it means; in `words`, {} becomes its percentage, `counted` is (correct, total)."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, "none" if value is None else percent(value), help=help)
        needs = "needs images of both classes" if counted is None else "needs images of this class"
        st.caption(needs if value is None else words.format(of_100(value)))
        if counted is not None and counted[1]:
            low, high = (percent(float(end)) for end in wilson_interval(*counted))
            st.caption(f"{counted[0]:,} of {counted[1]:,}; 95% interval {low} to {high}.")
        if paper is not None:
            st.caption(f"The paper reports {of_100(paper)}%.")


def of_100(share: float) -> str:
    """0.945 as "94.5", 0.96 as "96"."""
    return percent(share).removesuffix("%").removesuffix(".0")


def draw_matrix_and_curves(rows: pd.DataFrame, base: Filter) -> Filter | None:
    """Draw the confusion matrix at the chosen threshold beside the curves over all thresholds.

    Args:
        rows: from `core.runs.browsing.table.judged_table`.
        base: the filter that finds these rows.

    Returns:
        The filter of the cell that was just clicked, or None.
    """
    wanted = None
    st.space("small")
    row = st.grid(2, min_column_width=340, gap="large")
    with row.cell():
        section(
            "Confusion matrix",
            "Each cell is a button that opens exactly those images in Explore.",
            help=explain("Confusion matrix"),
        )
        counts = confusion_at(rows, THRESHOLD.value)
        if cell := confusion_matrix(counts, key="matrix"):
            label, predicted = cell
            wanted = Filter(threshold=THRESHOLD.value, choices=base.choices)
            wanted = wanted.choosing("label", [label]).choosing("predicted", [predicted])
        wrong = int(counts[0, 1] + counts[1, 0])
        st.markdown(
            f"{wrong:,} of {counts.sum():,} verdicts are wrong: {counts[0, 1]:,} FAKE called REAL and "
            f"{counts[1, 0]:,} REAL called FAKE."
        )
    with row.cell():
        section(
            "ROC and precision-recall",
            "All thresholds at once; the dot is the chosen one. The curve of a better detector is closer to the upper "
            "left corner (ROC) or the upper right one (precision-recall).",
            help=explain("ROC curve", "Threshold"),
        )
        if counts.sum(axis=1).all():
            _draw_curves(rows, counts)
        else:
            st.info("These images are of one class, and a curve needs both.")
    return wanted


def _draw_curves(rows: pd.DataFrame, counts: Any) -> None:
    scores, swept = class_scores(counts), sweep(rows)
    recall, false_positive_rate = scores.loc["FAKE", "recall"], 1 - scores.loc["REAL", "recall"]
    # where nothing is called FAKE it is undefined; the curve begins at 1
    precision = scores.loc["FAKE", "precision"] if counts[:, 0].sum() else 1.0
    roc, precision_recall = st.tabs(["ROC", "Precision-recall"])
    with roc:
        curves.draw_roc(swept, recall=recall, false_positive_rate=false_positive_rate)
    with precision_recall:
        base = float(counts[0].sum() / counts.sum())
        curves.draw_precision_recall(swept, recall=recall, precision=precision, base=base)


def draw_scores_and_categories(rows: pd.DataFrame, base: Filter, *, beside_paper: bool) -> Filter | None:
    """Draw precision, recall and F1 beside the paper's, and the error rate of each category.

    Returns:
        The filter of the category that was just clicked, or None.
    """
    st.space("small")
    row = st.grid(2, min_column_width=340, gap="large")
    with row.cell():
        _draw_scores(rows, beside_paper)
    with row.cell():
        section(
            "Error rate by category",
            "The share of wrong verdicts by what the image shows. The line through each bar is its 95% interval; where "
            "two overlap, the difference may be chance. Dashed: all of them together. A click shows the wrong ones.",
            help=explain("Interval"),
        )
        OF.choose("Among", label_visibility="collapsed")
        return draw_rates(rows, base, "category", several="categories", unknown="These images carry no category.")


def _draw_scores(rows: pd.DataFrame, beside_paper: bool) -> None:
    section(
        "Precision, recall and F1",
        "Precision: of the images called FAKE (or REAL), how many really are. Recall: of those that are, how many are "
        "found. F1: high only where both are high. At the threshold above.",
        help=explain("Precision", "Recall", "F1"),
    )
    counts = confusion_at(rows, THRESHOLD.value)
    lines = []
    for (name, shares), images, called in zip(
        class_scores(counts).iterrows(), counts.sum(axis=1), counts.sum(axis=0), strict=True
    ):
        own = {key: f"{shares[key]:.3f}" if images else "none" for key in SCORES}
        if not called:
            own["precision"] = "none"
        lines.append({"class": f"{CLASS_WORDS[name]}, this detector", **own})
        paper = PAPER["per_class"][name]
        lines.append({"class": f"{CLASS_WORDS[name]}, the paper's", **{key: f"{paper[key]:.2f}" for key in SCORES}})
    st.table(pd.DataFrame(lines).set_index("class").rename(columns=SCORES), border="horizontal")
    st.caption(
        "The paper's figures are from its Table 1, "
        + ("on the same 20,000 images." if beside_paper else "on other images than these, so only for orientation.")
    )
    if not beside_paper:
        name_paper()


def draw_rates(rows: pd.DataFrame, base: Filter, column: str, *, several: str, unknown: str) -> Filter | None:
    """Draw the error rate of each value of a column, of the class chosen in `OF`.

    Args:
        rows: from `core.runs.browsing.judged_table`.
        base: the filter that finds these rows.
        column: "category" or "source".
        several: its plural.
        unknown: said where no row has a value.

    Returns:
        The filter of the wrong verdicts of the value that was just clicked, or None.
    """
    among = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    if among.empty:
        st.info(f"There is no image that is {OF.value}.")
        return None
    rates = error_by(among, column, threshold=THRESHOLD.value)
    if rates.empty:
        st.info(unknown)
        return None
    drawn = largest(rates)
    if len(rates) > len(drawn):
        st.caption(f"The {len(drawn)} of {len(rates):,} {several} with the most images; Explore filters by each.")
    cells = confusion_at(among, THRESHOLD.value)
    overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
    value = rate_bars(drawn, overall=overall, key=several, title=f"Error rates, a button for each {column}.")
    if value is None:
        return None
    asked = base if OF.value == "all" else base.choosing("label", [OF.value])
    wanted = Filter(threshold=THRESHOLD.value, choices=asked.choices)
    return wanted.choosing(column, [value]).choosing("correct", ["wrong"])


def draw_confidence(judged: pd.DataFrame, rows: pd.DataFrame, calibration_error: float) -> None:
    """Draw how confident verdicts are, and how often verdicts of each confidence are right.

    Args:
        judged: the rows at the threshold, see `core.runs.browsing.table.at_threshold`.
        rows: the same at one half, where a verdict is the likelier class: calibration is about these.
        calibration_error: 0 to 1.
    """
    st.space("small")
    row = st.grid(2, min_column_width=340, gap="large")
    with row.cell():
        section(
            "Confidence",
            "How sure the detector is of its verdicts, right ones above wrong ones; 50% is a guess.",
            help=explain("Confidence"),
        )
        curves.draw_confidence(confidence_histogram(judged))
        if THRESHOLD.value != HALF:
            st.caption("Confidence is in the likelier class, which at this threshold need not be the verdict.")
        sure = judged[judged["confidence"] >= 0.95]
        if len(sure):
            share = percent((sure["correct"] == "wrong").mean())
            st.markdown(f"It is at least 95% sure of {len(sure):,} images and wrong on {share} of them.")
    with row.cell():
        section(
            "Calibration",
            "If confidence could be taken at its word, verdicts that are 80% sure would be right in 80 of 100 cases, "
            "and all points would lie on the dotted line. The threshold does not affect this chart.",
            help=explain("Calibration"),
        )
        drawn = calibration(rows)
        curves.draw_calibration(drawn)
        over, under = beyond_confidence(drawn)
        st.markdown(
            f"It is significantly over-confident at {over} of {len(drawn)} points and under-confident at {under}. On "
            f"average over all images, confidence and accuracy differ by {100 * calibration_error:.1f} points "
            f"(calibration error, over {ECE_BINS} equally wide bins of confidence)."
        )
