"""Parts of the page Data: what an audit found, worst first, with the images behind it."""

from collections.abc import Sequence
from math import isfinite

import streamlit as st

from core.findings import words
from core.findings.finding import Finding
from core.findings.lines import Line, joined, line
from core.findings.words import audit as audit_words
from core.studies.audit.findings import forced
from core.studies.audit.names import CHANNELS, FACT_NAMES
from core.studies.audit.summary import (
    GREY,
    Concern,
    grey_shares,
    histogram,
    yardsticks,
)
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN
from core.studies.study import Answer
from dashboard.components.charts import style as charts
from dashboard.components.keys import key_of
from dashboard.components.plain import plain
from dashboard.components.studies import study
from dashboard.components.studies.finding_words import coloured, markdown, strong
from dashboard.components.words import listed, percent
from dashboard.services import address
from dashboard.services.library import Opened
from dashboard.views.data import charts as audit_charts

# the columns of Explore that hold facts which are words
COLUMNS = {"compression": "files.compression"}
# three bars, two, one
ICONS = {
    "well": ":material/signal_cellular_alt:",
    "to some degree": ":material/signal_cellular_alt_2_bar:",
    "a little": ":material/signal_cellular_alt_1_bar:",
}
# the first are what other pages call leaks
COPIES = {FILE: "as the very same file (leaks)", SHOWN: "with the same pixels in another file", NEAR: "nearly the same"}
STUDIES = ("audit", "duplicates", "files")


def command(opened: Opened) -> str:
    """What to type for an audit of this run."""
    return study.command(opened, *STUDIES)


def headlines(opened: Opened, audit: Answer, found: Sequence[Concern], duplicates: Answer | None) -> None:
    """The four numbers that a reviewer asks for."""
    network = audit.table[audit.table["kind"] == "network"].iloc[0]
    line = yardsticks(audit).set_index("name").loc["16 numbers of the spectrum"]
    with st.grid(4, min_column_width=190):
        if found:
            _headline(
                "Plainest cue",
                found[0].name.title,
                f"It alone tells {100 * found[0].alone.value:.0f} of 100 pairs of a REAL and a FAKE image apart; "
                "guessing tells 50.",
            )
        _headline(
            "Plain regression",
            percent(line["value"]),
            "Right verdicts by a logistic regression on 16 numbers of the spectrum; the network gets "
            f"{percent(network['accuracy'])}.",
        )
        if duplicates is not None:
            table = duplicates.table
            counts = {kind: int((table["in_training"] == kind).sum()) for kind in COPIES}
            each = listed([f"{count:,} {COPIES[kind]}" for kind, count in counts.items() if count])
            _headline(
                "In training too",
                f"{sum(counts.values()):,}",
                f"Of {len(table):,} images so many are in the training set as well{f': {each}' if each else ''}.",
            )
            repeats = int(opened.run.predictions["is_repeat"].sum())
            alike = int((table["in_set"] == FILE).sum())
            _headline(
                "Counted twice",
                f"{repeats:,}",
                f"Of {len(table):,} images so many are the very file of an earlier one of this set"
                f"{f'; with those earlier ones {alike:,} files' if alike else ''}.",
            )


