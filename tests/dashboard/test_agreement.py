"""What the page says of two maps that are compared."""

import numpy as np

from core.explainers.agreement import agreement
from dashboard.components.agreement import conclusion, sentences


def test_a_comparison_says_how_many_fit_as_well_and_where_these_are_too_few() -> None:
    own = np.random.default_rng(0).normal(size=(4, 4))
    grid = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4)
    others = np.random.default_rng(1).normal(size=(40, 4, 4))
    few, many, none = (agreement(own, own, segments=grid, others=others[:count]) for count in (16, 40, 0))
    said = sentences(many, titles=("LIME", "Grad-CAM"), side="FAKE", whose="others", same_kind=True)
    assert said[0] == (
        "**They agree about this image.** 0 of 40 others have a Grad-CAM map that fits this LIME map at least as well."
    )
    assert "Rank correlation over places **+1.00**" in said[1]
    said = sentences(few, titles=("LIME", "Grad-CAM"), side="FAKE", whose="others", same_kind=True)
    assert said[0].startswith("Rank correlation")
    assert said[1].startswith("0 of 16 others")
    assert said[1].endswith("too few to say how much of that is chance.")
    against = agreement(own, -own, segments=grid, others=others)
    assert sentences(against, titles=("LIME", "Grad-CAM"), side="FAKE", whose="others", same_kind=True)[0].startswith(
        "**Their agreement cannot be told from chance.** 40 of 40 others"
    )
    assert (
        "no other images"
        in sentences(none, titles=("LIME", "Grad-CAM"), side="FAKE", whose="others", same_kind=True)[1]
    )


def test_a_comparison_ends_with_what_to_conclude() -> None:
    own = np.random.default_rng(0).normal(size=(4, 4))
    grid = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4)
    others = np.random.default_rng(1).normal(size=(40, 4, 4))
    alike, unlike, open_ = (
        agreement(own, lime, segments=grid, others=others[:count]) for lime, count in ((own, 40), (-own, 40), (own, 16))
    )
    assert "worth more" in conclusion(alike, same_kind=True)
    assert "Neither map confirms the other" in conclusion(unlike, same_kind=True)
    assert "does not say" in conclusion(open_, same_kind=True)
    # chance is known for one kind of map only
    assert "does not say" in conclusion(alike, same_kind=False)
