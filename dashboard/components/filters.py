"""The filters of the page Mistakes: each widget shows and sets what the URL says, and the confusion matrix is one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.console import one_direction
from core.images.labels import CLASSES
from core.runs.filter import DECIDED, OUTCOMES, Filter, choices_of
from core.runs.rows import Extent
from dashboard import library, state
from dashboard.components.column_names import full_label, help_of, only_value, range_words, short_label, value_name
from dashboard.components.component import key_of
from dashboard.components.matrix import clicked, confusion_matrix
from dashboard.components.plain import plain
from dashboard.library import Opened

TEXTS = {"yes": "Only", "no": "Without", "FAKE": ":orange[FAKE]", "REAL": ":blue[REAL]"}
# values up to which a choice is a row of pills
MOST_PILLS = 12
# filters that the page shows itself, so that they need no button that removes them
SEEN = (*DECIDED, "category")


def wanted_rows(opened: Opened) -> Filter:
    """Read the filter from the URL."""
    return Filter.from_params(st.query_params.to_dict(), opened.table)


def change(opened: Opened, make: Callable[[Filter], Filter]) -> None:
    """Put a changed filter into the URL; the image that was open gives way to the first one."""
    before = wanted_rows(opened)
    state.put_all(dict.fromkeys([*before.to_params(), "id"]) | make(before).to_params())


def narrowed(now: Filter, **changes: Any) -> Filter:
    """Return the filter with other fields, on its first page."""
    return replace(now, page=1, **changes)


def is_filtered(wanted: Filter) -> bool:
    """Check whether a filter may leave out rows or, by its threshold, change predictions."""
    asked = wanted.choices or wanted.ranges or wanted.tag or wanted.name or wanted.area
    return bool(asked) or wanted.threshold != Filter.threshold


def filter_key(column: str) -> str:
    """Return the key of a column's filter."""
    # columns of studies, which have a dot in their names, may be called anything
    return key_of("filter.column", column) if "." in column else f"filter.{column}"


def draw_matrix(opened: Opened, wanted: Filter) -> None:
    """Draw the confusion matrix under all other filters; a click on a cell filters those images, or shows all again."""
    pressed = admitted(wanted)

    def switch() -> None:
        cell = clicked(st.session_state["filter.matrix"].open)
        if cell is not None:
            chosen = ([], []) if pressed == {cell} else ([cell[0]], [cell[1]])
            change(
                opened,
                lambda now: now.choosing("label", chosen[0]).choosing("predicted", chosen[1]).choosing("correct", []),
            )

    confusion_matrix(library.counts(opened, wanted), key="filter.matrix", pressed=pressed, small=True, on_open=switch)


def admitted(wanted: Filter) -> set[tuple[str, str]] | None:
    """Return the (true, called) cells that a filter admits; None where it names no label, prediction or outcome."""
    labels, verdicts, outcomes = (wanted.chosen(column) for column in DECIDED)
    if not (labels or verdicts or outcomes):
        return None
    return {
        (label, verdict)
        for label in labels or CLASSES
        for verdict in verdicts or CLASSES
        if not outcomes or OUTCOMES[label != verdict] in outcomes
    }


def draw_categories(opened: Opened, wanted: Filter) -> None:
    """Draw a choice among the categories, without their counts."""
    options = choices_of(opened.table, "category")
    if options and _is_useful(opened, wanted, "category"):
        _choose(opened, wanted, "category", "Category", counted=False)


