"""What the probes of a test set come to, and the image on which they are shown; both cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from core.images.labels import verdict_of
from core.images.palette import CLASS_COLOURS
from core.perturbations.table import PROBES, probe_columns
from core.runs.filter import Filter
from core.runs.pictures import Pictures
from core.runs.rows import evenly
from core.storage import ContractError
from core.studies.donors import ProbeExample, probe_example
from core.studies.flips import By, FlipTable, controlled_flip, flip_rates, ranking, read_flips
from core.studies.store import StudyResult
from dashboard import library
from dashboard.components.charts import GRID, MARGIN, SYMBOLS, cached, error_bars, new_figure
from dashboard.library import Opened
from dashboard.state import Setting

PICTURES = 8
PICTURE = Setting("picture", 1, kind=int, low=1, high=PICTURES)


@dataclass(frozen=True, eq=False)
class Evidence:
    """A study of probes, counted.

    Attributes:
        answer: the study.
        turns: its rows beside what the run says of them.
        rates: from `responses`, by verdict.
        tops: from `ranking`, for each verdict that occurs.
        stamp: changes when the study does.
    """

    answer: StudyResult
    turns: FlipTable
    rates: pd.DataFrame
    tops: dict[str, pd.DataFrame]
    stamp: str

    def rate(self, verdict: str, column: str) -> dict[str, Any] | None:
        """The row of one strength, None where the study lacks it or one of its controls."""
        return self._rows.get((verdict, column))

    @property
    def first(self) -> pd.DataFrame | None:
        """The first ranking that has a row; None where no change could be ranked."""
        return next((top for top in self.tops.values() if len(top)), None)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["verdict"], row["column"]): row for row in self.rates.to_dict("records")}


@dataclass(frozen=True, eq=False)
class Shown:
    """The image on which probes are shown.

    Attributes:
        opened: the image's run, which need not be the run on the page.
        example: the image under every probe.
        margins: column -> margin after that change, from the study of that run; empty without one.
    """

    opened: Opened
    example: ProbeExample
    margins: dict[str, float]

    @property
    def side(self) -> int:
        """Of the pictures, in pixels."""
        return len(self.example.image)

    def verdict(self, column: str) -> str | None:
        """What the changed picture is called, None where that is not known."""
        margin = self.margins.get(column, np.nan)
        return None if np.isnan(margin) else verdict_of(margin)


def read_evidence(opened: Opened, answer: StudyResult) -> Evidence:
    """Count how often each probe flips verdicts in a study; cached."""
    return _evidence(opened.origin, answer, opened.origin.stamp)


@st.cache_resource(max_entries=4, show_spinner="Counting verdicts")
def _evidence(_opened: Opened, _answer: StudyResult, stamp: str) -> Evidence:
    turns = read_flips(_opened.run, _answer.table, _answer.about.get("parameters"))
    rates = flip_rates(turns)
    tops = {verdict: ranking(rates, verdict=verdict) for verdict in turns.verdicts}
    return Evidence(_answer, turns, rates, tops, stamp)


def rates_by(evidence: Evidence, by: By, probe: str) -> pd.DataFrame:
    """`responses` of one probe by cell or category."""
    return _rates_by(evidence, evidence.stamp, by, probe)


@st.cache_resource(max_entries=256, show_spinner=False)
def _rates_by(_evidence: Evidence, stamp: str, by: By, probe: str) -> pd.DataFrame:  # noqa: ARG001 - the key
    return flip_rates(_evidence.turns, by=by, probes=(probe,))


def shown_picture(opened: Opened, probe: str) -> Shown | None:
    """Return the image to show a probe on, which the URL picks among the most telling ones; None without pictures.

    Args:
        opened: the run on the page; the sample's run stands in where none of its pictures is available.
        probe: key of the probe.
    """
    found = library.samples()
    for one in (opened.origin, *([found[0]] if found else [])):
        rows = telling(one, probe)
        if len(rows):
            return _shown(one, f"{one.stamp} {library.pictures(one).stamp}", int(rows[(PICTURE.value - 1) % len(rows)]))
    return None


def telling(opened: Opened, probe: str) -> NDArray[np.intp]:
    """Return up to `PICTURES` rows with pictures, first those that a probe flips and its controls do not.

    The two verdicts alternate. Without a study of probes the rows are spread evenly over the run.
    """
    pictures = library.pictures(opened)
    return _telling(opened, pictures, f"{opened.stamp} {pictures.stamp}", probe)


@st.cache_resource(max_entries=256, show_spinner=False)
def _telling(_opened: Opened, _pictures: Pictures, stamp: str, probe: str) -> NDArray[np.intp]:  # noqa: ARG001 - the key
    there = np.flatnonzero(_pictures.where >= 0)
    answer = _probes_of(_opened)
    if answer is not None:
        turns = read_flips(_opened.run, answer.table, answer.about.get("parameters"))
        rows = pd.Index(_opened.run.predictions["id"]).get_indexer(answer.table["id"])
        known = np.isin(rows, there)
        frame = pd.DataFrame({"row": rows, "other": ~controlled_flip(turns, PROBES[probe]), "real": turns.called_real})
        frame = frame[known].sort_values("row", kind="stable")
        frame["turn"] = frame.groupby(["other", "real"]).cumcount()
        there = frame.sort_values(["other", "turn", "real"], kind="stable")["row"].to_numpy(np.intp)
    elif len(there):
        there = evenly(there, PICTURES)
    return there[:PICTURES]


def _probes_of(opened: Opened) -> StudyResult | None:
    try:
        return library.study_of(opened, "probes")
    except ContractError:
        return None


@st.cache_resource(max_entries=16, show_spinner=False)
def _shown(_opened: Opened, stamp: str, row: int) -> Shown | None:  # noqa: ARG001 - the key
    answer = _probes_of(_opened)
    seed = int(answer.about.get("parameters", {}).get("seed", 0)) if answer else 0
    example = probe_example(_opened.run, row, library.pictures(_opened).get, seed=seed)
    if example is None:
        return None
    margins: dict[str, float] = {}
    if answer is not None:
        own = answer.table[answer.table["id"] == _opened.table["id"].iloc[row]]
        margins = {name: float(own[name].iloc[0]) for name in example.pictures if name in own and len(own)}
    return Shown(_opened, example, margins)


def next_picture(rows: int) -> None:
    """A button's callback: show the probes on another image."""
    PICTURE.set(PICTURE.value % rows + 1)


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


