"""Shortcuts: what of the original files alone, without their pictures, tells the classes apart."""

import pandas as pd

from core.images.labels import CLASSES

HEADLINE = "A detector could be right by the files alone, without their pictures."
# share of the files, the mean of both classes, above which a shortcut is an alarm
TELLING = 0.8


def find_shortcuts(rows: pd.DataFrame) -> pd.DataFrame:
    """Find the properties of files by which the classes can be told apart.

    A rule, the commonest class of each value, is learned on every other image and measured on the rest.

    Args:
        rows: of a run, or of an image set with the names of its classes; columns of
            `core.images.statistics.FILE_FACTS` that it lacks are left out.

    Returns:
        A row a property, the most telling first: `Property`, `FAKE` and `REAL` (the commonest value of each and its
        share), and `Right by it alone`, 0.8 to 1.
    """
    columns = ["Property", *CLASSES, "Right by it alone"]
    if rows["label"].nunique() < len(CLASSES):
        return pd.DataFrame(columns=columns)
    rows = rows.reset_index(drop=True)
    values = {name: rows[name].astype(str) for name in ("format", "metadata") if name in rows}
    if {"width", "height"} <= set(rows):
        values["size"] = rows["width"].astype(int).astype(str) + " x " + rows["height"].astype(int).astype(str) + " px"
    if "quality" in rows:
        # of other formats it is no property
        values["quality"] = ("quality " + rows["quality"].map("{:.0f}".format)).where(rows["quality"].notna(), "none")
    shortcuts = []
    label = rows["label"].astype(str)
    for name, value in values.items():
        learned = pd.crosstab(value[::2], label[::2], normalize="columns").idxmax(axis=1)
        right = (value[1::2].map(learned) == label[1::2]).groupby(label[1::2]).mean()
        if len(right) == len(CLASSES) and right.mean() >= TELLING:
            common = []
            for class_name in CLASSES:
                shares = value[label == class_name].value_counts(normalize=True)
                common.append(f"{shares.index[0]}, {shares.iloc[0]:.0%}")
            shortcuts.append((name, *common, float(right.mean())))
    return pd.DataFrame(shortcuts, columns=columns).sort_values(columns[-1], ascending=False, ignore_index=True)