def draw_filters(opened: Opened, wanted: Filter) -> None:
    """Draw all filters but the matrix and the category: verdicts, file, image statistics, and each study in a tab."""
    studies: dict[str, list[str]] = {}
    for column, described in (opened.studied | opened.further).items():
        studies.setdefault(described.study, []).append(column)
    main, statistics, *tabs = st.tabs(["Verdict and file", "Image", *map(plain, studies)], key="filter.groups")
    with main:
        for column in (*DECIDED, "in_train", "is_repeat"):
            if column in DECIDED or _is_useful(opened, wanted, column):
                _choose_either(opened, wanted, column)
        if choices_of(opened.table, "source") and _is_useful(opened, wanted, "source"):
            _choose(opened, wanted, "source", "Source")
        _draw_range(opened, wanted, "confidence", low=0.5, high=1.0, step=0.01, format="percent")
        _draw_name(opened, wanted)
        if names := library.tags().names():
            _draw_tag(opened, wanted, names)
    with statistics:
        _draw_ranges(opened, wanted, [name for name in opened.extents if name not in ("confidence", *opened.studied)])
    for tab, columns in zip(tabs, studies.values(), strict=True):
        with tab:
            _draw_study(opened, wanted, columns)


def draw_active(opened: Opened, wanted: Filter) -> None:
    """Draw the active filters that are not in sight, each a button that removes it."""
    removers: list[tuple[str, Callable[[Filter], Filter]]] = []
    for column, values in wanted.choices:
        if column not in SEEN:
            words = f"{full_label(opened, column)}: {', '.join(map(value_name, values))}"
            removers.append((words, partial(Filter.choosing, column=column, values=())))
    for column, low, high in wanted.ranges:
        words = f"{full_label(opened, column)} {range_words(low, high)}"
        removers.append((words, partial(Filter.ranging, column=column)))
    texts: dict[str, Any] = {"tag": wanted.tag, "name": wanted.name, "area": wanted.area and "drawn on the map"}
    for name, text in texts.items():
        if text:
            removers.append((f"{name}: {text}", lambda now, name=name: narrowed(now, **{name: None})))  # type: ignore[misc]
    if wanted.threshold != Filter.threshold:
        removers.append((f"threshold: {wanted.threshold:.0%}", partial(narrowed, threshold=Filter.threshold)))
    with st.container(horizontal=True, gap="small"):
        for number, (text, remove) in enumerate(removers):
            st.button(
                plain(text),
                key=f"filter.remove.{number}",
                icon=":material/close:",
                on_click=change,
                args=(opened, remove),
            )


def clear(opened: Opened) -> None:
    """Remove all filters; the order stays."""
    change(opened, lambda now: Filter(sort=now.sort, per_page=now.per_page))


def _is_useful(opened: Opened, wanted: Filter, column: str) -> bool:
    """Check that filtering by a column can change anything: images differ in it, or the URL asks for it."""
    return only_value(opened, column) is None or bool(wanted.chosen(column))


def _choose_either(opened: Opened, wanted: Filter, column: str) -> None:
    """Draw a choice of one of two values, or either."""
    options, chosen, key = choices_of(opened.table, column), wanted.chosen(column), filter_key(column)
    counts = library.choice_counts(opened, wanted, column)
    st.session_state[key] = chosen[0] if len(chosen) == 1 else None

    def take() -> None:
        value = st.session_state[key]
        change(opened, lambda now: now.choosing(column, [value] if value else []))

    st.segmented_control(
        plain(short_label(opened, column)),
        options,
        key=key,
        on_change=take,
        help=help_of(opened, column),
        format_func=lambda option: f"{TEXTS.get(option) or plain(option)} {counts.get(option, 0):,}",
    )


def _choose(opened: Opened, wanted: Filter, column: str, label: str, *, counted: bool = True) -> None:
    """Draw a choice of some of a few values, or any."""
    options, key = choices_of(opened.table, column), filter_key(column)
    counts = library.choice_counts(opened, wanted, column) if counted else {}
    st.session_state[key] = list(wanted.chosen(column))

    def take() -> None:
        change(opened, lambda now: now.choosing(column, st.session_state[key]))

    def name(option: str) -> str:
        return f"{value_name(option)} {counts.get(option, 0):,}" if counted else value_name(option)

    shared: dict[str, Any] = {"key": key, "on_change": take, "help": help_of(opened, column)}
    if len(options) <= MOST_PILLS:
        shared |= {"selection_mode": "multi", "wrap": True, "label_visibility": "visible" if counted else "collapsed"}
        st.pills(plain(label), options, format_func=lambda option: plain(name(option)), **shared)
    else:
        # options of a list are not Markdown
        st.multiselect(plain(label), options, format_func=name, placeholder=f"any {label.lower()}", **shared)


