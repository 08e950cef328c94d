"""What else can be asked of an image: what flips it, what it is like, its file, statistics, studies, tags and note."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Float32, Mask, Pixels
from core.detectors.identity import DetectorHandle
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.image_set import DatasetError, Split
from core.images.labels import verdict_of
from core.images.layout import Entry
from core.images.preprocessing import preview
from core.images.sources import Source, open_source, remembered
from core.images.statistics import FILE_FACTS, STATISTICS
from core.perturbations.flips import reason
from core.perturbations.probe import FAMILIES
from core.perturbations.registry import control_columns, probe_columns
from core.runs.nearest import find_nearest
from core.runs.run import Run
from core.runs.tags import TagError
from core.studies.questions.neighbours import NAMED
from dashboard import library
from dashboard.catalogue import how_to_get_pictures
from dashboard.components.component import key_of, opens_all
from dashboard.components.filters import short_label, value_name
from dashboard.components.picture import Cell, picture_strip, thumbnail
from dashboard.components.probing import follow_changes
from dashboard.components.requests import Subject, follow
from dashboard.components.uploads import in_turn
from dashboard.components.words import CLASS_WORDS, coloured, explain, plain, thing_of, with_code
from dashboard.jobs import JobStatus, Prediction
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.visitors import for_visitors


def original_of(run: Run, row: int) -> Pixels | None:
    """Return a preview of an image's file, uint8 (height, width, 3), where it is to be had.

    None where the file has the detector's own size, or is not there any more.
    """
    image = run.predictions.iloc[row]
    size = (image.get("width"), image.get("height"))
    if run.scores_only or None in size or size == (run.side, run.side):
        return None
    with suppress(ImageError, DatasetError, OSError):
        return _preview(str(run.manifest["set_fingerprint"]), run.split, str(image["name"]), str(image["sha256"]))
    return None


# a picture that cannot be read now raises, and so is not kept
@st.cache_data(max_entries=64, show_spinner=False)
def _preview(fingerprint: str, split: Split, name: str, sha256: str) -> Pixels:
    """Read and shrink a picture, once nobody else decodes; raises ImageError where the file is gone or another one."""

    def read() -> Pixels:
        source, entries = _opened(fingerprint, split)
        data = source.read(entries[name], MAX_BYTES) if name in entries else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ImageError("it is not the file of the run")
        return preview(decode(data))

    return in_turn(read)


# listing a large folder takes seconds
@lru_cache(maxsize=2)
def _opened(fingerprint: str, split: Split) -> tuple[Source, Mapping[str, Entry]]:
    """Open the set of a fingerprint where it was last read from; raises DatasetError."""
    place = remembered(fingerprint)
    if place is None:
        raise DatasetError("it is not known where the set lies")
    source = open_source(place)
    return source, {entry.name: entry for entry in source.entries(split)}


def draw_original(opened: Opened, row: int) -> None:
    """Draw the file's own picture, where the detector saw it resized."""
    original = original_of(opened.run, row)
    if original is None:
        return
    values = opened.table.iloc[row]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(original, alt=f"{values['name']}, the original", width=120)
        side = opened.run.side
        st.caption(
            f"The original: {values['width']:,.0f} x {values['height']:,.0f} pixels. "
            f"What the detector saw: {side} x {side} pixels."
        )


def draw_about(opened: Opened, row: int, *, unfolded: bool = False) -> None:
    """Draw statistics, studies, tags and note, each folded unless they are all that there is to see."""
    unfolded = unfolded or opens_all()
    with st.expander("Image statistics", expanded=unfolded):
        _draw_values(opened, row, [name for name in (*STATISTICS, *FILE_FACTS) if name in opened.table])
    values = opened.table.iloc[row].dropna()
    by_study: dict[str, list[str]] = {}
    for column, about in opened.studied.items():
        # studies of earlier versions wrote "no such image" as an infinite distance
        if column in values and values[column] not in (np.inf, -np.inf):
            by_study.setdefault(about.study, []).append(column)
    if opened.studied:
        with st.expander("What studies found", expanded=unfolded):
            for title, columns in by_study.items():
                st.markdown(f"**{plain(title)}**", help=plain(opened.studied[columns[0]].question) or None)
                _draw_values(opened, row, columns)
    _draw_own(str(values["id"]))


def _draw_values(opened: Opened, row: int, columns: Sequence[str]) -> None:
    """Draw a line per column with its value."""
    lines = ["| Value | here |", "| --- | ---: |"]
    for name in columns:
        value = opened.table[name].iloc[row]
        if name in opened.extents:
            shown = f"{value:.4g}"
        else:
            shown = value_name({True: "yes", False: "no"}.get(value, str(value)))
        lines.append(f"| {plain(short_label(opened, name))} | {plain(shown)} |")
    # Markdown, because a table of pandas takes ten times longer
    st.markdown("\n".join(lines))


def _draw_own(id_: str) -> None:
    """Draw the visitor's tags and note; what cannot be saved stays in the box, with the reason."""
    store = library.tags()
    tags = store.of([id_]).get(id_, [])
    note = store.note_of(id_)
    with st.expander("Tags and note", expanded=bool(tags or note) or opens_all()):
        st.session_state["inspect.tags"] = tags
        st.multiselect(
            "Tags",
            sorted({*store.names(), *tags}),
            key="inspect.tags",
            accept_new_options=True,
            on_change=_keep,
            args=(id_, tuple(tags)),
            placeholder="choose or type",
        )
        # a box of its own for each image: the browser keeps in a box what was typed and not yet sent
        key = key_of("inspect.note", id_)
        # what could not be saved stays in the box
        st.session_state.setdefault(key, note)
        st.text_area("Note", key=key, on_change=_keep, args=(id_,), max_chars=2000, height=90)
        problem = st.session_state.pop("inspect.problem", None)
        if problem:
            st.error(with_code(problem))


