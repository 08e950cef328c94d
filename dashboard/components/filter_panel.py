"""The filters of Explore: all of them, the active ones, and the confusion matrix, which is one too."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from core.images.labels import CLASSES
from core.runs.filter import DECIDED, OUTCOMES, Filter, choices_of
from dashboard import library, state
from dashboard.components.component import key_of
from dashboard.components.filters import (
    change,
    ends,
    file_name,
    full_label,
    narrowed,
    one_range,
    one_tag,
    only_value,
    ranges,
    segments,
    several,
    short_label,
    useful,
    value_name,
)
from dashboard.components.matrix import clicked, confusion_matrix
from dashboard.components.plain import plain
from dashboard.library import Opened

# most values of a filter that are listed; of more, the rest are counted
FEW = 3
MAIN = ("label", "predicted", "correct", "category", "source", "confidence")


def draw_matrix(opened: Opened, wanted: Filter) -> None:
    """Draw the confusion matrix under all other filters; a click on a cell filters those images, or shows all again."""
    pressed = admitted(wanted)

    def switch() -> None:
        cell = clicked(st.session_state["explore.matrix"].open)
        if cell is not None:
            chosen = ([], []) if pressed == {cell} else ([cell[0]], [cell[1]])
            change(
                opened,
                lambda now: now.choosing("label", chosen[0]).choosing("predicted", chosen[1]).choosing("correct", []),
            )

    confusion_matrix(library.counts(opened, wanted), key="explore.matrix", pressed=pressed, small=True, on_open=switch)


def admitted(wanted: Filter) -> set[tuple[str, str]] | None:
    """Return the (true, called) cells that a filter admits; None where it names no label, prediction or outcome."""
    truths, verdicts, outcomes = (wanted.chosen(column) for column in DECIDED)
    if not (truths or verdicts or outcomes):
        return None
    return {
        (truth, said)
        for truth in truths or CLASSES
        for said in verdicts or CLASSES
        if not outcomes or OUTCOMES[truth != said] in outcomes
    }


def draw_main(opened: Opened, wanted: Filter) -> None:
    """Draw the filters by label, prediction, outcome, category, source and confidence."""
    for column in DECIDED:
        segments(opened, wanted, column)
    for column, label in (("category", "Category"), ("source", "Source")):
        if choices_of(opened.table, column) and useful(opened, wanted, column):
            several(opened, wanted, column, label)
    one_range(opened, wanted, "confidence", low=0.5, high=1.0, step=0.01, label="Confidence", format="percent")


def draw_more(opened: Opened, wanted: Filter) -> None:
    """Draw all other filters in tabs: file, image statistics, and each study."""
    studies: dict[str, list[str]] = {}
    for column, one in (opened.studied | opened.further).items():
        studies.setdefault(one.study, []).append(column)
    file, facts, *tabs = st.tabs(["The file", "What it looks like", *map(plain, studies)], key="explore.groups")
    with file, st.container(horizontal=True, gap="medium"):
        for column in ("in_train", "is_repeat"):
            if useful(opened, wanted, column):
                segments(opened, wanted, column)
        file_name(opened, wanted)
        if names := library.tags().names():
            one_tag(opened, wanted, names)
    with facts:
        ranges(opened, wanted, [name for name in opened.extents if name not in ("confidence", *opened.studied)])
    for tab, columns in zip(tabs, studies.values(), strict=True):
        with tab:
            _draw_study(opened, wanted, columns)


def _draw_study(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Draw the filters of one study: its main columns, those that the URL names, and a choice of the rest."""
    shown = [name for name in columns if name in opened.table.columns]
    first = (opened.studied | opened.further)[columns[0]]
    known = max((int(opened.table[name].notna().sum()) for name in shown), default=len(opened.table))
    some = (
        f" Measured on {known:,} of these images; a filter leaves the others out." if known < len(opened.table) else ""
    )
    if first.question or some:
        st.caption(plain(first.question) + some)
    for column in shown:
        if choices_of(opened.table, column) and useful(opened, wanted, column):
            several(opened, wanted, column, short_label(opened, column))
    ranges(opened, wanted, [name for name in shown if name in opened.extents])
    alike = {short_label(opened, name): only_value(opened, name) for name in shown if _can_be_asked(opened, name)}
    if said := [f"{label} ({value})" for label, value in alike.items() if value]:
        st.caption(f"The same wherever it is known, so nothing to filter by: {plain(', '.join(said))}.")
    if rest := [name for name in columns if name in opened.further]:
        _draw_further(opened, rest)