@cached
def response(rates: pd.DataFrame) -> go.Figure:
    """Plot the share of verdicts flipped by strength, with 95 % intervals; the control dashed and hollow.

    Args:
        rates: the rows of one probe in `core.studies.probes.summary.responses`, weakest first for each verdict.
    """
    figure = new_figure(margin={**MARGIN, "r": 12}, height=220, showlegend=False)
    for verdict, rows in rates.groupby("flipped"):
        colour, symbol = CLASS_COLOURS[str(verdict)], SYMBOLS[str(verdict)]
        for prefix, name in (("", "flip"), ("control_", "flip under the strongest control")):
            share, low, high = (rows[f"{prefix}{end}"] for end in ("share", "low", "high"))
            if prefix and rows["control"].isna().all():
                continue
            figure.add_scatter(
                x=rows["strength"],
                y=share,
                error_y=error_bars(share, low, high, color=colour, thickness=1.2),
                mode="lines+markers",
                line={"color": colour, "width": 1.5 if prefix else 2.5, "dash": "dash" if prefix else "solid"},
                marker={"size": 8, "symbol": f"{symbol}-open" if prefix else symbol, "color": colour},
                hovertemplate=f"%{{y:.1%}} of {verdict} {name}<extra></extra>",
            )
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%", dtick=0.25, gridcolor=GRID)
    figure.update_xaxes(type="category")
    return figure
