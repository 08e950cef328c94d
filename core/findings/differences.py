"""Differences between two groups of images, as data; `core.findings.words.differences` puts them into words."""

from dataclasses import dataclass


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
