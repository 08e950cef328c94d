"""Shares as all studies write them."""


def percent(share: float, digits: int | None = None) -> str:
    """0.942 -> "94 %", 0.0031 -> "0.3 %"; what is not quite all or nothing is not written as if it were.

    Args:
        share: 0 to 1.
        digits: after the point; by default one where the share is small or nearly all.
    """
    hundred = 100 * share
    if digits is None:
        digits = 1 if 0 < hundred < 9.95 or 99 < hundred < 100 else 0
    least = 10.0**-digits
    if 0 < hundred < least / 2:
        return f"under {least:.{digits}f} %"
    if 100 - least / 2 <= hundred < 100:
        return f"over {100 - least:.{digits}f} %"
    return f"{hundred:.{digits}f} %"


def with_ends(value: float, low: float, high: float, digits: int | None = None) -> str:
    """A share and its interval: "4.6 % (4.1 to 5.2 %)"."""
    return f"{percent(value, digits)} ({percent(low, digits).removesuffix(' %')} to {percent(high, digits)})"
