"""Data, a tab of What it reads: which shortcuts the data contains, and whether the detector uses them."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from core.findings.finding import Finding
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS
from core.runs.filter import Filter
from core.storage import ContractError
from core.studies.audit_summary import STATISTIC_NAMES, experiments_on, histogram
from core.studies.copies import COUNTED
from core.studies.cues import BOUND, Results, conclude, find_results, read_results
from core.studies.store import StudyResult
from dashboard import catalogue, state
from dashboard.components import charts
from dashboard.components.charts import SYMBOLS, Line, line_figure
from dashboard.components.component import key_of
from dashboard.components.copies import draw_copies
from dashboard.components.findings import finding_table
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain
from dashboard.components.study import command, readable, refused, study_files
from dashboard.components.words import percent
from dashboard.library import BY_STAMP, Opened

# statistic -> its column in the table of images, where that has another name
COLUMNS = {"compression": "files.compression"}
STUDIES = ("duplicates", "files", "audit")
DASHES = {"REAL": "solid", "FAKE": "dash"}


def draw(opened: Opened) -> None:
    """Draw the tab."""
    audit, duplicates = readable(opened, "audit"), readable(opened, "duplicates")
    if audit is None:
        st.info(
            f"The data of {plain(opened.run.name)} has not been audited yet. To do so, run "
            f"{code(command(opened, *STUDIES))} and reload this page.",
            icon=":material/science:",
        )
        draw_cues(opened)
        return
    # statistic -> how well it separates the classes alone, the worst shortcut first
    cues = {finding.key[5:]: finding for finding in audit.findings if finding.key.startswith("fact.")}
    draw_headlines(opened, audit, cues, duplicates)
    finding_table([*cues.values(), *(finding for finding in audit.findings if finding.key.startswith("baseline"))])
    with fold(
        "matched",
        "Does the detector use these cues?",
        explained="The detector on images matched on one cue, which cannot help there; the control is all images.",
        help=explain("AUROC"),
    ) as is_open:
        if is_open:
            probes = readable(opened, "probes", concluded=False)
            leans = [
                finding for finding in audit.findings if finding.key.startswith("lean.") and finding.key != "lean.leak"
            ]
            finding_table(leans + changes_of(opened.origin, probes, tuple(cues)))
    with fold(
        "spread",
        "How are the cues distributed?",
        explained="Share of the images of each class by value: blue and solid REAL, orange and dashed FAKE.",
    ) as is_open:
        if is_open:
            with st.grid(3, min_column_width=260, gap="large") as grid:
                for name in cues:
                    with grid.cell():
                        draw_spread(opened, name)
    draw_cues(opened)
    with fold(
        "spectrum",
        "Does fineness alone separate the classes?",
        explained="How much detail of each fineness images hold: medians, and the middle half of the images.",
        help=explain("Spectrum"),
    ) as is_open:
        if is_open:
            charts.show(spectrum(audit.table), key="data.spectrum", alt="Power by ring and class")
            finding_table([finding for finding in audit.findings if finding.key.startswith("ring")])
    with fold(
        "copies",
        "Are test images copies of training images?",
        "Not measured yet." if duplicates is None else "",
        explained="An image that the detector was trained on is no test, and a repeated one counts twice. Near copies "
        "are pairs whose perceptual hashes and grey levels agree: a hint to look, not a proof.",
        help=explain("Leak", "Repeat", "Near copy"),
    ) as is_open:
        if is_open and duplicates is None:
            st.info(f"Copies have not been looked for yet: run {code(command(opened, *STUDIES))}.")
        elif is_open and duplicates is not None:
            draw_copies(opened, duplicates)
            study_files(opened, duplicates, key="data.copies")
    st.caption("Only the cues named here are tested, and a difference between the classes is not an explanation.")
    study_files(opened, audit, key="data.audit")


def draw_headlines(
    opened: Opened, audit: StudyResult, cues: Mapping[str, Finding], duplicates: StudyResult | None
) -> None:
    """Draw the numbers that a reviewer asks for."""
    accuracy = audit.table.set_index("name")["accuracy"]
    metrics: dict[str, tuple[str, str | None]] = {
        "Simple regression is right": (percent(accuracy["spectrum"], 0), None),
        "The network is right": (percent(accuracy["network"], 0), None),
    }
    for name in list(cues)[:1]:
        metrics["Strongest simple cue"] = STATISTIC_NAMES[name].title, f"AUROC {cues[name].measure.value:.2f}"
    if duplicates is not None:
        unchecked = duplicates.finding("unchecked") is not None and not opened.run.leaks_checked
        leaks = [duplicates.finding(key) for key, (side, _) in COUNTED.items() if side == "in_training"]
        count = sum(int(leak.details.get("count", 0)) for leak in leaks if leak is not None)
        metrics["Copies of training images"] = "not checked" if unchecked else f"{count:,}", None
    repeats = int(opened.run.predictions["is_repeat"].sum())
    metrics["Repeated images"] = f"{repeats:,}", None
    with st.grid(5, min_column_width=150):
        for label, (value, beside) in metrics.items():
            st.metric(label, value, beside, delta_color="off", delta_arrow="off", border=True, height="stretch")


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP)
def changes_of(opened: Opened, probes: StudyResult | None, cues: tuple[str, ...]) -> list[Finding]:
    """Return the findings of the experiments that change the statistics."""
    return [finding for name in cues if probes is not None for finding in experiments_on(opened.run, probes, name)]


def draw_spread(opened: Opened, name: str) -> None:
    """Draw the distribution of a statistic over the classes, where it has two values or more, and ways to images."""
    statistic = STATISTIC_NAMES[name]
    st.markdown(f"**{statistic.title}**")
    column = COLUMNS.get(name, name)
    if column in opened.table and opened.table[column].nunique() > 1:
        frame = spread_of(opened.origin, column)
        if "value" in frame:
            share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
            config = dict.fromkeys(("real", "fake"), share)
            st.dataframe(frame.head(8), hide_index=True, column_config=config, height=220)
        else:
            lines = [
                Line(label, frame["low"], frame[label.lower()], CLASS_COLOURS[label], DASHES[label], shape="hv")
                for label in CLASSES
            ]
            figure = line_figure(lines, statistic.about, height=220, showlegend=False)
            figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero", ticks="")
            alt = f"{statistic.title} of REAL and of FAKE images; the table has its AUROC"
            charts.show(figure, key=key_of("data.spread", name), alt=alt)
    with st.container(horizontal=True, gap="small"):
        for words, sign in (("Highest first", "-"), ("Lowest first", "")) if statistic.is_number else ():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", name, words)):
                state.go("mistakes", run=opened.run.name, wanted=Filter(sort=f"{sign}{name}"))


@st.cache_resource(max_entries=128, show_spinner=False, hash_funcs=BY_STAMP)
def spread_of(opened: Opened, column: str) -> pd.DataFrame:
    """Return a column's distribution by class; cached."""
    return histogram(opened.table[column], (opened.table["label"] == "REAL").to_numpy(bool))


