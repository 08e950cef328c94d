"""Parts of the page Trust: a study or the sentence that stands in its place, its conclusions, its numbers."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.stats import Estimate
from core.storage import ContractError
from core.studies import trust_summary
from core.studies.groups import By
from core.studies.study import Answer, Finding
from dashboard import library
from dashboard.library import Opened
from dashboard.sentences import for_visitors
from dashboard.widgets.words import CLASS_WORDS, percent

# so many images are enough for intervals of a few hundredths
ENOUGH = 1000
Summary = Callable[..., pd.DataFrame]
NUMBER_NAMES = {"value": "value", "low": "95 % from", "high": "to", "images": "images"}


def command(opened: Opened, name: str) -> str:
    """What to type for a study of this run."""
    some = f" --images {ENOUGH}" if len(opened.run) > ENOUGH and name != "clusters" else ""
    return f"python -m core.studies {name} --run {opened.run.name}{some}"


def read(opened: Opened, name: str, title: str | None = None) -> Answer | None:
    """A study of the run; where there is none, a sentence, under a title, stands in its place and None is returned."""
    try:
        found = library.answer(opened, name)
    except ContractError as error:
        _titled(title)
        st.error(for_visitors(error, homes=library.homes()))
        return None
    if found is None:
        _titled(title)
        st.info(
            f"This has not been measured for {opened.run.name} yet. To do so, run `{command(opened, name)}` and reload "
            "this page.",
            icon=":material/science:",
        )
    return found


def _titled(title: str | None) -> None:
    if title:
        st.markdown(f"**{title}**")


def all_there(opened: Opened, names: Sequence[str]) -> dict[str, Answer]:
    """The studies among `names` that this run has and that can be read."""
    found = {}
    for name in names:
        try:
            answer = library.answer(opened, name)
        except ContractError:
            # the part of the page that is about it says so
            continue
        if answer is not None:
            found[name] = answer
    return found


def summary(opened: Opened, answer: Answer, make: Summary, by: By) -> pd.DataFrame:
    """What `make`, of `core.studies.trust_summary`, says of a study, remembered."""
    return _summary(opened, answer, make, f"{opened.stamp} {answer.about['study']} {make.__name__}", by)


@st.cache_resource(max_entries=48, show_spinner=False)
def _summary(_opened: Opened, _answer: Answer, _make: Summary, stamp: str, by: By) -> pd.DataFrame:  # noqa: ARG001
    return _make(_answer.table, _opened.run, by=by)


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """A summary of the study `faithfulness` with a `name` for each method."""
    if "name" in frame:
        return frame
    names = {method: name for method, (name, _) in trust_summary.CONTROLS.items()} | trust_summary.EXPLANATIONS
    return frame.assign(name=frame["method"].map(names))


def best_controls(opened: Opened, answer: Answer, by: By, fill: str) -> dict[str, str]:
    """For each group the name of the control that scores best under a fill."""
    frame = summary(opened, answer, trust_summary.excess, by)
    chosen = frame[frame["fill"] == fill]
    return dict(zip(chosen["group"], chosen["control"], strict=True))


def group_words(group: str) -> str:
    """A group as a heading, the verdict in its colour."""
    truth, called, verdict = group.partition(" called ")
    return f"**{truth} called** {CLASS_WORDS[verdict]}" if called else f"{CLASS_WORDS[truth]} **verdicts**"


def conclude(findings: Sequence[Finding | None]) -> None:
    """What a study comes to, a line a sentence."""
    lines = [f"- {coloured(one.sentence)}" for one in findings if one is not None]
    st.markdown("\n".join(lines))


def found(answer: Answer, *keys: str) -> list[Finding | None]:
    """The findings of a study for both verdicts, by the beginning of their keys."""
    return [answer.finding(f"{key}-{verdict}") for key in keys for verdict in ("FAKE", "REAL")]


def coloured(sentence: str) -> str:
    """A sentence with the verdicts in their colours."""
    return re.sub(r"\b(REAL|FAKE)(?= verdict)", lambda match: CLASS_WORDS[match[1]], sentence)


def cannot(sentence: str) -> None:
    """What a study cannot show, where it is shown."""
    st.caption(f":material/visibility_off: What this cannot show: {sentence}")


def numbers(opened: Opened, answer: Answer, frame: pd.DataFrame, *, names: Mapping[str, str], key: str) -> None:
    """The numbers behind a picture, and both them and the study as files.

    Args:
        opened: the run.
        answer: the study.
        frame: what is drawn.
        names: column of `frame` -> its heading; `NUMBER_NAMES` come after them.
        key: of the elements.
    """
    headings = {**names, **NUMBER_NAMES}
    shown = frame[list(headings)].rename(columns=headings)
    about = answer.about
    with st.expander("The numbers, and where they are from", icon=":material/table:"):
        st.dataframe(shown, hide_index=True, alt=f"The numbers of {about['title']}")
        settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about["parameters"].items())
        st.caption(
            f"{about['images']:,} of {about['of']:,} images, weighted up to the run; control: {about['control']} "
            f"Settings: {settings}. Made {about['created'].partition('T')[0]}."
        )
        with st.container(horizontal=True):
            csv_button("These numbers (CSV)", shown, f"{opened.run.name}-{key}.csv", key=f"{key}.shown")
            csv_button("Every image (CSV)", answer.table, f"{opened.run.name}-{about['study']}.csv", key=f"{key}.all")


def csv_button(label: str, frame: pd.DataFrame, name: str, *, key: str) -> None:
    """A button for a table, written when it is asked for."""
    st.download_button(
        label,
        lambda: frame.to_csv(index=False).encode(),
        file_name=name,
        mime="text/csv",
        # a rerun would take the file away before the browser has fetched it
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
        key=key,
    )


def leads(opened: Opened, answer: Answer) -> str | None:
    """Which explanations beat the best control, in one sentence."""
    frame = summary(opened, answer, trust_summary.excess, "verdict")
    told: dict[str, list[str]] = {"better": [], "no better": [], "worse": []}
    for row in frame[frame["fill"] == "unseen"].itertuples():
        side = "better" if row.low > 0 else "worse" if row.high < 0 else "no better"
        told[side].append(f"{trust_summary.EXPLANATIONS[str(row.method)]} on {CLASS_WORDS[str(row.group)]} verdicts")
    parts = [
        f"**{side}** than the best control that knows nothing: {', '.join(names)}"
        for side, names in told.items()
        if names
    ]
    return f"What the detector leans on is named {'; '.join(parts)}." if parts else None


def _complaint(title: str, quote: str, lines: Sequence[tuple[str, str, str]], answered: str) -> None:
    """One of the paper's complaints in its own words, with label, number and small print of each answer."""
    st.markdown(f"**{title}**")
    st.caption(f"The paper: “{quote}”")
    for label, value, under in lines:
        st.metric(label, value)
        st.caption(under)
    st.markdown(answered)


