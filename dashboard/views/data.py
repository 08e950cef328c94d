"""Data, a tab of What it reads: which shortcuts the data contains, and whether the detector uses them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from core.findings.finding import Finding
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS
from core.storage import ContractError
from core.studies.audit_summary import STATISTIC_NAMES, Concern, baselines, concerns, experiments_on, histogram, rings
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
    found = [concern for concern in concerns(audit) if concern.key != "leak"]
    draw_headlines(opened, audit, found, duplicates)
    finding_table(
        [concern.cue for concern in found] + [one for one in audit.findings if one.key.startswith("baseline")]
    )
    with fold(
        "matched",
        "Does the detector use these cues?",
        explained="The detector on images matched on one cue, which cannot help there; the control is all images.",
        help=explain("AUROC"),
    ) as is_open:
        if is_open:
            probes = readable(opened, "probes", concluded=False)
            finding_table([concern.lean for concern in found] + changes_of(opened.origin, probes, found))
    with fold(
        "spread",
        "How are the cues distributed?",
        explained="Share of the images of each class by value: blue and solid REAL, orange and dashed FAKE.",
    ) as is_open:
        if is_open:
            finding_table([grey] if (grey := audit.finding("grey")) is not None else [])
            with st.grid(3, min_column_width=260, gap="large") as grid:
                for concern in found:
                    with grid.cell():
                        draw_spread(opened, concern)
    draw_cues(opened)
    with fold(
        "spectrum",
        "Does fineness alone separate the classes?",
        explained="How much detail of each fineness images hold: medians, and the middle half of the images.",
        help=explain("Spectrum"),
    ) as is_open:
        if is_open:
            charts.show(spectrum(rings(audit)), key="data.spectrum", alt="Power by ring and class")
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
    study_files(opened, audit, key="data.audit", summary=lambda: baselines(audit))


def draw_headlines(
    opened: Opened, audit: StudyResult, found: Sequence[Concern], duplicates: StudyResult | None
) -> None:
    """Draw the four numbers that a reviewer asks for."""
    simple = baselines(audit).set_index("name")["value"]
    metrics: dict[str, tuple[str, str | None]] = {
        "Simple regression is right": (percent(simple["16 numbers of the spectrum"], 0), None),
        "The network is right": (percent(simple["The network"], 0), None),
    }
    if found:
        metrics["Strongest simple cue"] = found[0].name.title, f"AUROC {found[0].cue.measure.value:.2f}"
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


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP | {Concern: lambda concern: concern.key})
def changes_of(opened: Opened, probes: StudyResult | None, found: Sequence[Concern]) -> list[Finding]:
    """Return the findings of the experiments that change the statistics."""
    keys = [concern.key for concern in found if concern.key in STATISTIC_NAMES and probes is not None]
    return [finding for key in keys if probes is not None for finding in experiments_on(opened.run, probes, key)]


def draw_spread(opened: Opened, concern: Concern) -> None:
    """Draw the distribution of a statistic over the classes, where it has two values or more, and ways to images."""
    st.markdown(f"**{plain(concern.name.title)}**")
    column = COLUMNS.get(concern.key, concern.key)
    if column in opened.table and opened.table[column].nunique() > 1:
        frame = spread_of(opened.origin, column)
        if "value" in frame:
            share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
            config = dict.fromkeys(("real", "fake"), share)
            st.dataframe(frame.head(8), hide_index=True, column_config=config, height=220)
        else:
            lines = [
                Line(name, frame["low"], frame[name.lower()], CLASS_COLOURS[name], DASHES[name], shape="hv")
                for name in CLASSES
            ]
            figure = line_figure(lines, concern.name.about, height=220, showlegend=False)
            figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero", ticks="")
            alt = f"{concern.name.title} of REAL and of FAKE images; the table has its AUROC"
            charts.show(figure, key=key_of("data.spread", concern.key), alt=alt)
    with st.container(horizontal=True, gap="small"):
        for words, wanted in concern.shown.items():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", concern.key, words)):
                state.go("mistakes", run=opened.run.name, wanted=wanted)


@st.cache_resource(max_entries=128, show_spinner=False, hash_funcs=BY_STAMP)
def spread_of(opened: Opened, column: str) -> pd.DataFrame:
    """Return a column's distribution by class; cached."""
    return histogram(opened.table[column], (opened.table["label"] == "REAL").to_numpy(bool))


def spectrum(frame: pd.DataFrame) -> Figure:
    """Plot median power by ring of the spectrum and class, with the middle half of the images, from `rings`."""
    lines = [
        Line(name, frame["ring"], frame[f"median_{name.lower()}"], CLASS_COLOURS[name], DASHES[name], SYMBOLS[name],
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