def _keep(id_: str, drawn: Sequence[str] | None = None) -> None:
    """Save the note or, where those drawn before are given, the changes to the tags; changes made by others stay."""
    store = library.tags()
    try:
        if drawn is None:
            store.note(id_, st.session_state[key_of("inspect.note", id_)])
            return
        chosen = set(st.session_state["inspect.tags"])
        for tag in chosen.difference(drawn):
            store.add([id_], tag)
        # a tag that somebody else has removed meanwhile is gone already
        for tag in set(drawn).difference(chosen).intersection(store.of([id_]).get(id_, [])):
            store.remove([id_], tag)
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)


def experiments(subject: Subject, detector: DetectorHandle, opened: Opened, row: int | None = None) -> None:
    """Draw the choice of an experiment, and what came of the chosen one; nothing is computed before.

    Args:
        subject: the image.
        detector: who is asked.
        opened: the run on the page.
        row: where the image stands in it, None for an upload.
    """
    names = {"turns": "What flips the verdict", "alike": "Similar images"}
    setting = Setting("evidence", "", {"": "", **names})
    chosen = setting.choose("Experiment", options=list(names), required=False, label_visibility="collapsed")
    if chosen == "turns":
        follow_changes(subject, detector, opened, row, partial(_draw_table, subject), slot="probes")
    elif chosen:
        by = next(library.runs_by(detector.identity), None)
        # another run of the same images has them under the same ids
        own = None if by is None or row is None else by.row_of(str(opened.rows[row]))
        similar_images(subject, detector, by, own)


def _draw_table(subject: Subject, changes: pd.DataFrame) -> None:
    """Draw what each change does to the verdict, those that flip it first."""
    st.markdown(coloured(reason(changes, side=len(subject.image))), help=explain("Probe", "Control"))
    made = changes[changes["margin"].notna()]
    rows = []
    for column, (probe, strength) in probe_columns().items():
        if probe.is_control or column not in made.index:
            continue
        change = made.loc[column]
        state = "stays"
        if change["flips"]:
            state = "flips" if change["controlled"] or probe.changes_donor else "flips, as its control does"
        picture = None
        if isinstance(change["picture"], np.ndarray):
            picture = thumbnail(change["picture"])
        controls = made["margin"].reindex(control_columns(column)).dropna()
        rows.append({
            "picture": picture,
            "change": f"{FAMILIES[probe.family]}: {probe.inline}",
            "strength": strength.at(len(subject.image)).label,
            "verdict": state,
            "called": verdict_of(change["margin"]),
            "controls called": ", ".join(map(verdict_of, controls)) or None,
            "margin": change["margin"],
            "size": change["size"],
        })  # fmt: skip
    st.dataframe(
        pd.DataFrame(rows).sort_values(["verdict", "size"], kind="stable"),
        hide_index=True,
        height=420,
        key="probes.table",
        placeholder="",
        alt="Every change, and whether it flips the verdict",
        column_config={
            "picture": st.column_config.ImageColumn("", width="small"),
            "size": st.column_config.NumberColumn(format="%.1f", help="Root mean square of the change, of 255."),
            "margin": st.column_config.NumberColumn(format="%.2f"),
        },
    )


def similar_images(subject: Subject, detector: DetectorHandle, opened: Opened | None, row: int | None) -> None:
    """Draw the images of a run that look most alike to the detector, and the nearest that it calls the other class.

    Args:
        subject: the image.
        detector: whose features are compared.
        opened: a run by this detector; None where there is none.
        row: where the image stands in it, None for an upload.
    """
    st.caption(
        "The images of this run with the most similar features, by cosine distance. Frames show their true labels.",
        help=explain("Neighbours", "Features"),
    )
    if opened is None or opened.run.features is None:
        st.markdown("No run of this detector has features to compare with.")
        return
    run = opened.run
    base = opened.run.features
    digest = "" if row is None else run.predictions["sha256"].iloc[row]
    is_itself = (run.predictions["sha256"] == digest).to_numpy(bool)

    def draw_nearest(features: Float32, excluded: Mask, count: int, words: str) -> None:
        codes = excluded.astype(int)
        near = find_nearest(features, base, count, query_codes=np.ones(1, int), base_codes=codes).rows[0]
        rows = near[near >= 0].tolist()
        cells = []
        for at in rows:
            picture = library.pictures(opened).get(at)
            if picture is not None:
                about = opened.judged.iloc[at]
                label = about["label"] if about["label"] in CLASS_WORDS else None
                caption = f"{CLASS_WORDS.get(str(label), '')} {plain(thing_of(about['category']))}"
                cells.append(Cell(picture, f"{about['name']}, {label}", caption, label))
        st.markdown(words)
        picture_strip(cells)
        if len(cells) < len(rows):
            st.caption(f"Their pictures are not available. {how_to_get_pictures()}")

    def draw(now: JobStatus) -> None:
        answer: Prediction | None = now.answer
        if answer is not None and answer.features is not None:
            is_same = run.predicted_real == (answer.margins[0] > 0)
            draw_nearest(answer.features, is_itself, NAMED, "Most alike to it:")
            draw_nearest(answer.features, is_itself | is_same, 1, "The nearest that it calls the other class:")

    pixels = subject.image[None]
    doing = "Asking the detector"
    follow(detector, pixels, "predictions", draw, slot="neighbours", doing=doing, sha256=subject.sha256)
