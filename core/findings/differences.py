"""Differences between two groups of images, as data and in a few words."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from core.findings.numbers import MINUS, percent


@dataclass(frozen=True)
class Difference:
    """A column whose mean or share differs between one group of images and the others.

    Attributes:
        effect: absolute effect size: Cohen's h for shares, else Cohen's d.
        column: of a run's rows, or of a study as `<study>.<column>`.
        label: the column in a few words.
        own, rest: means of the group and of the others; 0 to 1 for shares.
        share: True if the means are shares of images.
        value: the category whose share is compared; "" for numeric and boolean columns.
    """

    effect: float
    column: str
    label: str
    own: float
    rest: float
    share: bool = False
    value: str = ""


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


def describe_difference(difference: Difference) -> str:
    """Write a difference: "brighter (brightness 120 of 255, others 99)"."""
    phrase = PHRASES.get(difference.column)
    share = difference.share or (phrase is not None and phrase.share)
    own, rest = (percent(difference.own), percent(difference.rest)) if share else alike(difference.own, difference.rest)
    if phrase is not None:
        numbers = phrase.numbers.format(own=own, rest=rest)
        return f"{phrase.more if difference.own > difference.rest else phrase.less} ({numbers})"
    if difference.value:
        name = "" if difference.column == "category" else f"{difference.label}: "
        return f"more often {name}{difference.value.replace('_', ' ')} ({own}, others {rest})"
    return f"{difference.label}: {own}, others {rest}"


def alike(own: float, rest: float) -> tuple[str, str]:
    """Two numbers with two digits each, and more where they would look the same."""
    most = _digits(max(abs(own), abs(rest)))
    texts = []
    for number in (own, rest):
        # at most one decimal more than the larger number has
        digits = max(min(_digits(abs(number)), most + 1), most, _digits(abs(own - rest)) - 1)
        texts.append(f"{round(number, digits):,.{max(digits, 0)}f}".replace("-", MINUS))
    return texts[0], texts[1]


def _digits(number: float) -> int:
    """Count the decimals that show two significant digits; negative for 100 and above, 0 for 0."""
    return 1 - math.floor(math.log10(number)) if number > 0 else 0
