"""Overview: how good is the detector?"""

import re
from typing import Any

import pandas as pd
import streamlit as st

from core.detectors.words import network_words
from core.metrics.classification import (
    HALF,
    calibration,
    class_scores,
    confidence_histogram,
    confusion_at,
    error_by,
    largest,
    sweep,
)
from core.metrics.intervals import wilson_interval
from core.runs.filter import Filter
from core.runs.paper import PAPER
from core.runs.writing import clean
from core.system.files import read_bytes
from core.system.folders import MANIFEST
from dashboard.components.charts import style as charts
from dashboard.components.charts.bars import rate_bars
from dashboard.components.charts.matrix import confusion_matrix
from dashboard.components.downloads import file_button
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, without_pictures
from dashboard.components.studies.limits import draw_reach
from dashboard.components.studies.report import report_download
from dashboard.components.words import CLASS_WORDS, heading, name_paper, percent, section
from dashboard.services import address, library
from dashboard.services.address import Setting

COUNT = Setting("count", "all", choices=("all", "clean"))
CUT = Setting("cut", HALF, kind=float, low=0.01, high=0.99)
OF = Setting("of", "all", choices=("all", "FAKE", "REAL"))
YES_NO = {True: "yes", False: "no"}
OF_NAMES = {"all": "All images", "FAKE": "FAKE that pass", "REAL": "REAL that are accused"}
SCORES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
COUNT_NAMES = {"all": "All images", "clean": "Without leaks and repeats"}


def conclusion(numbers: dict[str, Any]) -> str | None:
    """What the numbers come to, in one sentence."""
    if not numbers["images"]:
        return None
    if numbers["accuracy"] == 1:
        return "It is wrong on none of these images."
    fake, real = (numbers["per_class"][name] for name in ("FAKE", "REAL"))
    missed, accused = 1 - fake["recall"], 1 - real["recall"]
    if not fake["support"] or not real["support"]:
        lean = "since they are of one class, they do not say which way it errs more often"
    elif accused == missed:
        lean = "lets generated images pass as often as it accuses photographs"
    elif accused > missed:
        lean = "accuses photographs more often than it lets generated images pass"
    else:
        lean = "lets generated images pass more often than it accuses photographs"
    return f"It is wrong on {100 * (1 - numbers['accuracy']):.1f} of 100 images, and {lean}."


opened = library.current()
manifest, run = opened.run.manifest, opened.run.name
heading(
    "How good is the detector?",
    f"What **{plain(manifest['detector'])}** says of the {manifest['images']:,} images of "
    f"**{plain(manifest['set'])}**: photographs (REAL) and pictures made by an image generator (FAKE).",
    conclusion(manifest["metrics"][COUNT.value]),
    help=explain("Detector", "REAL", "FAKE"),
)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    st.caption(
        "Telltale shows how a detector of AI-generated images decides, and how far its verdicts can be believed.",
        width="content",
    )
    st.page_link("views/guide/page.py", label="New here? Start the guide", query_params={"run": run})
if opened.judged.empty:
    st.info("This run holds no image, so there is nothing to measure; choose another one on the left.")
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    if manifest["leaked"] or manifest["repeats"]:
        COUNT.linked(
            st.segmented_control,
            "Count",
            options=list(COUNT_NAMES),
            format_func=COUNT_NAMES.get,
            required=True,
            help=explain(
                "Leak",
                "Repeat",
                also=f"Here {manifest['leaked']:,} and {manifest['repeats']:,}. Without them the numbers say what the "
                "detector does on images that it has never seen.",
            ),
        )
    else:
        seen = "No file of this run was in the training set"
        if not opened.run.leaks_checked:
            seen = "Whether files of this run were in the training set was not checked"
        st.caption(f"{seen}, and none repeats another.", width="content")
    report_download(opened, key="overview.report")
rows = opened.judged if COUNT.value == "all" else clean(opened.judged)
numbers = manifest["metrics"][COUNT.value]
base = Filter() if COUNT.value == "all" else Filter().choosing("in_train", ["no"]).choosing("is_repeat", ["no"])
if rows.empty:
    st.info("Every image of this run is a leak or a repeat, so nothing is left to count.")
    st.stop()