def _draw_further(opened: Opened, names: Sequence[str]) -> None:
    """Draw a choice of a study's further columns."""
    key = key_of("explore.also", names[0].partition(".")[0])
    chosen = [name for name in library.also() if name in names]
    st.session_state[key] = chosen

    def take() -> None:
        others = [name for name in library.also() if name in opened.further and name not in names]
        state.put("also", ",".join([*others, *st.session_state[key]][: library.MOST_LINKED]))

    st.multiselect(
        "Other columns of this study",
        names,
        format_func=lambda name: opened.further[name].label,
        key=key,
        on_change=take,
        placeholder=f"choose of {len(names)}",
        help="Each becomes a filter here, an order, and a column of the CSV.",
    )
    absent = [opened.further[name].label for name in chosen if not _can_be_asked(opened, name)]
    if absent:
        st.caption(f"Only in the CSV, because of too many different values: {plain(', '.join(absent))}.")


def _can_be_asked(opened: Opened, name: str) -> bool:
    return name in opened.extents or bool(choices_of(opened.table, name))


def draw_active(opened: Opened, wanted: Filter) -> None:
    """Draw the active filters beyond the main row, each a button that removes it."""
    removers: list[tuple[str, Callable[[Filter], Filter]]] = []
    for column, values in wanted.choices:
        if column not in MAIN:
            said = ", ".join(map(value_name, values))
            removers.append(
                (f"{full_label(opened, column)}: {said}", partial(Filter.choosing, column=column, values=()))
            )
    for column, low, high in wanted.ranges:
        if column not in MAIN:
            removers.append((f"{full_label(opened, column)} {ends(low, high)}", partial(Filter.ranging, column=column)))
    if wanted.tag:
        removers.append((f"tag: {wanted.tag}", lambda now: narrowed(now, tag=None)))
    if wanted.area:
        removers.append(("an area drawn on Patterns", lambda now: narrowed(now, area=None)))
    if wanted.name:
        removers.append((f"name: {wanted.name}", lambda now: narrowed(now, name=None)))
    if wanted.threshold != Filter.threshold:
        removers.append((f"threshold: {wanted.threshold:.0%}", lambda now: narrowed(now, threshold=Filter().threshold)))
    for number, (text, remove) in enumerate(removers):
        st.button(
            plain(text), key=f"explore.remove.{number}", icon=":material/close:", on_click=change, args=(opened, remove)
        )
    st.button(
        "Show all",
        type="tertiary",
        icon=":material/filter_alt_off:",
        on_click=clear,
        args=(opened,),
        key="explore.clear",
    )


def in_words(wanted: Filter) -> str:
    """Say which images are shown, by the main filters and how many others; "" without any."""
    chosen = {column: [value_name(value) for value in wanted.chosen(column)] for column in MAIN}
    said = []
    if len(chosen["label"]) == len(chosen["predicted"]) == 1:
        said.append(f"{chosen['label'][0]} called {chosen['predicted'][0]}")
    else:
        said += chosen["label"] + [f"called {value}" for value in chosen["predicted"]]
    for column in ("correct", "category", "source"):
        values = chosen[column]
        said += values if len(values) <= FEW else [*values[: FEW - 1], f"{len(values) - FEW + 1} more"]
    others = sum(column not in MAIN for column, *_ in (*wanted.choices, *wanted.ranges))
    others += sum(map(bool, (wanted.tag, wanted.name, wanted.area)))
    if others:
        said.append(f"{others} more filter{'s' if others > 1 else ''}")
    return ", ".join(said)


def is_filtered(wanted: Filter) -> bool:
    """Check whether a filter may leave out rows or, by its threshold, change predictions."""
    asked = wanted.choices or wanted.ranges or wanted.tag or wanted.name or wanted.area
    return bool(asked) or wanted.threshold != Filter.threshold


def clear(opened: Opened) -> None:
    """Remove all filters, keeping the order."""
    change(opened, lambda now: Filter(sort=now.sort, per_page=now.per_page))
