"""What the study of probes has of a run: flip rates, the changes of an image, images to show a change on; cached."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Floats, Pixels, Positions
from core.detectors.identity import DetectorHandle
from core.images.labels import verdict_of
from core.perturbations.edits import rms
from core.perturbations.flips import flip_values, name_of_change, strength_words, tabulate_changes
from core.perturbations.probe import size_column
from core.perturbations.registry import control_columns, probe_columns, probe_pictures
from core.runs.rows import evenly
from core.storage.limits import ContractError
from core.studies.shared.flips import By, FlipRate, by_change, flip_rates, probe_example, read_flips
from core.studies.store import StudyResult
from dashboard import library
from dashboard.components.picture import Cell
from dashboard.components.requests import Subject, follow
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import JobStatus
from dashboard.library import Opened, cached
from dashboard.state import Setting

LAST = "probes.last"
PICTURES = 8
# changes whose strength cannot be read without knowing the filter
WORDS = {"sharpen_50": "sharpening a little", "sharpen_100": "sharpening a lot", "blur_0.5": "blurring a little"}
PICTURE = Setting("picture", 1, kind=int, low=1, high=PICTURES)


def probes_of(opened: Opened) -> StudyResult | None:
    """Return the study, None without one or where it is damaged, which the pages that show the study report."""
    try:
        return library.study_of(opened, "probes")
    except ContractError:
        return None


@cached(show_spinner="Counting verdicts")
def _rows(opened: Opened, answer: StudyResult) -> pd.DataFrame:
    return read_flips(opened.run, answer.table)


@cached(max_entries=256, show_spinner="Counting verdicts")
def rates_of(
    opened: Opened, answer: StudyResult, by: By = "verdict", probes: tuple[str, ...] | None = None
) -> list[FlipRate]:
    """Return `flip_rates` of some probes, or of all."""
    return flip_rates(_rows(opened, answer), by=by, probes=probes)


def stored_changes(opened: Opened, row: int) -> tuple[pd.DataFrame, Pixels | None] | None:
    """Return what the run's study has of an image, None without it, or without the image's picture.

    Returns:
        `tabulate_changes` with the pictures, uint8 (side, side, 3), in a column `picture`, missing where a donor's is
        not available; and the picture of the donor of the other verdict.
    """
    return _stored(opened.origin, library.pictures(opened).stamp, row)


@cached(max_entries=64)
def _stored(opened: Opened, stamp: str, row: int) -> tuple[pd.DataFrame, Pixels | None] | None:  # noqa: ARG001 - the key
    study = probes_of(opened)
    if study is None:
        return None
    table = by_change(study.table)
    own = table[table["id"] == opened.rows[row]]
    seed = int(study.about.get("parameters", {}).get("seed", 0))
    example = probe_example(opened.run, row, library.pictures(opened).get, seed=seed) if len(own) else None
    if example is None:
        return None
    stored = own.iloc[0]
    margin = float(opened.judged["margin"].iloc[row])
    columns = list(probe_columns())
    after = stored.reindex(columns).to_dict()
    sizes = stored.reindex(map(size_column, columns)).set_axis(columns).to_dict()
    changes = tabulate_changes(after, sizes, margin, temperature=opened.run.manifest["temperature"])
    return changes.assign(picture=pd.Series({"": example.image, **example.pictures})), example.donor


def follow_changes(
    subject: Subject,
    detector: DetectorHandle | None,
    opened: Opened,
    row: int | None,
    draw: Callable[[pd.DataFrame], None],
    *,
    slot: str,
) -> None:
    """Draw what each change does to the verdict: as the run's study has it, else by asking, with progress before.

    Args:
        subject: the image; what the study lacks is changed in every way that needs no other image.
        detector: who is asked; None where the run's detector is not here.
        opened: the run on the page.
        row: where the image stands in it, None for an upload.
        draw: called with `tabulate_changes` and the pictures, see `stored_changes`.
        slot: for which part of the page.
    """

    def show(changes: pd.DataFrame) -> None:
        st.session_state[LAST] = (subject.sha256, detector and detector.identity.fingerprint), changes
        draw(changes)

    own = detector is None or detector.identity.made(opened.run.manifest)
    if own and row is not None and (stored := stored_changes(opened, row)) is not None:
        show(stored[0])
        return
    if detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be run.")
        return
    changed = changed_pictures(subject.image, subject.sha256 if row is None else str(opened.rows[row]))
    pixels = np.stack([*changed.values()])

    def draw_complete(now: JobStatus) -> None:
        if now.answer is not None and len(now.answer) == len(pixels):
            show(table_of(changed, now.answer, temperature=detector.about.temperature))

    follow(detector, pixels, "margins", draw_complete, slot=slot, doing="{} changed pictures judged")


def table_of(changed: Mapping[str, Pixels], margins: Floats, *, temperature: float = 1.0) -> pd.DataFrame:
    """Return `tabulate_changes` of `changed_pictures` by their margins, with the pictures in a column `picture`."""
    pixels = np.stack([*changed.values()])
    after = dict(zip(changed, margins.tolist(), strict=True))
    sizes = dict(zip(changed, rms(pixels, pixels[:1]).tolist(), strict=True))
    changes = tabulate_changes(after, sizes, after[""], temperature=temperature)
    return changes.assign(picture=pd.Series(changed))


@st.cache_resource(max_entries=8, show_spinner=False)
def changed_pictures(image: Pixels, name: str) -> dict[str, Pixels]:
    """Return an image after each change that needs no other image, by column, itself first as ""."""
    return {"": image} | probe_pictures(image, name=name)


def last_changes(subject: Subject, detector: DetectorHandle) -> pd.DataFrame | None:
    """Return what came of changing this image, where that was shown on this page; None otherwise."""
    of, changes = st.session_state.get(LAST, (None, None))
    result: pd.DataFrame | None = changes if of == (subject.sha256, detector.identity.fingerprint) else None
    return result


def change_words(column: str, side: int) -> str:
    """Write a change for people: "blurring, 2 pixels"."""
    return WORDS.get(column) or f"{probe_columns()[column][0].inline}, {strength_words(column, side)}"


def changed_cell(changes: pd.DataFrame, column: str, name: str) -> Cell:
    """Return the picture of a change of `stored_changes`, framed in its verdict."""
    picture = changes.loc[column, "picture"]
    verdict = verdict_of(changes.loc[column, "margin"])
    return Cell(picture, f"{name}: called {verdict}", f"{name}  \n{CLASS_WORDS[verdict]}", verdict)


@cached(max_entries=32)
def smallest_flips_of(opened: Opened) -> dict[str, str]:
    """Return the smallest change that flips each image while its controls do not, as the run's study has it.

    id -> words, "no change that was tried" where none does; images that the study lacks are left out.
    """
    study = probes_of(opened)
    if study is None or "smallest_flip" not in study.table:
        return {}
    words = {name_of_change(column): change_words(column, opened.run.side) for column in probe_columns()}
    flips = study.table["smallest_flip"].astype(object)
    flips = flips.map(words).fillna(flips).fillna("no change that was tried")
    return dict(zip(study.table["id"], flips, strict=True))


def example_of(
    opened: Opened, column: str, verdict: str | None, shows_flip: bool | None = None
) -> tuple[Opened, int] | None:
    """Find an image to show a change on, which the address picks among the most telling ones; None without pictures.

    Args:
        opened: the run on the page; the sample's run stands in where none of its pictures is available.
        column: of a probe's strength.
        verdict: of the image as it is; None for either.
        shows_flip: whether the change flips the image; None for what most images do.
    """
    samples = library.samples()
    for run in (opened.origin, *([samples[0]] if samples else [])):
        rows = _telling(run, library.pictures(run).stamp, column, verdict, shows_flip)
        if len(rows):
            return run, int(rows[(PICTURE.value - 1) % len(rows)])
    return None


@cached(max_entries=256)
def _telling(
    opened: Opened,
    stamp: str,  # noqa: ARG001 - the key
    column: str,
    verdict: str | None,
    shows_flip: bool | None,
) -> Positions:
    """Find up to `PICTURES` rows with pictures, spread over the run, that do as is wanted, or what most of them do.

    Those are right verdicts that the change flips, or else does not, and no control flips; without any, all rows.
    """
    study = probes_of(opened)
    if study is None:
        return np.empty(0, np.intp)
    margins = by_change(study.table)
    if column not in margins:
        return np.empty(0, np.intp)
    rows = opened.rows.get_indexer(study.table["id"])
    table = opened.judged.iloc[rows]
    real = (table["predicted"] == "REAL").to_numpy()
    fits = (library.pictures(opened).where >= 0)[rows]
    if verdict is not None:
        fits &= (table["predicted"] == verdict).to_numpy()
    flips = flip_values(margins[column], real, column)
    if shows_flip is None:
        shows_flip = bool(2 * (flips[fits] == 1).sum() >= fits.sum())
    tells = fits & (flips == shows_flip) & (table["label"] == table["predicted"]).to_numpy()
    for control in control_columns(column):
        tells &= flip_values(margins[control], real, control) != 1
    return evenly(np.sort(rows[tells] if tells.any() else rows[fits]), PICTURES)


def next_picture() -> None:
    """Show changes and maps on another picture; a button's callback."""
    PICTURE.set(PICTURE.value % PICTURES + 1)
