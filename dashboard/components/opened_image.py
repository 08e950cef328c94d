"""The image that is open on the page Mistakes: what flips it, where the detector looks, what other detectors say."""

from contextlib import suppress
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.arrays import Pixels
from core.explainers.cam import stored_map
from core.images.labels import ClassName, other_class
from core.perturbations.flips import flipping, reason
from core.perturbations.registry import probe_columns
from core.report.slide import Story
from core.runs.filter import Filter
from core.runs.metrics import HALF
from core.storage.limits import ContractError
from dashboard import catalogue, library
from dashboard.catalogue import how_to_get_pictures
from dashboard.components.about import draw_about, draw_original, experiments
from dashboard.components.case import Case, draw_case
from dashboard.components.component import fold
from dashboard.components.dial import CHANGE, draw_dial
from dashboard.components.explanations import View, draw_explanations, draw_stored, other_maps
from dashboard.components.probing import follow_changes, last_changes, probes_of, rates_of, stored_changes
from dashboard.components.requests import Subject
from dashboard.components.words import CLASS_WORDS, draw_title, explain, percent, plain, thing_of, with_code
from dashboard.library import Opened

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
    if image is None:
        _draw_without_picture(opened, row)
        return
    values = opened.table.iloc[row]
    label = values["label"] if values["label"] in CLASS_WORDS else None
    made_by = catalogue.maker(opened.run)
    subject = Subject(image, values["name"])
    draw_title(_headline(opened, row, subject, label))
    verdict = values["predicted"]

    def case_of(changes: pd.DataFrame) -> Case:
        measured = _measured(opened, verdict, changes) if made_by else {}
        return Case(subject, changes, label, thing_of(values["category"], "picture"), measured)

    def draw(changes: pd.DataFrame) -> None:
        draw_case(case_of(changes), focus=st.session_state.get(PRESSED) == values["id"])

    follow_changes(subject, made_by, opened, row, draw, slot="flips")
    _draw_notes(values, wanted)
    draw_original(opened, row)
    if made_by is None:
        _draw_without_detector(opened, row, image)
        return
    stored = None
    others = None
    if opened.run.maps is not None:
        stored = stored_map(opened.run, row, image)
        others = other_maps(opened, verdict=verdict, label=label, row=row)

    def story() -> Story | None:
        changes = last_changes(subject, made_by)
        return None if changes is None else case_of(changes).story()

    view = View(
        subject,
        made_by,
        stored,
        label,
        others,
        address=address_of(str(values["id"])),
        story=story,
    )
    draw_explanations(view)
    _draw_further(opened, row, view)


def _draw_without_picture(opened: Opened, row: int) -> None:
    """Draw what the run has of an image whose picture is not available."""
    draw_title(_verdict_words(opened.judged.iloc[row]))
    st.info(f"This image's picture is not available. {how_to_get_pictures()}", icon=":material/hide_image:")
    draw_stored(opened, row, None)
    draw_about(opened, row, unfolded=True)


def _draw_without_detector(opened: Opened, row: int, image: Pixels) -> None:
    """Draw what the run has of an image, and why nothing new can be asked about it."""
    draw_stored(opened, row, image)
    here = "Of this detector only scores are here" if opened.run.scores_only else "Its detector is not here"
    st.caption(f"{here}, so nothing new can be asked of it.")
    for sentence in catalogue.refused_detectors().values():
        st.error(with_code(sentence))
    draw_about(opened, row)


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
    page = (st.context.url or "").partition("?")[0]
    return f"{page}?{query}"


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


def _draw_notes(values: pd.Series, wanted: Filter) -> None:
    """Draw what must be known of an image's file and of its verdict at the filter's threshold."""
    notes = []
    if values["in_train"]:
        notes.append("This very file was in the detector's training set.")
    if values["is_repeat"]:
        notes.append("It is a copy of an earlier file.")
    if wanted.threshold != HALF:
        verdict = "REAL" if values["p_real"] > wanted.threshold else "FAKE"
        notes.append(f"At the threshold of {percent(wanted.threshold, 0)} that you came with it is called {verdict}.")
    if notes:
        st.caption(" ".join(notes))


def _draw_further(opened: Opened, row: int, view: View) -> None:
    """Draw what other detectors say, the dial, further experiments, and what is known of the image, each folded."""
    for name, parameter in (("dial", CHANGE.name), ("experiments", "evidence")):
        if parameter in st.query_params:
            st.session_state.setdefault(f"fold_{name}", True)
    others = _other_runs(opened, str(opened.rows[row]))
    with fold("others", "Other detectors:", _others_words(opened.judged.iloc[row]["predicted"], others)) as is_open:
        if is_open:
            _draw_others(others, view.label)
    with fold("dial", "Change it bit by bit") as is_open:
        if is_open:
            draw_dial(view.subject, view.detector, opened, row)
    with fold("experiments", "More experiments on this image") as is_open:
        if is_open:
            experiments(view.subject, view.detector, opened, row)
    with fold("about", "About this image", "statistics, studies, tags and note") as is_open:
        if is_open:
            st.caption(plain(view.subject.name), help=explain("Margin", "Confidence"))
            draw_about(opened, row)


def _other_runs(opened: Opened, id_: str) -> list[tuple[Opened, int]]:
    """Find an image in the other runs on the same images: each with the image's row."""
    found = []
    for name in library.runs_beside(opened):
        # opening it says why one cannot be read
        with suppress(ContractError):
            other = library.open_run(catalogue.runs()[name])
            row = other.row_of(id_)
            if row is not None:
                found.append((other, row))
    return found


def _others_words(verdict: ClassName, others: list[tuple[Opened, int]]) -> str:
    """Say which other detectors disagree with a verdict: "robust says FAKE"."""
    if not others:
        return "none has been asked"
    disagree = [other.run for other, row in others if other.judged["predicted"].iloc[row] != verdict]
    names = [plain(run.manifest["detector"]) for run in disagree]
    if not names:
        return f"all {len(others)} say {CLASS_WORDS[verdict]} too"
    return f"{', '.join(names)} {'says' if len(names) == 1 else 'say'} {CLASS_WORDS[other_class(verdict)]}"


def _draw_others(others: list[tuple[Opened, int]], label: ClassName | None) -> None:
    """Draw what other detectors say of an image, and what flips each."""
    for other, row in others:
        values = other.judged.iloc[row]
        verdict = CLASS_WORDS[values["predicted"]]
        sure = percent(float(values["confidence"]))
        sentence = f"**{plain(other.run.manifest['detector'])}** says {verdict}, {sure} sure."
        stored = stored_changes(other, row)
        if stored is not None:
            sentence += f" {reason(stored[0], side=other.run.side, label=label)}"
        st.markdown(sentence)
