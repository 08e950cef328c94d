"""Two runs on the same images: the pictures on which they differ first, and both in numbers."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.answers.comparison import Pair, by, columns_of, conclude, outcome_rates, pair_of, side_by_side
from core.console import PROGRAM
from core.findings.answer import certain_side
from core.findings.contrast import UNKNOWN, Finding
from core.findings.table import findings_text
from core.runs.filter import Filter
from core.runs.metrics import calibration
from core.runs.run import distinct_names
from core.storage.limits import ContractError
from core.studies.store import find_studies
from core.studies.study import StudyError
from dashboard import catalogue, library, state
from dashboard.catalogue import run_label
from dashboard.components import charts
from dashboard.components.component import key_of
from dashboard.components.filters import bound
from dashboard.components.study import refused
from dashboard.components.words import code, explain, plain
from dashboard.library import Opened, cached
from dashboard.state import Setting, script_of

# outcome -> whether the first and the second are right, as filters have it
RIGHT = {"only first wrong": ("wrong", "right"), "only second wrong": ("right", "wrong")}
RIGHT["both wrong"] = ("wrong", "wrong")
# verdicts of both, the disagreements first
PAIRS = [("REAL", "FAKE"), ("FAKE", "REAL"), ("REAL", "REAL"), ("FAKE", "FAKE")]
BY_COLUMN = {"category": "By category", "source": "By source", "seen": "By seen and unseen"}
CLOSER = BY_COLUMN | {"calibration": "Calibration", "studies": "Their studies"}


def verdict_pair(opened: Opened, wanted: Filter) -> tuple[str, str] | None:
    """Return the verdicts of the run and of the one beside it that a filter admits; None where it admits several."""
    own = wanted.chosen("predicted")
    others = wanted.chosen("versus.predicted")
    return (own[0], others[0]) if opened.beside is not None and len(own) == len(others) == 1 else None


def pair_words(opened: Opened, pair: tuple[str, str]) -> str:
    """Name the verdicts of a run and of the one beside it: "swift REAL, robust FAKE"."""
    names = distinct_names([opened.run, opened.beside]) if opened.beside is not None else [opened.run.name]
    return ", ".join(f"{plain(name)} {verdict}" for name, verdict in zip(names, pair, strict=False))


def draw_verdict_pairs(opened: Opened, wanted: Filter) -> None:
    """Draw how many images have each pair of verdicts, with the disagreements first; a choice filters those images."""
    free = wanted.choosing("predicted", []).choosing("versus.predicted", [])
    table = opened.table.iloc[library.matching(opened, free)]
    counts = table.groupby(["predicted", "versus.predicted"], observed=False).size()
    words = {pair: f"{pair_words(opened, pair)}: {counts.get(pair, 0):,}" for pair in PAIRS}

    def admit(now: Filter, pair: tuple[str, str] | None) -> Filter:
        own, others = pair or ("", "")
        return now.choosing("predicted", own.split()).choosing("versus.predicted", others.split())

    chosen = bound(opened, "mistakes.pair", verdict_pair(opened, wanted), "pair", admit)
    st.pills("Verdicts of both", PAIRS, format_func=words.__getitem__, wrap=True, **chosen)


def link_pictures(opened: Opened) -> None:
    """Draw the way to the pictures on which the run and the one in the address differ, where there is one."""
    name = st.query_params.get("versus", "")
    if name in library.runs_beside(opened):
        wanted = Filter().choosing("predicted", ["REAL"]).choosing("versus.predicted", ["FAKE"])
        st.page_link(
            script_of("mistakes"),
            label=f"See the pictures on which {plain(run_label(opened.run.name))} and {plain(run_label(name))} differ",
            icon=":material/compare:",
            query_params={"run": opened.run.name, "versus": name, **wanted.to_params()},
        )


def draw_comparison(opened: Opened) -> None:
    """Draw the choice of another run on the same images, and both runs side by side."""
    names = library.runs_beside(opened)
    if not names or opened.judged.empty:
        make = code(f"{PROGRAM} predict DETECTOR --data DATA")
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
        refused(error)


def _draw_pair(opened: Opened, other: Opened) -> None:
    pair, findings = compared(opened, other)
    # the first of them compares the accuracies
    side = certain_side(findings[0].difference or UNKNOWN)
    if side:
        winner, loser = map(plain, pair.names[::side])
        st.markdown(f"**{winner} is right more often than {loser}.**", help=explain("McNemar's test"))
    _pair_table(pair, findings, "accuracy", "recall", "both_wrong", "auroc", "margins")
    _draw_outcomes(pair)
    parts = {part: title for part, title in CLOSER.items() if part not in BY_COLUMN or part in columns_of(pair)}
    # only the chosen part is computed
    part = Setting("more", None, parts).choose("Look closer", required=False)
    if part in BY_COLUMN:
        _draw_column(pair, part)
    elif part == "calibration":
        bins = {name: calibration(run.judged) for name, run in zip(pair.names, (opened, other), strict=True)}
        charts.show(charts.calibration(bins), key="compare.calibration", alt="Calibration of both detectors")
        _pair_table(pair, findings, "confidence")
    elif part == "studies":
        table = studies_beside(opened, other)
        st.caption(
            "Each by itself; those that differ in their answer come first." if len(table) else "They share no study."
        )
        narrow = {name: st.column_config.Column(width=190) for name in ("Question", "Of")}
        st.dataframe(table, hide_index=True, column_config=narrow, alt="Effects and answers of both detectors")


@cached(max_entries=4, show_spinner="Comparing")
def compared(opened: Opened, other: Opened) -> tuple[Pair, list[Finding]]:
    """Compare the predictions of two runs; remembered for all visitors."""
    pair = pair_of(opened.run, other.run)
    return pair, conclude(pair)


@cached(max_entries=4, show_spinner="Reading the studies")
def studies_beside(opened: Opened, other: Opened) -> pd.DataFrame:
    """Lay out the findings of both runs; remembered for all visitors."""
    runs = opened.run, other.run
    return side_by_side(distinct_names(runs), [find_studies(run)[0] for run in runs])


def _pair_table(pair: Pair, findings: Sequence[Finding], *keys: str) -> None:
    """Draw the findings whose keys begin so: both numbers, and the difference."""
    table = findings_text(finding for finding in findings if finding.key.startswith(keys))
    both = dict(zip(("Effect", "Control"), pair.names, strict=True))
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Images", "Answer"]]
    st.dataframe(table.loc[:, (table != "").any()], hide_index=True, alt=f"Both detectors: {', '.join(keys)}")


def _draw_outcomes(pair: Pair) -> None:
    """Draw for each class how often only one detector, or both, are wrong; a bar opens those images."""
    first, second = pair.names
    words = [f"only {first} is wrong", f"only {second} is wrong", "both are wrong"]
    rows = outcome_rates(pair)
    rows["value"] = rows["label"] + ": " + rows["outcome"].map(dict(zip(RIGHT, words, strict=True)))
    st.markdown("#### Who is wrong where", help=explain("Interval"))
    st.caption("By chance: both would be wrong so often if their errors had nothing in common. A row opens its images.")
    key = key_of("compare.outcomes", pair.second.name)
    chosen = charts.rate_table(rows, key=key, title="Shares of each class", expected="by chance")
    for row in rows[rows["value"] == chosen].itertuples():
        right, of_other = RIGHT[row.outcome]
        wanted = Filter().choosing("label", [row.label]).choosing("correct", [right])
        wanted = wanted.choosing("versus.correct", [of_other])
        state.show_images(pair.first.name, wanted, versus=pair.second.name)


def _draw_column(pair: Pair, column: str) -> None:
    """Draw both accuracies on each value of a column; a chosen value opens its images."""
    findings = by(pair, column)
    _pair_table(pair, findings, column)
    values = [finding.details["value"] for finding in findings]
    value = st.selectbox("Show the images of", values, index=None, key=f"compare.{column}.open", width=320)
    if value:
        wanted = Filter().choosing(column, [value])
        state.show_images(pair.first.name, wanted, versus=pair.second.name)
