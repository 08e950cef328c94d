"""Two detectors on the same images: which is right more often, where they differ, and their studies side by side."""

from collections.abc import Sequence
from contextlib import suppress

import pandas as pd
import streamlit as st

from core.findings.claims import claim_status
from core.findings.finding import Finding
from core.findings.table import findings_text
from core.runs.filter import Filter
from core.runs.metrics import calibration
from core.runs.run import distinct_names
from core.storage import ContractError, read_manifest
from core.studies.comparison import Pair, by, columns_of, conclude, outcome_rates, pair_of, side_by_side
from core.studies.store import find_studies
from core.studies.study import StudyError
from dashboard import catalogue, library, state
from dashboard.components import charts
from dashboard.components.component import key_of
from dashboard.components.glossary import explain
from dashboard.components.plain import code, plain, with_code
from dashboard.library import BY_STAMP, Opened
from dashboard.sidebar import run_label
from dashboard.state import Setting
from dashboard.visitors import for_visitors

# outcome -> whether the first and the second are right, as filters have it
RIGHT = {"only first wrong": ("wrong", "right"), "only second wrong": ("right", "wrong")}
RIGHT["both wrong"] = ("wrong", "wrong")
COLUMNS = {"category": "By category", "source": "By source"}
PARTS = COLUMNS | {"margins": "Margins", "calibration": "Calibration", "studies": "Their studies"}


def draw_comparison(opened: Opened) -> None:
    """Draw the choice of another run on the same images, and both runs side by side."""
    names = _others(opened)
    if not names or opened.judged.empty:
        make = code("python -m core predict DETECTOR --data DATA")
        st.info(f"There is no other run on these images. Make one with {make} and reload this page.")
        return
    versus = Setting("versus", names[0], choices=names)
    if st.query_params.get("versus", versus.value) != versus.value:
        instead = plain(run_label(versus.value))
        st.info(f"The other run in this address is not one on these images. Showing {instead} instead.")
    versus.linked(st.selectbox, "Compare with", options=names, format_func=run_label, width=340)
    try:
        _draw_pair(opened, library.open_run(catalogue.runs()[versus.value]))
    except (StudyError, ContractError) as error:
        st.error(with_code(for_visitors(error, homes=catalogue.homes())))


def _draw_pair(opened: Opened, other: Opened) -> None:
    pair, findings = compared(opened, other)
    # the first of them compares the accuracies
    if sign := claim_status(findings[0]).sign:
        winner, loser = map(plain, pair.names[::sign])
        st.markdown(f"**{winner} is right more often than {loser}.**", help=explain("McNemar's test"))
    _pair_table(pair, findings, "accuracy", "recall", "both_wrong", "auroc")
    _draw_outcomes(pair)
    parts = {part: title for part, title in PARTS.items() if part not in COLUMNS or part in columns_of(pair)}
    # only the chosen part is computed
    part = Setting("more", None, parts).choose("Look closer", required=False)
    if part in COLUMNS:
        _draw_column(pair, part)
    elif part in ("margins", "calibration"):
        bins = {name: calibration(run.judged) for name, run in zip(pair.names, (opened, other), strict=True)}
        figure = charts.margins(pair) if part == "margins" else charts.calibration(bins)
        charts.show(figure, key=f"compare.{part}", alt=f"{PARTS[part]} of both detectors")
        _pair_table(pair, findings, *(("margins", "auroc") if part == "margins" else ("confidence",)))
    elif part == "studies":
        table = studies_beside(opened, other)
        st.caption("Each by itself; those that differ in status come first." if len(table) else "They share no study.")
        narrow = {name: st.column_config.Column(width=190) for name in ("Question", "Of")}
        st.dataframe(table, hide_index=True, column_config=narrow, alt="Effects and status of both detectors")


def _others(opened: Opened) -> list[str]:
    """Return the names of the other runs on the same images, by their manifests."""
    found = []
    for name, path in catalogue.runs().items():
        # the sidebar says why one cannot be read
        with suppress(ContractError):
            fingerprint = read_manifest(path, "run").get("set_fingerprint")
            if path != opened.run.path and fingerprint == opened.run.manifest["set_fingerprint"]:
                found.append(name)
    return found


@st.cache_resource(max_entries=4, show_spinner="Comparing", hash_funcs=BY_STAMP)
def compared(opened: Opened, other: Opened) -> tuple[Pair, list[Finding]]:
    """Compare the predictions of two runs; remembered for all visitors."""
    pair = pair_of(opened.run, other.run)
    return pair, conclude(pair)


@st.cache_resource(max_entries=4, show_spinner="Reading the studies", hash_funcs=BY_STAMP)
def studies_beside(opened: Opened, other: Opened) -> pd.DataFrame:
    """Lay out the findings of both runs; remembered for all visitors."""
    runs = opened.run, other.run
    return side_by_side(distinct_names(runs), [find_studies(run)[0] for run in runs])


def _pair_table(pair: Pair, findings: Sequence[Finding], *keys: str) -> None:
    """Draw the findings whose keys begin so: both numbers, and the difference."""
    table = findings_text(finding for finding in findings if finding.key.startswith(keys))
    both = dict(zip(("Effect", "Control"), pair.names, strict=True))
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Status"]]
    st.dataframe(table.loc[:, (table != "").any()], hide_index=True, alt=f"Both detectors: {', '.join(keys)}")


def _draw_outcomes(pair: Pair) -> None:
    """Draw for each class how often only one detector, or both, are wrong; a bar opens those images."""
    first, second = pair.names
    words = [f"only {first} is wrong", f"only {second} is wrong", "both are wrong"]
    rows = outcome_rates(pair)
    rows["value"] = rows["label"] + ": " + rows["outcome"].map(dict(zip(RIGHT, words, strict=True)))
    st.markdown("#### Who is wrong where", help=explain("Interval"))
    st.caption("Diamond: how often both would be wrong if their errors had nothing in common. Click a bar to see it.")
    key = key_of("compare.outcomes", pair.second.name)
    chosen = charts.rate_chart(rows, key=key, title="Shares of each class", opens="Show the images of a bar")
    for row in rows[rows["value"] == chosen].itertuples():
        right, of_other = RIGHT[row.outcome]
        wanted = Filter().choosing("label", [row.label]).choosing("correct", [right])
        wanted = wanted.choosing("versus.correct", [of_other])
        state.go("mistakes", run=pair.first.name, wanted=wanted, versus=pair.second.name)


def _draw_column(pair: Pair, column: str) -> None:
    """Draw both accuracies on each value of a column; a chosen value opens its images."""
    findings = by(pair, column)
    _pair_table(pair, findings, column)
    values = [finding.details["value"] for finding in findings]
    label = f"Show the images of one {column}"
    if value := st.selectbox(label, values, index=None, key=f"compare.{column}.open", width=320):
        wanted = Filter().choosing(column, [value])
        state.go("mistakes", run=pair.first.name, wanted=wanted, versus=pair.second.name)
