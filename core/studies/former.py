"""Former names of studies and forms of their tables: files and addresses that have them open as with present ones."""

import re
import tomllib
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

_DECLARED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
# what studies were called before -> what they are called now
FORMER_NAMES: dict[str, str] = _DECLARED["names"]
# study -> what matches a former name of a column in full, and the present name
RENAMED: dict[str, dict[str, str]] = _DECLARED["columns"]


def present_name(name: str) -> str:
    """Return what a study is called now, from that or a former name."""
    return FORMER_NAMES.get(name, name)


def present_column(study: str, name: str) -> str:
    """Return what a column of a study is called now, from that or a former name."""
    for former, present in RENAMED.get(study, {}).items():
        match = re.fullmatch(former, name)
        if match:
            return match.expand(present)
    return name


def present_table(study: str, table: pd.DataFrame) -> pd.DataFrame:
    """Bring the table of a file of any version into the present form of its study."""
    if study == "faithfulness" and "start" in table:
        return _in_rows(table)
    return table.rename(columns=partial(present_column, study))


def _in_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Lay out in rows the curves that `faithfulness` had in columns, one for each point of a curve.

    Args:
        table: `id`; `start`, the margin of the image, and `filled_<fill>`, that of what is filled altogether; the
            points `<direction>_<order>_<fill>_<step>`; the areas `<direction>_<control>_as_<method>_<fill>`, which the
            first files lack: their controls are as fine as the grid; and perhaps `weight`.
    """
    controls = ["random", "other"]
    fills = [name.removeprefix("filled_") for name in table if name.startswith("filled_")]
    first_points = (re.fullmatch(rf"deletion_(.+)_{fills[0]}_1", name) for name in table)
    orders = [match[1] for match in first_points if match]
    # `area` was a baseline for a while
    methods = [order for order in orders if order not in (*controls, "edges", "centre", "area")]
    # values of the columns method, control, fill and direction -> area, and margins of nine steps
    areas = {}
    margins = {}
    for fill, direction in product(fills, ("deletion", "insertion")):
        for order in orders:
            names = ["start", *(f"{direction}_{order}_{fill}_{step}" for step in range(1, 8)), f"filled_{fill}"]
            if direction == "insertion":
                names = [names[-1], *names[1:-1], names[0]]
            curve = table[names].to_numpy(np.float16)
            own = (order, "none") if order in methods else ("none", order)
            margins[*own, fill, direction] = curve
            areas[*own, fill, direction] = np.trapezoid(curve.astype(np.float64), dx=1 / 8, axis=1)
        for method, control in product(methods, controls):
            as_fine = areas["none", control, fill, direction]
            coarse = table.get(f"{direction}_{control}_as_{method}_{fill}", as_fine)
            areas[method, control, fill, direction] = np.asarray(coarse, np.float64)
    nothing = np.full((len(table), 9), np.nan, np.float16)
    points = np.stack([margins.get(key, nothing) for key in areas], axis=1).reshape(-1, 9)
    rows = pd.DataFrame([*areas] * len(table), columns=["method", "control", "fill", "direction"])
    rows.insert(0, "id", np.repeat(table["id"].to_numpy(), len(areas)))
    rows["area"] = np.stack(list(areas.values()), axis=1).ravel()
    rows = pd.concat([rows, pd.DataFrame(points, columns=[f"step_{step}_margin" for step in range(9)])], axis=1)
    if "weight" in table:
        rows["weight"] = np.repeat(table["weight"].to_numpy(), len(areas))
    return rows
