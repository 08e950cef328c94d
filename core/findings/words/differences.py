"""The words of differences between groups of images."""

import math
from typing import NamedTuple

from core.findings.differences import Difference
from core.findings.lines import Line, Span
from core.findings.numbers import MINUS, percent


class Phrase(NamedTuple):
    """Words for a difference in one column.

    Attributes:
        more, less: words for images whose mean is higher, or lower, than that of the others.
        numbers: template for both means, with the placeholders `own` and `rest`.
        share: True if the means are shares of 1, written as percentages.
    """

    more: str
    less: str
    numbers: str
    share: bool = False


# what a run's rows have; columns of studies are told by their labels
PHRASES = {
    "brightness": Phrase("brighter", "darker", "brightness {own} of 255, others {rest}"),
    "contrast": Phrase("more contrast", "less contrast", "spread of grey levels {own}, others {rest}"),
    "greyness": Phrase("greyer", "more colourful", "greyness {own} of 1, others {rest}"),
    "fine_detail": Phrase("more fine detail", "less fine detail", "{own} of the variation, others {rest}", share=True),
    "file_bytes": Phrase("larger files", "smaller files", "{own} bytes, others {rest}"),
    "margin": Phrase("the detector is surer", "the detector is less sure", "margin {own}, others {rest}"),
}


def tell(one: Difference) -> Line:
    """ "brighter (brightness 120 of 255, others 99)", what differs marked as the number."""
    phrase = PHRASES.get(one.column)
    share = one.share or (phrase is not None and phrase.share)
    own, rest = (percent(one.own), percent(one.rest)) if share else alike(one.own, one.rest)
    if phrase is not None:
        told = phrase.numbers.format(own=own, rest=rest)
        return _told(phrase.more if one.own > one.rest else phrase.less, f" ({told})")
    if one.value:
        name = "" if one.column == "category" else f"{one.label}: "
        return _told(f"more often {name}{one.value.replace('_', ' ')}", f" ({own}, others {rest})")
    return _told(one.label, f": {own}, others {rest}")


def _told(what: str, numbers: str) -> Line:
    return Line((Span(what, "number"), Span(numbers)))


def alike(own: float, rest: float) -> tuple[str, str]:
    """Two numbers with two digits each, and more where they would look the same."""
    most = _digits(max(abs(own), abs(rest)))
    told = []
    for one in (own, rest):
        # at most one decimal more than the larger number has
        digits = max(min(_digits(abs(one)), most + 1), most, _digits(abs(own - rest)) - 1)
        told.append(f"{round(one, digits):,.{max(digits, 0)}f}".replace("-", MINUS))
    return told[0], told[1]


def _digits(number: float) -> int:
    """Count the decimals that show two significant digits; negative for 100 and above, 0 for 0."""
    return 1 - math.floor(math.log10(number)) if number > 0 else 0
