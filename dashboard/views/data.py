"""Data, a tab of What it reads: which shortcuts and copies the data contains, and whether the detector uses them."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from core.arrays import Pixels
from core.console import PROGRAM
from core.cues.cues import BOUND, conclude, find_results, read_results
from core.images.labels import CLASS_COLOURS, CLASSES, other_class
from core.images.statistics import STATISTICS
from core.runs.filter import Filter
from core.storage.limits import ContractError
from core.studies.questions.audit import TITLES, has_both, histogram
from core.studies.questions.duplicates import COUNTED, FILE, NEAR, SHOWN, copy_pairs, training_pictures
from core.studies.store import StudyResult, study_path
from dashboard import catalogue, library, state
from dashboard.components import charts
from dashboard.components.charts import SYMBOLS, Line, line_figure
from dashboard.components.component import fold, key_of
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.study import Bar, command, draw_bars, finding_table, readable, refused, study_files, study_of
from dashboard.components.words import CLASS_WORDS, code, explain, plain
from dashboard.library import Opened, cached

DASHES = {"REAL": "solid", "FAKE": "dash"}
SIDES = {"training": "With training images", "set": "Within this set"}
WHAT = {FILE: "The same file", SHOWN: "The same pixels in another file", NEAR: "Nearly the same picture"}
# pairs of a side that are drawn; the counts above them lead to all
MOST_PAIRS = 6


def draw(opened: Opened) -> None:
    """Draw the tab."""
    audit = study_of(opened, "audit", "duplicates", "files")
    if audit is None:
        draw_cues(opened)
        return
    draw_lesson(opened, audit)
    # how well each statistic separates the classes alone, the worst shortcut first; simple networks last
    cues = [finding for finding in audit.findings if finding.key.startswith(("fact.", "follow."))]
    finding_table([*cues, *(finding for finding in audit.findings if finding.key.startswith("baseline"))])
    with fold(
        "matched",
        "Does the detector use these cues?",
        explained="The detector on images matched on one cue, which cannot help there; the control is all images.",
        help=explain("AUROC"),
    ) as is_open:
        if is_open:
            finding_table((finding for finding in audit.findings if finding.key != "lean.leak"), only="lean.")
            st.caption("What changing an image does to its verdict is on the tab Evidence.")
    with fold(
        "spread",
        "How are the cues distributed?",
        explained="Share of the images of each class by value: blue and solid REAL, orange and dashed FAKE.",
    ) as is_open:
        if is_open:
            with st.grid(3, min_column_width=260, gap="large") as grid:
                for name in dict.fromkeys(finding.key.partition(".")[2] for finding in cues):
                    with grid.cell():
                        draw_spread(opened, name)
    draw_cues(opened)
    with fold(
        "spectrum",
        "Does fineness alone separate the classes?",
        explained="How much detail of each fineness images hold: medians, and the middle half of the images.",
        help=explain("Spectrum"),
    ) as is_open:
        if is_open and has_both(opened.run):
            charts.show(spectrum(audit.table), key="data.spectrum", alt="Power by ring and class")
            finding_table(audit.findings, only="ring")
    draw_copied(opened)
    st.caption("Only the cues named here are tested, and a difference between the classes is not an explanation.")
    study_files(opened, audit, key="data.audit")


def draw_lesson(opened: Opened, audit: StudyResult) -> None:
    """Draw how far simple numbers get beside the network, and say what follows."""
    if not has_both(opened.run):
        return
    accuracy = audit.table.set_index("name")["accuracy"]
    simple = accuracy["spectrum"]
    network = accuracy["network"]
    follows = "Mostly, and the network sees more" if network > simple else "As well as by the network"
    guessing = max(opened.run.is_real.mean(), 1 - opened.run.is_real.mean())
    st.markdown(f"Does fineness of detail alone tell REAL from FAKE? **{follows}.**")
    draw_bars([Bar("guessing", guessing), Bar("fineness of detail alone", simple), Bar("the network", network)])


def draw_spread(opened: Opened, name: str) -> None:
    """Draw the distribution of a statistic over the classes, where it has two values or more."""
    st.markdown(f"**{TITLES[name]}**")
    # only the study of files has it
    column = "files.compression" if name == "compression" else name
    if column not in opened.table or opened.table[column].nunique() < 2:
        st.caption("the same for all images")
        return
    frame = spread_of(opened.origin, column)
    if "value" in frame:
        share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=80)
        st.dataframe(frame.head(8), hide_index=True, column_config={"real": share, "fake": share}, height=220)
        return
    lines = [
        Line(label, frame["low"], frame[label.lower()], CLASS_COLOURS[label], DASHES[label], shape="hv")
        for label in CLASSES
    ]
    figure = line_figure(lines, height=200, showlegend=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero", ticks="")
    alt = f"{TITLES[name]} of REAL and of FAKE images; the table has its AUROC"
    charts.show(figure, key=key_of("data.spread", name), alt=alt)
    st.caption(STATISTICS[name])


@cached(max_entries=128)
def spread_of(opened: Opened, column: str) -> pd.DataFrame:
    """Return a column's distribution by class; cached."""
    return histogram(opened.table[column], opened.run.is_real)


