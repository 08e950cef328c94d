"""Detectors: all of them in one table, one in detail, and two side by side."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.comparison import right_elsewhere
from core.console import PROGRAM
from core.detectors.known import known_rows
from core.report.results import ordinary_table
from core.storage.limits import MANIFEST, ContractError
from core.studies.store import study_path
from dashboard import catalogue, library, state
from dashboard.components import performance
from dashboard.components.comparison import draw_comparison, link_pictures
from dashboard.components.component import fold
from dashboard.components.study import Bar, draw_bars, draw_limits
from dashboard.components.words import draw_title, explain, plain

# column -> what `row_of` calls it, and what its shares are of
SHARES = {
    "Accuracy": ("accuracy", "Of its test images, photographs and generated ones."),
    "Other generators": ("imitations", "Of small pictures that other generators made; no photographs."),
    "Recall (FAKE)": ("FAKE", "Of the generated ones among them."),
    "Recall (REAL)": ("REAL", "Of the photographs among them."),
    "Screenshot": ("screenshot", "Of its test images, captured from a screen."),
    "Large pictures": ("large", "Of large pictures that other generators made, resized."),
    "Photographs": ("photographs", "Of squares of ordinary photographs, resized."),
}
# name of a detector or of its recipe -> what it is for, as short as a phone needs it
PURPOSES = {
    "strong": "the best accuracy",
    "swift": "small and quick",
    "robust": "less fine detail",
    "masked": "covered parts",
    "paper": "the paper's network",
    "patch": "exact maps",
    "sample": "a small other set",
}
ADDING = f"""\
{PROGRAM} train --data DATA                   # train one
{PROGRAM} detectors add NAME SOURCE           # or add one: ONNX, timm, transformers, a function
{PROGRAM} predict NAME --data DATA            # a run of it, which is a row of the table
{PROGRAM} study deliveries --run NAME@SET     # after a screenshot
{PROGRAM} study out_of_distribution --run NAME@SET  # other generators and photographs
"""


def rows() -> pd.DataFrame:
    """Return a row a run: its name and the shares that are right, the best of each image set first."""
    records = []
    for name, path in catalogue.runs().items():
        files = (path / MANIFEST, study_path(path, "deliveries"), study_path(path, "out_of_distribution"))
        # opening it says why one cannot be read
        with suppress(ContractError):
            times = tuple(file.stat().st_mtime_ns for file in files if file.is_file())
            records.append({"name": name, **row_of(path, times)})
    table = pd.DataFrame(records, columns=["name", "Pictures", "Images", "For", *SHARES])
    return table.sort_values(["Pictures", "Accuracy"], ascending=[True, False], ignore_index=True)


@st.cache_data(max_entries=256, show_spinner=False)
def row_of(path: Path, times: tuple[int, ...]) -> dict[str, Any]:  # noqa: ARG001 - the key
    """Return a run's set, and the percentage of its images and of others that are right, as far as it is known."""
    opened = library.open_run(path)
    studies = {}
    for study in ("deliveries", "out_of_distribution"):
        # the pages that are about it say why one cannot be read
        with suppress(ContractError):
            result = library.study_of(opened, study)
            if result is not None and result.findings:
                studies[study] = result
    about = opened.run.manifest
    metrics = about["metrics"]["all"]
    made_by = catalogue.maker(opened.run)
    names = [] if made_by is None else [made_by.name, made_by.manifest.get("recipe", {}).get("name")]
    if about["set"].startswith("sample"):
        names = ["sample"]
    shares = {name: scores["recall"] for name, scores in metrics.get("per_class", {}).items() if scores["support"]}
    shares |= {"accuracy": metrics.get("accuracy", np.nan)}
    shares |= {name: share.value for name, share in right_elsewhere(opened.run, studies).items()}
    return {
        "Pictures": about["set"],
        "Images": about["images"],
        "For": next((PURPOSES[name] for name in names if name in PURPOSES), ""),
        **{column: 100 * shares.get(key, np.nan) for column, (key, _) in SHARES.items()},
    }


