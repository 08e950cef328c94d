"""The dial: one picture, the same with something removed, and its control, by a slider that the browser moves."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import verdict_of
from core.perturbations.probe import Strength
from core.perturbations.table import PROBES
from core.storage import ContractError
from core.studies.dial import COLUMNS, EXPERIMENTS, Experiment, dial_pictures, flip_shares, smallest_flip
from dashboard import library
from dashboard.components.charts import cached
from dashboard.components.component import component, one_of
from dashboard.components.picture import framed
from dashboard.components.requests import DetectorHandle, Subject, ask, draw_progress, keep_up
from dashboard.components.words import NO_BREAK, percent
from dashboard.jobs import JobStatus, PredictRequest
from dashboard.library import Opened
from dashboard.state import Setting, shows_pixels

_mount = component(__file__, "dial")
# the change that the knob stands at; the first one that flips the verdict where the address names none
CHANGE = Setting("change", "", choices=("", *COLUMNS))
CONTROLS = {
    "lowpass_control": "Control: changed as much, detail kept",
    "shuffle_blend_stay": "Control: cut, kept in place",
}
Frame = dict[str, Any]


def draw_dial(
    subject: Subject,
    detector: DetectorHandle | None,
    opened: Opened,
    row: int | None = None,
    *,
    key: str = "dial",
    sure: bool = True,
) -> None:
    """Draw the dial of a picture, with what the run's study measured on all images at each strength.

    Args:
        subject: the picture.
        detector: who is asked; None where the run's detector is not here.
        opened: the run on the page.
        row: where the picture stands in it, None for an upload; what its study measured of it is not computed again.
        key: of the element and its request.
        sure: say how sure the detector is of each verdict.
    """
    own = detector is None or detector.identity.made(opened.run.manifest)
    name = subject.sha256 if row is None else str(opened.judged["id"].iloc[row])
    if own and row is not None and (margins := measured_margins(opened.origin, row)) is not None:
        p_real = 0.5 * (1 + np.tanh(np.array([*margins.values()]) / opened.run.manifest["temperature"] / 2))
        _draw(subject, name, margins, p_real if sure else None, opened=opened, key=key)
        return
    if detector is None:
        st.caption("The detector that made this run is not among the detectors here, so it cannot be run.")
        return
    frames = np.stack([subject.image, *_pictures(subject.image, name).values()])

    def show(now: JobStatus) -> None:
        if now.answer is not None:
            margins = dict(zip(("", *COLUMNS), map(float, now.answer.margins), strict=True))
            p_real = now.answer.p_real if sure else None
            _draw(subject, name, margins, p_real, opened=opened if own else None, key=key)
        elif now.busy:
            st.image(framed(subject.image, None), alt=subject.name, width=240)
        draw_progress(now, key, "Changing the picture")

    keep_up(lambda: ask(detector, frames, PredictRequest(), slot=key), show, slot=key)


def measured_margins(opened: Opened, row: int) -> dict[str, float] | None:
    """Return the margins that a run and its study of probes hold of an image: "" for the image itself, then by column.

    None where the study is not there or lacks one of them.
    """
    margins = measured(opened)
    id_, before = opened.judged[["id", "margin"]].iloc[row]
    if margins is None or id_ not in margins.index:
        return None
    after = margins.loc[id_]
    return None if after.isna().any() else {"": float(before)} | {name: float(after[name]) for name in COLUMNS}


@partial(cached, most=8)
def measured(opened: Opened) -> pd.DataFrame | None:
    """Return the study's margins of all images, a row an id; None without them."""
    try:
        study = library.study_of(opened, "probes")
    except ContractError:
        # the pages that show the study report it
        return None
    # another seed shuffles other blocks
    if study is None or not set(COLUMNS) <= set(study.table) or study.about.get("parameters", {}).get("seed"):
        return None
    return study.table.set_index("id")[list(COLUMNS)]


@cached
def measured_shares(opened: Opened) -> tuple[int, dict[str, dict[str, float]]]:
    """Return how many images the study has, and what it measured: column -> verdict -> share that flips."""
    try:
        study = library.study_of(opened, "probes")
    except ContractError:
        study = None
    return (0, {}) if study is None else (len(study.table), flip_shares(opened.run, study.table))


