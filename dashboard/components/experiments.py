"""Experiments on one image: what flips the verdict, as a table, what speaks for it, what it is like."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Float32, Mask
from core.detectors.identity import DetectorHandle
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import verdict_of
from core.perturbations.flips import reason
from core.perturbations.probe import FAMILIES
from core.perturbations.registry import control_columns, probe_columns
from core.runs.nearest import find_nearest
from core.studies.questions.neighbours import NAMED, among_training
from dashboard import library
from dashboard.catalogue import how_to_get_pictures
from dashboard.components.component import csv_button
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.probing import follow_changes
from dashboard.components.requests import Subject, follow
from dashboard.components.study import readable
from dashboard.components.words import CLASS_WORDS, coloured, explain, percent, plain, thing_of
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.library import Opened
from dashboard.state import Setting, shows_pixels


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
            picture = thumbnail_url(change["picture"], SMOOTH, pixels=shows_pixels())
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
    csv_button(
        "Every change (CSV)", made.drop(columns="picture").rename_axis("change").reset_index(),
        f"{subject.name}-probes.csv", key="probes.csv",
    )  # fmt: skip


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
    study = readable(opened, "neighbours", concluded=False)
    if row is not None and study is not None and among_training(study.table):
        share = study.table.set_index("id")["fake_share"].get(run.predictions["id"].iloc[row])
        if share is not None:
            fake = CLASS_WORDS["FAKE"]
            st.markdown(f"Of the training images most alike to it, {percent(share, 0)} are {fake}.")
    digest = "" if row is None else run.predictions["sha256"].iloc[row]
    is_itself = (run.predictions["sha256"] == digest).to_numpy(bool)

    def draw_nearest(features: Float32, excluded: Mask, count: int, words: str) -> None:
        codes = excluded.astype(int)
        near = find_nearest(features, base, count, query_codes=np.ones(1, int), base_codes=codes).rows[0]
        cells = [_cell(opened, int(at)) for at in near[near >= 0]]
        st.markdown(words)
        picture_strip(cell for cell in cells if cell is not None)
        if None in cells:
            st.caption(f"Their pictures are not available. {how_to_get_pictures()}")

    def draw(now: JobStatus) -> None:
        answer: Prediction | None = now.answer
        if answer is not None and answer.features is not None:
            is_same = run.predicted_real == (answer.margins[0] > 0)
            draw_nearest(answer.features, is_itself, NAMED, "Most alike to it:")
            draw_nearest(answer.features, is_itself | is_same, 1, "The nearest that it calls the other class:")

    pixels = subject.image[None]
    doing = "Asking the detector"
    follow(detector, pixels, PredictRequest(), draw, slot="neighbours", doing=doing, sha256=subject.sha256)


def _cell(opened: Opened, row: int) -> Cell | None:
    """Return the picture of an image of the run, framed in its label; None where it is not available."""
    picture = library.pictures(opened).get(row)
    if picture is None:
        return None
    about = opened.judged.iloc[row]
    label = about["label"] if about["label"] in CLASS_WORDS else None
    words = f"{CLASS_WORDS.get(str(label), '')} {plain(thing_of(about['category']))}"
    return Cell(picture, f"{about['name']}, {label}", words, label)
