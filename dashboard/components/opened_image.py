"""The image that is open on the page Mistakes: its verdict, what flips it, where the detector looks, tags and note."""

from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors.identity import DetectorHandle
from core.explainers.stored import stored_map
from core.images.labels import ClassName
from core.images.statistics import FILE_FACTS, STATISTICS
from core.perturbations.flips import flipping, reason
from core.perturbations.registry import probe_columns
from core.runs.filter import Filter
from core.runs.metrics import HALF, predicted_real
from core.runs.tags import TagError
from dashboard import catalogue, library
from dashboard.components.agreement import other_maps
from dashboard.components.case import Case, draw_case
from dashboard.components.component import fold, key_of, opens_all
from dashboard.components.dial import CHANGE, draw_dial
from dashboard.components.experiments import experiments
from dashboard.components.explanations import View, draw_explanations, draw_stored
from dashboard.components.filters import short_label, value_name
from dashboard.components.glossary import explain
from dashboard.components.original import original_of
from dashboard.components.plain import plain, with_code
from dashboard.components.probing import follow_changes, last_changes, probes_of, rates_of, stored_changes
from dashboard.components.requests import Subject
from dashboard.components.words import CLASS_WORDS, draw_title, percent
from dashboard.datasets import how_to_get_pictures
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.visitors import for_visitors

# the image that was opened by a press, which gets the keyboard's focus
PRESSED = "mistakes.pressed"


def draw_image(opened: Opened, wanted: Filter, row: int) -> None:
    """Draw the case of one image, its maps, and all else that can be asked about it.

    Args:
        opened: the run.
        wanted: the filter.
        row: the image's position in the run.
    """
    image = library.pictures(opened).get(row)
    values = opened.table.iloc[row]
    label = values["label"] if values["label"] in CLASS_WORDS else None
    detectors = _detectors(opened)
    made_by = catalogue.maker(opened.run)
    if image is not None:
        subject = Subject(image, values["name"])
        draw_title(_headline(opened, row, subject, label))
    else:
        draw_title(_verdict_words(values))
    if image is None:
        st.info(f"This image's picture is not available. {how_to_get_pictures()}", icon=":material/hide_image:")
        if opened.run.maps is not None:
            draw_stored(
                stored_map(opened.run, row, np.zeros((opened.run.side, opened.run.side, 3), np.uint8)), alone=True
            )
        draw_about(opened, row, unfolded=True)
        return
    thing = values["category"].replace("_", " ") if isinstance(values["category"], str) else "picture"

    def draw(changes: pd.DataFrame) -> None:
        case = Case(subject, changes, label, thing, _measured(opened, values["predicted"], changes) if made_by else {})
        draw_case(case, focus=st.session_state.get(PRESSED) == values["id"])

    follow_changes(subject, made_by, opened, row, draw, slot="flips")
    _draw_notes(opened.table.iloc[[row]], wanted)
    _draw_original(opened, row)
    stored = None if opened.run.maps is None else stored_map(opened.run, row, image)
    if not detectors:
        if stored is not None:
            draw_stored(stored, alone=False)
        here = "Of this detector only scores are here" if opened.run.scores_only else "Its detector is not here"
        st.caption(f"{here}, so nothing new can be asked of it.")
        for sentence in catalogue.refused_detectors().values():
            st.error(with_code(sentence))
        draw_about(opened, row)
        return
    verdict = values["predicted"]
    view = View(
        subject,
        detectors,
        stored if made_by else None,
        label,
        other_maps(opened, verdict=verdict, label=label, row=row) if made_by else None,
        whose=f"other images that are {f'{label} and ' if label else ''}called {verdict}",
        probes=lambda: last_changes(subject, detectors[0]),
        thing=thing,
        measured=lambda changes: _measured(opened, verdict, changes),
        address=address_of(str(values["id"])),
    )
    draw_explanations(view)
    _draw_further(opened, row, view)