def spectrum(frame: pd.DataFrame) -> Figure:
    """Plot median power by ring of the spectrum and class, with the middle half of the images."""
    frame = frame[frame["kind"] == "ring"]
    rings = frame["name"].astype(int)
    lines = []
    for label in CLASSES:
        median, low, high = (frame[f"{name}_{label.lower()}"] for name in ("median", "lower", "upper"))
        lines.append(Line(label, rings, median, CLASS_COLOURS[label], DASHES[label], SYMBOLS[label], low, high))
    axes = "radius, in waves on 32 pixels: coarse shading to finest detail", "power (1 more is ten times as much)"
    return line_figure(lines, *axes).update_xaxes(tickvals=[1, 4, 8, 12, 16])


def draw_cues(opened: Opened) -> None:
    """Draw what each cue is worth alone to a small network, or say how it is measured."""
    try:
        results = results_of(opened)
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
                f"{code(f'{PROGRAM} cues --data DATA')} with their training images and reload this page; "
                f"it takes hours, and {code('--limit 2000 --seeds 1')} makes it a quick look.",
                icon=":material/science:",
            )
        elif is_open and results is not None:
            about = results.about
            few = " This is a quick look at a part of them." if about.get("limit") else ""
            st.caption(f"Trained on {about['training_images']:,} images of {plain(about['training_set'])}.{few}")
            finding_table(conclude(results))


def results_of(opened: Opened) -> StudyResult | None:
    """Read the cues of the run's image set, which their file is named after; None without any.

    Raises:
        ContractError: the file is damaged.
    """
    path = find_results().get(opened.run.manifest["set"])
    results = None if path is None else read_results(path)
    if results is None or results.about["of_fingerprint"] != opened.run.manifest["set_fingerprint"]:
        return None
    return results


def draw_copied(opened: Opened) -> None:
    """Draw, folded, which test images are copies of training images or of each other."""
    duplicates = readable(opened, "duplicates")
    with fold(
        "copies",
        "Are test images copies of training images?",
        "Not measured yet." if duplicates is None else copies_words(opened, duplicates),
        explained="An image that the detector was trained on is no test, and a repeated one counts twice. Near copies "
        "are pairs whose perceptual hashes and grey levels agree: a hint to look, not a proof.",
        help=explain("Leak", "Repeat", "Near copy"),
    ) as is_open:
        # a damaged one was reported above
        if is_open and not study_path(opened.run.path, "duplicates").is_file():
            study_of(opened, "duplicates", "files")
        elif is_open and duplicates is not None:
            draw_copies(opened, duplicates)
            study_files(opened, duplicates, key="data.copies")


def copies_words(opened: Opened, duplicates: StudyResult) -> str:
    """Count the copies of training images, where those were looked for, and the images that the set has twice."""
    repeats = f"{opened.run.predictions['is_repeat'].sum():,} repeats"
    if duplicates.finding("unchecked") is not None and not opened.run.leaks_checked:
        return f"Not checked; {repeats}."
    leaks = (finding for finding in duplicates.findings if finding.key.startswith("leak."))
    return f"{sum(leak.details.get('count', 0) for leak in leaks):,} copies, {repeats}."


