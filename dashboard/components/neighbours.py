"""The images that look most alike to the detector, with their labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.images.labels import CLASSES, other_class, verdict_of
from core.runs.nearest import find_nearest
from core.studies.neighbours import NAMED, OWN
from dashboard import library
from dashboard.components.glossary import explain
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import plain
from dashboard.components.requests import DetectorHandle, Subject, follow
from dashboard.components.study import readable
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.datasets import how_to_get_pictures, registry
from dashboard.jobs import Prediction, PredictRequest, Request
from dashboard.library import Opened


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
        named = study.table[study.table["id"] == opened.run.predictions["id"].iloc[row]].iloc[:1]
        for about in named.to_dict("records"):
            verdict, fake = str(opened.run.predictions["predicted"].iloc[row]), about["fake_share"]
            whose = "other images of this run" if about["among"] == OWN else "training images"
            ids = [about[f"near_{n}"] for n in range(1, NAMED + 1)]
            same = fake if verdict == "FAKE" else 1 - fake
            _draw(opened, ids, about["near_other"], verdict, same=same, whose=whose)
            return
    if opened is None or opened.run.features is None:
        st.markdown("No run of this detector has features to compare with.")
        return
    run = opened.run

    def draw(answer: Prediction) -> None:
        if answer.features is None or run.features is None:
            return
        allowed = np.ones(len(run), bool)
        if row is not None:
            allowed = (run.predictions["sha256"] != run.predictions["sha256"].iloc[row]).to_numpy(bool)
        near = find_nearest(answer.features, run.features, NAMED, among=allowed).rows[0]
        is_other = run.predicted_real != (answer.margins[0] > 0)
        other = find_nearest(answer.features, run.features, 1, among=allowed & is_other).rows[0]
        ids, others = (run.predictions["id"].iloc[rows[rows >= 0]].tolist() for rows in (near, other))
        verdict = verdict_of(float(answer.margins[0]))
        same = float((run.predictions["label"].iloc[near[near >= 0]] == verdict).mean())
        _draw(opened, ids, next(iter(others), None), verdict, same=same, whose="images of this run")

    request = Request(detector.path, detector.identity, subject.sha256, PredictRequest())
    follow(request, subject.image[None], draw, slot="neighbours")


def _draw(
    opened: Opened, ids: Sequence[str | None], other: str | None, verdict: str, *, same: float, whose: str
) -> None:
    """Draw the nearest images and the nearest that is called the other class; `same` is the share of the verdict."""
    near = [id_ for id_ in ids if id_ is not None]
    if not near:
        st.markdown(f"There are no {whose} to compare with.")
        return
    st.markdown(
        f"{percent(same, 0)} of the {whose} most alike to it are {CLASS_WORDS[verdict]}, as it calls this image."
    )
    cells = _cells(opened, near)
    if len(cells) < len(near):
        st.caption(f"Their pictures are not available. {how_to_get_pictures()}")
        return
    picture_strip(cells)
    if other is not None:
        st.markdown(f"The nearest that it calls {CLASS_WORDS[other_class(verdict)]}:")
        picture_strip(_cells(opened, [other]))


def _cells(opened: Opened, ids: Sequence[str]) -> list[Cell]:
    """Find the pictures of images by id, in the run or else in an attached set."""
    if ids[0] in opened.rows:
        at = opened.rows.get_indexer(ids)
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
    return [
        Cell(picture, f"{name}, {label}", f"{CLASS_WORDS[label]} {plain(str(category or '').replace('_', ' '))}", label)
        for picture, name, label, category in zip(pictures, rows["name"], labels, rows["category"], strict=True)
        if picture is not None
    ]