def _headline(opened: Opened, row: int, subject: Subject, label: ClassName | None) -> str:
    """Return the reason for a verdict or, until it is computed, the verdict."""
    made_by = catalogue.maker(opened.run)
    stored = stored_changes(opened, row)
    changes = stored[0] if stored is not None else made_by and last_changes(subject, made_by)
    if changes is None:
        return _verdict_words(opened.table.iloc[row])
    return reason(changes, side=opened.run.side, label=label)


def _verdict_words(values: pd.Series) -> str:
    return f"Called {values['predicted']}, {percent(float(values['confidence']))} sure."


def address_of(id_: str) -> str:
    """Return the address of the page with an image open, settings and all."""
    query = urlencode(st.query_params.to_dict() | {"id": id_})
    return f"{(st.context.url or '').partition('?')[0]}?{query}"


def _detectors(opened: Opened) -> list[DetectorHandle]:
    """Return who explains an image: the run's detector, where it is here, and the one in the address beside it."""
    made_by = catalogue.maker(opened.run)
    beside = catalogue.detectors().get(_beside(opened).value)
    return [detector for detector in (made_by, beside) if detector is not None]


def _beside(opened: Opened) -> Setting:
    """Return the choice of a detector beside the run's: it gets the very same pixels, so its input must be as large."""
    made_by = catalogue.maker(opened.run)
    sized = [name for name, detector in catalogue.detectors().items() if detector.about.side == opened.run.side]
    return Setting("beside", "", choices=("", *(name for name in sized if made_by is None or name != made_by.name)))


def _measured(opened: Opened, verdict: str, changes: pd.DataFrame) -> dict[str, str]:
    """Say how often each change that flips an image flips such verdicts in the run, and its strongest control."""
    study = probes_of(opened.origin)
    if study is None:
        return {}
    columns = flipping(changes).index
    sentences = {}
    for probe in dict.fromkeys(probe_columns()[column][0].key for column in columns):
        for rate in rates_of(opened.origin, study, "verdict", (probe,)):
            if rate.verdict == verdict:
                contrast = rate.contrast
                text = f"Of {contrast.n:,} {verdict} verdicts {percent(contrast.measure.value, 0)} flip like this"
                if contrast.control is not None:
                    text += f", {percent(contrast.control.measure.value, 0)} after its strongest control"
                sentences[rate.column] = f"{text}."
    return sentences


def _draw_notes(row: pd.DataFrame, wanted: Filter) -> None:
    """Draw what must be known of an image's file and of its verdict at the filter's threshold."""
    notes = []
    if row["in_train"].iloc[0]:
        notes.append("This very file was in the detector's training set.")
    if row["is_repeat"].iloc[0]:
        notes.append("It is a copy of an earlier file.")
    if wanted.threshold != HALF:
        verdict = "REAL" if predicted_real(row, wanted.threshold)[0] else "FAKE"
        notes.append(f"At the threshold of {percent(wanted.threshold, 0)} that you came with it is called {verdict}.")
    if notes:
        st.caption(" ".join(notes))


def _draw_original(opened: Opened, row: int) -> None:
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


def _draw_further(opened: Opened, row: int, view: View) -> None:
    """Draw what other detectors say, the dial, further experiments, and what is known of the image, each folded."""
    for name, parameter in (("dial", CHANGE.name), ("experiments", "evidence"), ("others", "beside")):
        if parameter in st.query_params:
            st.session_state.setdefault(f"fold_{name}", True)
    with fold("others", "Other detectors", "what they say of this picture, and what flips each") as is_open:
        if is_open:
            _draw_others(opened, str(opened.rows[row]), view.label)
    with fold("dial", "Change it bit by bit") as is_open:
        if is_open:
            draw_dial(view.subject, view.detectors[0], opened, row)
    with fold("experiments", "More experiments on this image") as is_open:
        if is_open:
            experiments(view.subject, view.detectors[0], opened, row)
    with fold("about", "About this image", "statistics, studies, tags and note") as is_open:
        if is_open:
            st.caption(plain(view.subject.name), help=explain("Margin", "Confidence"))
            draw_about(opened, row)


