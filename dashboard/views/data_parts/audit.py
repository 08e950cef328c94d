"""Parts of the page Data: the audit's findings, worst first, with the images behind them."""

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core.findings import words
from core.findings.finding import Finding
from core.findings.lines import Line, joined, line
from core.findings.words import audit as audit_words
from core.findings.words.told import Told
from core.studies.audit.findings import forced
from core.studies.audit.names import CHANNELS, FACT_NAMES
from core.studies.audit.summary import Concern, histogram, yardsticks
from core.studies.copies.findings import COUNTED
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN
from core.studies.result import StudyResult
from dashboard import state
from dashboard.components import charts, study
from dashboard.components.charts import cached
from dashboard.components.component import key_of
from dashboard.components.fold import fold
from dashboard.components.plain import plain
from dashboard.components.study import coloured, markdown, strong
from dashboard.components.words import listed, percent
from dashboard.library import BY_STAMP, Opened
from dashboard.views.data_parts import charts as audit_charts

# statistic -> its column in Explore, where that has another name
COLUMNS = {"compression": "files.compression"}
# the first are called leaks on other pages
COPIES = {FILE: "identical (leaks)", SHOWN: "with the same pixels in another file", NEAR: "nearly identical"}
STUDIES = ("duplicates", "files", "audit")
QUESTIONS = (
    "Does the score follow this cue among unchanged images? That is measured on images matched on the cue, and as "
    "its rank correlation with the margin (-1 to 1, 0 is none). And does changing the cue flip the verdict, as in the "
    "experiments on the page Evidence? Those show what a verdict rests on; the correlation can still be small, "
    "because images differ in the cue less than the experiment changes it."
)


def command(opened: Opened) -> str:
    """Return the command that audits this run."""
    return study.command(opened, *STUDIES)


def headlines(opened: Opened, audit: StudyResult, found: Sequence[Concern], duplicates: StudyResult | None) -> None:
    """Draw the four numbers that a reviewer asks for."""
    network = audit.table[audit.table["kind"] == "network"].iloc[0]
    line = yardsticks(audit).set_index("name").loc["16 numbers of the spectrum"]
    with st.grid(4, min_column_width=190):
        if found:
            _headline(
                "Strongest simple cue",
                found[0].name.title,
                f"Alone it tells {100 * found[0].cue.measure.value:.0f} of 100 pairs of a REAL and a FAKE image apart"
                f"{_by_rank(found[0].cue)}; guessing gets 50.",
            )
        _headline(
            "Logistic-regression baseline",
            percent(line["value"]),
            f"Accuracy with 16 numbers of the spectrum; the network gets {percent(network['accuracy'])}.",
        )
        if duplicates is not None:
            table = duplicates.table
            # of a sample, as many as it stands for
            sampled = len(table) < len(opened.run)
            leaks = {kind: duplicates.finding(key) for key, (side, kind) in COUNTED.items() if side == "in_training"}
            counts = {kind: int(one.details["count"]) if one and one.details else 0 for kind, one in leaks.items()}
            number = f"{'about ' if sampled else ''}{sum(counts.values()):,}"
            each = listed([f"{count:,} {COPIES[kind]}" for kind, count in counts.items() if count])
            told = f"of {len(opened.run):,} images have a copy in the training set{f': {each}' if each else ''}."
            blind, known = duplicates.finding("unchecked") is not None, opened.run.leaks_checked
            if blind:
                told = (
                    f"of {len(opened.run):,} images are also training images, file for file; other copies were not "
                    "looked for, because the training images were not available."
                    if known
                    else "The training images were not available."
                )
            _headline("Train-test leakage", "not checked" if blind and not known else number, told)
            repeats = int(opened.run.predictions["is_repeat"].sum())
            # of a sample it would count other images than the repeats
            alike = 0 if sampled else int((table["in_set"] == FILE).sum())
            _headline(
                "Repeats",
                f"{repeats:,}",
                f"of {len(opened.run):,} images are copies of an earlier file of this set"
                f"{f'; {alike:,} files counting the originals' if alike else ''}.",
            )


def _by_rank(cue: Finding) -> str:
    rank = audit_words.ranked(cue)
    return "" if rank is None else f" by a fitted rule, {100 * rank.value:.0f} by rank"


