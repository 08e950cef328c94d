"""Data, a tab of What it reads: which shortcuts and copies the data contains, and whether the detector uses them."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from core.console import PROGRAM
from core.cues.cues import BOUND, conclude, find_results, read_results
from core.homes import homes
from core.images.labels import CLASS_COLOURS, CLASSES, other_class
from core.images.statistics import STATISTICS
from core.runs.filter import Filter
from core.storage.limits import ContractError
from core.studies.questions.audit import TITLES, has_both, histogram
from core.studies.questions.duplicates import COUNTED, copy_pairs
from core.studies.shared.copies import FILE, NEAR, SHOWN, training_pictures
from core.studies.store import StudyResult, study_path
from dashboard import catalogue, library, state
from dashboard.components import charts
from dashboard.components.charts import SYMBOLS, Line, line_figure
from dashboard.components.component import fold, key_of
from dashboard.components.picture import Cell, picture_grid
from dashboard.components.study import Bar, command, draw_bars, finding_table, readable, refused, study_files, study_of
from dashboard.components.words import CLASS_WORDS, code, explain, plain
from dashboard.library import Opened, cached
from dashboard.state import Setting

# statistic -> its column in the table of images, where that has another name
COLUMNS = {"compression": "files.compression"}
DASHES = {"REAL": "solid", "FAKE": "dash"}
SIDES = {"training": "With training images", "set": "Within this set"}
WHAT = {FILE: "the same file", SHOWN: "the same pixels in another file", NEAR: "nearly the same picture"}
SIDE = Setting("side", "training", SIDES)
# pairs that are drawn at first, and that a press adds
STEP = 12
PAIRS = Setting("pairs", STEP, kind=int, low=STEP, high=1200)


def draw(opened: Opened) -> None:
    """Draw the tab."""
    audit = study_of(opened, "audit", "duplicates", "files")
    if audit is None:
        draw_cues(opened)
        return
    # statistic -> how well it separates the classes alone, the worst shortcut first
    cues = {}
    for finding in audit.findings:
        kind, _, name = finding.key.partition(".")
        if kind in ("fact", "follow"):
            cues[name] = finding
    draw_lesson(opened, audit)
    # those on simple networks last
    finding_table([*cues.values(), *(finding for finding in audit.findings if finding.key.startswith("baseline"))])
    draw_use(audit)
    draw_distributions(opened, list(cues))
    draw_cues(opened)
    draw_fineness(opened, audit)
    draw_copied(opened)
    st.caption("Only the cues named here are tested, and a difference between the classes is not an explanation.")
    study_files(opened, audit, key="data.audit")


def draw_use(audit: StudyResult) -> None:
    """Draw, folded, how the detector does on images that are matched on one cue."""
    with fold(
        "matched",
        "Does the detector use these cues?",
        explained="The detector on images matched on one cue, which cannot help there; the control is all images.",
        help=explain("AUROC"),
    ) as is_open:
        if is_open:
            finding_table((finding for finding in audit.findings if finding.key != "lean.leak"), only="lean.")
            st.caption("What changing an image does to its verdict is on the tab Evidence.")


def draw_distributions(opened: Opened, cues: Sequence[str]) -> None:
    """Draw, folded, how the values of cues are distributed over the classes."""
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


def draw_fineness(opened: Opened, audit: StudyResult) -> None:
    """Draw, folded, the spectrum of each class."""
    with fold(
        "spectrum",
        "Does fineness alone separate the classes?",
        explained="How much detail of each fineness images hold: medians, and the middle half of the images.",
        help=explain("Spectrum"),
    ) as is_open:
        if is_open and has_both(opened.run):
            charts.show(spectrum(audit.table), key="data.spectrum", alt="Power by ring and class")
            finding_table(audit.findings, only="ring")


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


def draw_lesson(opened: Opened, audit: StudyResult) -> None:
    """Draw how far simple numbers get beside the network, and say what follows."""
    if not has_both(opened.run):
        return
    accuracy = audit.table.set_index("name")["accuracy"]
    simple = float(accuracy["spectrum"])
    network = float(accuracy["network"])
    follows = "mostly, and the network sees more" if network > simple else "as well as by the network"
    guessing = max(opened.run.is_real.mean(), 1 - opened.run.is_real.mean())
    st.markdown(f"Does fineness of detail alone tell REAL from FAKE? **{follows.capitalize()}.**")
    draw_bars([Bar("guessing", guessing), Bar("fineness of detail alone", simple), Bar("the network", network)])


def copies_words(opened: Opened, duplicates: StudyResult) -> str:
    """Count the copies of training images, where those were looked for, and the images that the set has twice."""
    repeats = f"{int(opened.run.predictions['is_repeat'].sum()):,} repeats"
    if duplicates.finding("unchecked") is not None and not opened.run.leaks_checked:
        return f"Not checked; {repeats}."
    leaks = [duplicates.finding(key) for key, (side, _) in COUNTED.items() if side == "training"]
    count = sum(int(leak.details.get("count", 0)) for leak in leaks if leak is not None)
    return f"{count:,} copies, {repeats}."


def draw_spread(opened: Opened, name: str) -> None:
    """Draw the distribution of a statistic over the classes, where it has two values or more, and ways to images."""
    st.markdown(f"**{TITLES[name]}**")
    column = COLUMNS.get(name, name)
    if column in opened.table and opened.table[column].nunique() > 1:
        frame = spread_of(opened.origin, column)
        if "value" in frame:
            share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=80)
            config = dict.fromkeys(("real", "fake"), share)
            st.dataframe(frame.head(8), hide_index=True, column_config=config, height=220)
        else:
            lines = [
                Line(label, frame["low"], frame[label.lower()], CLASS_COLOURS[label], DASHES[label], shape="hv")
                for label in CLASSES
            ]
            figure = line_figure(lines, height=200, showlegend=False)
            figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero", ticks="")
            alt = f"{TITLES[name]} of REAL and of FAKE images; the table has its AUROC"
            charts.show(figure, key=key_of("data.spread", name), alt=alt)
            st.caption(STATISTICS[name])
    else:
        st.caption("the same for all images")
    with st.container(horizontal=True, gap="small"):
        for words, sign in (("Highest first", "-"), ("Lowest first", "")) if name in STATISTICS else ():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", name, words)):
                state.show_images(opened.run.name, Filter(sort=f"{sign}{name}"))


@cached(max_entries=128)
def spread_of(opened: Opened, column: str) -> pd.DataFrame:
    """Return a column's distribution by class; cached."""
    return histogram(opened.table[column], opened.run.is_real)


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
    paths = [path for folder in homes() for path in find_results((folder,)).values()]
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
                f"{code(f'{PROGRAM} cues --data DATA')} with their training images and reload this page; "
                f"it takes hours, and {code('--limit 2000 --seeds 1')} makes it a quick look.",
                icon=":material/science:",
            )
        elif is_open and results is not None:
            about = results.about
            few = " This is a quick look at a part of them." if about.get("limit") else ""
            st.caption(f"Trained on {about['training_images']:,} images of {plain(about['training_set'])}.{few}")
            finding_table(conclude(results))


