"""The controls that filter a run: each shows what the URL says and writes to it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core.browse import DECIDED, SORTS, Extent, Filter, choices_of, sort_columns
from core.facts import FACTS
from dashboard import address, library
from dashboard.library import Opened
from dashboard.widgets.matrix import clicked, confusion_matrix

# what stays when the filter changes
KEPT = ("run", "tile", "maps", "pick", "compare", "also")
MAIN = ("label", "predicted", "correct", "category", "confidence")
CLASS_LABELS = {"FAKE": ":orange[FAKE]", "REAL": ":blue[REAL]"}
NAMES = {"label": "Is", "predicted": "Called", "correct": "Verdict", "in_train": "Leaks", "is_repeat": "Repeats"}
HELP = {
    "in_train": "Leaks: images whose very file was also in the detector's training set.",
    "is_repeat": "Repeats: copies of a file that comes earlier in this set.",
    "margin": "logit REAL less logit FAKE: above 0 the verdict is REAL, and the further from 0 the surer.",
    **FACTS,
}


def wanted_rows(opened: Opened) -> Filter:
    """The filter that the URL describes."""
    return Filter.from_params(st.query_params.to_dict(), opened.table)


def change(opened: Opened, make: Callable[[Filter], Filter]) -> None:
    """Put a changed filter into the URL."""
    address.put_filter(make(wanted_rows(opened)), keep=KEPT)


def draw_matrix(opened: Opened, wanted: Filter) -> None:
    """The confusion matrix of everything but class and outcome; a cell filters, or unfilters, those images."""
    truth, said = wanted.chosen("label"), wanted.chosen("predicted")
    pressed = (truth[0], said[0]) if len(truth) == len(said) == 1 else None

    def switch() -> None:
        cell = clicked(st.session_state["explore.matrix"].open)
        if cell is not None:
            chosen = ([], []) if cell == pressed else ([cell[0]], [cell[1]])
            change(
                opened,
                lambda now: now.choosing("label", chosen[0]).choosing("predicted", chosen[1]).choosing("correct", []),
            )

    confusion_matrix(library.counts(opened, wanted), key="explore.matrix", pressed=pressed, small=True, on_open=switch)


def draw_main(opened: Opened, wanted: Filter) -> None:
    """Class, verdict, outcome and category."""
    with st.container(horizontal=True, gap="medium"):
        for column in DECIDED:
            _segments(opened, wanted, column)
    if categories := choices_of(opened.table, "category"):
        _several(opened, wanted, "category", "Category", categories)


def draw_confidence(opened: Opened, wanted: Filter) -> None:
    """How sure the verdict is."""
    _range(opened, wanted, "confidence", low=0.5, high=1.0, step=0.01, label="Confidence", format="percent", width=220)


def draw_more(opened: Opened, wanted: Filter) -> None:
    """Everything else: name, tag, leaks, repeats, facts, and what studies add, a tab each."""
    studies: dict[str, list[str]] = {}
    for column, one in (opened.studied | opened.further).items():
        studies.setdefault(one.study, []).append(column)
    file, facts, *tabs = st.tabs(["The file", "What it looks like", *studies], key="explore.groups")
    with file:
        _draw_file(opened, wanted)
    with facts:
        own = [name for name in opened.extents if name != "confidence" and name not in opened.studied]
        _ranges(opened, wanted, own)
    for tab, columns in zip(tabs, studies.values(), strict=True):
        with tab:
            _draw_study(opened, wanted, columns)


def _draw_file(opened: Opened, wanted: Filter) -> None:
    with st.container(horizontal=True, gap="medium"):
        for column in ("in_train", "is_repeat"):
            _segments(opened, wanted, column)
        _text(opened, wanted)
        names = library.tags().names()
        if names:
            _single(opened, "tag", "Tag", options=names, value=wanted.tag, make=lambda now, tag: _with(now, tag=tag))


def _draw_study(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """What one study adds: what it offers, what the URL asks for beyond that, and a choice of the rest."""
    shown = [name for name in columns if name in opened.table.columns]
    first = (opened.studied | opened.further)[columns[0]]
    known = max((int(opened.table[name].notna().sum()) for name in shown), default=len(opened.table))
    some = f" Asked of {known:,} of these images; a filter leaves the others out." if known < len(opened.table) else ""
    if first.question or some:
        st.caption(first.question + some)
    for column in shown:
        if choices := choices_of(opened.table, column):
            _several(opened, wanted, column, short_label(opened, column), choices)
    _ranges(opened, wanted, [name for name in shown if name in opened.extents])
    if rest := [name for name in columns if name in opened.further]:
        _draw_further(opened, rest)


def _draw_further(opened: Opened, names: Sequence[str]) -> None:
    """A choice of the columns of a study that it does not offer by itself."""
    key = f"explore.also.{names[0].partition('.')[0]}"
    chosen = [name for name in library.also() if name in names]
    st.session_state[key] = chosen

    def take() -> None:
        others = [name for name in library.also() if name in opened.further and name not in names]
        address.put("also", ",".join([*others, *st.session_state[key]][: library.MOST_LINKED]))

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
        st.caption(f"Only in the CSV, for it has too many different values to filter by: {', '.join(absent)}.")


def _can_be_asked(opened: Opened, name: str) -> bool:
    return name in opened.extents or bool(choices_of(opened.table, name))


def draw_active(opened: Opened, wanted: Filter) -> None:
    """What is filtered beyond the main row, each a button that takes it away."""
    removers: list[tuple[str, Callable[[Filter], Filter]]] = []
    for column, values in wanted.choices:
        if column not in MAIN:
            removers.append(
                (f"{full_label(opened, column)}: {', '.join(values)}", lambda now, c=column: now.choosing(c, []))
            )
    for column, low, high in wanted.ranges:
        if column not in MAIN:
            removers.append((f"{full_label(opened, column)} {_ends(low, high)}", lambda now, c=column: now.ranging(c)))
    if wanted.tag:
        removers.append((f"tag: {wanted.tag}", lambda now: _with(now, tag=None)))
    if wanted.area:
        removers.append(("an area drawn on Patterns", lambda now: _with(now, area=None)))
    if wanted.name:
        removers.append((f"name: {wanted.name}", lambda now: _with(now, name=None)))
    if wanted.cut != Filter().cut:
        removers.append((f"REAL from {wanted.cut:.0%} on", lambda now: _with(now, cut=Filter().cut)))
    for number, (text, remove) in enumerate(removers):
        st.button(text, key=f"explore.remove.{number}", icon=":material/close:", on_click=change, args=(opened, remove))


def is_filtered(wanted: Filter) -> bool:
    """Whether any row may be left out, or called otherwise."""
    asked = wanted.choices or wanted.ranges or wanted.tag or wanted.name or wanted.area
    return bool(asked) or wanted.cut != Filter.cut


def clear(opened: Opened) -> None:
    """Show everything, in the same order."""
    change(opened, lambda now: Filter(sort=now.sort, per_page=now.per_page))


def _with(now: Filter, **changes: Any) -> Filter:
    return replace(now, page=1, **changes)


def short_label(opened: Opened, column: str) -> str:
    """What stands over a filter."""
    if column in opened.studied:
        return opened.studied[column].label
    return NAMES.get(column, column.replace("_", " ").capitalize())


def full_label(opened: Opened, column: str) -> str:
    """What a column is called where nothing around it says which study it is of."""
    label = short_label(opened, column)
    if column not in opened.studied:
        return label
    # FAKE and LIME stay what they are
    small = label if label[:2].isupper() else label[:1].lower() + label[1:]
    return f"{opened.studied[column].study}: {small}"


def _ends(low: float, high: float) -> str:
    """A range in words."""
    if low == high:
        return f"is {low:.4g}"
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:.4g} to {high:.4g}"
    return f"from {low:.4g}" if np.isfinite(low) else f"up to {high:.4g}"


def _help(opened: Opened, column: str) -> str | None:
    """What a column is."""
    return (opened.studied[column].help or None) if column in opened.studied else HELP.get(column)


def _ranges(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Sliders beside each other; none for a column that has one value only."""
    spread = {name: extent for name in columns if (extent := opened.extents[name]).low < extent.high}
    if not spread:
        return
    with st.grid(3, min_column_width=220, gap="medium"):
        for column, extent in spread.items():
            step, shown = _step(extent)
            label = short_label(opened, column)
            _range(opened, wanted, column, low=extent.low, high=extent.high, step=step, label=label, format=shown)


