"""Data: which shortcuts does the data contain, and does the detector use them?"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core.findings.finding import Finding, Measure, find
from core.images.palette import DETECTOR
from core.storage import ContractError
from core.studies.audit_summary import (
    STATISTIC_NAMES,
    Concern,
    baselines,
    concerns,
    experiments_on,
    histogram,
    rings,
)
from core.studies.copies import COUNTED
from core.studies.cues import BOUND, Results, conclude, find_results, read_results
from core.studies.store import StudyResult
from dashboard import catalogue, library, state
from dashboard.components import audit_charts, charts
from dashboard.components.component import key_of
from dashboard.components.copies import draw_copies
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, with_code
from dashboard.components.study import command, readable, study_files
from dashboard.components.words import heading, percent, section
from dashboard.library import BY_STAMP, Opened
from dashboard.visitors import for_visitors

# statistic -> its column in Explore, where that has another name
COLUMNS = {"compression": "files.compression"}
STUDIES = ("duplicates", "files", "audit")


def draw_headlines(audit: StudyResult, found: Sequence[Concern], duplicates: StudyResult | None) -> None:
    """Draw the four numbers that a reviewer asks for."""
    network = audit.table[audit.table["kind"] == "network"].iloc[0]
    line = baselines(audit).set_index("name").loc["16 numbers of the spectrum"]
    with st.grid(4, min_column_width=190):
        if found:
            auroc = f"AUROC {found[0].cue.measure.value:.2f} alone; guessing is 0.50"
            _headline("Strongest simple cue", found[0].name.title, auroc)
        beside = f"accuracy with 16 numbers of the spectrum; the network gets {percent(network['accuracy'])}"
        _headline("Logistic-regression baseline", percent(line["value"]), beside)
        if duplicates is not None:
            unchecked = duplicates.finding("unchecked") is not None and not opened.run.leaks_checked
            leaks = [duplicates.finding(key) for key, (side, _) in COUNTED.items() if side == "in_training"]
            count = sum(int(leak.details.get("count", 0)) for leak in leaks if leak is not None)
            of = f"of {len(opened.run):,} images have a copy in the training set"
            _headline("Train-test leakage", "not checked" if unchecked else f"{count:,}", of)
        repeats = int(opened.run.predictions["is_repeat"].sum())
        _headline("Repeats", f"{repeats:,}", "images are copies of an earlier file of this set")


def _headline(label: str, value: str, sentence: str) -> None:
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, value)
        st.caption(sentence)


def draw_concern(concern: Concern, probes: StudyResult | None) -> None:
    """Draw a cue: its distribution over the classes, its findings, and ways to the images."""
    draw_spread(concern)
    changed = changes_of(opened.origin, probes, concern.key) if probes is not None else []
    extra = [audit.finding("grey")] if concern.key == "greyness" else []
    finding_table([*(finding for finding in (concern.cue, concern.lean, *extra) if finding is not None), *changed])
    draw_buttons(concern)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP)
def changes_of(opened: Opened, probes: StudyResult, key: str) -> list[Finding]:
    """Return the findings of the experiments that change a statistic."""
    return experiments_on(opened.run, probes, key) if key in STATISTIC_NAMES else []


def draw_buttons(concern: Concern) -> None:
    """Draw buttons that open the images of a cue in Explore."""
    with st.container(horizontal=True, gap="small"):
        for words, wanted in concern.shown.items():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", concern.key, words)):
                state.go("mistakes", run=opened.run.name, wanted=wanted)


def draw_spread(concern: Concern) -> None:
    """Draw the distribution of a statistic over the classes, where it has two values or more."""
    column = COLUMNS.get(concern.key, concern.key)
    if column in opened.table and opened.table[column].nunique() > 1:
        frame = spread_of(opened.origin, column)
        alt = f"{concern.name.title} of REAL and of FAKE images; the table has its AUROC"
        figure = audit_charts.spread(frame, concern.name.about)
        charts.show(figure, key=key_of("data.spread", concern.key), alt=alt)


@st.cache_resource(max_entries=128, show_spinner=False, hash_funcs=BY_STAMP)
def spread_of(opened: Opened, column: str) -> pd.DataFrame:
    """Return a column's distribution by class; cached."""
    return histogram(opened.table[column], (opened.table["label"] == "REAL").to_numpy(bool))


def draw_cues() -> None:
    """Draw what each cue is worth alone to a small network, or say how it is measured."""
    try:
        results, findings = results_of(opened)
    except ContractError as error:
        st.error(with_code(for_visitors(error, homes=catalogue.homes())))
        return
    with fold(
        "cues",
        "What is each cue worth?",
        "" if results is not None else "Not measured yet.",
        explained="A small network is trained on the images with all but one cue removed, and tested on test images "
        f"treated the same way. Dots are accuracies with 95% intervals over networks and images. {BOUND}",
        help=explain("Accuracy", "Low-pass", "Interval"),
    ) as is_open:
        if is_open and results is None:
            st.info(
                f"To measure this for the images of {plain(opened.run.name)}, run "
                f"{code('python -m core cues --data DATA')} with their training images and reload this page; "
                f"it takes hours, and {code('--limit 2000 --seeds 1')} makes it a quick look.",
                icon=":material/science:",
            )
        elif is_open and results is not None:
            cues = [cue for cue in findings if not cue.details["is_control"]]
            rows = pd.DataFrame([{"name": cue.details["title"], **vars(cue.measure)} for cue in cues])
            figure = charts.dot_figure(rows, colour=DETECTOR, unit="accuracy from this alone")
            for key, name in (("everything", "everything kept"), ("labels", "shuffled labels")):
                if (cue := find(findings, f"cue-{key}")) is not None:
                    charts.mark_line(figure, cue.measure.value, name)
            charts.show(figure, key="data.cues", alt="Accuracy from each cue alone; the table has the numbers")
            about = results.about
            few = " This is a quick look at a part of them." if about.get("limit") else ""
            st.caption(f"Trained on {about['training_images']:,} images of {plain(about['training_set'])}.{few}")
            finding_table(findings)