@cached()
def results_of(opened: Opened, files: tuple[tuple[Path, int], ...]) -> StudyResult | None:
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


def draw_copies(opened: Opened, duplicates: StudyResult) -> None:
    """Draw the number of copies of each kind, each a button that opens them, and pairs as pictures."""
    with st.grid(2, min_column_width=330, gap="large") as grid:
        for side, title in SIDES.items():
            with grid.cell():
                st.markdown(f"**{title}**")
                for key, (counted, kind) in COUNTED.items():
                    if counted == side and (one := duplicates.finding(key)) is not None:
                        _draw_count(opened, side, kind, one.details)
                if side == "training" and duplicates.finding("unchecked") is not None:
                    again = code(command(opened, "duplicates"))
                    st.caption(f"With the training images available, run {again}.")
    found = {side: copy_pairs(duplicates.table, side) for side in SIDES}
    if not any(map(len, found.values())):
        st.caption("There are no pairs: no near copies, and no equal pixels in another file.")
        return
    words = {side: f"{title}, {len(found[side]):,}" for side, title in SIDES.items()}
    SIDE.choose("Pairs", format_func=words.__getitem__, label_visibility="collapsed")
    pairs = found[SIDE.value]
    shown = pairs.head(PAIRS.value)
    training = None
    if SIDE.value == "training":
        # of the attached set, or of the sample
        source = "sample" if opened.run.manifest["set"].startswith("sample-") else catalogue.registry().source
        wanted = tuple(zip(shown["partner"], shown["name"], strict=True))
        training = _read_training(source, wanted) if source is not None else {}
    if training == {}:
        st.caption(f"The pictures of the training images are not available. {catalogue.how_to_get_pictures()}")
    with st.grid(3, min_column_width=300, gap="medium") as grid:
        for pair in shown.to_dict("records"):
            row = opened.row_of(pair["id"])
            if row is not None:
                with grid.cell():
                    draw_pair(opened, pair, row, training)
    if len(shown) < min(len(pairs), PAIRS.high):
        more = min(PAIRS.value + STEP, int(PAIRS.high))
        st.button(f"Show more of {len(pairs):,}", key="data.more", on_click=PAIRS.set, args=(more,))