def _step(extent: Extent) -> tuple[float, str]:
    """How far a slider moves at a time, and how its values are written."""
    if extent.whole:
        return max(1.0, float(np.ceil((extent.high - extent.low) / 1000))), "%d"
    span = extent.high - extent.low
    return span / 200, f"%.{max(0, 2 - int(np.floor(np.log10(span))))}f"


def _segments(opened: Opened, wanted: Filter, column: str) -> None:
    options = choices_of(opened.table, column)
    chosen = wanted.chosen(column)
    _single(
        opened,
        column,
        short_label(opened, column),
        options=options,
        value=chosen[0] if len(chosen) == 1 else None,
        make=lambda now, value: now.choosing(column, [value] if value else []),
        segments=True,
    )


def _single(
    opened: Opened,
    name: str,
    label: str,
    *,
    options: list[str],
    value: str | None,
    make: Callable[[Filter, Any], Filter],
    segments: bool = False,
) -> None:
    key = f"explore.{name}"
    st.session_state[key] = value

    def take() -> None:
        change(opened, lambda now: make(now, st.session_state[key]))

    texts = {"yes": "Only", "no": "Without"} | CLASS_LABELS
    if segments:
        st.segmented_control(
            label,
            options,
            key=key,
            on_change=take,
            help=_help(opened, name),
            format_func=lambda option: texts.get(option, option),
        )
    else:
        st.selectbox(label, options, key=key, index=None, on_change=take, help=_help(opened, name), placeholder="any")


