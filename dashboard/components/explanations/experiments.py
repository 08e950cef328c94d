"""Experiments on one image, below its maps: what flips the verdict, what speaks for it, what it is like."""

from contextlib import suppress

import streamlit as st

from core.explainers.registry import explainers
from core.storage import ContractError
from dashboard import catalogue, library
from dashboard.components.explanations.asking import Known, Subject
from dashboard.components.explanations.neighbours import neighbours_panel
from dashboard.components.explanations.panels import SideBySide, explainer_panel
from dashboard.components.explanations.probes import probes_panel
from dashboard.components.plain import plain
from dashboard.library import Opened
from dashboard.state import Setting

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
