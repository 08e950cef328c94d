"""The part of the page Data that shows how much of REAL against FAKE is in each cue alone."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.findings.finding import Finding, find
from core.findings.table import findings_text
from core.images.palette import DETECTOR, GREY
from core.storage import ContractError
from core.studies.cues import Results, accuracies, conclude, find_results, read_results
from dashboard import catalogue
from dashboard.components import charts
from dashboard.components.charts import GRID, error_bars, new_figure
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.plain import code, figure_text, plain, with_code
from dashboard.components.study import NOT_MEASURED
from dashboard.library import BY_STAMP, Opened
from dashboard.visitors import for_visitors


def draw_cues(opened: Opened) -> None:
    """Draw the study of the run's image set, or say how it is made."""
    try:
        results, findings = _results_of(opened)
    except ContractError as error:
        st.error(with_code(for_visitors(error, homes=catalogue.homes())))
        return
    with fold(
        "cues",
        "What is each cue worth?",
        NOT_MEASURED if results is None else findings[0].headline,
        explained="A small network is trained on the images with all but one cue removed, and tested on test images "
        "treated the same way. Dots are accuracies with 95% intervals over networks and images; guessing gets the "
        "share of the larger class.",
        help=explain("Accuracy", "Low-pass", "Interval"),
    ) as is_open:
        if is_open and results is None:
            st.info(
                f"This has not been measured for the images of {plain(opened.run.name)} yet. To do so, run "
                f"{code('python -m core.studies.cues --data DATA')} with their training images and reload this page; "
                f"it takes hours, and {code('--limit 2000 --seeds 1')} makes it a quick look.",
                icon=":material/science:",
            )
        elif is_open and results is not None:
            _draw(results, findings)


def _draw(results: Results, findings: list[Finding]) -> None:
    charts.show(
        _figure(findings), key="data.cues", alt="Accuracy from each cue alone; the table beneath has the numbers"
    )
    about = results.about
    few = " This is a quick look at a part of them." if about.get("limit") else ""
    st.caption(f"Trained on {about['training_images']:,} images of {plain(about['training_set'])}.{few}")
    if single := sum(one.details["seeds"] == 1 for one in findings):
        st.caption(
            f"{single} of {len(findings)} versions have one network so far: their intervals are over images only, and "
            "say nothing of how much another network would differ."
        )
    with st.expander("Every number, and networks trained on one version and tested on another"):
        st.dataframe(findings_text(findings).drop(columns=["Question", "Group"]), hide_index=True)
        st.markdown("Accuracy: a row for what networks were trained on, a column for what they see.")
        titles = {key: str(about["title"]) for key, about in results.versions.items()}
        matrix = accuracies(results)["value"].unstack().rename(index=titles, columns=titles)
        st.dataframe(
            matrix.reindex(index=titles.values(), columns=titles.values())
            .dropna(how="all")
            .style.format("{:.0%}", na_rep=""),
            alt="Accuracy by the version trained on and the version tested on",
        )


def _results_of(opened: Opened) -> tuple[Results | None, list[Finding]]:
    """Read the study of the run's image set with the most training images, and its findings; None without one.

    Raises:
        ContractError: no study of the set can be read, and the file named after the set is damaged.
    """
    # each home for itself: a file of the same name would hide one with more training images
    paths = [path for home in catalogue.homes() for path in find_results((home,)).values()]
    stamps = {path: path.stat().st_mtime_ns for path in paths}
    return _found(opened.origin, tuple(stamps.items()))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_STAMP)
def _found(opened: Opened, files: tuple[tuple[Path, int], ...]) -> tuple[Results | None, list[Finding]]:
    found, refused = [], None
    for path, _ in files:
        try:
            results = read_results(path)
        except ContractError as error:
            # its set cannot be read, so go by the file's name
            refused = error if path.stem == opened.run.manifest["set"] else refused
            continue
        if results.about["of_fingerprint"] == opened.run.manifest["set_fingerprint"] and len(results.table):
            found.append(results)
    if not found and refused is not None:
        raise refused
    largest = max(found, key=lambda one: int(one.about["training_images"]), default=None)
    return largest, [] if largest is None else conclude(largest)


def _figure(findings: list[Finding]) -> go.Figure:
    """Plot each version's accuracy and interval, best on top; "everything kept" and "shuffled labels" are dashed."""
    cues = [one for one in findings if not one.details["is_control"]]
    figure = new_figure(height=100 + 26 * len(cues), showlegend=False)
    rows = pd.DataFrame([(one.measure.value, one.measure.low, one.measure.high) for one in cues], columns=list("vlh"))
    names = [figure_text(f"{one.details['title']}") for one in cues]
    figure.add_scatter(
        x=rows["v"],
        y=names,
        mode="markers",
        marker={"size": 9, "color": DETECTOR},
        error_x=error_bars(rows["v"], rows["l"], rows["h"], color=DETECTOR, thickness=1.6),
        customdata=[[figure_text(one.details["keeps"]), one.measure.low, one.measure.high] for one in cues],
        hovertemplate="%{customdata[0]}: %{x:.1%} (%{customdata[1]:.1%} to %{customdata[2]:.1%})<extra></extra>",
    )
    for key, name, place in (("everything", "everything kept", "top left"), ("labels", "shuffled labels", "top right")):
        if (one := find(findings, f"cue-{key}")) is not None:
            figure.add_vline(
                x=one.measure.value,
                line={"color": GREY, "dash": "dash", "width": 1.5},
                annotation={"text": name, "font": {"size": 12}, "showarrow": False},
                annotation_position=place,
            )
    figure.update_xaxes(title="accuracy from this alone", tickformat=".0%", gridcolor=GRID)
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_layout(margin={"l": 8, "r": 28, "t": 28, "b": 8})
    return figure
