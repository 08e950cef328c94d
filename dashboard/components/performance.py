"""One run in detail: its warnings, numbers, curves, errors, calibration and origin."""

import re

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Int64
from core.detectors.identity import DetectorHandle
from core.images.cifake import FINGERPRINTS
from core.images.labels import CLASSES
from core.runs import metrics
from core.runs.filter import Filter
from core.runs.run import Run
from core.runs.summary import warnings_of
from core.storage.limits import read_bytes
from dashboard import state
from dashboard.components import charts
from dashboard.components.charts import confusion_matrix
from dashboard.components.component import report_download
from dashboard.components.words import code, explain, name_paper, percent, plain, without_pictures
from dashboard.library import Opened, cached
from dashboard.state import Setting

COUNT = Setting("count", "all", {"all": "All images", "clean": "Without leaks and repeats"})
THRESHOLD = Setting("cut", metrics.HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", {"all": "All images", "FAKE": "FAKE called REAL", "REAL": "REAL called FAKE"})


def draw_warnings(opened: Opened) -> None:
    """Draw every warning of a run, a line each; nothing where there is none."""
    warnings = _warnings(opened.origin)
    if warnings:
        st.warning("  \n".join(map(plain, warnings)), icon=":material/warning:")


@cached()
def _warnings(opened: Opened) -> list[str]:
    return warnings_of(opened.run)


def draw_controls(opened: Opened) -> pd.DataFrame:
    """Draw which images of a run are counted, at which threshold, and its report; return the rows that are counted."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        COUNT.choose("Images counted", help=explain("Leak", "Repeat"))
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
    return opened.judged if COUNT.value == "all" else opened.judged[metrics.is_fresh(opened.judged)]


def draw_numbers(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw the confusion matrix, the curves, and the measures as a table, beside the paper's on the paper's images."""
    counts = metrics.confusion_at(rows, THRESHOLD.value)
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            cell = confusion_matrix(counts, key="matrix")
            if cell:
                wanted = _base().choosing("label", cell[:1]).choosing("predicted", cell[1:])
                state.show_images(opened.run.name, wanted)
        with grid.cell():
            _draw_roc(rows, counts)
    measures = measures_of(counts, opened.run.manifest["metrics"][COUNT.value]["auroc"])
    beside_paper = opened.run.manifest["set_fingerprint"] == FINGERPRINTS["test"]
    st.table(measures if beside_paper else measures.drop(columns="the paper's"), border="horizontal")
    words = "Recall: how many of a class are recognised. Precision: how many that are called so are so."
    st.caption(words, help=explain("Accuracy", "Recall", "Precision", "F1", "AUROC", "Interval"))
    if beside_paper:
        name_paper()


def measures_of(counts: Int64, auroc: float | None) -> pd.DataFrame:
    """Lay out accuracy, and recall, precision and F1 of each class, as text.

    Args:
        counts: int (2, 2) [true][called], FAKE first.
        auroc: of the same images; None where they are of one class.

    Returns:
        Columns `value`, `95% interval`, `counts` and `the paper's`, a row a measure.
    """
    right = np.diag(counts)
    images = counts.sum(axis=1)
    called = counts.sum(axis=0)
    paper = metrics.PAPER["per_class"]
    # of one class only, the accuracy is its recall
    shares = {"Accuracy": (right.sum(), counts.sum(), metrics.PAPER["accuracy"])} if images.all() else {}
    for label, name in enumerate(CLASSES):
        shares[f"Recall ({name})"] = (right[label], images[label], paper[name]["recall"])
        shares[f"Precision ({name})"] = (right[label], called[label], paper[name]["precision"])
    rows = {}
    for measure, (hits, of, beside) in shares.items():
        low, high = (percent(float(end)) for end in metrics.wilson_interval(hits, of))
        known = (percent(hits / of), f"{low} to {high}") if of else ("none", "")
        rows[measure] = (*known, f"{hits:,} of {of:,}", percent(beside))
    f1 = metrics.class_scores(counts)["f1"].map(percent).where(images > 0, "none")
    for name in CLASSES:
        rows[f"F1 ({name})"] = (f1[name], "", "", percent(paper[name]["f1"]))
    rows["AUROC"] = ("none" if auroc is None else percent(auroc), "", "", "")
    columns = ["value", "95% interval", "counts", "the paper's"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("measure")


def _base() -> Filter:
    """Return the filter of the images that are counted, at the threshold of the page."""
    wanted = Filter(threshold=THRESHOLD.value)
    return wanted if COUNT.value == "all" else wanted.choosing("in_train", ["no"]).choosing("is_repeat", ["no"])


def _draw_roc(rows: pd.DataFrame, counts: Int64) -> None:
    """Draw the rates at all thresholds."""
    if not counts.sum(axis=1).all():
        st.info("These images are of one class, and a curve needs both.")
        return
    st.markdown("#### ROC curve", help=explain("ROC curve"))
    recall, alarms = counts[:, 0] / counts.sum(axis=1)
    figure = charts.roc(metrics.sweep(rows), alarms, recall)
    now = f"false-positive rate {percent(alarms)}, true-positive rate {percent(recall)}"
    charts.show(figure, key="ROC", alt=f"ROC curve; now {now}")


def draw_errors(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw the error rate by category and by source; a value that is chosen opens its errors."""
    OF.choose("Among", label_visibility="collapsed")
    among = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    cells = metrics.confusion_at(among, THRESHOLD.value)
    wanted = _base().choosing("correct", ["wrong"]).choosing("label", [] if OF.value == "all" else [OF.value])
    overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
    if "source" in among and among["source"].notna().any():
        means = metrics.means_by_source(among, threshold=THRESHOLD.value)
        shares = dict.fromkeys(means.columns[3:], st.column_config.NumberColumn(format="percent"))
        st.dataframe(means, hide_index=True, column_config=shares, alt="Error rates over sources", width="content")
    for column in ("category", "source", "seen"):
        if column not in among or not among[column].notna().any():
            continue
        rates = metrics.error_by(among, column, threshold=THRESHOLD.value)
        st.markdown(f"#### By {column}", help=explain("Interval"))
        # of many, those with the most images
        title = f"Error rates by {column}"
        value = charts.rate_table(metrics.largest(rates), key=column, title=title, overall=overall)
        if value is not None:
            state.show_images(opened.run.name, wanted.choosing(column, [value]))


def draw_confidence(opened: Opened, rows: pd.DataFrame) -> None:
    """Draw how often verdicts of each confidence are right."""
    bins = metrics.calibration(rows)
    over, under = metrics.beyond_confidence(bins)
    st.markdown("#### Calibration", help=explain("Confidence", "Calibration"))
    charts.show(charts.calibration(bins), key="calibration", alt="Accuracy by confidence")
    error = f"{100 * opened.run.manifest['metrics'][COUNT.value]['ece']:.1f} points over {metrics.ECE_BINS} bins"
    beyond = f"significantly too sure at {over} of {len(bins)} points, not sure enough at {under}"
    st.caption(f"Calibration error {error}; {beyond}.")


def draw_origin(opened: Opened, made_by: DetectorHandle | None) -> None:
    """Draw the training, the facts that identify the run, and the model card."""
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            _draw_training(made_by)
        with grid.cell():
            st.markdown("#### About this run", help=explain("Run", "Fingerprint"))
            st.table(facts_of(opened.run), border="horizontal")
            st.caption("All of it:")
            st.json(opened.run.manifest, expanded=False)
    if made_by is not None:
        try:
            card = read_bytes(made_by.path / "README.md").decode()
        except (OSError, UnicodeDecodeError):
            st.error(f"{plain(made_by.path.name)}/README.md is missing or cannot be read; restore it to see the card.")
        else:
            # the page has a title of its own
            st.markdown(without_pictures(re.sub(r"^#(?=#* )", "###", card, flags=re.MULTILINE)))


def _draw_training(made_by: DetectorHandle | None) -> None:
    """Draw accuracy by epoch, of a chosen network where several were joined."""
    st.markdown("#### Training", help=explain("Epoch"))
    manifest = made_by.manifest if made_by else {}
    history = manifest.get("history")
    histories = {str(one["name"]): one["history"] for one in manifest.get("members", []) if one.get("history")}
    if histories:
        history = histories[Setting("network", next(iter(histories)), tuple(histories)).choose("Network")]
    if history:
        charts.show(charts.training(history), key="training", alt="Accuracy by epoch")
    else:
        st.caption("Its accuracy after each epoch is not known here.")


def facts_of(run: Run) -> dict[str, str]:
    """Return what identifies a run and its detector, as Markdown."""
    manifest = run.manifest
    leaked = f"{manifest['leaked']:,}" if run.leaks_checked else "not checked"
    facts = {
        "Detector": f"{plain(manifest['detector'])}, weights {code(manifest['detector_sha256'][:16])}",
        "Images": f"{plain(manifest['set'])}, fingerprint {code(manifest['set_fingerprint'][:16])}",
        "Created": plain(manifest["created"].replace("T", " ").replace("+00:00", " UTC")),
        "Left out as unreadable": "; ".join([f"{len(manifest['skipped']):,}", *map(plain, manifest["skipped"][:5])]),
        "Train-test leakage, repeats": f"{leaked}, {manifest['repeats']:,}",
    }
    if not run.sealed:
        facts["Seal"] = "not sealed: a change of its manifest would not be noticed; make the run again to seal it"
    return facts