def _headline(label: str, value: str, sentence: str) -> None:
    """Draw one number and what it means."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, value)
        st.caption(coloured(sentence))


def together(found: Sequence[Concern]) -> list[list[Concern]]:
    """Group concerns in their order, with the colour channels together in the place of the first of them."""
    channels = [one for one in found if one.key in CHANNELS]
    groups = [channels if one.key in CHANNELS else [one] for one in found]
    return [group for place, group in enumerate(groups) if group not in groups[:place]]


def told(audit: StudyResult, key: str) -> Told:
    """Put a finding of the audit into words, empty ones where there is none of this key."""
    found = audit.finding(key)
    return Told(Line()) if found is None else words.tell(found)


def concern_row(opened: Opened, group: Sequence[Concern], audit: StudyResult, probes: StudyResult | None) -> None:
    """Draw a cue, or several that belong together, under its verdict: the distribution, the images and the numbers.

    Args:
        opened: the run.
        group: the cues.
        audit: the study.
        probes: the study of that name, None where there is none.
    """
    keys = [one.key for one in group]
    title = plain(listed([one.name.title for one in group]))
    changed = _changed(opened, probes, keys[0]) if probes is not None else []
    said = {one.name.title: audit_words.verdict(one.cue, one.lean, changed) for one in group}
    answer = markdown(next(iter(said.values())).capital())
    title = f"{title[0]}{title[1:].lower()}"
    with fold(f"cue-{keys[0]}", title, answer, explained=QUESTIONS) as is_open:
        if is_open:
            _draw_concern(opened, group, said, audit, changed)


def _draw_concern(
    opened: Opened, group: Sequence[Concern], said: Mapping[str, Line], audit: StudyResult, changed: Sequence[Finding]
) -> None:
    band = st.grid(2, min_column_width=320, gap="large")
    with band.cell():
        if len(group) == 1:
            draw_spread(opened, group[0])
        else:
            for one, tab in zip(group, st.tabs([plain(one.name.title) for one in group]), strict=True):
                with tab:
                    draw_spread(opened, one)
                    _more(opened, one)
    with band.cell():
        if len(set(said.values())) > 1:
            for title, verdict in said.items():
                st.markdown(strong(line("{name}: {verdict}", name=title, verdict=verdict)))
        if len(group) == 1:
            _more(opened, group[0])
        if [one.key for one in group] == ["greyness"] and (grey := told(audit, "grey").full):
            st.caption(markdown(grey))
        _sentences(group, changed)


def _more(opened: Opened, one: Concern) -> None:
    """Say which class has more of it, and offer the images."""
    if beside := words.tell(one.cue).aside:
        st.caption(markdown(beside))
    _buttons(opened, one)


def _sentences(group: Sequence[Concern], changed: Sequence[Finding]) -> None:
    for one in group:
        cue, lean = words.tell(one.cue), words.tell(one.lean)
        st.markdown(markdown(joined([cue.answer, cue.control])))
        st.markdown(markdown(joined([lean.answer, lean.control])))
        if lean.aside:
            st.caption(markdown(lean.aside))
        if (right := one.lean.beside.get("right")) is not None:
            ends = f"{percent(right.low)} to {percent(right.high)}"
            st.caption(f"The detector's balanced accuracy on these is {percent(right.value)} ({ends}).")
    if changed:
        also = " All three are changed at once." if len(group) > 1 else ""
        st.markdown(f"{markdown(audit_words.forced(changed))}{also}")


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_STAMP)
def _changed(opened: Opened, probes: StudyResult, key: str) -> list[Finding]:
    """Return the findings of the experiments that change a statistic."""
    return forced(opened.run, probes, key) if key in FACT_NAMES else []


def _buttons(opened: Opened, one: Concern) -> None:
    with st.container(horizontal=True, gap="small"):
        for words, wanted in one.shown.items():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", one.key, words)):
                state.go("explore", run=opened.run.name, wanted=wanted)


def draw_spread(opened: Opened, one: Concern, *, title: bool = False) -> None:
    """Draw the distribution of a statistic over the classes."""
    if title:
        st.markdown(f"**{plain(one.name.title)}**")
    column = COLUMNS.get(one.key, one.key)
    frame = _spread(opened.origin, column)
    if frame is None:
        return
    alt = f"{one.name.title} of REAL and of FAKE images: {words.tell(one.cue).answer}"
    charts.show(audit_charts.spread(frame, one.name.about), key=key_of("data.spread", one.key), alt=alt)


@partial(cached, most=128)
def _spread(opened: Opened, column: str) -> pd.DataFrame | None:
    """Return a column's distribution by class; None where the table lacks it or it has fewer than two values."""
    if column not in opened.table or opened.table[column].nunique() < 2:
        return None
    return histogram(opened.table[column], (opened.table["label"] == "REAL").to_numpy(bool))


def harmless(opened: Opened, found: Sequence[Concern]) -> None:
    """Draw what separates the classes hardly or not at all, in small."""
    with st.grid(3, min_column_width=260, gap="large") as grid:
        for one in found:
            with grid.cell():
                draw_spread(opened, one, title=True)
                cue = words.tell(one.cue)
                st.caption(markdown(joined([cue.answer, cue.control])))
                _buttons(opened, one)


def downloads(opened: Opened, audit: StudyResult, duplicates: StudyResult | None) -> None:
    """Draw buttons for the tables behind the page."""
    about = {
        "Audit": (
            audit,
            "A row per statistic, ring of the spectrum, baseline and count, each with its interval and control.",
        ),
        "Copies": (duplicates, "A row per image: which copies of it there are, where, and of which class."),
    }
    with st.container(horizontal=True, gap="small"):
        for label, (answer, help_) in about.items():
            if answer is not None:
                name = f"{opened.run.name}-{answer.about['study']}.csv"
                study.csv_button(f"{label} (CSV)", answer.table, name, key=f"data.csv.{label}", help=help_)