@partial(cached, most=16)
def _pictures(image: NDArray[np.uint8], name: str) -> dict[str, NDArray[np.uint8]]:
    return dial_pictures(image, name=name)


def _draw(
    subject: Subject,
    name: str,
    margins: Mapping[str, float],
    p_real: NDArray[np.floating] | None,
    *,
    opened: Opened | None,
    key: str,
) -> None:
    frames = _frames(subject.image, name, dict(margins), p_real, shows_pixels())
    images, shares = (0, {}) if opened is None else measured_shares(opened.origin)
    pictures = _pictures(subject.image, name)
    smallest = smallest_flip(subject.image, pictures, dict(margins), before=margins[""])
    side = len(subject.image)
    data = {
        "of": f"Of its verdicts on {images:,} test images, at this strength:" if shares else "",
        "id": f"{key} {subject.sha256} {margins['']}",
        "at": CHANGE.value,
        "crisp": shows_pixels(),
        "picture": frames[""],
        "smallest": _smallest_words(smallest, side),
        "experiments": [_experiment(experiment, frames, shares, side) for experiment in EXPERIMENTS],
    }

    @st.fragment
    def mount() -> None:
        element = f"{key}.dial"
        _mount(
            key=element, data=data, on_at_change=lambda: CHANGE.set(one_of(st.session_state[element].at, COLUMNS) or "")
        )

    mount()


def short_percent(share: float) -> str:
    """Write a share in whole percent, as there is room for beneath a small picture: ">99%"."""
    return percent(share, 0).replace(f"over{NO_BREAK}", ">").replace(f"under{NO_BREAK}", "<")


@partial(cached, most=32)
def _frames(
    image: NDArray[np.uint8], name: str, margins: dict[str, float], p_real: NDArray[np.floating] | None, pixels: bool
) -> dict[str, Frame]:
    """Return picture, verdict and certainty, "" unless it is said, of the image, named "", and of each column."""
    said = (
        [""] * len(margins) if p_real is None else [f"{short_percent(max(p, 1 - p))} sure" for p in map(float, p_real)]
    )
    pictures = {"": image} | _pictures(image, name)
    return {
        column: {
            "source": thumbnail_url(pictures[column], SMOOTH, pixels=pixels),
            "verdict": verdict_of(margin),
            "sure": sure,
        }
        for (column, margin), sure in zip(margins.items(), said, strict=True)
    }


def _experiment(
    experiment: Experiment, frames: Mapping[str, Frame], shares: Mapping[str, Mapping[str, float]], side: int
) -> dict[str, Any]:
    """Return what the browser shows of an experiment, a stop for each strength."""
    control = None if experiment.control is None else CONTROLS.get(experiment.control, "Control")
    stops = [
        {
            "column": column,
            "label": strength.at(side).told,
            "changed": frames[column],
            "control": None if other is None else frames[other],
            "shares": _bars(column, other, shares),
        }
        for (column, other), strength in zip(experiment.columns, experiment.strengths, strict=True)
    ]
    about = {"title": experiment.title, "changed": experiment.changed, "control": control}
    return about | {"less": experiment.less, "more": experiment.more, "stops": stops}


def _bars(column: str, control: str | None, shares: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the bars beneath a strength: FAKE verdicts that flip, the control's share, REAL verdicts that flip."""
    wanted = (("FAKE flips", column, "FAKE"), ("the control", control, "FAKE"), ("REAL flips", column, "REAL"))
    return [
        {
            "name": name,
            "share": share,
            "text": short_percent(share),
            "kind": verdict if name != "the control" else "control",
        }
        for name, of, verdict in wanted
        if (share := shares.get(of or "", {}).get(verdict)) is not None
    ]


def _smallest_words(found: tuple[Experiment, Strength] | None, side: int) -> str:
    if found is None:
        return "None of these changes flips it."
    experiment, strength = found
    return f"Smallest flip of all changes: {PROBES[experiment.probe].inline}, {strength.at(side).label}."