def headline(
    label: str,
    value: float | None,
    sentence: str,
    *,
    help: str,
    counted: tuple[int, int] | None = None,
    paper: float | None = None,
) -> None:
    """One number and what it means, with {} for it of 100; `counted` is how many images of how many it comes from."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(f"{label}{at}", "none" if value is None else percent(value), help=help)
        st.caption(
            "It takes images of both classes to say." if value is None else sentence.format(f"{100 * value:.0f}")
        )
        if counted is not None and counted[1]:
            low, high = (percent(float(end)) for end in wilson_interval(*counted))
            st.caption(f"{counted[0]:,} of {counted[1]:,}; 95 % interval {low} to {high}.")
        if paper is not None:
            st.caption(f"The paper: {percent(paper)}")


# of no image the run says 0
at = "" if CUT.value == HALF else f" (at {percent(HALF, 0)})"
recall = {name: scores["recall"] if scores["support"] else None for name, scores in numbers["per_class"].items()}
of_fake, of_real = numbers["confusion"]
is_cifake = manifest["set"].startswith("cifake-test")
with st.grid(4, min_column_width=190):
    headline(
        "Right verdicts",
        numbers["accuracy"],
        "Of 100 images it calls {} by their right name (accuracy).",
        help=explain("Accuracy", "Interval"),
        counted=(of_fake[0] + of_real[1], sum(of_fake) + sum(of_real)),
        paper=PAPER["accuracy"] if is_cifake else None,
    )
    headline(
        "FAKE caught",
        recall["FAKE"],
        "Of 100 generated images {} are found out (recall of FAKE); the rest pass.",
        help=explain("Recall"),
        counted=(of_fake[0], sum(of_fake)),
        paper=PAPER["per_class"]["FAKE"]["recall"] if is_cifake else None,
    )
    headline(
        "REAL trusted",
        recall["REAL"],
        "Of 100 photographs {} are left in peace (recall of REAL); the rest are accused.",
        help=explain("Recall"),
        counted=(of_real[1], sum(of_real)),
        paper=PAPER["per_class"]["REAL"]["recall"] if is_cifake else None,
    )
    headline(
        "Pairs told apart",
        numbers["auroc"],
        "Shown one image of each class, how often the photograph looks more REAL to it (area under the ROC curve).",
        help=explain("AUROC"),
    )
if is_cifake:
    name_paper()

st.space("small")
row = st.grid(2, min_column_width=340, gap="large")
moved = "" if CUT.value == HALF else f" Moved to {percent(CUT.value, 0)}; the numbers at the top stay at 50 %."
with row.cell():
    section(
        "Who is taken for what",
        f"Each cell is a button: it opens Explore on exactly those images.{moved}",
        help=explain("Confusion matrix"),
    )
    CUT.linked(
        st.slider,
        "Say REAL only when at least this sure of it",
        min_value=0.01,
        max_value=0.99,
        step=0.01,
        format="percent",
        help=explain(
            "Threshold", also="Raise it to let fewer FAKE images pass, at the price of accusing more REAL ones."
        ),
    )
    counts = confusion_at(rows, CUT.value)
    if cell := confusion_matrix(counts, key="matrix"):
        truth, said = cell
        wanted = Filter(cut=CUT.value, choices=base.choices).choosing("label", [truth]).choosing("predicted", [said])
        address.go("explore", run=run, wanted=wanted)
    wrong = int(counts[0, 1] + counts[1, 0])
    st.markdown(
        f"{wrong:,} of {counts.sum():,} verdicts are wrong: {counts[0, 1]:,} generated images pass as photographs and "
        f"{counts[1, 0]:,} photographs are called generated."
    )
with row.cell():
    section(
        "Every threshold at once",
        "The dot is the threshold chosen. A better detector's curve lies closer to the upper left (ROC) and upper "
        "right (precision and recall) corner.",
        help=explain("ROC curve", "Threshold"),
    )
    scores = class_scores(counts)
    if counts.sum(axis=1).all():
        swept = sweep(rows)
        caught, accused = scores.loc["FAKE", "recall"], 1 - scores.loc["REAL", "recall"]
        roc_tab, pr_tab = st.tabs(["ROC", "Precision and recall"])
        with roc_tab:
            charts.show(
                charts.roc(swept, caught=caught, accused=accused),
                key="roc",
                alt=f"ROC curve; now {percent(caught)} of FAKE are caught and {percent(accused)} of REAL accused",
            )
        with pr_tab:
            precision = scores.loc["FAKE", "precision"]
            charts.show(
                charts.precision_recall(swept, caught=caught, precision=precision, base=counts[0].sum() / counts.sum()),
                key="pr",
                alt=f"Precision and recall; now {percent(precision)} precision at {percent(caught)} recall of FAKE",
            )
    else:
        st.info("These images are of one class, and a curve takes both.")

st.space("small")
row = st.grid(2, min_column_width=340, gap="large")
with row.cell():
    section(
        "Beside the paper",
        "Precision: of the images called FAKE (or REAL), how many are. Recall: of those that are, how many are called "
        "so. F1: high only where both are. At the threshold above.",
        help=explain("Precision", "Recall", "F1"),
    )
    lines = []
    for (name, shares), images in zip(scores.iterrows(), counts.sum(axis=1), strict=True):
        own = {key: f"{shares[key]:.3f}" if images else "none" for key in SCORES}
        lines.append({"": f"{CLASS_WORDS[name]}, this detector", **own})
        paper = PAPER["per_class"][name]
        lines.append({"": f"{CLASS_WORDS[name]}, the paper's", **{key: f"{paper[key]:.2f}" for key in SCORES}})
    st.table(pd.DataFrame(lines).set_index("").rename(columns=SCORES), border="horizontal")
    st.caption(
        "The paper's are from its Table 1, on the 20,000 images of CIFAKE's test set"
        + (" with a detector of full width." if is_cifake else ": other images than these, so they only orient.")
    )
    if not is_cifake:
        name_paper()
with row.cell():
    section(
        "Where it fails",
        "Share of wrong verdicts by what the image shows. The line through each bar is its 95 % interval: where two "
        "overlap, the difference may be chance. Dashed: all of them together. A click shows the wrong ones.",
        help=explain("Interval"),
    )
    OF.linked(
        st.segmented_control, "Among", options=list(OF_NAMES), format_func=OF_NAMES.get, required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    asked = base if OF.value == "all" else base.choosing("label", [OF.value])
    among = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    rates = error_by(among, "category", cut=CUT.value)
    if rates.empty:
        st.info("These images carry no category.")
    else:
        of, rates = len(rates), largest(rates)
        if of > len(rates):
            st.caption(f"The {len(rates)} of {of:,} categories that have the most images; Explore filters by each.")
        cells = confusion_at(among, CUT.value)
        overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
        title = "Error rates, a button for each category."
        if category := rate_bars(rates, overall=overall, key="categories", title=title):
            wanted = Filter(cut=CUT.value, choices=asked.choices)
            wanted = wanted.choosing("category", [category]).choosing("correct", ["wrong"])
            address.go("explore", run=run, wanted=wanted)

st.space("small")
row = st.grid(2, min_column_width=340, gap="large")
with row.cell():
    section(
        "How sure it is",
        "Confidence is the probability given to the verdict, from 50 % (a guess) to 100 %.",
        help=explain("Confidence"),
    )
    histogram = confidence_histogram(rows)
    charts.show(charts.confidence(histogram), key="confidence", alt="Right and wrong verdicts by confidence")
    sure = rows[rows["confidence"] >= 0.95]
    if len(sure):
        share = percent((sure["correct"] == "wrong").mean())
        st.markdown(f"Of the {len(sure):,} verdicts that are at least 95 % sure, {share} are wrong.")
with row.cell():
    section(
        "Whether its confidence can be believed",
        "If it can, verdicts that are 80 % sure are right in 80 of 100 cases: the points lie on the dotted line.",
        help=explain("Calibration"),
    )
    charts.show(charts.calibration(calibration(rows)), key="calibration", alt="Share of right verdicts by confidence")
    st.markdown(f"On average confidence and truth are {100 * numbers['ece']:.1f} points apart (calibration error).")

st.space("small")
row = st.grid(2, min_column_width=340, gap="large")
# a detector of the same name that was trained again is another detector
made_by = library.detectors().get(library.maker(opened.run) or "")
detector = None if made_by is None else made_by.manifest
with row.cell():
    section(
        "How it was trained", "Accuracy after each epoch, one pass over the training images.", help=explain("Epoch")
    )
    if detector and detector.get("history"):
        charts.show(charts.training(detector["history"]), key="training", alt="Accuracy by epoch of training")
    else:
        st.caption("The detector that made this run is not among the detectors here, so its training is unknown.")
with row.cell():
    section(
        "What this run is",
        "Enough to make the same run again, and to see that two are the same.",
        help=explain("Run", "Fingerprint", "Temperature"),
    )
    leaked = f"{manifest['leaked']:,}" if opened.run.leaks_checked else "not checked"
    facts = {
        "Detector": f"{plain(manifest['detector'])}, weights {code(manifest['detector_sha256'][:16])}",
        "Images": f"{plain(manifest['set'])}, fingerprint {code(manifest['set_fingerprint'][:16])}",
        "Made": plain(manifest["created"].replace("T", " ").replace("+00:00", " UTC")),
        "Left out as unreadable": f"{len(manifest['skipped']):,}",
        "Leaked from training, repeated": f"{leaked}, {manifest['repeats']:,}",
        "Temperature": f"{manifest['temperature']:.3f}: margins are divided by it before they become probabilities",
        "Versions": plain(", ".join(f"{library_} {version}" for library_, version in manifest["versions"].items())),
    }
    if detector:
        recipe = detector.get("recipe", {})
        facts["Network"] = f"{plain(network_words(made_by.about))}, {detector['parameters']:,} weights"
        facts["Recipe"] = ", ".join(
            plain(f"{key.replace('_', ' ')} {YES_NO[value] if isinstance(value, bool) else value}")
            for key, value in recipe.items()
        )
    st.table(facts, border="horizontal")
    file_button(
        "All of it as JSON",
        lambda: read_bytes(opened.run.path / MANIFEST),
        file_name=f"{run}.json",
        mime="application/json",
        icon=":material/data_object:",
        type="tertiary",
        key="overview.manifest",
        help="The run's own record: every number above at the run's threshold, hashes, versions.",
    )
if made_by is not None:
    st.space("small")
    draw_reach(made_by)
    with st.expander("Model card: what this detector is for and what it is not for", icon=":material/description:"):
        try:
            card = read_bytes(made_by.path / "README.md").decode()
        except (OSError, UnicodeDecodeError):
            st.error(
                f"{plain(made_by.path.name)}/README.md is missing or cannot be read; restore it to see the model card."
            )
        else:
            # the page has its title already
            st.markdown(without_pictures(re.sub(r"^#(?=#* )", "###", card, flags=re.MULTILINE)))