def draw_copies(opened: Opened, duplicates: StudyResult) -> None:
    """Draw the number of copies of each kind, each a button that opens them, and pairs as pictures."""
    with st.grid(2, min_column_width=330, gap="large") as grid:
        for side, title in SIDES.items():
            with grid.cell():
                st.markdown(f"**{title}**")
                for key, (counted, kind) in COUNTED.items():
                    finding = duplicates.finding(key)
                    if counted == side and finding is not None:
                        draw_count(opened, side, kind, finding.details)
                if side == "training" and duplicates.finding("unchecked") is not None:
                    again = code(command(opened, "duplicates"))
                    st.caption(f"With the training images available, run {again}.")
    for side, title in SIDES.items():
        pairs = copy_pairs(duplicates.table, side)
        if len(pairs):
            st.markdown(f"**{title}: {len(pairs):,} pairs**")
            draw_pairs(opened, side, pairs.head(MOST_PAIRS))


def draw_pairs(opened: Opened, side: str, pairs: pd.DataFrame) -> None:
    """Draw pairs of a side, from `copy_pairs`, as pictures."""
    training = None
    if side == "training":
        # of the attached set, or of the sample
        source = "sample" if opened.run.manifest["set"].startswith("sample-") else catalogue.registry().source
        wanted = tuple(zip(pairs["partner"], pairs["name"], strict=True))
        training = read_training(source, wanted) if source is not None else {}
    if training == {}:
        st.caption(f"The pictures of the training images are not available. {catalogue.how_to_get_pictures()}")
    with st.grid(3, min_column_width=300, gap="medium") as grid:
        for pair in pairs.to_dict("records"):
            row = opened.row_of(pair["id"])
            if row is not None:
                with grid.cell():
                    draw_pair(opened, pair, row, training)


def draw_count(opened: Opened, side: str, kind: str, counts: Mapping[str, Any]) -> None:
    """Draw how many copies of a kind there are, as a button that shows them in Mistakes."""
    if not counts:
        st.caption(f"{WHAT[kind]}: not checked, because the training images were not available.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"{'about ' if counts['sampled'] else ''}{counts['count']:,}"
        key = f"data.{side}.{kind}"
        if st.button(label, icon=":material/grid_view:", key=key, disabled=not counts["count"], help="Show the images"):
            state.show_images(opened.run.name, Filter().choosing(f"duplicates.{side}_kind", [kind]))
        clash = f"; **{counts['other_class']:,} of the other class**" if counts["other_class"] else ""
        st.markdown(f"{WHAT[kind]}{clash}", width="stretch")


def draw_pair(opened: Opened, pair: Mapping[Hashable, Any], row: int, training: dict[str, Pixels] | None) -> None:
    """Draw an image beside its copy, and a button that opens it.

    Args:
        opened: the run.
        pair: a row of `core.studies.questions.duplicates.copy_pairs`.
        row: where the image stands in the run.
        training: pixels of training images by identity; None where the copies are in the run itself.
    """
    pictures = library.pictures(opened)
    label, name = opened.table[["label", "name"]].iloc[row].astype(str)
    other = other_class(label) if pair["class"] == "other" else label
    beside = None if training is None else training.get(pair["partner"])
    at = opened.row_of(pair["partner"]) if training is None else None
    if at is not None:
        beside = pictures.get(at)
        # where copies have both classes, the pair counts as one of the other class whatever this copy is
        other = opened.table["label"].iloc[at]
    cells = [
        Cell(image, f"{its_label}, {its_name}", f"{CLASS_WORDS[its_label]} {plain(its_name)}", its_label)
        for image, its_label, its_name in ((pictures.get(row), label, name), (beside, other, pair["name"]))
        if image is not None
    ]
    picture_grid(cells, columns=2, least=100)
    clash = "**Other class.** " if pair["class"] == "other" else ""
    alike = f"{64 - int(pair['bits'])} of 64 bits of their hashes agree" if pair["kind"] == NEAR else "equal pixels"
    names = "" if len(cells) == 2 else f"{plain(name)} and {plain(pair['name'])}: "
    st.caption(f"{clash}{names}{alike}")
    if st.button("Open", key=key_of("data.pair", pair["id"], pair["partner"]), type="tertiary"):
        state.show_images(opened.run.name, id=pair["id"])


@st.cache_data(max_entries=32, show_spinner="Looking for the training images", ttl=3600)
def read_training(source: str | Path, wanted: tuple[tuple[str, str], ...]) -> dict[str, Pixels]:
    """Read training images by their identity; cached."""
    return training_pictures(source, dict(wanted))
