"""Differences between two groups of images, as data; `core.findings.words.differences` puts them into words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Something that one group has more, or less, of than another.

    Attributes:
        effect: its size: Cohen's h of shares, else Cohen's d without its sign.
        column: of a run's rows, or a study's as `<study>.<column>`.
        label: what the column is, in a few words.
        own, rest: the means of the group and of the others; 0 to 1 of a share.
        share: it is a share of images.
        value: the text that so many images of each group have; "" where the column holds numbers or yes and no.
    """

    effect: float
    column: str
    label: str
    own: float
    rest: float
    share: bool = False
    value: str = ""
