"""One run in detail: its numbers, curves, errors and calibration, and what identifies it and its detector."""

import json
import re

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.detectors.identity import Identified
from core.images.cifake import FINGERPRINTS
from core.images.labels import CLASSES
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
    without_leaks_and_repeats,
)
from core.runs.rows import at_threshold
from core.runs.run import Run
from core.storage import read_bytes
from dashboard import state
from dashboard.components import charts
from dashboard.components.downloads import csv_button, file_button, report_download
from dashboard.components.glossary import explain
from dashboard.components.matrix import confusion_matrix
from dashboard.components.plain import code, plain, without_pictures
from dashboard.components.words import name_paper, percent
from dashboard.library import Opened
from dashboard.state import Setting

COUNT = Setting("count", "all", {"all": "All images", "clean": "Without leaks and repeats"})
THRESHOLD = Setting("cut", HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", {"all": "All images", "FAKE": "FAKE called REAL", "REAL": "REAL called FAKE"})
DEVICES = {"cpu": "CPU", "cuda": "GPU (CUDA or ROCm)", "mps": "Apple GPU"}


def draw_controls(opened: Opened) -> pd.DataFrame:
    """Draw which images of a run are counted, at which threshold, and its report; return the rows that are counted."""
    manifest = opened.run.manifest
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
            help=explain("Threshold", also="Every number below follows it except AUROC and calibration."),
        )
        report_download(opened, key="detectors.report")
    return opened.judged if COUNT.value == "all" else without_leaks_and_repeats(opened.judged)


