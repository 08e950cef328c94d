"""Flip rates of the probes of a test set, and an image on which a probe is shown; both cached."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.images.labels import verdict_of
from core.perturbations.table import PROBES, probe_columns
from core.runs.filter import Filter
from core.runs.rows import evenly
from core.storage import ContractError
from core.studies.donors import ProbeExample, probe_example
from core.studies.flips import By, FlipTable, flip_rates, read_flips
from core.studies.store import StudyResult
from dashboard import library
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting

PICTURES = 8
PICTURE = Setting("picture", 1, kind=int, low=1, high=PICTURES)


@st.cache_resource(max_entries=8, show_spinner="Counting verdicts", hash_funcs=BY_STAMP)
def flips_of(opened: Opened, answer: StudyResult) -> FlipTable:
    """Return the study's rows beside what the run says of them."""
    return read_flips(opened.run, answer.table, answer.about.get("parameters"))


@st.cache_resource(max_entries=256, show_spinner="Counting verdicts", hash_funcs=BY_STAMP)
def rates_of(
    opened: Opened, answer: StudyResult, by: By = "verdict", probes: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Return `flip_rates` of some probes, or of all."""
    return flip_rates(flips_of(opened, answer), by=by, probes=probes)


@dataclass(frozen=True, eq=False)
class Shown:
    """An image on which a probe is shown.

    Attributes:
        opened: the image's run, which need not be the run on the page.
        example: the image under every probe.
        margins: column -> margin after that change, from the study of that run; empty without one.
    """

    opened: Opened
    example: ProbeExample
    margins: dict[str, float]

    @property
    def called(self) -> str:
        """What the image is called as it is."""
        return str(self.opened.table["predicted"].iloc[self.example.row])

    def verdict(self, column: str) -> str | None:
        """What the changed picture is called, None where that is not known."""
        margin = self.margins.get(column, np.nan)
        return None if np.isnan(margin) else verdict_of(margin)


def shown_picture(opened: Opened, column: str, verdict: str | None = None) -> Shown | None:
    """Return the image to show a change on, which the address picks among the most telling ones; None without pictures.

    Args:
        opened: the run on the page; the sample's run stands in where none of its pictures is available.
        column: of a probe's strength.
        verdict: of the image as it is; None for either.
    """
    found = library.samples()
    for run in (opened.origin, *([found[0]] if found else [])):
        stamp = library.pictures(run).stamp
        rows = _telling(run, stamp, column, verdict)
        if len(rows):
            return _shown(run, stamp, int(rows[(PICTURE.value - 1) % len(rows)]))
    return None


def _probes_of(opened: Opened) -> StudyResult | None:
    try:
        return library.study_of(opened, "probes")
    except ContractError:
        return None


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs=BY_STAMP)
def _telling(opened: Opened, stamp: str, column: str, verdict: str | None) -> NDArray[np.intp]:  # noqa: ARG001 - the key
    """Find up to `PICTURES` rows with pictures, spread over the run: right verdicts that a change flips and no control.

    Where there are none, or no study of probes, any rows.
    """
    pictured, answer = library.pictures(opened).where >= 0, _probes_of(opened)
    if answer is None or column not in answer.table:
        return evenly(np.flatnonzero(pictured), PICTURES)
    probe, strength = probe_columns()[column]
    rows = opened.rows.get_indexer(answer.table["id"])
    table = opened.judged.iloc[rows]
    called = (table["predicted"] == "REAL").to_numpy()

    def flips(key: str) -> NDArray[np.bool_]:
        margins = answer.table[PROBES[key].column(strength.key)].to_numpy(np.float64)
        return np.asarray(~np.isnan(margins) & ((margins > 0) == (called if PROBES[key].changes_donor else ~called)))

    tells = flips(probe.key) & (table["label"] == table["predicted"]).to_numpy()
    for control in probe.controls:
        tells &= ~flips(control)
    fits = pictured[rows] & ((table["predicted"] == verdict).to_numpy() | (verdict is None))
    return evenly(np.sort(rows[fits & tells] if (fits & tells).any() else rows[fits]), PICTURES)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=BY_STAMP)
def _shown(opened: Opened, stamp: str, row: int) -> Shown | None:  # noqa: ARG001 - the key
    answer = _probes_of(opened)
    seed = int(answer.about.get("parameters", {}).get("seed", 0)) if answer else 0
    example = probe_example(opened.run, row, library.pictures(opened).get, seed=seed)
    if example is None:
        return None
    margins: dict[str, float] = {}
    if answer is not None:
        own = answer.table[answer.table["id"] == opened.table["id"].iloc[row]]
        margins = {name: float(own[name].iloc[0]) for name in example.pictures if name in own and len(own)}
    return Shown(opened, example, margins)


def next_picture() -> None:
    """Show changes and maps on another picture; a button's callback."""
    PICTURE.set(PICTURE.value % PICTURES + 1)


def flipped(verdict: str, column: str, also: Sequence[tuple[str, str]] = ()) -> Filter:
    """Return the filter of the images of one verdict that one strength of a probe flips.

    Args:
        verdict: "FAKE" or "REAL".
        column: the column of that strength in the study.
        also: further (column, value) pairs to filter by.
    """
    name = f"probes.{column}"
    # where a donor is changed, a flip means that the donor gets the image's verdict
    toward_real = (verdict == "FAKE") != probe_columns()[column][0].changes_donor
    wanted = Filter(sort=f"-{name}" if toward_real else name).choosing("predicted", [verdict])
    wanted = wanted.ranging(name, low=0) if toward_real else wanted.ranging(name, high=0)
    for other, value in also:
        wanted = wanted.choosing(other, [value])
    return wanted
