"""Experiments on one image, below its maps: what flips the verdict, what speaks for it, what it is like."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.probing import After, ProbeResult, ProbeSettings
from core.explainers.registry import explainers
from core.images.decoding import pixels_sha256
from core.images.encoding import SMOOTH, thumbnail_url
from core.perturbations.probe import FAMILIES
from core.perturbations.table import probe_columns
from core.storage import ContractError
from core.studies.donors import with_donors
from dashboard import catalogue, library
from dashboard.components.downloads import csv_button
from dashboard.components.explanations import View, draw_explanation
from dashboard.components.glossary import explain
from dashboard.components.neighbours import similar_images
from dashboard.components.requests import DetectorHandle, Subject, follow
from dashboard.components.words import coloured
from dashboard.jobs import Request
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting, shows_pixels

BEFORE, AFTER = {"turns": "What flips the verdict"}, {"alike": "Similar images"}
SLOT, LAST = "probes", "probes.last"
# state of a change -> its words in the table
STATES = {"flips": "flips", "shared": "flips, as its control does", "stays": "stays", "unknown": "could not be tried"}


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
    names = BEFORE | {name: one.title for name, one in methods.items()} | AFTER
    setting = Setting("evidence", "", {"": "", **names})
    chosen = setting.choose("Experiment", options=list(names), required=False, label_visibility="collapsed")
    if not chosen:
        return
    lenders = lending_run(detector, opened)
    id_ = None if row is None else str(opened.table["id"].iloc[row])
    # another run of the same images has them under the same ids
    own = None if id_ is None or lenders is None else lenders.row_of(id_)
    if chosen == "turns":
        follow_probes(
            subject, detector, lenders, own, id_ or subject.sha256, lambda result: _draw(result, subject.name)
        )
    elif chosen in methods:
        draw_explanation(View(subject, [detector]), methods[chosen])
    else:
        similar_images(subject, detector, lenders, own)


def lending_run(detector: DetectorHandle, opened: Opened) -> Opened | None:
    """Return a run by this detector with available pictures, the current one first.

    Else the current run if it is by this detector, as its features can still be searched; else None.
    """
    own = detector.identity.made(opened.run.manifest)
    if own and library.pictures(opened).found:
        return opened
    for path in catalogue.runs().values():
        if path == opened.run.path or not catalogue.is_by(path, detector.identity):
            continue
        with suppress(ContractError):
            other = library.open_run(path)
            if library.pictures(other).found:
                return other
    return opened if own else None


def follow_probes(  # noqa: PLR0917
    subject: Subject,
    detector: DetectorHandle,
    lenders: Opened | None,
    row: int | None,
    name: str,
    draw: Callable[[ProbeResult], None],
    *,
    slot: str = SLOT,
) -> None:
    """Probe an image and draw the complete result, with progress before.

    Args:
        subject: the image.
        detector: who is asked.
        lenders: a run of this detector whose images lend their detail; None where there is none.
        row: where the image stands in that run, None for an upload.
        name: its id; everything random belongs to it.
        draw: called with the result.
        slot: for which part of the page.
    """
    pixels, settings = subject.image[None], ProbeSettings(name)
    if lenders is not None:
        pixels, settings = _with_donors(subject, lenders.origin, library.pictures(lenders).stamp, row, name)

    def draw_whole(result: ProbeResult) -> None:
        if result.complete:
            st.session_state[LAST] = (subject.sha256, detector.identity.fingerprint), result
            draw(result)

    follow(
        Request(detector.path, detector.identity, pixels_sha256(pixels), settings),
        pixels,
        draw_whole,
        slot=slot,
        doing=lambda result: f"{result.done} of {result.total} changed pictures judged" if result else "Changing it",
    )


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP | {Subject: lambda subject: subject.sha256})
def _with_donors(
    subject: Subject,
    lenders: Opened,
    pictures: str,  # noqa: ARG001 - the key: others may have come
    row: int | None,
    name: str,
) -> tuple[NDArray[np.uint8], ProbeSettings]:
    return with_donors(subject.image, lenders.run, library.pictures(lenders).get, name=name, row=row)


def last_probes(subject: Subject, detector: DetectorHandle) -> ProbeResult | None:
    """Return what came of changing this image, where that was asked on this page; None otherwise."""
    of, result = st.session_state.get(LAST, (None, None))
    found: ProbeResult | None = result if of == (subject.sha256, detector.identity.fingerprint) else None
    return found


def _draw(result: ProbeResult, name: str) -> None:
    st.markdown(coloured(result.sentence), help=explain("Probe", "Control"))
    order = list(STATES)
    own = [after for after in result.after if not after.probe.is_control]
    own.sort(key=lambda after: (order.index(state_of(after)), after.size))
    st.dataframe(
        pd.DataFrame([_row(result, after) for after in own]),
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
    csv_button("Every change (CSV)", lambda: probe_table(result), f"{name}-probes.csv", key="probes.csv")


def _row(result: ProbeResult, after: After) -> dict[str, Any]:
    picture = result.pictures[list(probe_columns()).index(after.column)]
    controls = [control for control in map(result.get, after.controls) if control.known]
    return {
        "picture": thumbnail_url(picture, SMOOTH, pixels=shows_pixels()) if after.known else None,
        "change": f"{FAMILIES[after.probe.family]}: {after.probe.inline}",
        "strength": after.strength.label,
        "verdict": STATES[state_of(after)],
        "called": after.verdict if after.known else None,
        "controls called": ", ".join(control.verdict for control in controls) or None,
        "margin": after.margin,
        "size": after.size,
    }


def state_of(after: After) -> str:
    """Classify a change by a key of `STATES`: "shared" where a control flips the verdict as well."""
    if not after.known:
        return "unknown"
    if not after.flipped:
        return "stays"
    # a donor that is changed has no controls
    return "flips" if after.controlled or after.probe.changes_donor else "shared"


def probe_table(result: ProbeResult) -> pd.DataFrame:
    """Lay out every change as numbers, controls included."""
    rows = [
        {
            "probe": after.probe.key,
            "strength": after.strength.label,
            "control": after.probe.is_control,
            "verdict": after.verdict if after.known else None,
            "margin": after.margin,
            "p_real": after.p_real,
            "size": after.size,
            "turned": after.flipped if after.known else None,
            # of a change that can have controls
            "turned_without_controls": after.controlled
            if after.known and not (after.probe.is_control or after.probe.changes_donor)
            else None,
        }
        for after in result.after
    ]
    return pd.DataFrame(rows)
