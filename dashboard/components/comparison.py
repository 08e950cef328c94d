"""What is done with selected images; comparisons of those that a filter finds with the rest, and of two runs.

Of two runs the pictures on which they differ come first, and then both in numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.comparison import Pair, by, columns_of, conclude, outcome_rates, pair_of, side_by_side
from core.arrays import Positions
from core.console import PROGRAM
from core.findings.answer import certain_side
from core.findings.contrast import UNKNOWN, Finding
from core.findings.table import findings_text
from core.runs.filter import Filter
from core.runs.run import distinct_names
from core.runs.tags import TagError
from core.storage.limits import ContractError
from core.studies.shared.differences import Difference, differing
from core.studies.shared.differences import columns_of as measured_columns
from core.studies.store import find_studies
from core.studies.study import StudyError
from dashboard import catalogue, library, state
from dashboard.catalogue import run_label
from dashboard.components import charts
from dashboard.components.component import key_of, opens_all
from dashboard.components.filters import bound
from dashboard.components.study import finding_table, refused
from dashboard.components.words import code, explain, percent, plain, with_code
from dashboard.library import BY_STAMP, Opened, cached
from dashboard.state import Setting, script_of
from dashboard.visitors import for_visitors

MOST_PICKED = 60
MOST_DIFFERENCES = 12
FEWEST = 5
# outcome -> whether the first and the second are right, as filters have it
RIGHT = {"only first wrong": ("wrong", "right"), "only second wrong": ("right", "wrong")}
RIGHT["both wrong"] = ("wrong", "wrong")
# verdicts of both, the disagreements first
PAIRS = [("REAL", "FAKE"), ("FAKE", "REAL"), ("REAL", "REAL"), ("FAKE", "FAKE")]
BY_COLUMN = {"category": "By category", "source": "By source", "seen": "By seen and unseen"}
CLOSER = BY_COLUMN | {"margins": "Margins", "studies": "Their studies"}


def picked_ids(opened: Opened) -> list[str]:
    """The ids that the URL selects and the run has."""
    asked = st.query_params.get("pick", "").split(",")
    known = [id_ for id_ in dict.fromkeys(asked) if id_ in opened.rows]
    return known[:MOST_PICKED]


def draw_select_page(page: Sequence[str], ids: Sequence[str]) -> None:
    """Draw the button that selects the images of this page beside those that are selected."""
    st.button(
        f"Select this page ({len(page)})",
        key="selection.page",
        icon=":material/select_all:",
        on_click=state.put,
        args=("pick", ",".join(list(dict.fromkeys([*ids, *page]))[:MOST_PICKED])),
        disabled=not len(page),
        type="tertiary",
        help=f"Selects this page to tag it, or for a sheet of reasons; at most {MOST_PICKED} at a time. For a single "
        "image, tick its box or press Space on it.",
    )


def draw_selection(ids: Sequence[str]) -> None:
    """Draw what can be done with the selected images, where there are any."""
    if not ids:
        return
    tags = library.tags()
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            full = ", the most at a time" if len(ids) == MOST_PICKED else ""
            st.markdown(f"**{len(ids)} selected**{full}", width="content")
            st.button("Select none", key="selection.none", type="tertiary", on_click=state.put, args=("pick", None))
        with st.form("selection.tagging", border=False):
            st.text_input("Tag", key="selection.tag_text", placeholder="a tag", label_visibility="collapsed")
            with st.container(horizontal=True):
                for label, key, put, done in (
                    ("Tag them", "tag", tags.add, "tagged"),
                    ("Remove tag", "untag", tags.remove, "without the tag"),
                ):
                    st.form_submit_button(
                        label, key=f"selection.{key}", type="tertiary", on_click=_change_tag, args=(ids, put, done)
                    )
        problem = st.session_state.pop("selection.tag_error", None)
        if problem:
            st.error(with_code(problem))


def _change_tag(ids: Sequence[str], put: Callable[[Sequence[str], str], None], done: str) -> None:
    """Add the entered tag to the images, or remove it (`put`), and say so with the words `done`."""
    tag = st.session_state["selection.tag_text"].strip()
    try:
        put(ids, tag)
    except TagError as error:
        st.session_state["selection.tag_error"] = for_visitors(error)
    else:
        st.session_state["selection.tag_text"] = ""
        st.toast(f"{len(ids)} {done} “{plain(tag)}”")


def draw_group_differences(opened: Opened, wanted: Filter, positions: Positions) -> None:
    """Draw a folded comparison; nothing where the filter finds everything, or too few to compare."""
    everything = np.arange(len(opened.table))
    if not FEWEST <= len(positions) <= len(everything) - FEWEST:
        return
    title = f"How do these {len(positions):,} differ from the rest?"
    if opens_all():
        st.session_state.setdefault("mistakes.apart", True)
    with st.expander(title, icon=":material/compare_arrows:", key="mistakes.apart", on_change="rerun") as folded:
        if not folded.open:
            return
        # what got the other verdict, where there is enough of it
        lifted = replace(wanted.choosing("predicted", []).choosing("correct", []), sort=Filter.sort)
        others = library.matching(opened, lifted)
        whose = "that all filters but verdicts find"
        if len(others) - len(positions) < FEWEST:
            others = everything
            whose = "of this run"
        others = np.setdiff1d(others, positions)
        st.markdown(f"Compared with the {len(others):,} other images {whose}:")
        # the columns that the filter fixes differ by definition, and how sure verdicts are goes with every verdict
        fixed = {"margin", *(column for column, *_ in (*wanted.choices, *wanted.ranges))}
        found = _differences(opened, positions, others)
        difference_table([difference for difference in found if difference.column not in fixed][:MOST_DIFFERENCES])
        st.caption(
            "Listed are differences that are not tiny and unlikely to be chance (four standard errors), largest first. "
            "They go with the verdict; only changing the image can show whether they cause it.",
            help=explain("Cohen's h"),
        )


def difference_table(differences: Sequence[Difference]) -> None:
    """Draw differences between groups of images, largest first, as a table."""
    if not differences:
        st.caption("no clear difference")
        return
    rows = [
        (plain(f"{label}: {value}" if value else label), *(percent(one) if share else f"{one:.3g}" for one in means))
        for _, _, label, *means, share, value in differences
    ]
    st.table(pd.DataFrame(rows, columns=["of", "these", "others"]).set_index("of"), border="horizontal")


# Streamlit hashes large arrays by a sample of their values
@st.cache_resource(max_entries=32, show_spinner="Comparing", hash_funcs=BY_STAMP | {np.ndarray: np.ndarray.tobytes})
def _differences(opened: Opened, inside: Positions, others: Positions) -> list[Difference]:
    """Compare the images themselves, and the studies' columns."""
    group, rest = (np.isin(np.arange(len(opened.table)), positions) for positions in (inside, others))
    return differing(measured_columns(opened.run, np.arange(len(group)), np.ones(len(group))), group, rest)


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
    _pair_table(pair, [finding for finding in findings if not finding.key.startswith("margins")])
    _draw_outcomes(pair)
    parts = {part: title for part, title in CLOSER.items() if part not in BY_COLUMN or part in columns_of(pair)}
    # only the chosen part is computed
    part = Setting("more", None, parts).choose("Look closer", required=False)
    if part in BY_COLUMN:
        _pair_table(pair, by(pair, part))
    elif part == "margins":
        # how alike they are, not one beside the other
        finding_table(findings, only="margins")
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


def _pair_table(pair: Pair, findings: Sequence[Finding]) -> None:
    """Draw findings of two runs: both numbers, and the difference."""
    table = findings_text(findings)
    both = dict(zip(("Effect", "Control"), pair.names, strict=True))
    table["Control"] = table["Control"].str.partition(",")[0]
    table = table.rename(columns=both)[["Question", "Of", "Group", *both.values(), "Difference", "Images", "Answer"]]
    st.dataframe(table.loc[:, (table != "").any()], hide_index=True, alt="Both detectors")


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
