"""Experiments on one image: what flips the verdict, as a strip and as a table, what speaks for it, what it is like."""

from contextlib import suppress
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors.identity import DetectorHandle
from core.explainers.registry import explainers
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import verdict_of
from core.perturbations.flips import flipping, headline, own_columns
from core.perturbations.probe import FAMILIES
from core.perturbations.table import PROBES, probe_columns
from core.storage import ContractError
from dashboard import catalogue, library
from dashboard.components.downloads import csv_button
from dashboard.components.explanations import View, draw_explanation
from dashboard.components.glossary import explain
from dashboard.components.neighbours import similar_images
from dashboard.components.picture import picture_strip
from dashboard.components.probing import change_words, changed_cell, follow_changes
from dashboard.components.requests import Subject
from dashboard.components.words import coloured
from dashboard.library import Opened
from dashboard.state import Setting, shows_pixels

BEFORE, AFTER = {"turns": "What flips the verdict"}, {"alike": "Similar images"}
# in alphabetical order, which is that of the table
STATES = ("flips", "flips, as its control does", "stays")
# pictures of the strip; of those, changes that flip the verdict
SHOWN, MOST_FLIPS = 5, 3


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
        by = _run_by(detector, opened)
        # another run of the same images has them under the same ids
        own = None if by is None or row is None else by.row_of(str(opened.rows[row]))
        similar_images(subject, detector, by, own)


def _run_by(detector: DetectorHandle, opened: Opened) -> Opened | None:
    """Return the run on the page if it is by this detector, else another that is; None without one."""
    if detector.identity.made(opened.run.manifest):
        return opened
    for path in catalogue.runs().values():
        if catalogue.is_by(path, detector.identity):
            with suppress(ContractError):
                return library.open_run(path)
    return None


def draw_flips(subject: Subject, detector: DetectorHandle, opened: Opened, row: int) -> None:
    """Draw the smallest change that flips the verdict, and five telling changes framed in their verdicts.

    Args:
        subject: the image.
        detector: who is asked.
        opened: the run on the page.
        row: where the image stands in it.
    """
    st.markdown("#### What flips it?", help=explain("Probe", "Control"))
    follow_changes(subject, detector, opened, row, partial(_draw_strip, subject), slot="flips")


def _draw_strip(subject: Subject, changes: pd.DataFrame) -> None:
    side = len(subject.image)
    flips = flipping(changes).index
    smallest = f"The smallest change that does: **{change_words(flips[0], side)}**." if len(flips) else ""
    st.markdown(smallest or headline(changes))
    cells = []
    for column in telling_changes(changes):
        kind = "Control: " if probe_columns()[column][0].is_control else ""
        words = f"{kind}{change_words(column, side)}"
        cells.append(changed_cell(changes, column, words[:1].upper() + words[1:]))
    picture_strip(cells, width=85)


def telling_changes(changes: pd.DataFrame) -> list[str]:
    """Choose the changes to show: the smallest flips of several kinds, the control of the first, and large ones that
    flip nothing.

    Args:
        changes: from `tabulate_changes`, with pictures; those without are left out.

    Returns:
        At most `SHOWN` columns, those that flip the verdict first.
    """
    drawn = changes[changes["picture"].notna()].drop(index="", errors="ignore")
    drawn = drawn.assign(family=[probe_columns()[str(column)][0].family for column in drawn.index])
    flips = drawn.loc[flipping(changes).index.intersection(drawn.index, sort=False)].drop_duplicates("family")
    flips = flips[:MOST_FLIPS]
    controls: list[str] = []
    for column in flips.index[:1]:
        probe, strength = probe_columns()[column]
        controls = [control for key in probe.controls if (control := PROBES[key].column(strength.key)) in drawn.index]
    stays = drawn[drawn.index.isin(list(own_columns())) & (drawn["flips"] == 0)]
    stays = stays.assign(again=stays["family"].isin(flips["family"]))
    stays = stays.sort_values(["again", "size"], ascending=[True, False], kind="stable").drop_duplicates("family")
    return [*flips.index, *controls[:1], *stays.index][:SHOWN]


def _draw_table(subject: Subject, changes: pd.DataFrame) -> None:
    st.markdown(coloured(headline(changes)), help=explain("Probe", "Control"))
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