def choose() -> None:
    """Open the run that was ticked, or compare the two that were."""
    chosen = [row for row in st.session_state["detectors.table"].selection.rows if type(row) is int]
    names = [table["name"][row] for row in chosen if 0 <= row < len(table)]
    if names:
        state.put_all({"run": names[0], "versus": names[1] if len(names) > 1 else None})
        if len(names) == 1:
            st.session_state["fold_numbers"] = True


opened = library.current().origin
# the first visitor waits for the table, in which all runs are read
draw_title("Detectors")
table = rows()
middle = table[["Accuracy", "Other generators"]].median() / 100
if middle["Accuracy"] > 0.5 > middle["Other generators"]:
    st.markdown("Right on most of their test pictures, **wrong on most by other generators**. The median detector:")
    names = ("right on test pictures", "right on pictures by other generators")
    draw_bars(map(Bar, names, middle))
else:
    st.markdown("How often each of them is right, and how far that carries to other pictures.")
names = table["name"].map(catalogue.run_label).str.partition(" on ")[0]
# of a detector with several runs only the first goes by its name alone
several = names + " (" + table["Pictures"].astype(str).str.rpartition("-")[0] + ")"
shown = table.assign(Detector=names.where(~names.duplicated(), several))
named = [st.query_params.get("run"), st.query_params.get("versus")]
ticked = [int(row) for row in table.index[table["name"].isin(named)]]
st.dataframe(
    shown[["Detector", "Accuracy", "For", "Images", *list(SHARES)[1:], "Pictures"]],
    hide_index=True,
    height="content",
    placeholder="\N{EM DASH}",
    key="detectors.table",
    on_select=choose,
    # the address has what was ticked
    selection_default={"selection": {"rows": ticked}},
    selection_mode="multi-row",
    alt="The share that each detector gets right; empty where it was not measured",
    column_config={
        "Images": st.column_config.NumberColumn(format="localized", help="On which its accuracy was measured."),
    }
    | {
        name: st.column_config.ProgressColumn(help=help_, format="%.1f%%", max_value=100, width=max(96, 7 * len(name)))
        for name, (_, help_) in SHARES.items()
    },
)
st.caption(
    "Shares that are right; an empty cell was not measured. Tick one to see it below, or two to compare them.",
    help=explain("Accuracy", "Recall", "Delivery"),
)
link_pictures(opened)

# a detector of the same name that was trained again is another detector
made_by = catalogue.maker(opened.run)
st.subheader(plain(catalogue.run_label(opened.run.name)), anchor=False)
PARTS = {
    "numbers": ("How good is it?", performance.draw_numbers),
    "errors": ("Where does it err?", performance.draw_errors),
    "calibration": ("Can its confidence be believed?", performance.draw_confidence),
}
performance.draw_warnings(opened)
counted = performance.draw_controls(opened)
for name, (question, draw) in PARTS.items():
    with fold(name, question) as is_open:
        if is_open and counted.empty:
            st.info("This run holds no image that is counted, so there is nothing to measure.")
        elif is_open and (not opened.run.classes or (name == "calibration" and len(opened.run.classes) == 1)):
            st.info("These images have no labels, or one class only, so there is nothing to measure.")
        elif is_open:
            draw(opened, counted)
with fold("origin", "What was it made of, and what is it for?") as is_open:
    if is_open:
        performance.draw_origin(opened, made_by)
        if made_by is not None:
            draw_limits(made_by)
with fold("compare", "How does it differ from another one?") as is_open:
    if is_open:
        draw_comparison(opened)
with fold("add", "How is a detector added?") as is_open:
    if is_open:
        st.code(ADDING, language="bash")
        st.caption(f"`{PROGRAM} detectors --help` says which sources there are. Reload this page afterwards.")
        st.markdown("Public detectors that are fetched by their name:")
        st.dataframe(known_rows(), hide_index=True, height="content", alt="Public detectors with licence and command")
        for name, table in ordinary_table().groupby("detector", sort=False):
            detector = plain(str(name))
            st.markdown(f"{detector} on ordinary pictures: called FAKE at its authors' threshold / at 2% false alarms")
            counts = table.drop(columns="detector")
            st.dataframe(counts, hide_index=True, height="content", alt=f"{detector} by source and delivery")
