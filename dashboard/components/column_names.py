"""The names of a run's columns, of their values and of their orders, as people read them."""

import numpy as np
import pandas as pd

from core.console import one_direction
from core.explainers.cam import KEPT as STORED_MAP
from core.images.statistics import STATISTICS
from core.runs.filter import SORTS, choices_of, sort_columns
from core.studies.agreement import column_of, compared
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
    names = {}
    for name, method in compared().items():
        names[f"agreement.{column_of(name, 'rank')}"] = f"{method.title} and {STORED_MAP.title} agree, rank correlation"
        names[f"agreement.{column_of(name, 'rank_share')}"] = f"Other images' maps that fit {method.title} as well"
        names[f"stability.{name}_noise"] = f"{method.title} with itself under faint noise, rank correlation"
    return names


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
