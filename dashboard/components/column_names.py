"""The names of a run's columns, of their values and of their orders, as people read them."""

import numpy as np

from core.console import one_direction
from core.images.statistics import STATISTICS
from core.runs.filter import SORTS, sort_columns
from dashboard.components.plain import plain
from dashboard.library import Opened

NAMES = {"correct": "Right or wrong", "p_real": "p(REAL)", "predicted": "Prediction", "in_train": "Leaks",
         "is_repeat": "Repeats"}  # fmt: skip
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
    if low == high:
        return f"is {low:.4g}"
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
