"""Rates with intervals, each beside its control, and each a button where there is something to open."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.images.encoding import thumbnail_url
from dashboard.components.component import component, nothing, one_of
from dashboard.components.grid import FINEST

_mount = component(__file__, "controlled_rates")


@dataclass(frozen=True, eq=False)
class Bar:
    """One rate.

    Attributes:
        key: returned when the bar or its name is clicked.
        name: label beside the bar.
        note: a few words under the name.
        share, low, high: the rate and the ends of its interval, 0 to 1; NaN without images.
        number: the share as text.
        label: everything in one sentence, for the pointer and for screen readers.
        control: the control's share, drawn as a diamond; None without a control.
        picture: uint8 (side, side, 3) beside the name.
    """

    key: str
    name: str
    note: str
    share: float
    low: float
    high: float
    number: str
    label: str
    control: float | None = None
    picture: NDArray[np.uint8] | None = None


class Clicked(NamedTuple):
    """What was just clicked.

    Attributes:
        rate: the key of the bar, or None.
        name: the key of the name beside a bar, or None.
    """

    rate: str | None
    name: str | None


def controlled_rates(
    rows: Sequence[Bar],
    *,
    key: str,
    title: str,
    hue: str,
    line: float | None = None,
    sees: str = "",
) -> Clicked:
    """Draw rates on one scale from 0 to 1.

    Args:
        rows: from above.
        key: of the element.
        title: what the group is, for screen readers.
        hue: "FAKE" or "REAL", for that class's colour.
        line: a share drawn through all rows, dashed.
        sees: anchor of the heading that a click on a name scrolls to; "" for names that are no buttons.
    """
    drawn = []
    for row in rows:
        about = asdict(row)
        picture = about.pop("picture")
        # without images the rate is NaN, which is drawn as 0
        numbers = {name: float(np.nan_to_num(about[name])) for name in ("share", "low", "high")}
        source = None if picture is None else thumbnail_url(picture, FINEST)
        drawn.append(about | numbers | {"source": source, "alt": f"An image after {row.name}, {row.note}"})
    data = {"title": title, "hue": hue, "line": line, "sees": sees, "rows": drawn}
    result = _mount(key=key, data=data, on_open_change=nothing, on_see_change=nothing)
    keys = {row.key for row in rows}
    return Clicked(one_of(result.open, keys), one_of(result.see, keys))
