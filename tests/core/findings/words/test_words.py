"""Words of findings in general: every study has some, and each standing has its sentence."""

from dataclasses import replace

import pytest

from core.findings.finding import Finding, Measure
from core.findings.words import WORDS, tell
from core.findings.words.say import say
from core.studies.registry import STUDIES
from tests.core.findings.planted import finding


def test_every_study_has_words() -> None:
    # of two runs, of one picture and of an image set: none is a study of one run
    assert set(WORDS) == set(STUDIES) | {"comparison", "judgement", "cues"}


def test_a_study_without_words_of_its_own_is_told_plainly() -> None:
    assert str(tell(finding(0.5)).full) == (
        "Rank correlation, rank: 0.50 (0.45 to 0.55). Nothing of the same size and shape was compared with it: a "
        "number, not a reason."
    )


def test_each_standing_has_its_sentence() -> None:
    def said(one: Finding) -> str:
        return str(tell(one).standing)

    assert said(finding(control=0.1, difference=0.4)) == "Significantly above its control."
    assert said(finding(control=0.9, difference=-0.4)) == "Significantly below its control."
    assert said(finding(control=0.5, difference=0.0)) == "The difference from its control may be chance."
    fills = {"fill": {"blur": 0.4, "texture": 0.3}}
    assert (
        said(finding(control=0.1, difference=0.4, choices=fills))
        == "Significantly above its control, under every fill."
    )
    apart = {"fill": {"blur": -0.4, "texture": 0.3, "mean": 0.0}}
    assert said(finding(control=0.1, difference=0.4, choices=apart)) == (
        "The difference depends on the fill: above its control for texture, 0.30 (0.25 to 0.35); below its control for "
        "blur, −0.40 (−0.45 to −0.35); no significant difference for mean, 0.00 (−0.05 to 0.05)."
    )
    bare = replace(finding(control=0.1), measure=Measure(0.5))
    assert said(bare) == "Without an interval no difference from its control is claimed."
    # a count needs no control, and what is not known has no standing
    assert said(finding(quantity="copies")) == ""
    assert said(replace(finding(control=0.1), measure=Measure(float("nan")))) == ""


def test_choices_that_all_say_the_same_are_told_beside_a_whole_that_says_nothing() -> None:
    each = {"generator": {"GAN": 0.4, "VAE": 0.3}}
    assert str(tell(finding(control=0.5, difference=0.0, choices=each)).standing) == (
        "Each generator alone: above its control for GAN, 0.40 (0.35 to 0.45) and VAE, 0.30 (0.25 to 0.35); taken "
        "together it is not shown."
    )


def test_a_sentence_names_the_numbers_that_stand_in_it() -> None:
    one = finding(0.5, control=0.1, difference=0.4, group="FAKE", beside={"few": Measure(0.021)}, details={"k": 1200})
    text = say(
        one,
        "{group} {measure} {measure:percent} {control_name} {control:plain} {difference} {few:percent} {k} {x}",
        x="{n}",
    )
    assert str(text) == "FAKE 0.50 (0.45 to 0.55) 50.0% chance 0.10 0.40 (0.35 to 0.45) 2.1% 1,200 {n}"
    assert [span.kind for span in text.spans if span.kind != "plain"] == ["class", *["number", "interval"] * 2]
    assert str(say(finding(0.5), "{control:percent}, {difference:amount}")) == "an unknown share, 0.50 (0.45 to 0.55)"
    with pytest.raises(KeyError):
        say(one, "{nothing}")