def one_colour_complaint(opened: Opened) -> None:
    """How often LIME shows one colour, under the paper's settings and under ours."""
    with st.container(border=True, height="stretch", gap="small"):
        title, quote = "LIME is all one colour", "A large majority of the images I looked at are uniformly red"
        answer = read(opened, "one_colour", title)
        if answer is None:
            return
        frame = summary(opened, answer, trust_summary.one_colour_summary, "verdict")
        lines, cured = [], True
        for group, part in frame.groupby("group", sort=False):
            row = {one.column: trust_summary.estimate_of(one) for one in part.itertuples()}
            before, after = row["paper_one_sign"], row["ours_shown_one"]
            cured &= after.high < before.low
            shares = f"{percent(before.value, 0)} → {percent(after.value, 0)}"
            under = f"95 % intervals {_ends(before)} and {_ends(after)}, {before.images:,} images"
            lines.append((f"of {_verdicts(group)}: paper's settings → ours", shares, under))
        said = "Most of it is the settings: the paper's leave one segment or two, and one segment has one colour."
        _complaint(title, quote, lines, said if cured else "Finer segments alone do not cure it here.")


def agreement_complaint(opened: Opened) -> None:
    """How far LIME and Grad-CAM agree, against chance."""
    with st.container(border=True, height="stretch", gap="small"):
        title, quote = "LIME contradicts Grad-CAM", "the LIME method simply does not corroborate"
        answer = read(opened, "agreement", title)
        if answer is None:
            return
        frame = summary(opened, answer, trust_summary.agreement_summary, "verdict")
        lines, beyond = [], True
        for group, part in frame.groupby("group", sort=False):
            row = {one.column: trust_summary.estimate_of(one) for one in part.itertuples()}
            own, chance = row["rank"], row["others_rank"]
            beyond &= own.low > chance.high
            under = f"95 % interval {own.low:.2f} to {own.high:.2f}, {own.images:,} images"
            lines.append((f"{_verdicts(group)}: correlation, chance", f"{own.value:.2f}, {chance.value:.2f}", under))
        said = "They agree more than the maps of different images do; 1 would be the same order of places, 0 none."
        _complaint(title, quote, lines, said if beyond else "That is not more than chance on every kind of verdict.")


def scale_complaint(opened: Opened, answers: Mapping[str, Answer]) -> None:
    """How many images have maps, and how many the studies have judged."""
    with st.container(border=True, height="stretch", gap="small"):
        total = len(opened.run)
        lines = [("images with a margin map", f"{total:,}", "every image of the run; the paper shows a dozen figures")]
        judged = trust_summary.coverage(answers, opened.run)
        if not judged.empty:
            most = judged.loc[judged["images"].idxmax()]
            under = f"{most['errors']:,} of {most['errors_of']:,} errors are among them"
            lines.append(("images with explanations judged", f"{most['images']:,}", under))
        each = ", ".join(f"{row.title.lower()} {row.images:,}" for row in judged.itertuples())
        said = f"By study: {each}." if each else "No study has judged explanations of this run yet."
        quote = "any more than a handful require teams"
        _complaint("It does not scale", quote, lines, said)


def _verdicts(group: Any) -> str:
    return f"{CLASS_WORDS[str(group)]} verdicts"


def _ends(estimate: Estimate) -> str:
    return f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f}"