def draw_numbers(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw the confusion matrix, the curves, and the measures as a table, beside the paper's on the paper's images."""
    counts = confusion_at(rows, THRESHOLD.value)
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            if cell := confusion_matrix(counts, key="matrix"):
                wanted = _base().choosing("label", cell[:1]).choosing("predicted", cell[1:])
                state.go("mistakes", run=opened.run.name, wanted=wanted)
        with grid.cell():
            _draw_curves(rows)
    measures = measures_of(counts, opened.run.manifest["metrics"][COUNT.value]["auroc"])
    beside_paper = opened.run.manifest["set_fingerprint"] == FINGERPRINTS["test"]
    st.table(measures if beside_paper else measures.drop(columns="the paper's"), border="horizontal")
    words = "Recall: how many of a class are recognised. Precision: how many that are called so are so."
    st.caption(words, help=explain("Accuracy", "Recall", "Precision", "F1", "AUROC", "Interval"))
    if beside_paper:
        name_paper()


def measures_of(counts: NDArray[np.int64], auroc: float | None) -> pd.DataFrame:
    """Lay out accuracy, and recall, precision and F1 of each class, as text.

    Args:
        counts: int (2, 2) [true][called], FAKE first.
        auroc: of the same images; None where they are of one class.

    Returns:
        Columns `value`, `95% interval`, `counts` and `the paper's`, a row a measure.
    """
    right, scores = np.diag(counts), class_scores(counts)
    lines = [("Accuracy", right.sum(), counts.sum(), PAPER["accuracy"])]
    for name, hits, images, called in zip(CLASSES, right, counts.sum(axis=1), counts.sum(axis=0), strict=True):
        paper = PAPER["per_class"][name]
        lines += [(f"Recall ({name})", hits, images, paper["recall"]),
                  (f"Precision ({name})", hits, called, paper["precision"])]  # fmt: skip
    rows = {}
    for label, hits, images, paper in lines:
        low, high = (percent(float(end)) for end in wilson_interval(int(hits), int(images)))
        known = (percent(hits / images), f"{low} to {high}") if images else ("none", "")
        rows[label] = (*known, f"{hits:,} of {images:,}", percent(paper))
    for name, images in zip(CLASSES, counts.sum(axis=1), strict=True):
        f1 = percent(float(scores.loc[name, "f1"])) if images else "none"
        rows[f"F1 ({name})"] = (f1, "", "", percent(PAPER["per_class"][name]["f1"]))
    rows["AUROC"] = ("none" if auroc is None else percent(auroc), "", "", "")
    columns = ["value", "95% interval", "counts", "the paper's"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("measure")


def _base() -> Filter:
    """Return the filter of the images that are counted, at the threshold of the page."""
    wanted = Filter(threshold=THRESHOLD.value)
    return wanted if COUNT.value == "all" else wanted.choosing("in_train", ["no"]).choosing("is_repeat", ["no"])


def _draw_curves(rows: pd.DataFrame) -> None:
    """Draw the curves over all thresholds."""
    counts = confusion_at(rows, THRESHOLD.value)
    if not counts.sum(axis=1).all():
        st.info("These images are of one class, and a curve needs both.")
        return
    scores, swept = class_scores(counts), sweep(rows)
    recall, alarms = float(scores.loc["FAKE", "recall"]), 1 - float(scores.loc["REAL", "recall"])
    # where nothing is called FAKE it is undefined; the curve begins at 1
    precision = float(scores.loc["FAKE", "precision"]) if counts[:, 0].sum() else 1.0
    share = counts[0].sum() / counts.sum()
    hits, sure = swept.true_positive_rate, swept.precision
    drawn = {
        "false-positive rate (REAL called FAKE)": (swept.false_positive_rate, hits, (alarms, recall), (0.0, 1.0)),
        "recall of FAKE": (hits, sure, (recall, precision), (share, share)),
    }
    names, below = ("ROC", "Precision-recall"), ("true-positive rate (FAKE)", "precision of FAKE")
    for tab, name, y, (x, (across, up, now, guess)) in zip(st.tabs(names), names, below, drawn.items(), strict=True):
        with tab:
            figure = charts.threshold_curve(across, up, swept.thresholds, now=now, titles=(x, y), guess=guess)
            charts.show(figure, key=name, alt=f"{name} curve; now {x} {percent(now[0])}, {y} {percent(now[1])}")


def draw_errors(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw the error rate by category and by source; a value that is chosen opens its errors."""
    OF.choose("Among", label_visibility="collapsed")
    among = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    cells = confusion_at(among, THRESHOLD.value)
    overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
    for column in ("category", "source"):
        if column not in among or not among[column].notna().any():
            continue
        rates = error_by(among, column, threshold=THRESHOLD.value)
        drawn = largest(rates)
        st.markdown(f"#### By {column}", help=explain("Interval"))
        if len(rates) > len(drawn):
            st.caption(f"The {len(drawn)} of {len(rates):,} with the most images; Mistakes filters by each.")
        title, opens = f"Error rates by {column}", f"Show the errors of one {column}"
        value = charts.rate_chart(drawn, overall=overall, key=column, title=title, opens=opens)
        name = f"{opened.run.name}-{column}.csv"
        csv_button("These numbers (CSV)", rates.rename(columns={"value": column}), name, key=f"csv.{column}")
        if value is not None:
            wanted = _base() if OF.value == "all" else _base().choosing("label", [OF.value])
            wanted = wanted.choosing(column, [value]).choosing("correct", ["wrong"])
            state.go("mistakes", run=opened.run.name, wanted=wanted)


def draw_confidence(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw how confident verdicts are, and how often verdicts of each confidence are right."""
    histogram, bins = confidence_histogram(at_threshold(rows, THRESHOLD.value)), calibration(rows)
    over, under = beyond_confidence(bins)
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            st.markdown("#### Confidence", help=explain("Confidence"))
            charts.show(charts.confidence(histogram), key="confidence", alt="Right and wrong verdicts by confidence")
        with grid.cell():
            st.markdown("#### Calibration", help=explain("Calibration"))
            alt = f"Accuracy by confidence: {over} of {len(bins)} points too sure, {under} not sure enough"
            charts.show(charts.calibration({opened.run.name: bins}), key="calibration", alt=alt)
    error = 100 * opened.run.manifest["metrics"][COUNT.value]["ece"]
    st.caption(
        f"Calibration error {error:.1f} points over {ECE_BINS} bins; significantly too sure at {over} of {len(bins)} "
        f"points, not sure enough at {under}."
    )


def draw_origin(opened: Opened, made_by: Identified | None) -> None:
    """Draw the training, the facts that identify the run, and the model card."""
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            _draw_training(made_by)
        with grid.cell():
            st.markdown("#### About this run", help=explain("Run", "Fingerprint", "Temperature"))
            st.table(facts_of(opened.run, made_by), border="horizontal")
            file_button(
                "All of it as JSON",
                (json.dumps(opened.run.manifest, indent=1) + "\n").encode,
                file_name=f"{opened.run.name}.json",
                mime="application/json",
                icon=":material/data_object:",
                type="tertiary",
                key="detectors.manifest",
            )
    if made_by is None:
        return
    try:
        card = read_bytes(made_by.path / "README.md").decode()
    except (OSError, UnicodeDecodeError):
        st.error(f"{plain(made_by.path.name)}/README.md is missing or cannot be read; restore it to see the card.")
    else:
        # the page has a title of its own
        st.markdown(without_pictures(re.sub(r"^#(?=#* )", "###", card, flags=re.MULTILINE)))


def _draw_training(made_by: Identified | None) -> None:
    """Draw accuracy by epoch, and the networks of a joined detector."""
    st.markdown("#### Training", help=explain("Epoch"))
    manifest = made_by.manifest if made_by else {}
    members, history = manifest.get("members", []), manifest.get("history")
    if members:
        table = pd.DataFrame(members).assign(name=[plain(member["name"]) for member in members])
        table["accuracy on held-out images"] = [percent(accuracy, 2) for accuracy in table["val_accuracy"]]
        columns = ["name", "weight", "accuracy on held-out images"]
        st.table(table[columns].rename(columns={"name": "network"}).set_index("network"), border="horizontal")
    if histories := {str(member["name"]): member["history"] for member in members if member.get("history")}:
        history = histories[Setting("network", next(iter(histories)), tuple(histories)).choose("Network")]
    if history:
        charts.show(charts.training(history), key="training", alt="Accuracy by epoch")
    elif not members:
        known = "was not trained here" if made_by else "is not among the detectors here"
        st.caption(f"The detector {known}, so its accuracy after each epoch is unknown.")


def facts_of(run: Run, made_by: Identified | None) -> dict[str, str]:
    """Return what identifies a run and its detector, as Markdown."""
    # runs of earlier versions do not say
    manifest, device = run.manifest, str(run.manifest.get("device", "unknown"))
    leaked = f"{manifest['leaked']:,}" if run.leaks_checked else "not checked"
    facts = {
        "Detector": f"{plain(manifest['detector'])}, weights {code(manifest['detector_sha256'][:16])}",
        "Images": f"{plain(manifest['set'])}, fingerprint {code(manifest['set_fingerprint'][:16])}",
        "Created": plain(manifest["created"].replace("T", " ").replace("+00:00", " UTC")),
        "Left out as unreadable": f"{len(manifest['skipped']):,}",
        "Train-test leakage, repeats": f"{leaked}, {manifest['repeats']:,}",
        "Temperature": f"{manifest['temperature']:.3f}",
        "Computed on": plain(DEVICES.get(device, device)),
        "Versions": plain(", ".join(f"{library} {version}" for library, version in manifest["versions"].items())),
    }
    if not run.sealed:
        facts["Seal"] = "not sealed: a change of its manifest would not be noticed; make the run again to seal it"
    if made_by is not None:
        # those of an ONNX file are not counted
        weights = made_by.manifest.get("parameters")
        facts["Network"] = plain(made_by.about.network_words) + (f", {weights:,} weights" if weights else "")
        if recipe := made_by.manifest.get("recipe"):
            facts["Recipe"] = ", ".join(plain(f"{key.replace('_', ' ')} {value}") for key, value in recipe.items())
    return facts
