"""Error rates with intervals as bars, each a button."""

import math
from typing import Any

import pandas as pd

from dashboard.components.component import component, nothing, one_of
from dashboard.components.words import percent

_mount = component(__file__, "bars")


def _is_compared(row: Any) -> bool:
    return not math.isnan(getattr(row, "expected", math.nan))


def _compared(row: Any) -> str:
    return f", expected {percent(row.expected)}" if _is_compared(row) else ""


def rate_bars(rates: pd.DataFrame, *, overall: float | None, key: str, title: str, wide: bool = False) -> str | None:
    """Draw the error rates of `core.runs.metrics.error_by`.

    Args:
        rates: columns `value`, `images`, `wrong`, `rate`, `low`, `high`, and `expected` where there is something to
            compare one with, drawn as a diamond.
        overall: the rate of all rows together, drawn as a dashed line; None for no line.
        key: of the element.
        title: of the group, for screen readers.
        wide: names are phrases, and get more room.

    Returns:
        The value whose bar was just clicked, or None.
    """
    rows = [
        {
            "value": str(row.value),
            "name": str(row.value).replace("_", " "),
            "rate": row.rate,
            "low": row.low,
            "high": row.high,
            "expected": row.expected if _is_compared(row) else None,
            "text": f"{percent(row.rate)}  ({row.wrong:,} of {row.images:,})",
            # a screen reader says it after what is seen
            "label": f" wrong, interval {percent(row.low)} to {percent(row.high)}{_compared(row)}. Show them.",
        }
        for row in rates.itertuples()
    ]
    top = max([overall or 0.0, *rates["high"]], default=1.0) * 1.02
    data = {"title": title, "rows": rows, "top": top, "mean": overall, "wide": wide}
    result = _mount(key=key, data=data, on_open_change=nothing)
    return one_of(result.open, set(rates["value"].astype(str)))
