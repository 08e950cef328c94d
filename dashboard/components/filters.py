"""The filters of the page Mistakes, in people's words: each widget shows and sets what the URL says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.console import one_direction
from core.images.labels import CLASSES
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.filter import DECIDED, OUTCOMES, SORTS, Filter, choices_of, sort_columns
from core.runs.rows import Extent, cells, count_choices
from dashboard import library, state
from dashboard.components.charts import clicked, confusion_matrix
from dashboard.components.component import key_of
from dashboard.components.words import plain
from dashboard.library import Opened

# values up to which a choice is a row of pills
MOST_PILLS = 12
# filters that the page shows itself, so that they need no button that removes them
SEEN = (*DECIDED, "category", "versus.predicted")
NAMES = {"correct": "Right or wrong", "p_real": "p(REAL)", "predicted": "Prediction", "in_train": "Leaks",
         "is_repeat": "Repeats"}  # fmt: skip
HELP = {
    "source": "The generator or camera that an image comes from, by the set's folders or its table.",
    "seen": "Whether the detector was trained on images of this generator.",
    "in_train": "Leaks: images whose very file was also in the detector's training set.",
    "is_repeat": "Repeats: copies of a file that comes earlier in this set.",
    "margin": "logit REAL less logit FAKE: above 0 the verdict is REAL, and the further from 0 the surer.",
    **STATISTICS,
    **FILE_FACTS,
}


def wanted_rows(opened: Opened) -> Filter:
    """Read the filter from the URL."""
    return Filter.from_params(st.query_params.to_dict(), opened.table)


def narrowed(now: Filter, **changes: Any) -> Filter:
    """Return the filter with other fields, on its first page unless they name another."""
    return replace(now, **{"page": 1, **changes})


def change(opened: Opened, make: Callable[..., Filter], **keys: str) -> None:
    """Put a changed filter into the URL; the image that was open gives way to the first one.

    Args:
        opened: the run.
        make: returns the changed filter.
        keys: of the widgets whose values it takes, by its arguments.
    """
    before = wanted_rows(opened)
    values = {name: st.session_state[key] for name, key in keys.items()}
    state.put_all(dict.fromkeys([*before.to_params(), "id"]) | make(before, **values).to_params())


def bound(opened: Opened, key: str, value: Any, name: str, make: Callable[..., Filter] = narrowed) -> dict[str, Any]:
    """Return the options of a widget that shows a value of the filter, and sets the argument `name` of `make`."""
    st.session_state[key] = value
    return {"key": key, "on_change": change, "args": (opened, make), "kwargs": {name: key}}


def unfiltered(now: Filter) -> Filter:
    """Return the filter that finds all images, in the same order."""
    return Filter(sort=now.sort, per_page=now.per_page)


def is_filtered(wanted: Filter) -> bool:
    """Check whether a filter may leave out rows or, by its threshold, change predictions."""
    return replace(wanted, page=1) != unfiltered(wanted)


def filter_key(column: str) -> str:
    """Return the key of a column's filter."""
    # columns of studies, which have a dot in their names, may be called anything
    return key_of("filter.column", column) if "." in column else f"filter.{column}"


def draw_matrix(opened: Opened, wanted: Filter) -> None:
    """Draw the confusion matrix under all other filters; a click on a cell filters those images, or shows all again."""
    key = "filter.matrix"
    switch = partial(change, opened, _switched, sent=key)
    confusion_matrix(
        cells(opened.table, wanted, tagged=library.tagged(wanted)), key=key, pressed=admitted(wanted), on_open=switch
    )


def _switched(now: Filter, sent: Any) -> Filter:
    """Return the filter of the cell that was clicked, as a browser sent it; of all where it was chosen alone."""
    cell = clicked(sent.open)
    if cell is None:
        return now
    labels, verdicts = ([], []) if admitted(now) == {cell} else ([cell[0]], [cell[1]])
    return now.choosing("label", labels).choosing("predicted", verdicts).choosing("correct", [])


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


def draw_filters(opened: Opened, wanted: Filter) -> None:
    """Draw all filters but the matrix and the category: verdicts, file, image statistics, and each study in a tab."""
    studies: dict[str, list[str]] = {}
    for column, described in opened.studied.items():
        studies.setdefault(described.study, []).append(column)
    main, statistics, *tabs = st.tabs(["Verdict and file", "Image", *map(plain, studies)], key="filter.groups")
    with main:
        for column in (*DECIDED, "in_train", "is_repeat", "source", "seen", "format", "metadata"):
            draw_choice(opened, wanted, column)
        _draw_range(opened, wanted, "confidence", (0.5, 1.0, 0.01, "percent"))
        st.text_input("File name contains", max_chars=100, **bound(opened, "filter.name", wanted.name or "", "name"))
        names = library.tags().names()
        if names:
            # all visitors share them
            st.selectbox(
                "Tag",
                names,
                format_func=one_direction,
                index=None,
                placeholder="any",
                **bound(opened, "filter.tag", wanted.tag, "tag"),
            )
    with statistics:
        _draw_ranges(opened, wanted, [name for name in opened.extents if name not in ("confidence", *opened.studied)])
    for tab, columns in zip(tabs, studies.values(), strict=True):
        with tab:
            st.caption(plain(opened.studied[columns[0]].question))
            for column in columns:
                draw_choice(opened, wanted, column)
            _draw_ranges(opened, wanted, [name for name in columns if name in opened.extents])