def spectrum(frame: pd.DataFrame) -> Figure:
    """Plot median power by ring of the spectrum and class, with the middle half of the images."""
    frame = frame[frame["kind"] == "ring"]
    rings = frame["name"].astype(int)
    lines = [
        Line(name, rings, frame[f"median_{name.lower()}"], CLASS_COLOURS[name], DASHES[name], SYMBOLS[name],
             frame[f"lower_{name.lower()}"], frame[f"upper_{name.lower()}"])
        for name in CLASSES
    ]  # fmt: skip
    axes = "radius, in waves on 32 pixels: coarse shading to finest detail", "power (1 more is ten times as much)"
    return line_figure(lines, *axes).update_xaxes(tickvals=[1, 4, 8, 12, 16])


def draw_cues(opened: Opened) -> None:
    """Draw what each cue is worth alone to a small network, or say how it is measured."""
    # each home for itself: a file of the same name would hide one with more training images
    paths = [path for home in catalogue.homes() for path in find_results((home,)).values()]
    try:
        results = results_of(opened.origin, tuple((path, path.stat().st_mtime_ns) for path in paths))
    except ContractError as error:
        refused(error)
        return
    with fold(
        "cues",
        "What is each cue worth?",
        "" if results is not None else "Not measured yet.",
        explained="A small network is trained on the images with all but one cue removed, and tested on test images "
        f"treated the same way. {BOUND}",
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
            about = results.about
            few = " This is a quick look at a part of them." if about.get("limit") else ""
            st.caption(f"Trained on {about['training_images']:,} images of {plain(about['training_set'])}.{few}")
            finding_table(conclude(results))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_STAMP)
def results_of(opened: Opened, files: tuple[tuple[Path, int], ...]) -> Results | None:
    """Read the cues of the run's image set with the most training images; None without any.

    Raises:
        ContractError: the file named after the set is damaged.
    """
    found = []
    for path, _ in files:
        try:
            results = read_results(path)
        except ContractError:
            # its set cannot be read, so go by the file's name
            if path.stem == opened.run.manifest["set"]:
                raise
            continue
        if results.about["of_fingerprint"] == opened.run.manifest["set_fingerprint"] and len(results.table):
            found.append(results)
    return max(found, key=lambda study: int(study.about["training_images"]), default=None)
