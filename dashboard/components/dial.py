"""The dial: one picture, the same with something removed, and its control, by a slider that the browser moves.

Changes, strengths and controls are those of the study `probes`, so what it measured on a test set holds for the dial.
Streamlit lacks a slider that changes pictures without asking the server: each step would take a rerun.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors.identity import DetectorHandle
from core.findings.contrast import Contrast, Measure
from core.images.labels import CLASSES, verdict_of
from core.perturbations.flips import NOTHING, flipping, strength_words
from core.perturbations.probe import Probe
from core.perturbations.registry import PROBES, control_columns, probe_columns
from core.runs.pictures import choose_picture
from core.studies.shared.flips import by_change
from dashboard import catalogue, library
from dashboard.components.component import component, one_of
from dashboard.components.picture import thumbnail
from dashboard.components.probing import follow_changes, probes_of, rates_of
from dashboard.components.requests import Subject
from dashboard.components.words import short_percent
from dashboard.library import MAX_RUNS, Opened, cached
from dashboard.state import Setting, shows_pixels

_mount = component("dial")
# the probes on the dial; the first is that of the first screen
EXPERIMENTS = tuple(probe for probe in PROBES.values() if probe.dial is not None)
SHOWN = EXPERIMENTS[0]


def columns_of(experiment: Probe) -> dict[str, list[str]]:
    """The study's column of each strength, weakest first, and those of its controls at this strength."""
    own = [experiment.column(strength.key) for strength in experiment.strengths]
    return {column: control_columns(column) for column in own}


def columns_with_controls(experiments: Sequence[Probe]) -> tuple[str, ...]:
    """List the study's columns of experiments and of their controls, each once."""
    own = chain.from_iterable(map(columns_of, experiments))
    return tuple(dict.fromkeys(chain.from_iterable([column, *control_columns(column)] for column in own)))


COLUMNS = columns_with_controls(EXPERIMENTS)
# the change that the knob stands at; the first one that flips the verdict where the address names none
CHANGE = Setting("change", "", choices=("", *COLUMNS))
Frame = dict[str, str]
# label -> what the picture is
NAMES = {"REAL": "A photograph", "FAKE": "A generated picture"}
# (column, verdict) -> how often it flips, beside its strongest control
Measured = Mapping[tuple[str, str], Contrast]


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

    def draw(changes: pd.DataFrame) -> None:
        measured = measured_flips(opened.origin) if own else {}
        frames = _frames(changes.reindex(["", *COLUMNS]), sure=sure)
        side = len(subject.image)
        data = {
            "of": "Verdicts that flip here" if measured else "",
            "id": f"{key} {subject.sha256} {changes['margin']['']}",
            "at": CHANGE.value,
            "crisp": shows_pixels(),
            "picture": frames[""],
            "name": "The picture" if row is None else NAMES.get(opened.judged["label"].iloc[row], "The picture"),
            "nothing": NOTHING if flipping(changes).empty else "",
            "experiments": [_experiment(experiment, frames, measured, side) for experiment in EXPERIMENTS],
        }

        def take() -> None:
            CHANGE.set(one_of(st.session_state[f"{key}.dial"].at, COLUMNS))

        # what moves it draws nothing else again
        st.fragment(_mount)(key=f"{key}.dial", data=data, on_at_change=take)

    follow_changes(subject, detector, opened, row, draw, slot=key)


def _frames(changes: pd.DataFrame, *, sure: bool) -> dict[str, Frame]:
    """Return what the browser shows of the picture after each change that was made, by column; how sure if asked."""
    frames = {}
    for column, change in changes[changes["margin"].notna()].iterrows():
        frames[str(column)] = {
            "source": thumbnail(change["picture"]),
            "verdict": verdict_of(change["margin"]),
            "sure": f"{short_percent(max(change['p_real'], 1 - change['p_real']))} sure" if sure else "",
        }
    return frames


@cached(max_entries=24)
def measured_flips(opened: Opened) -> Measured:
    """Return what the run's study measured of the columns that it has and the verdicts that occur."""
    study = probes_of(opened)
    if study is None:
        return {}
    rates = rates_of(opened, study, "verdict", tuple(experiment.key for experiment in EXPERIMENTS))
    return {(rate.column, rate.verdict): rate.contrast for rate in rates}


