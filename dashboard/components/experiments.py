"""Experiments on one image, below its maps: what flips the verdict, what speaks for it, what it is like."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.explainers.probing import After, ProbeResult, ProbeSettings, amplified, said
from core.explainers.registry import explainers
from core.images.decoding import pixels_sha256
from core.images.encoding import thumbnail_url
from core.perturbations.probe import FAMILIES, Probe
from core.perturbations.table import PROBES, probe_columns
from core.storage import ContractError
from core.studies.donors import with_donors
from dashboard import catalogue, library
from dashboard.components.component import component, nothing, one_of
from dashboard.components.glossary import explain
from dashboard.components.grid import FINEST
from dashboard.components.neighbours import neighbours_panel
from dashboard.components.panels import SideBySide, explainer_panel
from dashboard.components.picture_rows import Cell, Row, picture_rows
from dashboard.components.plain import plain
from dashboard.components.requests import Known, Subject, follow
from dashboard.components.study import coloured, csv_button
from dashboard.jobs import Request
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting

_mount = component(__file__, "probes")
SLOT, LAST = "probes", "probes.last"
# which change is shown large; the smallest that turns the verdict where the URL names none
CHANGE = Setting("change", "", choices=("", *probe_columns()))


def probes_panel(subject: Subject, detector: Known, lenders: Opened | None, row: int | None, name: str) -> None:
    """Probe an image and draw what came of it.

    Args:
        subject: the image.
        detector: who is asked.
        lenders: a run of this detector whose images lend their detail; None where there is none.
        row: where the image stands in that run, None for an upload.
        name: its id; everything random belongs to it.
    """
    st.caption(
        "Each small picture is the image with one thing changed (or, where it lends something to another image, that "
        "other image). Framed: this flips the verdict, and its control, if "
        "any, which changes something else by as much, does not. Dashed: the control flips it too, so the flip proves "
        "nothing. Faint: the verdict stays. Click a picture to enlarge it.",
        help=explain("Probe", "Control"),
    )
    pixels, settings = _asked(subject, lenders, row, name)
    question = Request(detector.path, detector.identity, pixels_sha256(pixels), settings)

    def draw(result: ProbeResult) -> None:
        if result.complete:
            st.session_state[LAST] = (subject.sha256, detector.identity.fingerprint), result
            _draw(result, subject.name)

    follow(
        question,
        pixels,
        draw,
        slot=SLOT,
        doing=lambda result: f"{result.done} of {result.total} changed pictures judged" if result else "Changing it",
    )


def _asked(
    subject: Subject, lenders: Opened | None, row: int | None, name: str
) -> tuple[NDArray[np.uint8], ProbeSettings]:
    if lenders is None:
        return subject.image[None], ProbeSettings(name)
    return _with_donors(subject, lenders.origin, library.pictures(lenders).stamp, row, name)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP | {Subject: lambda subject: subject.sha256})
def _with_donors(
    subject: Subject,
    lenders: Opened,
    pictures: str,  # noqa: ARG001 - the key: others may have come
    row: int | None,
    name: str,
) -> tuple[NDArray[np.uint8], ProbeSettings]:
    return with_donors(subject.image, lenders.run, library.pictures(lenders).get, name=name, row=row)


def last_probes(subject: Subject, detector: Known) -> ProbeResult | None:
    """What came of changing this image, where that has been asked on this page; None otherwise."""
    of, result = st.session_state.get(LAST, (None, None))
    found: ProbeResult | None = result if of == (subject.sha256, detector.identity.fingerprint) else None
    return found


def _draw(result: ProbeResult, name: str) -> None:
    st.markdown(coloured(result.sentence))
    shown = result.get(CHANGE.value) if CHANGE.value else result.smallest
    if shown is not None and shown.known:
        _draw_large(result, shown)
    families = [
        {"title": family.title, "probes": [_probe(result, probe, shown) for probe in _own(key)]}
        for key, family in FAMILIES.items()
    ]
    sent = _mount(key="probes.strip", data={"families": families}, on_open_change=nothing).open
    opened = one_of(sent, probe_columns())
    if opened is not None and opened != CHANGE.value:
        CHANGE.set(opened)
        st.rerun()
    csv_button(
        "Every change (CSV)",
        lambda: _table(result),
        f"{name}-probes.csv",
        key="probes.csv",
        help="The verdict after each.",
    )


def _own(family: str) -> Sequence[Probe]:
    return [probe for probe in PROBES.values() if probe.family == family and not probe.is_control]


def _probe(result: ProbeResult, probe: Probe, shown: After | None) -> dict[str, Any]:
    return {
        "title": probe.title,
        "sentence": probe.sentence,
        "cells": [_cell(result, result.get(column), shown) for column in probe.columns],
    }


def _cell(result: ProbeResult, one: After, shown: After | None) -> dict[str, Any]:
    what = f"{one.probe.title}, {one.strength.told}"
    cell = {"column": one.column, "strength": one.strength.label, "chosen": shown is not None and shown == one}
    if not one.known:
        why = "could not be tried, there was no other image to take it from"
        return cell | {"source": None, "called": "", "state": "unknown", "label": f"{what}: {why}"}
    picture = result.pictures[list(probe_columns()).index(one.column)]
    about = {"source": thumbnail_url(picture, FINEST), "called": one.verdict, "state": state_of(one)}
    return cell | about | {"label": f"{what}: {said(result, one)}"}


def state_of(one: After) -> str:
    """Classify a change: "turned", "shared" where a control flips the verdict as well, or "stays"."""
    if not one.flipped:
        return "stays"
    # a donor that is changed has no controls
    return "turned" if one.controlled or one.probe.changes_donor else "shared"


def _draw_large(result: ProbeResult, one: After) -> None:
    """A change large: before, after, what was changed, and its controls."""
    pictures = dict(zip(probe_columns(), result.pictures, strict=True))
    cells = {}
    if not one.probe.changes_donor:
        cells["as it is"] = Cell(result.image, "The image", f"called {result.verdict}", result.verdict)
    cells[one.strength.label] = Cell(pictures[one.column], "After it", f"called {one.verdict}", one.verdict)
    if not one.probe.changes_donor:
        difference, gain = amplified(pictures[one.column], result.image)
        strong = f"{gain} times as strong" if gain > 1 else "not amplified"
        cells["what was changed"] = Cell(difference, "The difference, amplified; grey is no change", strong)
    for control in map(result.get, one.controls):
        if control.known:
            picture, called = pictures[control.column], f"called {control.verdict}"
            cells[f"control: {control.probe.inline}"] = Cell(picture, "The control", called, control.verdict)
    smallest = result.smallest is not None and result.smallest.column == one.column
    sentence = said(result, one)
    note = f"{one.probe.sentence} {sentence[0].upper()}{sentence[1:]}."
    title = f"The smallest change that flips it: {one.probe.inline}" if smallest else one.probe.title
    picture_rows(list(cells), [Row(title, note, list(cells.values()))], key="probes.large")


def _uncontrolled(probe: Probe) -> bool:
    return probe.is_control or probe.changes_donor


def _table(result: ProbeResult) -> pd.DataFrame:
    rows = [
        {
            "probe": one.probe.key,
            "strength": one.strength.label,
            "control": one.probe.is_control,
            "verdict": one.verdict if one.known else None,
            "margin": one.margin,
            "p_real": one.p_real,
            "size": one.size,
            "turned": one.flipped if one.known else None,
            # of a change that can have one
            "turned_without_controls": one.controlled if one.known and not _uncontrolled(one.probe) else None,
        }
        for one in result.after
    ]
    return pd.DataFrame(rows)


BEFORE, AFTER = {"turns": "What flips the verdict"}, {"alike": "Similar images"}


def experiments(subject: Subject, detector: Known, opened: Opened, row: int | None = None) -> None:
    """The choice of an experiment, and what came of the one that was chosen; nothing is computed before.

    Args:
        subject: the image.
        detector: who is asked.
        opened: the run that is looked at.
        row: where the image stands in it, None for an upload.
    """
    st.space("small")
    st.subheader("Experiments on this image", anchor=False)
    st.caption(
        f"The maps above say where, these experiments say what. The image is changed and {plain(detector.name)} is run "
        "again. If the verdict flips, but not under the control beside it, the verdict rested on what was changed."
    )
    # they say what, and have no map to compare
    methods = {one.name: one for one in explainers(detector.about, with_map=False)}
    names = BEFORE | {name: one.title for name, one in methods.items()} | AFTER
    asked = Setting("evidence", "", {"": "", **names})
    chosen = asked.choose("Experiment", options=list(names), required=False, label_visibility="collapsed")
    if not chosen:
        return
    lenders = lending_run(detector, opened)
    # another run of the same images has them under the same ids
    own = None if row is None or lenders is None else lenders.row_of(str(opened.table["id"].iloc[row]))
    if chosen == "turns":
        name = subject.sha256 if row is None else str(opened.table["id"].iloc[row])
        probes_panel(subject, detector, lenders, own, name)
    elif chosen in methods:
        st.fragment(explainer_panel)(SideBySide(subject, [detector], []), methods[chosen])
    else:
        leave_out = None if row is None else str(opened.table["sha256"].iloc[row])
        run, stamp = (None, "") if lenders is None else (lenders.run.path, lenders.origin.stamp)
        neighbours_panel(subject, detector, run=run, leave_out=leave_out, stamp=stamp)


def lending_run(detector: Known, opened: Opened) -> Opened | None:
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
    # without their pictures they lend nothing, but can still be found
    return opened if own else None