def _draw_ranges(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Draw sliders side by side; none for a column with a single value."""
    spread = {name: extent for name in columns if (extent := opened.extents[name]).low < extent.high}
    if not spread:
        return
    with st.grid(2, min_column_width=180, gap="small"):
        for column, extent in spread.items():
            low, high, step, shown = _steps(extent)
            _draw_range(opened, wanted, column, low=low, high=high, step=step, format=shown)


def _draw_range(
    opened: Opened, wanted: Filter, column: str, *, low: float, high: float, step: float, format: str
) -> None:
    """Draw a slider with two ends; an end at its stop filters nothing."""
    key = filter_key(column)
    within = wanted.within(column)
    st.session_state[key] = min(max(within[0], low), high), max(min(within[1], high), low)

    def take() -> None:
        first, last = st.session_state[key]
        ends = first if first > low else -np.inf, last if last < high else np.inf
        change(opened, lambda now: now.ranging(column, *ends))

    label, help = plain(short_label(opened, column)), help_of(opened, column)
    st.slider(label, low, high, step=step, key=key, on_change=take, help=help, format=format)


def _steps(extent: Extent) -> tuple[float, float, float, str]:
    """Choose a slider's ends, step and number format.

    The browser counts in steps from the lower end. Steps that are powers of two, with ends that are their multiples,
    are exact; otherwise the slider would stop one step short of the upper end, which would be a filter.
    """
    span = extent.high - extent.low
    if extent.whole:
        step = max(1.0, float(np.ceil(span / 1000)))
        return extent.low, extent.low + float(np.ceil(span / step)) * step, step, "%d"
    step = float(2.0 ** np.floor(np.log2(span / 200)))
    low, high = float(np.floor(extent.low / step)) * step, float(np.ceil(extent.high / step)) * step
    return low, high, step, f"%.{max(0, 2 - int(np.floor(np.log10(span))))}f"


def _draw_name(opened: Opened, wanted: Filter) -> None:
    """Draw the field for a part of a file's name."""
    st.session_state["filter.name"] = wanted.name or ""

    def take() -> None:
        change(opened, lambda now: narrowed(now, name=st.session_state["filter.name"].strip() or None))

    st.text_input("File name contains", key="filter.name", on_change=take, max_chars=100)


def _draw_tag(opened: Opened, wanted: Filter, names: list[str]) -> None:
    """Draw a choice of one of the tags, which all visitors share."""
    st.session_state["filter.tag"] = wanted.tag

    def take() -> None:
        change(opened, lambda now: narrowed(now, tag=st.session_state["filter.tag"]))

    counts = library.tag_counts(opened, wanted, names)
    st.selectbox(
        "Tag",
        names,
        format_func=lambda name: f"{one_direction(name)} {counts.get(name, 0):,}",
        key="filter.tag",
        index=None,
        on_change=take,
        placeholder="any",
    )


def _draw_study(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Draw the filters of one study: its main columns, those that the URL names, and a choice of the rest."""
    shown = [name for name in columns if name in opened.table.columns]
    first = (opened.studied | opened.further)[columns[0]]
    measured = max((int(opened.table[name].notna().sum()) for name in shown), default=len(opened.table))
    some = f" Measured on {measured:,} of these images; a filter leaves the others out."
    st.caption(plain(first.question) + (some if measured < len(opened.table) else ""))
    for column in shown:
        if choices_of(opened.table, column) and _is_useful(opened, wanted, column):
            _choose(opened, wanted, column, short_label(opened, column))
    _draw_ranges(opened, wanted, [name for name in shown if name in opened.extents])
    if further := [name for name in columns if name in opened.further]:
        _draw_further(opened, further)


def _draw_further(opened: Opened, names: Sequence[str]) -> None:
    """Draw a choice of a study's further columns."""
    key = key_of("filter.also", names[0].partition(".")[0])
    st.session_state[key] = [name for name in library.also() if name in names]

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