def strongest_control(column: str, measured: Measured) -> str | None:
    """Return the column of a change's strongest control of FAKE verdicts; the first declared where none was measured.

    None where no control was declared.
    """
    controls = control_columns(column)
    contrast = measured.get((column, "FAKE"))
    name = "" if contrast is None or contrast.control is None else contrast.control.name
    named = [control for control in controls if probe_columns()[control][0].inline == name]
    return next(iter(named + controls), None)


def _experiment(experiment: Probe, frames: Mapping[str, Frame], measured: Measured, side: int) -> dict[str, Any]:
    """Return what the browser shows of an experiment, a stop for each strength."""
    stops = []
    for column in columns_of(experiment):
        # an older study lacks some
        if column not in frames:
            continue
        control = strongest_control(column, measured)
        stops.append({
            "column": column,
            "label": strength_words(column, side),
            "changed": frames[column],
            "control": frames.get(control or ""),
            "against": "" if control is None else f"Control, as large a change: {probe_columns()[control][0].inline}",
            "shares": _shares(column, measured),
        })  # fmt: skip
    assert experiment.dial is not None  # noqa: S101 - those without are not on the dial
    return experiment.dial._asdict() | {"stops": stops}


def _shares(column: str, measured: Measured) -> list[dict[str, Any]]:
    """Return the bars of a stop: FAKE verdicts that flip, the same under the strongest control, and REAL verdicts."""
    bars = []
    for verdict in CLASSES:
        contrast = measured.get((column, verdict))
        if contrast is None:
            continue
        bars.append(share_bar(f"of {contrast.measure.n:,} {verdict}", contrast.measure, verdict))
        if verdict == "FAKE" and contrast.control is not None:
            bars.append(share_bar("FAKE, by the control", contrast.control.measure, "control"))
    return bars


def share_bar(name: str, measure: Measure, kind: str) -> dict[str, Any]:
    """Return a share as the browser draws it; `kind` is a class, or "control"."""
    return {"name": name, "share": measure.value, "text": short_percent(measure.value), "kind": kind}


def first_picture(opened: Opened) -> tuple[Opened, int] | None:
    """Find the picture of Start: of this run or, where none of its pictures is here, of the sample gallery's."""
    for run in chain([opened], library.with_samples()):
        row = _chosen(run, library.pictures(run).stamp)
        if row is not None:
            return run, row
    return None


def second_picture(opened: Opened, row: int) -> int:
    """Find another picture like the first one, at `row`, for who has seen that; the first where there is no other."""
    other = _chosen(opened, library.pictures(opened).stamp, row)
    return row if other is None else other


@cached(max_entries=2 * MAX_RUNS)
def _chosen(opened: Opened, stamp: str, without: int = -1) -> int | None:  # noqa: ARG001 - the key
    pictured = library.pictures(opened).where >= 0
    pictured &= np.arange(len(pictured)) != without
    return choose_picture(opened.judged, pictured, _margins(opened.origin), columns_of(SHOWN))


@cached()
def _margins(opened: Opened) -> pd.DataFrame | None:
    """Return the study's margins of all images under `SHOWN` and its controls, a row an id; None without them."""
    study = probes_of(opened)
    # another seed shuffles other blocks
    if study is None or study.about.get("parameters", {}).get("seed"):
        return None
    margins = by_change(study.table).set_index("id")
    # a study lacks a probe that was added since
    needed = columns_with_controls([SHOWN])
    if not set(needed) <= set(margins):
        return None
    return margins[list(needed)]


def flips_without_detail(opened: Opened, row: int) -> bool:
    """Check whether the run's study has seen an image called REAL at some strength of `SHOWN`."""
    margins = _margins(opened.origin)
    id_ = opened.rows[row]
    if margins is None or id_ not in margins.index:
        return False
    return bool((margins.loc[id_, list(columns_of(SHOWN))] > 0).any())


def draw_first_dial(opened: Opened, row: int, *, key: str) -> None:
    """Draw the dial on the picture of `first_picture`."""
    image = library.pictures(opened).get(row)
    if image is not None:
        draw_dial(Subject(image, ""), catalogue.maker(opened.run), opened, row, key=key)
