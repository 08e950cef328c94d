"""The widgets of a filter, and the names of columns, values and ranges; each shows and sets what the URL says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.console import one_direction
from core.explainers.cam import KEPT as STORED_MAP
from core.images.statistics import STATISTICS
from core.runs.filter import SORTS, Filter, choices_of, sort_columns
from core.runs.rows import Extent
from core.studies.agreement import column_of, compared
from dashboard import library, state
from dashboard.components.component import key_of
from dashboard.components.plain import plain
from dashboard.library import Opened

NAMES = {
    "label": "Label",
    "predicted": "Prediction",
    "correct": "Right or wrong",
    "p_real": "p(REAL)",
    "in_train": "Leaks",
    "is_repeat": "Repeats",
}
HELP = {
    "source": "The generator or camera that an image comes from, by the set's folders or its table.",
    "in_train": "Leaks: images whose very file was also in the detector's training set.",
    "is_repeat": "Repeats: copies of a file that comes earlier in this set.",
    "margin": "logit REAL less logit FAKE: above 0 the verdict is REAL, and the further from 0 the surer.",
    **STATISTICS,
}


def short_label(opened: Opened, column: str) -> str:
    """Return the label above a filter."""
    if column in opened.studied:
        short = study_names() if column.startswith(("agreement.", "stability.")) else {}
        return short.get(column, opened.studied[column].label)
    return NAMES.get(column, column.replace("_", " ").capitalize())


def study_names() -> dict[str, str]:
    """Return shorter labels than the studies' own, by `<study>.<column>`."""
    found = {}
    for name, one in compared().items():
        found[f"agreement.{column_of(name, 'rank')}"] = f"{one.title} and {STORED_MAP.title} agree, rank correlation"
        found[f"agreement.{column_of(name, 'rank_share')}"] = f"Other images' maps that fit {one.title} as well"
        found[f"stability.{name}_noise"] = f"{one.title} with itself under faint noise, rank correlation"
    return found


def full_label(opened: Opened, column: str) -> str:
    """Return a column's name with its study, for places that do not name the study otherwise."""
    label = short_label(opened, column)
    if column not in opened.studied:
        return label
    # acronyms keep their capitals
    small = label if label[:2].isupper() else label[:1].lower() + label[1:]
    return f"{opened.studied[column].study}: {small}"


def value_name(value: str) -> str:
    """Write a value for people: "grace hopper" for "grace_hopper"."""
    return one_direction(value.replace("_", " "))


def ends(low: float, high: float) -> str:
    """Write a range in words."""
    if low == high:
        return f"is {low:.4g}"
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:.4g} to {high:.4g}"
    return f"from {low:.4g}" if np.isfinite(low) else f"up to {high:.4g}"


def help_of(opened: Opened, column: str) -> str | None:
    """Return a column's description as Markdown."""
    return (plain(opened.studied[column].help) or None) if column in opened.studied else HELP.get(column)


def only_value(opened: Opened, column: str) -> str | None:
    """Return the value that all images share, as text; None where images differ."""
    values = opened.table[column]
    if column in opened.extents:
        extent = opened.extents[column]
        # nothing is known of any image
        if np.isnan(extent.low):
            return ""
        return None if extent.low < extent.high else f"{extent.low:.4g}"
    choices = choices_of(opened.table, column)
    if column in opened.studied and isinstance(values.dtype, pd.CategoricalDtype):
        # of yes and no, only one may occur
        choices = [str(value) for value in values.cat.categories[np.unique(values.cat.codes[values.cat.codes >= 0])]]
    if values.dtype == bool:
        return None if values.any() and not values.all() else choices[0 if values.all() else 1]
    return None if len(choices) > 1 else value_name(choices[0]) if choices else ""


def sort_names(opened: Opened, asked: str) -> dict[str, str]:
    """Name every order; columns in which all images agree are left out unless `asked` for."""
    names = dict(SORTS)
    for column in sort_columns(opened.table):
        if only_value(opened, column) is not None and asked.removeprefix("-") != column:
            continue
        name = full_label(opened, column)
        name = name if column in opened.studied else name.lower()
        first, last = ("low first", "high first") if column in opened.extents else ("A to Z", "Z to A")
        names[column], names[f"-{column}"] = f"{name}, {first}", f"{name}, {last}"
    return names


