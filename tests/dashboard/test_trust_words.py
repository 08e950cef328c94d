"""The sentences of Trust, from summaries whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from core.detectors.resnet import LEVELS
from core.studies.trust.randomisation import lime_levels
from dashboard.components.studies.trust_words import (
    agreeing,
    dependent,
    faithful,
    leads,
    listed,
    one_coloured,
    repeated,
    signed,
    trusted,
)


def excess(**ends: tuple[float, float]) -> pd.DataFrame:
    """Leads over the best control, by "method_verdict"."""
    return pd.DataFrame(
        [
            {"method": key.split("_")[0], "group": key.split("_")[1], "fill": fill}
            | {"control": "edges first", "value": (low + high) / 2, "low": low, "high": high, "images": 40}
            for key, (low, high) in ends.items()
            # a fill that LIME was fitted with says nothing here
            for fill in ("mean", "unseen")
        ]
    )


ALL_GOOD = dict.fromkeys(("gradcam_FAKE", "gradcam_REAL", "lime_FAKE", "lime_REAL"), (0.1, 0.3))


def test_all_better_is_yes_none_is_no_and_between_says_which() -> None:
    said = trusted(excess(**ALL_GOOD))
    assert said == (
        "**Yes, as far as tested.** Grad-CAM on FAKE and REAL verdicts and LIME on FAKE and REAL verdicts name what "
        "the detector leans on better than all controls."
    )
    said = trusted(excess(**dict.fromkeys(ALL_GOOD, (-0.1, 0.3))))
    assert said is not None
    assert said.startswith("**Not on this run.** Grad-CAM on FAKE and REAL verdicts and LIME")
    said = trusted(excess(**{**ALL_GOOD, "lime_FAKE": (0.0, 0.4)}))
    assert said is not None
    assert said.startswith("**In part.** Grad-CAM on FAKE and REAL verdicts and LIME on REAL verdicts name")
    assert "LIME on FAKE verdicts is not shown to do better" in said
    assert trusted(excess(**ALL_GOOD).assign(fill="mean")) is None


def test_leads_are_told_with_how_sure_they_are() -> None:
    found = excess(**{**ALL_GOOD, "lime_FAKE": (-0.4, 0.2), "gradcam_REAL": (-0.3, -0.1)})
    assert faithful(found) == (
        "Grad-CAM does better than simply following edges on FAKE verdicts and worse than simply following edges on "
        "REAL verdicts. LIME does neither better nor worse than simply following edges on FAKE verdicts and better "
        "than simply following edges on REAL verdicts."
    )
    said = leads(found).partition(". A lead is")[0]
    assert said == (
        "Lead over the best control, in margins: Grad-CAM 0.20 (0.10 to 0.30) on FAKE verdicts and \N{MINUS SIGN}0.20 "
        "(\N{MINUS SIGN}0.30 to \N{MINUS SIGN}0.10) on REAL verdicts; LIME \N{MINUS SIGN}0.10 (\N{MINUS SIGN}0.40 to "
        "0.20) on FAKE verdicts and 0.20 (0.10 to 0.30) on REAL verdicts"
    )


@pytest.mark.parametrize(
    ("values", "low", "words"),
    [
        ((0.1, 0.2), (0.05, 0.1), "more than by chance, but far from fully: 0.10 on FAKE verdicts and 0.20"),
        ((0.6, 0.7), (0.05, 0.1), "more than by chance, and in part"),
        ((0.95, 0.97), (0.05, 0.1), "more than by chance, and nearly fully"),
        ((0.1, 0.2), (-0.05, 0.1), "more than by chance on REAL verdicts only, but far from fully"),
        ((0.1, 0.2), (-0.05, np.nan), "no more than maps of different images do"),
    ],
)
def test_agreement(values: tuple[float, float], low: tuple[float, float], words: str) -> None:
    groups = ["FAKE", "REAL"]
    summary = pd.DataFrame({"group": groups, "column": "rank", "value": values})
    assert words in agreeing(summary, dict(zip(groups, low, strict=True)))


def test_stability_by_how_much_stays() -> None:
    rows = {"gradcam_noise": (0.96, 0.98), "lime_noise": (0.71, 0.3), "lime_seed": (0.97, 0.6), "lime_other": (0.1, 0)}
    summary = pd.DataFrame(
        [
            {"group": group, "column": column, "value": value}
            for column, values in rows.items()
            for group, value in zip(("FAKE", "REAL"), values, strict=True)
        ]
    )
    assert repeated(summary) == (
        "Stays as it was: Grad-CAM under noise that nobody can see (0.96 and 0.98). Changes in part: LIME under "
        "another seed (0.97 and 0.60). Changes a lot: LIME under that noise (0.71 and 0.30), for FAKE and REAL "
        "verdicts; 1 is the very same."
    )


def test_sanity_names_what_is_left_of_a_map() -> None:
    def summary(left: float) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"group": group, "method": method, "level": level, "value": value, "low": value - 0.05}
                | {"high": value + 0.05, "images": 40}
                for group in ("FAKE", "REAL")
                for method, levels in (("gradcam", LEVELS), ("lime", lime_levels(LEVELS)))
                for level in (*levels, "other image")
                for value in [left if (method, group, level) == ("gradcam", "REAL", "conv1") else 0.2]
            ]
        )

    assert dependent(summary(0.2)).startswith("Yes: with random weights no more is left")
    said = dependent(summary(0.9))
    assert said.startswith("Only in part for Grad-CAM on REAL verdicts: ")
    assert "Grad-CAM on FAKE verdicts and LIME on FAKE and REAL verdicts depend on it" in said


def test_one_colour_before_and_after() -> None:
    summary = pd.DataFrame(
        {"group": ["FAKE", "FAKE", "REAL", "REAL"], "column": ["paper_one_sign", "ours_shown_one"] * 2}
    ).assign(value=[0.93, 0.0, 0.5, 0.25])
    assert one_coloured(summary).replace("\N{NO-BREAK SPACE}", " ") == (
        "Paper's settings: one colour on 93 % of FAKE verdicts and 50 % of REAL verdicts. Our settings, undecided "
        "segments left grey: one colour or none on 0 % of FAKE verdicts and 25 % of REAL verdicts."
    )


def test_lists_and_signs() -> None:
    assert [listed(list(text)) for text in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert [signed(value) for value in (0.123, -0.123, -0.001)] == ["0.12", "\N{MINUS SIGN}0.12", "0.00"]
