"""The nearest images of one image, with their labels."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from core.storage import ContractError
from core.studies.training_reference import count_kept
from dashboard import catalogue, datasets, library
from dashboard.components.glossary import explain
from dashboard.components.missing import how_to_get_pictures, offer_training_images
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import plain, with_code
from dashboard.components.requests import DetectorHandle, Subject, follow
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import Request
from dashboard.neighbours import Neighbour, Neighbours, NeighbourSettings, Preparing
from dashboard.visitors import for_visitors

SLOT = "neighbours"


def neighbours_panel(
    subject: Subject,
    detector: DetectorHandle,
    *,
    run: Path | None = None,
    leave_out: str | None = None,
    stamp: str = "",
) -> None:
    """Ask for the neighbours of an image and draw them.

    Args:
        subject: the image.
        detector: whose features are compared.
        run: folder of a run by this detector, whose own images are searched where the training images cannot be.
        leave_out: sha256 of the image's own file in that run.
        stamp: changes when that run does.
    """
    st.caption(
        "The training images (or, without them, this run's) whose pooled features, computed just before the decision, "
        "are closest by cosine distance. Frames show the true labels. The verdict plays no part in the comparison.",
        help=explain("Neighbours", "Features"),
    )
    asked_for = f"neighbours.prepare.{detector.identity.fingerprint}"
    prepare = bool(st.session_state.get(asked_for))
    # where nobody is to compute the features, the answer changes once somebody has
    registry = datasets.registry()
    stamps = f"{stamp} {count_kept()} {registry.readings}"
    settings = NeighbourSettings(registry.source, run, leave_out, prepare, stamp=stamps)

    def draw(answer: Neighbours | Preparing) -> None:
        if isinstance(answer, Neighbours):
            _draw_found(with_pictures(answer, run), detector)
            if answer.why_not:
                st.caption(with_code(for_visitors(answer.why_not, homes=catalogue.homes())))
            elif not answer.is_training and settings.data:
                _offer(asked_for)
            elif not answer.is_training:
                offer_training_images("Its training images are not available.", detector.name, key="neighbours.fetch")

    follow(
        Request(detector.path, detector.identity, subject.sha256, settings),
        subject.image[None],
        draw,
        slot=SLOT,
        doing=lambda answer: answer.text if isinstance(answer, Preparing) else "Searching",
        on_stop=lambda: st.session_state.update({asked_for: False}),
    )
    if run is None and settings.data is None:
        offer_training_images("Its training images are not available.", detector.name, key="neighbours.fetch_first")


def with_pictures(found: Neighbours, run: Path | None) -> Neighbours:
    """The same with the pictures of the run that was searched, where the dashboard has them."""
    if found.is_training or run is None:
        return found
    try:
        opened = library.open_run(run)
    except ContractError:
        return found
    pictures = library.pictures(opened)

    def pictured(neighbour: Neighbour) -> Neighbour:
        row = opened.row_of(neighbour.id)
        return neighbour._replace(image=pictures.get(row)) if neighbour.image is None and row is not None else neighbour

    other = None if found.other is None else pictured(found.other)
    return replace(found, near=tuple(map(pictured, found.near)), other=other)


def _draw_found(found: Neighbours, detector: DetectorHandle) -> None:
    whose = "training images" if found.is_training else "images of this run"
    if not found.near:
        st.markdown(f"There are no other {whose} to compare with.")
        return
    same = sum(neighbour.label == found.verdict for neighbour in found.near)
    verdict = CLASS_WORDS[found.verdict]
    st.markdown(f"{same} of the {len(found.near)} {whose} most alike to it are {verdict}, as it calls this image.")
    shown = [*found.near, *([found.other] if found.other else [])]
    if all(neighbour.image is not None for neighbour in shown):
        picture_strip(map(_cell, found.near))
        if found.other:
            st.markdown(f"The nearest that it calls {CLASS_WORDS[found.other.predicted]}:")
            picture_strip([_cell(found.other)])
    else:
        columns = {"name": "image", "label": "is", "predicted": "called", "distance": "distance"}
        table = pd.DataFrame([neighbour._asdict() for neighbour in shown])[list(columns)].rename(columns=columns)
        st.dataframe(table, hide_index=True, height="content", alt="The nearest images")
        if found.is_training:
            offer_training_images("Their pictures are not available.", detector.name, key="neighbours.fetch_pictures")
        else:
            st.caption(f"Their pictures are not available. {how_to_get_pictures()}")
    st.caption(f"Searched exactly among all {found.candidates:,} {whose} ({plain(found.name)}).")


def _cell(neighbour: Neighbour) -> Cell:
    assert neighbour.image is not None  # noqa: S101 - the caller has looked
    about = plain((neighbour.category or "").replace("_", " "))
    wrong = f" **called {neighbour.predicted}**" if neighbour.predicted != neighbour.label else ""
    label = neighbour.label
    alt = f"{neighbour.name}: is {label}, called {neighbour.predicted}, cosine distance {neighbour.distance:.3f}"
    return Cell(neighbour.image, alt, f"{CLASS_WORDS[label]} {about} {neighbour.distance:.3f}{wrong}", label)


def _offer(asked_for: str) -> None:
    st.button(
        "Search the training images",
        key="neighbours.prepare",
        icon=":material/search:",
        on_click=lambda: st.session_state.update({asked_for: True}),
        help="The detector computes features for each training image once, which takes minutes; they are kept in the "
        "cache folder of this machine.",
    )
