"""Experiments on one image, below its maps: what flips the verdict, what speaks for it, what it is like."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.probing import After, ProbeResult, ProbeSettings, amplified, describe_effect
from core.explainers.registry import explainers
from core.images.decoding import pixels_sha256
from core.images.encoding import data_url
from core.perturbations.probe import FAMILIES
from core.perturbations.table import probe_columns
from core.storage import ContractError
from core.studies.donors import with_donors
from dashboard import catalogue, library
from dashboard.components.downloads import csv_button
from dashboard.components.explanations import View, draw_explanation
from dashboard.components.glossary import explain
from dashboard.components.neighbours import neighbours_panel
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import plain
from dashboard.components.requests import DetectorHandle, Subject, follow
from dashboard.components.words import CLASS_WORDS, coloured
from dashboard.jobs import Request
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting

BEFORE, AFTER = {"turns": "What flips the verdict"}, {"alike": "Similar images"}
SLOT, LAST = "probes", "probes.last"
# the change that is shown large; the smallest that flips the verdict where the URL names none
CHANGE = Setting("change", "", choices=("", *probe_columns()))
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
    st.space("small")
    st.subheader("Experiments on this image", anchor=False)
    st.caption(
        f"The maps above say where, these experiments say what. The image is changed and {plain(detector.name)} is run "
        "again. If the verdict flips, but not under the control beside it, the verdict rested on what was changed."
    )
    # they say what, and have no map to compare
    methods = {method.name: method for method in explainers(detector.about, with_map=False)}
    names = BEFORE | {name: one.title for name, one in methods.items()} | AFTER
    setting = Setting("evidence", "", {"": "", **names})
    chosen = setting.choose("Experiment", options=list(names), required=False, label_visibility="collapsed")
    if not chosen:
        return
    lenders = lending_run(detector, opened)
    id_ = None if row is None else str(opened.table["id"].iloc[row])
    if chosen == "turns":
        # another run of the same images has them under the same ids
        own = None if id_ is None or lenders is None else lenders.row_of(id_)
        probes_panel(subject, detector, lenders, own, id_ or subject.sha256)
    elif chosen in methods:
        draw_explanation(View(subject, [detector]), methods[chosen])
    else:
        leave_out = None if row is None else str(opened.table["sha256"].iloc[row])
        run, stamp = (None, "") if lenders is None else (lenders.run.path, lenders.origin.stamp)
        neighbours_panel(subject, detector, run=run, leave_out=leave_out, stamp=stamp)


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


def probes_panel(
    subject: Subject, detector: DetectorHandle, lenders: Opened | None, row: int | None, name: str
) -> None:
    """Probe an image and draw what came of it.

    Args:
        subject: the image.
        detector: who is asked.
        lenders: a run of this detector whose images lend their detail; None where there is none.
        row: where the image stands in that run, None for an upload.
        name: its id; everything random belongs to it.
    """
    st.caption(
        "Each row is the image with one thing changed (or another image that it lends something to). Where a control, "
        "which changes something else by as much, flips the verdict too, the flip proves nothing. Tick a row to see "
        "it large.",
        help=explain("Probe", "Control"),
    )
    follow_probes(subject, detector, lenders, row, name, lambda result: _draw(result, subject.name))


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
    """Probe an image and `draw` the complete result, with progress before; arguments are those of `probes_panel`."""
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
    st.markdown(coloured(result.sentence))
    shown = result.get(CHANGE.value) if CHANGE.value else result.smallest
    if shown is not None and shown.known:
        _draw_large(result, shown)
    order = list(STATES)
    own = [after for after in result.after if not after.probe.is_control]
    own.sort(key=lambda after: (order.index(state_of(after)), after.size))

    def choose() -> None:
        rows = st.session_state["probes.table"].selection.rows
        # as the browser sent it
        if rows and type(rows[0]) is int and 0 <= rows[0] < len(own):
            CHANGE.set(own[rows[0]].column)

    st.dataframe(
        pd.DataFrame([_row(result, after) for after in own]),
        hide_index=True,
        height=420,
        key="probes.table",
        on_select=choose,
        selection_mode="single-row",
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
        "picture": data_url(picture) if after.known else None,
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


def _draw_large(result: ProbeResult, after: After) -> None:
    """Draw a change large: before, after, what was changed, and its controls."""
    pictures = dict(zip(probe_columns(), result.pictures, strict=True))
    smallest = result.smallest is not None and result.smallest.column == after.column
    title = f"The smallest change that flips it: {after.probe.inline}" if smallest else after.probe.title
    sentence = describe_effect(result, after)
    st.markdown(f"**{title}**")
    st.caption(f"{after.probe.sentence} {sentence[0].upper()}{sentence[1:]}.")
    cells = []
    if not after.probe.changes_donor:
        called = f"as it is, called {CLASS_WORDS[result.verdict]}"
        cells.append(Cell(result.image, "The image", called, result.verdict))
    called = f"{after.strength.label}: called {CLASS_WORDS[after.verdict]}"
    cells.append(Cell(pictures[after.column], "After it", called, after.verdict))
    if not after.probe.changes_donor:
        difference, gain = amplified(pictures[after.column], result.image)
        strong = f", {gain} times as strong" if gain > 1 else ""
        cells.append(Cell(difference, "The difference; grey is no change", f"what was changed{strong}"))
    for control in map(result.get, after.controls):
        if control.known:
            called = f"control, {control.probe.inline}: called {CLASS_WORDS[control.verdict]}"
            cells.append(Cell(pictures[control.column], "The control", called, control.verdict))
    picture_strip(cells, width=150)


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