def _headline(label: str, value: str, sentence: str) -> None:
    """One number with what it means."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, value)
        st.caption(coloured(sentence))


def together(found: Sequence[Concern]) -> list[list[Concern]]:
    """Concerns in their order, the channels of colour in one group where the first of them stands."""
    channels = [one for one in found if one.key in CHANNELS]
    groups = [channels if one.key in CHANNELS else [one] for one in found]
    return [group for place, group in enumerate(groups) if group not in groups[:place]]


def told(audit: Answer, key: str) -> words.Told:
    """A finding of the audit in words, empty ones where it has none of this key."""
    found = audit.finding(key)
    return words.Told(Line()) if found is None else words.tell(found)


def _verdict(audit: Answer, one: Concern) -> Line:
    """What a cue tells, and whether the detector leans on it."""
    cue, lean = audit.finding(one.cue), audit.finding(one.lean)
    return Line() if cue is None or lean is None else audit_words.verdict(cue, lean)


def concern_row(opened: Opened, audit: Answer, group: Sequence[Concern], probes: Answer | None) -> None:
    """One thing that tells the classes apart, or several that go together: a verdict, how it is spread, the images, and
    the numbers folded away."""
    with st.container(border=True):
        band = st.grid(2, min_column_width=320, gap="large")
        with band.cell():
            if len(group) == 1:
                draw_spread(opened, audit, group[0])
            else:
                for one, tab in zip(group, st.tabs([plain(one.name.title) for one in group]), strict=True):
                    with tab:
                        draw_spread(opened, audit, one)
                        _more(opened, audit, one)
        with band.cell():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                title = plain(listed([one.name.title for one in group]))
                st.markdown(f"#### {title[0]}{title[1:].lower()}", width="content")
                cue = audit.finding(group[0].cue)
                how = "hardly" if cue is None else audit_words.how_well(cue)
                if icon := ICONS.get(how):
                    st.badge(f"tells {how}", icon=icon, color="gray")
            said = {one.name.title: _verdict(audit, one) for one in group}
            alike = len(set(said.values())) == 1
            for title, verdict in list(said.items())[: 1 if alike else len(said)]:
                name = f"{title}: " if not alike else "Each: " if len(group) > 1 else ""
                st.markdown(strong(line("{name}{verdict}", name=name, verdict=verdict) if name else verdict.capital()))
            if probes is not None and audit_words.rests(_changed(opened, probes, group[0].key)):
                st.markdown("Changed by force it flips many verdicts all the same: these rest on it.")
            if len(group) == 1:
                _more(opened, audit, group[0])
            _grey(opened, group)
            with st.expander("Numbers and experiments"):
                _sentences(opened, audit, group, probes)


def _more(opened: Opened, audit: Answer, one: Concern) -> None:
    """Which class has more of it, and the way to the images."""
    if beside := told(audit, one.cue).aside:
        st.caption(markdown(beside))
    _buttons(opened, one)


def _grey(opened: Opened, group: Sequence[Concern]) -> None:
    """How many images of each class are grey all over, which a median does not say."""
    if [one.key for one in group] != ["greyness"]:
        return
    shares = grey_shares(opened.table["greyness"], opened.table["label"])
    said = listed([f"{percent(share)} of {label}" for label, share in shares.items()])
    st.caption(coloured(f"Grey all over, or nearly ({GREY} and more): {said} images."))


def _sentences(opened: Opened, audit: Answer, group: Sequence[Concern], probes: Answer | None) -> None:
    for one in group:
        cue, lean = told(audit, one.cue), told(audit, one.lean)
        st.markdown(markdown(joined([cue.answer, cue.control])))
        st.markdown(markdown(joined([lean.answer, lean.control])))
        if lean.aside:
            st.caption(markdown(lean.aside))
        if isfinite(one.right.value):
            ends = f"{percent(one.right.low)} to {percent(one.right.high)}"
            st.caption(f"Of each class it calls on average {percent(one.right.value)} of these right ({ends}).")
    changed = _changed(opened, probes, group[0].key) if probes is not None else []
    if changed:
        also = " All three are changed at once." if len(group) > 1 else ""
        st.markdown(f"{markdown(audit_words.forced(changed))}{also}")


def _changed(opened: Opened, probes: Answer, key: str) -> list[Finding]:
    """What the experiments that change a fact found."""
    return _remembered(opened, probes, f"{opened.stamp} {key}", key)


@st.cache_resource(max_entries=64, show_spinner=False)
def _remembered(_opened: Opened, _probes: Answer, stamp: str, key: str) -> list[Finding]:  # noqa: ARG001
    return forced(_opened.run, _probes, key) if key in FACT_NAMES else []


def _buttons(opened: Opened, one: Concern) -> None:
    with st.container(horizontal=True, gap="small"):
        for words, wanted in one.shown.items():
            if st.button(words, icon=":material/grid_view:", key=key_of("data.show", one.key, words)):
                address.go("explore", run=opened.run.name, wanted=wanted)


def draw_spread(opened: Opened, audit: Answer, one: Concern, *, title: bool = False) -> None:
    """How a fact is spread over the classes."""
    if title:
        st.markdown(f"**{plain(one.name.title)}**")
    column = COLUMNS.get(one.key, one.key)
    if column not in opened.table or opened.table[column].nunique() < 2:
        return
    real = (opened.table["label"] == "REAL").to_numpy(bool)
    frame = histogram(opened.table[column], real)
    alt = f"{one.name.title} of REAL and of FAKE images: {told(audit, one.cue).answer}"
    charts.show(audit_charts.spread(frame, one.name.about), key=key_of("data.spread", one.key), alt=alt)


def harmless(opened: Opened, audit: Answer, found: Sequence[Concern]) -> None:
    """What tells nothing, or hardly anything, in small."""
    with st.grid(3, min_column_width=260, gap="large") as grid:
        for one in found:
            with grid.cell():
                draw_spread(opened, audit, one, title=True)
                st.caption(markdown(joined([told(audit, one.cue).answer, told(audit, one.cue).control])))
                _buttons(opened, one)


def downloads(opened: Opened, audit: Answer, duplicates: Answer | None) -> None:
    """Buttons for the tables that the page rests on."""
    about = {
        "Audit": (audit, "A row a fact, ring of the spectrum, baseline and count, each with its interval and control."),
        "Copies": (duplicates, "A row an image: what of it is elsewhere, where, and of which class."),
    }
    with st.container(horizontal=True, gap="small"):
        for label, (answer, help_) in about.items():
            if answer is not None:
                name = f"{opened.run.name}-{answer.about['study']}.csv"
                study.csv_button(f"{label} (CSV)", answer.table, name, key=f"data.csv.{label}", help=help_)