# URL parameters that stay when the filter changes
KEPT = ("run", *state.CARRIED)
TEXTS = {"yes": "Only", "no": "Without", "FAKE": ":orange[FAKE]", "REAL": ":blue[REAL]"}
MOST_PILLS = 12


def wanted_rows(opened: Opened) -> Filter:
    """Read the filter from the URL."""
    return Filter.from_params(st.query_params.to_dict(), opened.table)


def change(opened: Opened, make: Callable[[Filter], Filter]) -> None:
    """Put a changed filter into the URL."""
    state.put_filter(make(wanted_rows(opened)), keep=KEPT)


def narrowed(now: Filter, **changes: Any) -> Filter:
    """Return the filter with other fields, on its first page."""
    return replace(now, page=1, **changes)


def useful(opened: Opened, wanted: Filter, column: str) -> bool:
    """Check that filtering by a column can change anything: images differ in it, or the URL asks for it."""
    return only_value(opened, column) is None or bool(wanted.chosen(column))


def filter_key(column: str) -> str:
    """Return the key of a column's filter."""
    # columns of studies, which have a dot in their names, may be called anything
    return key_of("explore.column", column) if "." in column else f"explore.{column}"


def segments(opened: Opened, wanted: Filter, column: str) -> None:
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


def several(opened: Opened, wanted: Filter, column: str, label: str) -> None:
    """Draw a choice of some of a few values, or any."""
    options, key = choices_of(opened.table, column), filter_key(column)
    counts = library.choice_counts(opened, wanted, column)
    st.session_state[key] = list(wanted.chosen(column))

    def take() -> None:
        change(opened, lambda now: now.choosing(column, st.session_state[key]))

    shared: dict[str, Any] = {"key": key, "on_change": take, "help": help_of(opened, column)}
    if len(options) <= MOST_PILLS:
        shared |= {"selection_mode": "multi", "wrap": True}
        st.pills(
            plain(label),
            options,
            format_func=lambda option: f"{plain(value_name(option))} {counts.get(option, 0):,}",
            **shared,
        )
    else:
        # options of a list are not Markdown
        told = lambda option: f"{value_name(option)} {counts.get(option, 0):,}"  # noqa: E731
        st.multiselect(plain(label), options, format_func=told, **shared)


def ranges(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Draw sliders side by side; none for a column with a single value."""
    spread = {name: extent for name in columns if (extent := opened.extents[name]).low < extent.high}
    if not spread:
        return
    # two side by side even in a small window, so that the pictures stay close
    with st.grid(3, min_column_width=180, gap="small"):
        for column, extent in spread.items():
            low, high, step, shown = _grid(extent)
            label = short_label(opened, column)
            one_range(opened, wanted, column, low=low, high=high, step=step, label=label, format=shown)


def one_range(
    opened: Opened, wanted: Filter, column: str, *, low: float, high: float, step: float, label: str, **options: Any
) -> None:
    """Draw a slider with two ends; an end at its stop filters nothing."""
    key = filter_key(column)
    found = wanted.within(column)
    st.session_state[key] = min(max(found[0], low), high), max(min(found[1], high), low)

    def take() -> None:
        first, last = st.session_state[key]
        ends = first if first > low else -np.inf, last if last < high else np.inf
        change(opened, lambda now: now.ranging(column, *ends))

    st.slider(plain(label), low, high, step=step, key=key, on_change=take, help=help_of(opened, column), **options)


def _grid(extent: Extent) -> tuple[float, float, float, str]:
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


def file_name(opened: Opened, wanted: Filter) -> None:
    """Draw the field for a part of a file's name."""
    st.session_state["explore.name"] = wanted.name or ""

    def take() -> None:
        change(opened, lambda now: narrowed(now, name=st.session_state["explore.name"].strip() or None))

    st.text_input("File name contains", key="explore.name", on_change=take, max_chars=100)


def one_tag(opened: Opened, wanted: Filter, names: list[str]) -> None:
    """Draw a choice of one of the tags, which all visitors share."""
    st.session_state["explore.tagged_with"] = wanted.tag

    def take() -> None:
        change(opened, lambda now: narrowed(now, tag=st.session_state["explore.tagged_with"]))

    counts = library.tag_counts(opened, wanted, names)
    st.selectbox(
        "Tag",
        names,
        format_func=lambda name: f"{one_direction(name)} {counts.get(name, 0):,}",
        key="explore.tagged_with",
        index=None,
        on_change=take,
        placeholder="any",
    )