def _draw_others(opened: Opened, id_: str, label: ClassName | None) -> None:
    """Draw what the other runs on the same images have of one of them, and the choice of a detector to set beside."""
    for name in library.runs_beside(opened):
        other = library.open_run(catalogue.runs()[name])
        row = other.row_of(id_)
        if row is None:
            continue
        values = other.judged.iloc[row]
        verdict = CLASS_WORDS[values["predicted"]]
        sure = percent(float(values["confidence"]))
        sentence = f"**{plain(other.run.manifest['detector'])}** says {verdict}, {sure} sure."
        stored = stored_changes(other, row)
        if stored is not None:
            sentence += f" {reason(stored[0], side=other.run.side, label=label)}"
        st.markdown(sentence)
    beside = _beside(opened)
    if len(beside.choices or ()) > 1:
        beside.choose("Set its maps beside these", st.selectbox, format_func=lambda name: name or "none", width=280)


def draw_about(opened: Opened, row: int, *, unfolded: bool = False) -> None:
    """Draw statistics, studies, tags and note, each folded unless they are all that there is to see."""
    unfolded = unfolded or opens_all()
    with st.expander("Image statistics", expanded=unfolded):
        _draw_values(opened, row, [name for name in (*STATISTICS, *FILE_FACTS) if name in opened.table])
    values = opened.table.iloc[row]
    by_study: dict[str, list[str]] = {}
    for column, about in opened.studied.items():
        # studies of earlier versions wrote "no such image" as an infinite distance
        if column in values and not pd.isna(values[column]) and values[column] not in (np.inf, -np.inf):
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
        shown = (
            f"{value:.4g}" if name in opened.extents else value_name({True: "yes", False: "no"}.get(value, str(value)))
        )
        lines.append(f"| {plain(short_label(opened, name))} | {plain(shown)} |")
    # Markdown, because a table of pandas takes ten times longer
    st.markdown("\n".join(lines))


def _draw_own(id_: str) -> None:
    """Draw the visitor's tags and note; what cannot be saved stays in the box, with the reason."""
    tags, note = library.tags().of([id_]).get(id_, []), library.tags().note_of(id_)
    with st.expander("Tags and note", expanded=bool(tags or note) or opens_all()):
        st.session_state["inspect.tags"] = tags
        st.multiselect(
            "Tags",
            sorted({*library.tags().names(), *tags}),
            key="inspect.tags",
            accept_new_options=True,
            on_change=_keep_tags,
            args=(id_, tuple(tags)),
            placeholder="choose or type",
        )
        # a box of its own for each image: the browser keeps in a box what was typed and not yet sent
        key = key_of("inspect.note", id_)
        # what could not be saved stays in the box
        st.session_state.setdefault(key, note)
        st.text_area("Note", key=key, on_change=_keep_note, args=(id_,), max_chars=2000, height=90)
        if problem := st.session_state.pop("inspect.problem", None):
            st.error(with_code(problem))


def _keep_note(id_: str) -> None:
    """Save the note in the place of what was saved before."""
    key = key_of("inspect.note", id_)
    try:
        library.tags().note(id_, st.session_state[key])
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)


def _keep_tags(id_: str, drawn: Sequence[str]) -> None:
    """Save the changes to the tags as they were drawn; changes made by others meanwhile stay."""
    tags, now = library.tags(), set(st.session_state["inspect.tags"])
    try:
        for tag in now.difference(drawn):
            tags.add([id_], tag)
        # a tag that somebody else has removed meanwhile is gone already
        for tag in set(drawn).difference(now).intersection(tags.of([id_]).get(id_, [])):
            tags.remove([id_], tag)
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)