def results_of(opened: Opened) -> tuple[Results | None, list[Finding]]:
    """Read the cues of the run's image set with the most training images, and their findings; None without any.

    Raises:
        ContractError: none of the set can be read, and the file named after the set is damaged.
    """
    # each home for itself: a file of the same name would hide one with more training images
    paths = [path for home in catalogue.homes() for path in find_results((home,)).values()]
    return _results(opened.origin, tuple((path, path.stat().st_mtime_ns) for path in paths))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_STAMP)
def _results(opened: Opened, files: tuple[tuple[Path, int], ...]) -> tuple[Results | None, list[Finding]]:
    found, problem = [], None
    for path, _ in files:
        try:
            results = read_results(path)
        except ContractError as error:
            # its set cannot be read, so go by the file's name
            problem = error if path.stem == opened.run.manifest["set"] else problem
            continue
        if results.about["of_fingerprint"] == opened.run.manifest["set_fingerprint"] and len(results.table):
            found.append(results)
    if not found and problem is not None:
        raise problem
    largest = max(found, key=lambda study: int(study.about["training_images"]), default=None)
    return largest, [] if largest is None else conclude(largest)


opened = library.current()
found_audit, duplicates = readable(opened, "audit"), readable(opened, "duplicates")
heading(
    "Which shortcuts does the data contain, and does the detector use them?",
    f"If the REAL images of **{plain(opened.run.manifest['set'])}** were simply brighter, a detector could be right "
    "and know nothing of image generators. This page tests such cues one by one.",
)
if opened.table.empty:
    st.info("This run holds no image, so there is nothing to audit; choose another one on the left.")
    st.stop()
if found_audit is None:
    st.info(
        f"The data of {plain(opened.run.name)} has not been audited yet. To do so, run "
        f"{code(command(opened, *STUDIES))} and reload this page.",
        icon=":material/science:",
    )
    draw_cues()
    st.stop()
audit: StudyResult = found_audit
probes = readable(opened, "probes", concluded=False)
found = concerns(audit)
facts = [fact for fact in found if fact.key != "leak"]
flaws = [fact for fact in facts if fact.is_flaw]
draw_headlines(audit, facts, duplicates)
section(
    "How well each cue separates the classes",
    "AUROC of each cue alone, by a rule fitted to the training images where available. The diamond is the detector on "
    "images matched on the cue, where the cue cannot help: as long as it stays far right, it uses something else too.",
    help=explain("AUROC"),
)
if found:
    network = next(
        (concern.lean.control.measure for concern in found if concern.lean.control is not None), Measure(float("nan"))
    )
    alt = "AUROC of each cue, and of the detector matched on it; the table beneath has the numbers"
    charts.show(audit_charts.told_apart(found, network), key="data.apart", alt=alt)
    finding_table([finding for concern in found for finding in (concern.cue, concern.lean)])
for concern in flaws:
    with fold(f"cue-{concern.key}", plain(concern.name.title), f"AUROC {concern.cue.measure.value:.2f}") as is_open:
        if is_open:
            draw_concern(concern, probes)
if rest := [fact for fact in facts if not fact.is_flaw]:
    with fold("harmless", f"{len(rest)} of {len(facts)} cues barely separate the classes, if at all") as is_open:
        if is_open:
            with st.grid(3, min_column_width=260, gap="large") as grid:
                for concern in rest:
                    with grid.cell():
                        st.markdown(f"**{plain(concern.name.title)}**")
                        draw_spread(concern)
                        draw_buttons(concern)
draw_cues()
with fold(
    "spectrum",
    "Does fineness alone separate the classes?",
    explained="How much detail of each fineness images hold: medians, and the middle half of the images.",
    help=explain("Spectrum"),
) as is_open:
    if is_open:
        charts.show(audit_charts.spectrum(rings(audit)), key="data.spectrum", alt="Power by ring and class")
        finding_table([finding for finding in audit.findings if finding.key.startswith("ring")])
with fold(
    "baseline",
    "How far does a logistic regression get?",
    explained="The accuracy of a regression on a few numbers, trained on the training images and tested on these.",
    help=explain("Baseline", "Logistic regression", "AUROC"),
) as is_open:
    if is_open:
        real = float(opened.run.is_real.mean())
        figure = audit_charts.beside(baselines(audit), guessing=max(real, 1 - real))
        charts.show(figure, key="data.beside", alt="Accuracy of each baseline; the table has the numbers")
        finding_table([finding for finding in audit.findings if finding.key.startswith("baseline")])
with fold(
    "copies",
    "Are test images copies of training images?",
    "Not measured yet." if duplicates is None else "",
    explained="An image that the detector was trained on is no test, and a repeated one counts twice. Near copies are "
    "pairs whose perceptual hashes and grey levels agree: a hint to look, not a proof.",
    help=explain("Leak", "Repeat", "Near copy"),
) as is_open:
    if is_open and duplicates is None:
        st.info(f"Copies have not been looked for yet: run {code(command(opened, *STUDIES))}.")
    elif is_open and duplicates is not None:
        draw_copies(opened, duplicates)
        study_files(opened, duplicates, key="data.copies")
st.caption("Only the cues named here are tested, and a difference between the classes is not an explanation.")
study_files(opened, audit, key="data.audit")
