"""Overview: how good is the detector?"""

import json
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
    metrics_at,
    sweep,
    wilson_interval,
    without_leaks_and_repeats,
)
from core.runs.rows import at_threshold
from dashboard import catalogue, library, state
from dashboard.components import charts, curves
from dashboard.components.charts import rate_chart
from dashboard.components.downloads import csv_button, file_button, report_download
from dashboard.components.glossary import explain
from dashboard.components.limits import draw_reach
from dashboard.components.matrix import confusion_matrix
from dashboard.components.plain import plain
from dashboard.components.run_facts import draw_model_card, draw_training, facts_of
from dashboard.components.words import CLASS_WORDS, heading, name_paper, percent, section
from dashboard.navigation import script_of
from dashboard.state import Setting

COUNT = Setting("count", "all", {"all": "All images", "clean": "Without leaks and repeats"})
THRESHOLD = Setting("cut", HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", {"all": "All images", "FAKE": "FAKE called REAL", "REAL": "REAL called FAKE"})
SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
GROUPS = {"category": "what the image shows", "source": "the generator or camera that it comes from"}


def headline(label: str, share: float | None, words: str, terms: str, *, counted: tuple[int, int] | None) -> None:
    """Draw a share and what it means; in `words`, {} becomes its percentage, `counted` is (correct, total)."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, "none" if share is None else percent(share), help=explain(terms))
        if share is None:
            st.caption(f"needs images of {'this class' if counted else 'both classes'}")
            return
        st.caption(words.format(percent(share).removesuffix("%").removesuffix(".0")))
        if counted is not None and counted[1]:
            low, high = (percent(float(end)) for end in wilson_interval(*counted))
            st.caption(f"{counted[0]:,} of {counted[1]:,}; 95% interval {low} to {high}.")


def draw_headlines(numbers: dict[str, Any]) -> None:
    """Draw accuracy, both recalls and AUROC, each with plain words beneath."""
    (fake_fake, fake_real), (real_fake, real_real) = numbers["confusion"]
    fake, real = fake_fake + fake_real, real_fake + real_real
    # with no image of a class the run says 0
    recall = {name: scores["recall"] if scores["support"] else None for name, scores in numbers["per_class"].items()}
    with st.grid(4, min_column_width=190):
        right = fake_fake + real_real
        headline("Accuracy", numbers["accuracy"], "right on {} of 100 images", "Accuracy", counted=(right, fake + real))
        words = "{} of 100 generated images are recognised"
        headline("Recall (FAKE)", recall["FAKE"], words, "Recall", counted=(fake_fake, fake))
        words = "{} of 100 photographs are recognised"
        headline("Recall (REAL)", recall["REAL"], words, "Recall", counted=(real_real, real))
        words = "given one photograph and one generated image, how often the photograph scores higher"
        headline("AUROC", numbers["auroc"], words, "AUROC", counted=None)


def draw_matrix(rows: pd.DataFrame, base: Filter) -> None:
    """Draw the confusion matrix at the chosen threshold; a cell opens its images in Explore."""
    section(
        "Confusion matrix",
        "Each cell is a button that opens exactly those images in Explore.",
        help=explain("Confusion matrix"),
    )
    if cell := confusion_matrix(confusion_at(rows, THRESHOLD.value), key="matrix"):
        wanted = Filter(threshold=THRESHOLD.value, choices=base.choices)
        state.go("mistakes", run=run, wanted=wanted.choosing("label", cell[:1]).choosing("predicted", cell[1:]))


def draw_curves(rows: pd.DataFrame) -> None:
    """Draw the curves over all thresholds."""
    section(
        "ROC and precision-recall",
        "All thresholds at once; the dot is the chosen one.",
        help=explain("ROC curve", "Threshold"),
    )
    counts = confusion_at(rows, THRESHOLD.value)
    if not counts.sum(axis=1).all():
        st.info("These images are of one class, and a curve needs both.")
        return
    scores, swept = class_scores(counts), sweep(rows)
    recall, false_positive_rate = scores.loc["FAKE", "recall"], 1 - scores.loc["REAL", "recall"]
    # where nothing is called FAKE it is undefined; the curve begins at 1
    precision = scores.loc["FAKE", "precision"] if counts[:, 0].sum() else 1.0
    roc, precision_recall = st.tabs(["ROC", "Precision-recall"])
    with roc:
        figure = curves.roc(swept, recall=recall, false_positive_rate=false_positive_rate)
        at = f"{percent(recall)} of FAKE and {percent(false_positive_rate)} of REAL are called FAKE"
        charts.show(figure, key="roc", alt=f"ROC curve; now {at}")
    with precision_recall:
        base = float(counts[0].sum() / counts.sum())
        figure = curves.precision_recall(swept, recall=recall, precision=precision, base=base)
        charts.show(figure, key="pr", alt=f"Precision-recall curve; now {percent(precision)} at {percent(recall)}")


def draw_scores(rows: pd.DataFrame, *, beside_paper: bool) -> None:
    """Draw precision, recall and F1, beside the paper's where it has measured the same images."""
    section(
        "Precision, recall and F1",
        "Of the images called FAKE (or REAL), how many really are; of those that are, how many are found; and both in "
        "one number. At the threshold above.",
        help=explain("Precision", "Recall", "F1"),
    )
    counts = confusion_at(rows, THRESHOLD.value)
    lines = []
    for name, images, called in zip(class_scores(counts).index, counts.sum(axis=1), counts.sum(axis=0), strict=True):
        shares = class_scores(counts).loc[name]
        own = {key: f"{shares[key]:.3f}" if images else "none" for key in SCORES}
        lines.append({"class": CLASS_WORDS[name], **own} | ({} if called else {"precision": "none"}))
        if beside_paper:
            paper = {key: f"{PAPER['per_class'][name][key]:.2f}" for key in SCORES}
            lines.append({"class": f"{CLASS_WORDS[name]}, the paper's", **paper})
    st.table(pd.DataFrame(lines).set_index("class").rename(columns=SCORES), border="horizontal")
    if beside_paper:
        st.caption(f"The paper's accuracy on these 20,000 images is {percent(PAPER['accuracy'])} (its Table 1).")
        name_paper()


def draw_rates(rows: pd.DataFrame, base: Filter, column: str) -> None:
    """Draw the error rate of each value of a column; one that is chosen opens its errors in Explore."""
    section(
        f"Error rate by {column}",
        f"The share of wrong verdicts by {GROUPS[column]}, with 95% intervals. Dashed: all of them together. A click "
        "shows the wrong ones.",
        help=explain("Interval"),
    )
    if column == "category":
        OF.choose("Among", label_visibility="collapsed")
    among = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    rates = error_by(among, column, threshold=THRESHOLD.value)
    if rates.empty:
        st.info(f"There is no such image with a known {column}.")
        return
    drawn = largest(rates)
    if len(rates) > len(drawn):
        st.caption(f"The {len(drawn)} of {len(rates):,} with the most images; Explore filters by each.")
    cells = confusion_at(among, THRESHOLD.value)
    overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
    title = f"Error rates by {column}"
    value = rate_chart(drawn, overall=overall, key=column, title=title, opens=f"Show the errors of one {column}")
    if column == "source":
        csv_button("These numbers (CSV)", rates.rename(columns={"value": column}), f"{run}-sources.csv", key="sources")
    if value is not None:
        asked = base if OF.value == "all" else base.choosing("label", [OF.value])
        wanted = Filter(threshold=THRESHOLD.value, choices=asked.choices)
        state.go("mistakes", run=run, wanted=wanted.choosing(column, [value]).choosing("correct", ["wrong"]))


def draw_confidence(rows: pd.DataFrame, calibration_error: float) -> None:
    """Draw how confident verdicts are, and how often verdicts of each confidence are right."""
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            section(
                "Confidence",
                "How sure the detector is of its verdicts, right ones above wrong ones; 50% is a guess.",
                help=explain("Confidence"),
            )
            histogram = confidence_histogram(at_threshold(rows, THRESHOLD.value))
            charts.show(curves.confidence(histogram), key="confidence", alt="Right and wrong verdicts by confidence")
        with grid.cell():
            section(
                "Calibration",
                "How often verdicts of each confidence are right, with 95% intervals. If confidence could be taken at "
                "its word, all points would lie on the dotted line.",
                help=explain("Calibration"),
            )
            bins = calibration(rows)
            over, under = beyond_confidence(bins)
            alt = f"Accuracy by confidence: {over} of {len(bins)} points too sure, {under} not sure enough"
            charts.show(curves.calibration({run: bins}), key="calibration", alt=alt)
            st.caption(
                f"Calibration error {100 * calibration_error:.1f} points over {ECE_BINS} bins; significantly too sure "
                f"at {over} of {len(bins)} points, not sure enough at {under}."
            )


opened = library.current()
manifest, run = opened.run.manifest, opened.run.name
rows = opened.judged if COUNT.value == "all" else without_leaks_and_repeats(opened.judged)
numbers = manifest["metrics"][COUNT.value]
if not rows.empty:
    numbers = metrics_at(rows, numbers, THRESHOLD.value)
# a detector of the same name that was trained again is another detector
detector = catalogue.detectors().get(catalogue.maker(opened.run) or "")
heading(
    "How good is the detector?",
    f"The verdicts of **{plain(manifest['detector'])}** on the {manifest['images']:,} images of "
    f"**{plain(manifest['set'])}**: photographs (REAL) and pictures made by an image generator (FAKE).",
    help=explain("Detector", "REAL", "FAKE"),
)
if opened.judged.empty:
    st.info("This run holds no image, so there is nothing to measure; choose another one on the left.")
    st.stop()
if not rows.empty:
    draw_headlines(numbers)
if detector is not None:
    draw_reach(detector)
st.page_link(script_of("start"), label="New here? Start the guide", query_params={"run": run})
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    if manifest["leaked"] or manifest["repeats"] or not opened.run.leaks_checked:
        leaked = f"{manifest['leaked']:,}" if opened.run.leaks_checked else "an unknown number"
        also = f"Here {leaked} and {manifest['repeats']:,}."
        COUNT.choose("Images counted", help=explain("Leak", "Repeat", also=also))
    THRESHOLD.linked(
        st.slider,
        "Threshold: call it REAL when p(REAL) is above",
        min_value=0.01,
        max_value=0.99,
        step=0.01,
        format="percent",
        width=330,
        help=explain("Threshold", also="Every number on this page follows it except AUROC and calibration."),
    )
    report_download(opened, key="overview.report")
base = Filter() if COUNT.value == "all" else Filter().choosing("in_train", ["no"]).choosing("is_repeat", ["no"])
if rows.empty:
    st.info("Every image of this run is a leak or a repeat, so nothing is left to count.")
    st.stop()
with st.grid(2, min_column_width=340, gap="large") as grid:
    with grid.cell():
        draw_matrix(rows, base)
    with grid.cell():
        draw_curves(rows)
    with grid.cell():
        draw_scores(rows, beside_paper=manifest["set"].startswith("cifake-test"))
    with grid.cell():
        draw_rates(rows, base, "category")
if "source" in rows and rows["source"].notna().any():
    draw_rates(rows, base, "source")
draw_confidence(rows, numbers["ece"])
with st.grid(2, min_column_width=340, gap="large") as grid:
    with grid.cell():
        draw_training(detector)
    with grid.cell():
        section("About this run", "Enough to reproduce it.", help=explain("Run", "Fingerprint", "Temperature"))
        st.table(facts_of(opened.run, detector), border="horizontal")
        file_button(
            "All of it as JSON",
            (json.dumps(manifest, indent=1) + "\n").encode,
            file_name=f"{run}.json",
            mime="application/json",
            icon=":material/data_object:",
            type="tertiary",
            key="overview.manifest",
        )
if detector is not None:
    draw_model_card(detector.path)
