"""What columns, their values and their ranges are called where one filters or orders by them."""

import numpy as np

from core.images.statistics import STATISTICS
from core.runs.filter import SORTS, choices_of, sort_columns
from dashboard.components.plain import plain
from dashboard.services.library import Opened

NAMES = {
    "label": "Is",
    "predicted": "Called",
    "correct": "Verdict",
    "p_real": "p(REAL)",
    "in_train": "Leaks",
    "is_repeat": "Repeats",
}
# what a study says of these is too long for a label
STUDY_NAMES = {
    "agreement.rank": "LIME and Grad-CAM agree, rank correlation",
    "agreement.rank_share": "Other images' maps that fit LIME as well",
    "stability.lime_noise": "LIME with itself under faint noise, rank correlation",
}
HELP = {
    "in_train": "Leaks: images whose very file was also in the detector's training set.",
    "is_repeat": "Repeats: copies of a file that comes earlier in this set.",
    "margin": "logit REAL less logit FAKE: above 0 the verdict is REAL, and the further from 0 the surer.",
    **STATISTICS,
}


def short_label(opened: Opened, column: str) -> str:
    """What stands over a filter."""
    if column in opened.studied:
        return STUDY_NAMES.get(column, opened.studied[column].label)
    return NAMES.get(column, column.replace("_", " ").capitalize())


def full_label(opened: Opened, column: str) -> str:
    """What a column is called where nothing around it says which study it is of."""
    label = short_label(opened, column)
    if column not in opened.studied:
        return label
    # FAKE and LIME stay what they are
    small = label if label[:2].isupper() else label[:1].lower() + label[1:]
    return f"{opened.studied[column].study}: {small}"


def value_name(value: str) -> str:
    """A value for people: "grace hopper" for "grace_hopper"."""
    return value.replace("_", " ")


def ends(low: float, high: float) -> str:
    """A range in words."""
    if low == high:
        return f"is {low:.4g}"
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:.4g} to {high:.4g}"
    return f"from {low:.4g}" if np.isfinite(low) else f"up to {high:.4g}"


def help_of(opened: Opened, column: str) -> str | None:
    """What a column is, as Markdown."""
    return (plain(opened.studied[column].help) or None) if column in opened.studied else HELP.get(column)


def only_value(opened: Opened, column: str) -> str | None:
    """The value that all images share, as text; None where a filter could tell some of them from others."""
    values = opened.table[column]
    if column in opened.extents:
        extent = opened.extents[column]
        return None if extent.low < extent.high else f"{extent.low:.4g}"
    choices = choices_of(opened.table, column)
    if values.dtype == bool:
        return None if values.any() and not values.all() else choices[0 if values.all() else 1]
    return None if len(choices) > 1 else value_name(choices[0]) if choices else ""


def sort_names(opened: Opened, asked: str) -> dict[str, str]:
    """Every order and how it reads, without those by what all images share unless it is the one `asked` for."""
    names = dict(SORTS)
    for column in sort_columns(opened.table):
        if only_value(opened, column) is not None and asked.removeprefix("-") != column:
            continue
        name = full_label(opened, column)
        name = name if column in opened.studied else name.lower()
        first, last = ("low first", "high first") if column in opened.extents else ("A to Z", "Z to A")
        names[column], names[f"-{column}"] = f"{name}, {first}", f"{name}, {last}"
    return names
