"""One run in detail: its numbers, curves, errors and calibration, and what identifies it and its detector."""

import json
import re
from typing import Any

import pandas as pd
import streamlit as st

from core.detectors.identity import Identified
from core.images.cifake import FINGERPRINTS
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
from core.runs.run import Run
from core.storage import read_bytes
from dashboard import state
from dashboard.components import charts, curves
from dashboard.components.downloads import csv_button, file_button, report_download
from dashboard.components.glossary import explain
from dashboard.components.matrix import confusion_matrix
from dashboard.components.plain import code, plain, without_pictures
from dashboard.components.words import CLASS_WORDS, name_paper, percent
from dashboard.library import Opened
from dashboard.state import Setting

COUNT = Setting("count", "all", {"all": "All images", "clean": "Without leaks and repeats"})
THRESHOLD = Setting("cut", HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", {"all": "All images", "FAKE": "FAKE called REAL", "REAL": "REAL called FAKE"})
SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
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
    """Draw the headline numbers, the confusion matrix, precision, recall and F1, and the curves."""
    _draw_headlines(metrics_at(rows, opened.run.manifest["metrics"][COUNT.value], THRESHOLD.value))
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            if cell := confusion_matrix(confusion_at(rows, THRESHOLD.value), key="matrix"):
                wanted = _base().choosing("label", cell[:1]).choosing("predicted", cell[1:])
                state.go("mistakes", run=opened.run.name, wanted=wanted)
            _draw_scores(rows, beside_paper=opened.run.manifest["set_fingerprint"] == FINGERPRINTS["test"])
        with grid.cell():
            _draw_curves(rows)


def _base() -> Filter:
    """Return the filter of the images that are counted, at the threshold of the page."""
    wanted = Filter(threshold=THRESHOLD.value)
    return wanted if COUNT.value == "all" else wanted.choosing("in_train", ["no"]).choosing("is_repeat", ["no"])


def _draw_headlines(numbers: dict[str, Any]) -> None:
    """Draw accuracy, both recalls and AUROC, each with plain words beneath."""
    (fake_fake, fake_real), (real_fake, real_real) = numbers["confusion"]
    fake, real = fake_fake + fake_real, real_fake + real_real
    shown = (
        ("Accuracy", fake_fake + real_real, fake + real, "right on {} of 100 images"),
        ("Recall (FAKE)", fake_fake, fake, "{} of 100 generated images are recognised"),
        ("Recall (REAL)", real_real, real, "{} of 100 photographs are recognised"),
    )
    with st.grid(4, min_column_width=190):
        for label, hits, images, words in shown:
            with st.container(border=True, height="stretch", gap="small"):
                share = percent(hits / images) if images else "none"
                st.metric(label, share, help=explain(label.partition(" ")[0]))
                if images:
                    low, high = (percent(float(end)) for end in wilson_interval(hits, images))
                    st.caption(words.format(share.removesuffix("%").removesuffix(".0")))
                    st.caption(f"{hits:,} of {images:,}; 95% interval {low} to {high}.")
        with st.container(border=True, height="stretch", gap="small"):
            area = numbers["auroc"]
            st.metric("AUROC", "none" if area is None else percent(area), help=explain("AUROC"))
            st.caption("given one photograph and one generated image, how often the photograph scores higher")


def _draw_curves(rows: pd.DataFrame) -> None:
    """Draw the curves over all thresholds."""
    counts = confusion_at(rows, THRESHOLD.value)
    if not counts.sum(axis=1).all():
        st.info("These images are of one class, and a curve needs both.")
        return
    scores, swept = class_scores(counts), sweep(rows)
    recall, false_positive_rate = float(scores.loc["FAKE", "recall"]), 1 - float(scores.loc["REAL", "recall"])
    # where nothing is called FAKE it is undefined; the curve begins at 1
    precision = float(scores.loc["FAKE", "precision"]) if counts[:, 0].sum() else 1.0
    rates, share = (
        (swept.false_positive_rate, swept.true_positive_rate, swept.precision),
        counts[0].sum() / counts.sum(),
    )
    wrong, right, sure = "false-positive rate (REAL called FAKE)", "true-positive rate (FAKE)", "precision of FAKE"
    drawn = {
        "ROC": (rates[:2], (false_positive_rate, recall), (wrong, right), (0.0, 1.0)),
        "Precision-recall": (rates[1:], (recall, precision), ("recall of FAKE", sure), (share, share)),
    }
    for tab, (title, ((x, y), now, titles, guess)) in zip(st.tabs(list(drawn)), drawn.items(), strict=True):
        with tab:
            figure = curves.threshold_curve(x, y, swept, now=now, titles=titles, guess=guess)
            at = f"{titles[0]} {percent(now[0])}, {titles[1]} {percent(now[1])}"
            charts.show(figure, key=title, alt=f"{title} curve; now {at}")


def _draw_scores(rows: pd.DataFrame, *, beside_paper: bool) -> None:
    """Draw precision, recall and F1, beside the paper's where it has measured the same images."""
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
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            st.markdown("#### Confidence", help=explain("Confidence"))
            histogram = confidence_histogram(at_threshold(rows, THRESHOLD.value))
            charts.show(curves.confidence(histogram), key="confidence", alt="Right and wrong verdicts by confidence")
        with grid.cell():
            st.markdown("#### Calibration", help=explain("Calibration"))
            bins = calibration(rows)
            over, under = beyond_confidence(bins)
            alt = f"Accuracy by confidence: {over} of {len(bins)} points too sure, {under} not sure enough"
            charts.show(curves.calibration({opened.run.name: bins}), key="calibration", alt=alt)
            error = 100 * opened.run.manifest["metrics"][COUNT.value]["ece"]
            st.caption(
                f"Calibration error {error:.1f} points over {ECE_BINS} bins; significantly too sure at {over} of "
                f"{len(bins)} points, not sure enough at {under}."
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
    history = manifest.get("history")
    if members := manifest.get("members"):
        rows = [(plain(one["name"]), f"{one['weight']:.2f}", percent(one["val_accuracy"], 2)) for one in members]
        table = pd.DataFrame(rows, columns=["network", "weight", "accuracy on held-out images"])
        st.table(table.set_index("network"), border="horizontal")
        histories = {str(member["name"]): member["history"] for member in members if member.get("history")}
        if histories:
            history = histories[Setting("network", next(iter(histories)), tuple(histories)).choose("Network")]
    if history:
        charts.show(curves.training(history), key="training", alt="Accuracy by epoch")
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