def draw_active(opened: Opened, wanted: Filter) -> None:
    """Draw the active filters that are not in sight, each a button that removes it."""
    removers: dict[str, Callable[[Filter], Filter]] = {}
    for column, values in wanted.choices:
        if column not in SEEN:
            words = f"{full_label(opened, column)}: {', '.join(map(value_name, values))}"
            removers[words] = partial(Filter.choosing, column=column, values=())
    for column, low, high in wanted.ranges:
        words = f"{full_label(opened, column)} {range_words(low, high)}"
        removers[words] = partial(Filter.ranging, column=column)
    texts = {
        "tag": wanted.tag,
        "name": wanted.name,
        "area": wanted.area and "drawn on the map",
        "threshold": wanted.threshold != Filter.threshold and f"{wanted.threshold:.0%}",
    }
    for name, text in texts.items():
        if text:
            default: dict[str, Any] = {name: getattr(Filter, name)}
            removers[f"{name}: {text}"] = partial(narrowed, **default)
    with st.container(horizontal=True, gap="small"):
        for number, (words, remove) in enumerate(removers.items()):
            key = f"filter.remove.{number}"
            st.button(plain(words), key=key, icon=":material/close:", on_click=change, args=(opened, remove))


def draw_choice(opened: Opened, wanted: Filter, column: str, *, counted: bool = True) -> None:
    """Draw a choice of some of a few values, or any, where images differ in them or the URL asks for one.

    Args:
        opened: the run.
        wanted: the filter.
        column: filtered by its values; nothing is drawn for another one.
        counted: whether each value is followed by its number of images, and the choice has a label.
    """
    options = choices_of(opened.table, column)
    chosen = list(wanted.chosen(column))
    if not options or not (chosen or column in DECIDED or differs(opened, column)):
        return
    counts = count_choices(opened.table, wanted, column, tagged=library.tagged(wanted)) if counted else {}
    label = short_label(opened, column)
    is_row = len(options) <= MOST_PILLS

    def name(option: str) -> str:
        text = value_name(option)
        if counted:
            text += f" {counts.get(option, 0):,}"
        # options of a list are not Markdown
        return plain(text) if is_row else text

    choose = partial(Filter.choosing, column=column)
    shared = bound(opened, filter_key(column), chosen, "values", choose)
    shared["help"] = help_of(opened, column)
    if is_row:
        shared |= {"selection_mode": "multi", "wrap": True, "label_visibility": "visible" if counted else "collapsed"}
        st.pills(plain(label), options, format_func=name, **shared)
    else:
        st.multiselect(plain(label), options, format_func=name, placeholder=f"any {label.lower()}", **shared)


def _draw_ranges(opened: Opened, wanted: Filter, columns: Sequence[str]) -> None:
    """Draw sliders side by side; none for a column with a single value."""
    spread = [name for name in columns if differs(opened, name)]
    if spread:
        with st.grid(2, min_column_width=180, gap="small"):
            for column in spread:
                _draw_range(opened, wanted, column, _steps(opened.extents[column]))


def _draw_range(opened: Opened, wanted: Filter, column: str, scale: tuple[float, float, float, str]) -> None:
    """Draw a slider with two ends, on a scale as of `_steps`; an end at its stop filters nothing."""
    low, high, step, shown = scale

    def narrow(now: Filter, ends: tuple[float, float]) -> Filter:
        first, last = ends
        return now.ranging(column, first if first > low else -np.inf, last if last < high else np.inf)

    ends = tuple(np.clip(wanted.within(column), low, high).tolist())
    options = bound(opened, filter_key(column), ends, "ends", narrow)
    label = plain(short_label(opened, column))
    help = help_of(opened, column)
    st.slider(label, low, high, step=step, help=help, format=shown, **options)


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
    low = float(np.floor(extent.low / step)) * step
    high = float(np.ceil(extent.high / step)) * step
    return low, high, step, f"%.{max(0, 2 - int(np.floor(np.log10(span))))}f"


def short_label(opened: Opened, column: str) -> str:
    """Return the label above a filter."""
    if column in opened.studied:
        return opened.studied[column].label
    return NAMES.get(column, column.replace("_", " ").capitalize())


def full_label(opened: Opened, column: str) -> str:
    """Return a column's name with its study, for places that do not name the study otherwise."""
    study = f"{opened.studied[column].study}: " if column in opened.studied else ""
    return study + short_label(opened, column)


def value_name(value: str) -> str:
    """Write a value for people: "grace hopper" for "grace_hopper"."""
    return one_direction(value.replace("_", " "))


def range_words(low: float, high: float) -> str:
    """Write a range in words."""
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:.4g} to {high:.4g}"
    return f"from {low:.4g}" if np.isfinite(low) else f"up to {high:.4g}"


def help_of(opened: Opened, column: str) -> str | None:
    """Return a column's description as Markdown."""
    return (plain(opened.studied[column].help) or None) if column in opened.studied else HELP.get(column)


def differs(opened: Opened, column: str) -> bool:
    """Check whether images differ in a column."""
    if column in opened.extents:
        return opened.extents[column].low < opened.extents[column].high
    return column in opened.table and opened.table[column].nunique() > 1


def sort_names(opened: Opened, chosen: str) -> dict[str, str]:
    """Name every order; columns in which all images agree are left out unless `chosen`."""
    names = dict(SORTS)
    for column in sort_columns(opened.table):
        if differs(opened, column) or chosen.removeprefix("-") == column:
            name = full_label(opened, column)
            first, last = ("low first", "high first") if column in opened.extents else ("A to Z", "Z to A")
            names |= {column: f"{name}, {first}", f"-{column}": f"{name}, {last}"}
    return names