def _several(opened: Opened, wanted: Filter, column: str, label: str, options: list[str]) -> None:
    key = f"explore.{column}"
    st.session_state[key] = list(wanted.chosen(column))

    def take() -> None:
        change(opened, lambda now: now.choosing(column, st.session_state[key]))

    if len(options) <= 12:
        st.pills(label, options, selection_mode="multi", key=key, on_change=take, wrap=True, help=_help(opened, column))
    else:
        st.multiselect(label, options, key=key, on_change=take, help=_help(opened, column))


def _range(
    opened: Opened, wanted: Filter, column: str, *, low: float, high: float, step: float, label: str, **options: Any
) -> None:
    key = f"explore.{column}"
    found = wanted.within(column)
    ends = min(max(found[0], low), high), max(min(found[1], high), low)
    st.session_state[key] = ends

    def take() -> None:
        # an end that stands at its stop asks for nothing
        first, last = st.session_state[key]
        change(
            opened,
            lambda now: now.ranging(column, first if first > low else -np.inf, last if last < high else np.inf),
        )

    st.slider(label, low, high, step=step, key=key, on_change=take, help=_help(opened, column), **options)


def _text(opened: Opened, wanted: Filter) -> None:
    st.session_state["explore.name"] = wanted.name or ""

    def take() -> None:
        change(opened, lambda now: _with(now, name=st.session_state["explore.name"].strip() or None))

    st.text_input("File name contains", key="explore.name", on_change=take, max_chars=100)


def sort_names(opened: Opened) -> dict[str, str]:
    """Every order and how it reads."""
    names = dict(SORTS)
    for column in sort_columns(opened.table):
        if column != "confidence":
            name = full_label(opened, column)
            name = name if column in opened.studied else name.lower()
            ends = ("low first", "high first") if column in opened.extents else ("A to Z", "Z to A")
            names[column], names[f"-{column}"] = (f"{name}, {end}" for end in ends)
    return names
