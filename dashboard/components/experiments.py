"""Experiments on one image: what flips the verdict, as a table, what speaks for it, what it is like."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors.identity import DetectorHandle
from core.explainers.registry import explainers
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import CLASSES, verdict_of
from core.perturbations.flips import reason
from core.perturbations.probe import FAMILIES
from core.perturbations.registry import PROBES, probe_columns
from core.runs.nearest import find_nearest
from core.studies.questions.neighbours import NAMED, OWN
from dashboard import library
from dashboard.components.downloads import csv_button
from dashboard.components.explanations import View, draw_explanation
from dashboard.components.glossary import explain
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import plain
from dashboard.components.probing import follow_changes
from dashboard.components.requests import Subject, ask, follow
from dashboard.components.study import readable
from dashboard.components.words import CLASS_WORDS, coloured, percent
from dashboard.datasets import how_to_get_pictures, registry
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.library import Opened
from dashboard.state import Setting, shows_pixels

BEFORE, AFTER = {"turns": "What flips the verdict"}, {"alike": "Similar images"}
# in alphabetical order, which is that of the table
STATES = ("flips", "flips, as its control does", "stays")


def experiments(subject: Subject, detector: DetectorHandle, opened: Opened, row: int | None = None) -> None:
    """Draw the choice of an experiment, and what came of the chosen one; nothing is computed before.

    Args:
        subject: the image.
        detector: who is asked.
        opened: the run on the page.
        row: where the image stands in it, None for an upload.
    """
    # they say what, and have no map to compare
    methods = {method.name: method for method in explainers(detector.about, with_map=False)}
    names = BEFORE | {name: method.title for name, method in methods.items()} | AFTER
    setting = Setting("evidence", "", {"": "", **names})
    chosen = setting.choose("Experiment", options=list(names), required=False, label_visibility="collapsed")
    if chosen == "turns":
        follow_changes(subject, detector, opened, row, partial(_draw_table, subject), slot="probes")
    elif chosen in methods:
        draw_explanation(View(subject, [detector]), methods[chosen])
    elif chosen:
        by = next(library.runs_by(detector.identity), None)
        # another run of the same images has them under the same ids
        own = None if by is None or row is None else by.row_of(str(opened.rows[row]))
        similar_images(subject, detector, by, own)


def _draw_table(subject: Subject, changes: pd.DataFrame) -> None:
    st.markdown(coloured(reason(changes, side=len(subject.image))), help=explain("Probe", "Control"))
    made = changes[changes["margin"].notna()]
    rows = []
    for column, (probe, strength) in probe_columns().items():
        if probe.is_control or column not in made.index:
            continue
        change = made.loc[column]
        picture, controls = change["picture"], [PROBES[key].column(strength.key) for key in probe.controls]
        is_clean = change["controlled"] or probe.changes_donor
        rows.append({
            "picture": thumbnail_url(picture, SMOOTH, pixels=shows_pixels())
            if isinstance(picture, np.ndarray)
            else None,
            "change": f"{FAMILIES[probe.family]}: {probe.inline}",
            "strength": strength.at(len(subject.image)).label,
            "verdict": STATES[2 if not change["flips"] else 0 if is_clean else 1],
            "called": verdict_of(change["margin"]),
            "controls called": ", ".join(map(verdict_of, made["margin"].reindex(controls).dropna())) or None,
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
        "Every change (CSV)", lambda: made.drop(columns="picture").rename_axis("change").reset_index(),
        f"{subject.name}-probes.csv", key="probes.csv",
    )  # fmt: skip


def similar_images(subject: Subject, detector: DetectorHandle, opened: Opened | None, row: int | None) -> None:
    """Draw the images that look most alike to the detector.

    Of an image of a run they are those that the study `neighbours` names; else the nearest of the run's own images.

    Args:
        subject: the image.
        detector: whose features are compared.
        opened: a run by this detector; None where there is none.
        row: where the image stands in it, None for an upload.
    """
    st.caption(
        "The images with the most similar features, by cosine distance. Frames show their true labels.",
        help=explain("Neighbours", "Features"),
    )
    study = None if opened is None or row is None else readable(opened, "neighbours", concluded=False)
    if opened is not None and row is not None and study is not None:
        about = study.table.set_index("id").reindex(opened.run.predictions["id"].iloc[[row]]).iloc[0]
        if isinstance(about["near_1"], str):
            whose = "other images of this run" if about["among"] == OWN else "training images"
            st.markdown(f"{percent(about['fake_share'], 0)} of the {whose} most alike to it are {CLASS_WORDS['FAKE']}.")
            _draw(opened, about[[f"near_{n}" for n in range(1, NAMED + 1)]], about[["near_other"]])
            return
    if opened is None or opened.run.features is None:
        st.markdown("No run of this detector has features to compare with.")
        return
    run, predictions = opened.run, opened.run.predictions

    def draw(now: JobStatus) -> None:
        answer: Prediction | None = now.answer
        if answer is None or answer.features is None or run.features is None:
            return
        st.markdown("The images of this run most alike to it:")
        digest = "" if row is None else predictions["sha256"].iloc[row]
        itself = (predictions["sha256"] == digest).to_numpy(bool)
        same = run.predicted_real == (answer.margins[0] > 0)
        near, other = (
            find_nearest(answer.features, run.features, k, query_codes=np.ones(1, int), base_codes=1 * excluded).rows[0]
            for k, excluded in ((NAMED, itself), (1, itself | same))
        )
        _draw(opened, predictions["id"].iloc[near[near >= 0]], predictions["id"].iloc[other[other >= 0]])

    follow(
        lambda: ask(detector, subject.image[None], PredictRequest(), slot="neighbours", sha256=subject.sha256),
        draw,
        slot="neighbours",
        doing=lambda _: "Asking the detector",
    )


def _draw(opened: Opened, near: pd.Series, other: pd.Series) -> None:
    """Draw the nearest images by id, and the nearest that is called the other class, where there is one."""
    cells = _cells(opened, near.dropna().tolist())
    if not cells:
        st.caption(f"Their pictures are not available. {how_to_get_pictures()}")
        return
    picture_strip(cells)
    if others := _cells(opened, other.dropna().tolist()):
        st.markdown("The nearest that it calls the other class:")
        picture_strip(others)


def _cells(opened: Opened, ids: Sequence[str]) -> list[Cell]:
    """Find the pictures of images by id, in the run or else in an attached set."""
    at = opened.rows.get_indexer(ids)
    if (at >= 0).all():
        rows, pictures = opened.run.predictions.iloc[at], [library.pictures(opened).get(int(row)) for row in at]
        labels = rows["label"].astype(str)
    else:
        for images in registry().sets:
            at = pd.Index(images.rows["id"]).get_indexer(ids)
            if (at >= 0).all():
                rows, pictures = images.rows.iloc[at], list(images.pixels[at])
                labels = rows["label"].map(dict(enumerate(CLASSES)))
                break
        else:
            return []
    about = [plain(text.replace("_", " ")) if isinstance(text, str) else "" for text in rows["category"]]
    return [
        Cell(picture, f"{name}, {label}", f"{CLASS_WORDS[label]} {words}", label)
        for picture, name, label, words in zip(pictures, rows["name"], labels, about, strict=True)
        if picture is not None
    ]
