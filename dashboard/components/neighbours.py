"""The images that look most alike to the detector, with their labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors.identity import DetectorHandle
from core.images.labels import CLASSES
from core.runs.nearest import find_nearest
from core.studies.neighbours import NAMED, OWN
from dashboard import library
from dashboard.components.glossary import explain
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import plain
from dashboard.components.requests import Subject, ask, follow
from dashboard.components.study import readable
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.datasets import how_to_get_pictures, registry
from dashboard.jobs import JobStatus, Prediction, PredictRequest
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