def _draw_count(opened: Opened, side: str, kind: str, counts: Mapping[str, Any]) -> None:
    """Draw how many copies of a kind there are, as a button that shows them in Mistakes."""
    what = WHAT[kind].capitalize()
    if not counts:
        st.caption(f"{what}: not checked, because the training images were not available.")
        return
    clash = f"; **{counts['other_class']:,} of the other class**" if counts["other_class"] else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"{'about ' if counts['sampled'] else ''}{counts['count']:,}"
        key = f"data.{side}.{kind}"
        if st.button(label, icon=":material/grid_view:", key=key, disabled=not counts["count"], help="Show the images"):
            state.show_images(opened.run.name, Filter().choosing(f"duplicates.{side}_kind", [kind]))
        sides = ", ".join(f"{counts[name.lower()]:,} {CLASS_WORDS[name]}" for name in reversed(CLASSES))
        st.markdown(f"{what}: {sides}{clash}" if counts["count"] and opened.run.classes else what, width="stretch")


def draw_pair(
    opened: Opened, pair: Mapping[Hashable, Any], row: int, training: dict[str, NDArray[np.uint8]] | None
) -> None:
    """Draw an image beside its copy, and a button that opens it.

    Args:
        opened: the run.
        pair: a row of `core.studies.questions.duplicates.copy_pairs`.
        row: where the image stands in the run.
        training: pixels of training images by identity; None where the copies are in the run itself.
    """
    pictures = library.pictures(opened)
    partner = str(pair["partner"])
    name = str(pair["name"])
    label, own_name = (str(opened.table[column].iloc[row]) for column in ("label", "name"))
    other = other_class(label) if pair["class"] == "other" else label  # type: ignore[arg-type]
    at = opened.row_of(partner) if training is None else None
    if at is not None:
        # where copies have both classes, the pair counts as one of the other class whatever this copy is
        other = str(opened.table["label"].iloc[at])
    beside = pictures.get(at) if at is not None else (training or {}).get(partner)
    cells = [
        Cell(image, f"{of}, {its}", f"{CLASS_WORDS[of]} {plain(its)}", of)
        for image, of, its in ((pictures.get(row), label, own_name), (beside, other, name))
        if image is not None
    ]
    picture_grid(cells, columns=2, least=100)
    alike = f"{64 - int(pair['bits'])} of 64 bits of their hashes agree" if pair["kind"] == NEAR else "equal pixels"
    names = "" if len(cells) == 2 else f"{plain(own_name)} and {plain(name)}: "
    st.caption(f"{'**Other class.** ' if pair['class'] == 'other' else ''}{names}{alike}")
    if st.button("Open", key=key_of("data.pair", pair["id"], partner), type="tertiary"):
        state.show_images(opened.run.name, id=str(pair["id"]))


@st.cache_data(max_entries=32, show_spinner="Looking for the training images", ttl=3600)
def _read_training(source: str, wanted: tuple[tuple[str, str], ...]) -> dict[str, NDArray[np.uint8]]:
    return training_pictures(source, dict(wanted))
