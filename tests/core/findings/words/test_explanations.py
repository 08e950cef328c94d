"""The words on explanations, from findings whose standing is known."""

import math

import pytest

from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.words import tell
from core.findings.words.comparison import stands
from core.findings.words.explanations import agreeing, cured, dependent, one_coloured, repeated
from core.findings.words.faithfulness import in_short, trusted
from tests.core.findings.planted import finding, measure

NAMES = {"gradcam": "Grad-CAM", "lime": "LIME"}


def scored(**by_fill: tuple[float, float]) -> list[Finding]:
    """Leads over the best control with blur and texture fills, by deletion and insertion alike, by "method_verdict"."""
    fills = ("blur", "texture")
    return [
        finding(
            0.5,
            control=0.1,
            difference=leads[0],
            choices={kind: dict(zip(fills, leads, strict=True)) for kind in ("deletion", "insertion")},
            key=key,
            quantity="faithfulness",
            study="faithfulness",
            group=key.split("_")[1],
            details={"name": NAMES[key.split("_")[0]], "fills": {"blur": "blur", "texture": "shuffled texture"}},
        )
        for key, leads in by_fill.items()
    ]


GOOD = dict.fromkeys(("gradcam_FAKE", "gradcam_REAL", "lime_FAKE", "lime_REAL"), (0.3, 0.2))


def test_all_better_is_yes_none_is_no_and_between_says_which() -> None:
    assert str(trusted(scored(**GOOD))) == (
        "Better than every control under every fill: Grad-CAM on FAKE and REAL verdicts and LIME on FAKE and REAL "
        "verdicts."
    )
    assert str(trusted(scored(**dict.fromkeys(GOOD, (-0.3, -0.2))))) == (
        "No method finds what the detector leans on better than every control under every fill: treat maps as "
        "illustrations, not as reasons."
    )
    assert str(trusted(scored(**{**GOOD, "lime_FAKE": (0.0, 0.0)}))) == (
        "Better than every control under every fill: Grad-CAM on FAKE and REAL verdicts and LIME on REAL verdicts; the "
        "remaining one of 4 is not: treat maps as illustrations, not as reasons."
    )
    two = str(trusted(scored(**{**GOOD, "lime_FAKE": (0.0, 0.0), "lime_REAL": (0.0, 0.0)})))
    assert "; the other 2 of 4 are not: treat maps" in two
    assert not trusted([])


def test_what_holds_under_one_fill_alone_is_no_claim() -> None:
    said = str(trusted(scored(**dict.fromkeys(GOOD, (-0.4, 0.25)))))
    assert said.startswith("No method finds")
    assert "(of 4 cases, a method and a verdict each, 4 depend on the fill)" in said
    told = tell(scored(lime_FAKE=(-0.4, 0.25))[0])
    # no number is pooled
    assert str(told.full) == (
        "Whether LIME finds what FAKE verdicts lean on better than the best control depends on the fill: better under "
        "shuffled texture (deletion 0.25, insertion 0.25); worse under blur (deletion −0.40, insertion −0.40) "
        "(differences in margins, 100 images)."
    )


def test_what_every_fill_shows_is_claimed_with_its_least_difference() -> None:
    better, worse, neither = (
        str(tell(scored(lime_FAKE=leads)[0]).full) for leads in ((0.3, 0.2), (-0.3, -0.2), (0.01, 0))
    )
    least = "under every fill, by deletion and by insertion: the least difference is"
    assert better == (
        f"LIME finds what FAKE verdicts lean on better than every control, {least} 0.20 (0.15 to 0.25) margins "
        "(deletion with shuffled texture, 100 images)."
    )
    assert worse.startswith("LIME finds what FAKE verdicts lean on worse than a control that knows nothing of them, ")
    assert neither.startswith("LIME on FAKE verdicts cannot be told from the best control, under every fill")


def test_one_line_for_beside_a_map() -> None:
    good, bad, mixed, none = (
        str(in_short(scored(lime_FAKE=leads)[0])) for leads in ((0.3, 0.2), (-0.3, 0.0), (-0.4, 0.25), (0.0, 0.0))
    )
    assert good == "Better than its controls under every fill, for FAKE verdicts."
    picture = "under any fill, for FAKE verdicts: a picture, not a reason."
    assert bad == none == f"Not shown to be better than its controls (the best: chance) {picture}"
    assert mixed == (
        "For FAKE verdicts, whether this map beats its controls depends on the fill: better with shuffled texture, "
        "worse with blur."
    )
    # where showing says otherwise than filling, neither is said of the fill
    both = {"deletion": {"blur": 0.3}, "insertion": {"blur": -0.3}}
    about = {"key": "x", "study": "faithfulness", "quantity": "faithfulness", "group": "REAL"}
    half = finding(
        0.5, control=0.1, difference=0.3, choices=both, details={"name": "LIME", "fills": {"blur": "blur"}}, **about
    )
    way = "depends on whether pixels are deleted or inserted"
    assert (
        str(in_short(half))
        == f"For REAL verdicts, whether this map beats its controls {way}: better by deletion, worse by insertion."
    )
    assert f"{way}: better under blur (deletion 0.30); worse under blur (insertion −0.30)" in str(tell(half).full)
    assert stands(half) == way
    said = str(trusted([half, *scored(lime_FAKE=(-0.4, 0.25), lime_REAL=(0.3, 0.2))]))
    assert "(1 depends on whether pixels are deleted or inserted and 1 depends on the fill)" in said


def ranks(values: tuple[float, float], leads: tuple[float, float]) -> list[Finding]:
    names = {"names": ["LIME", "Grad-CAM"]}
    return [
        finding(value, control=0, difference=lead, study="agreement", key=group, group=group, details=names)
        for group, value, lead in zip(("FAKE", "REAL"), values, leads, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "lead", "words"),
    [
        ((0.1, 0.2), (0.1, 0.1), "more than by chance, but far from fully: 0.10 on FAKE verdicts and 0.20"),
        ((0.6, 0.7), (0.1, 0.1), "more than by chance, and in part"),
        ((0.95, 0.97), (0.1, 0.1), "more than by chance, and nearly fully"),
        ((0.1, 0.2), (0.0, 0.1), "more than by chance on REAL verdicts only, but far from fully"),
        ((0.1, 0.2), (0.0, math.nan), "cannot be told from that of maps of different images"),
        ((0.1, 0.2), (-0.1, 0.0), "less than maps of different images do on FAKE verdicts: 0.10 on FAKE verdicts and"),
    ],
)
def test_agreement(values: tuple[float, float], lead: tuple[float, float], words: str) -> None:
    assert words in str(agreeing(ranks(values, lead)))


def test_agreement_is_told_of_the_verdicts_on_which_it_could_be_measured() -> None:
    assert str(agreeing(ranks((math.nan, 0.2), (math.nan, 0.1)))) == (
        "They agree more than by chance, but far from fully: 0.20 on REAL verdicts, where 1 means the same ranking."
    )
    nobody = ranks((math.nan, math.nan), (math.nan, math.nan))
    assert str(agreeing(nobody)) == "Their agreement could not be measured."


def test_stability_by_how_much_stays() -> None:
    values = {
        "Grad-CAM": {"noise of 1 in 255": (0.96, 0.98)},
        "LIME": {"noise of 1 in 255": (0.71, 0.3), "another seed": (0.97, 0.6)},
    }
    found = [
        Finding(
            f"{name}-{group}",
            "stability",
            "rank_correlation",
            Measure(0.5),
            group,
            choices=tuple(Choice("repetition", what, measure(one[at])) for what, one in tried.items()),
            details={"name": name},
        )
        for name, tried in values.items()
        for at, group in enumerate(("FAKE", "REAL"))
    ]
    assert str(repeated(found)) == (
        "Under noise of 1 in 255 the maps of LIME (0.71 and 0.30) change a lot; the others hardly change. "
        "Under another seed the maps of LIME (0.97 and 0.60) change in part. (FAKE and REAL verdicts; 1 means "
        "identical.)"
    )
    assert "Under noise of 1 in 255 no map changes appreciably." in str(repeated(found[:2]))
    assert not repeated([])


def test_sanity_names_what_is_left_of_a_map() -> None:
    def found(left: float) -> list[Finding]:
        return [
            finding(0.3, control=0.2, difference=left if (name, group) == ("Grad-CAM", "REAL") else 0.0, group=group)
            for name in ("Grad-CAM", "LIME")
            for group in ("FAKE", "REAL")
        ]

    def named(left: float) -> list[Finding]:
        names = ("Grad-CAM", "Grad-CAM", "LIME", "LIME")
        return [
            Finding(**{**vars(one), "details": {"name": name}}) for one, name in zip(found(left), names, strict=True)
        ]

    assert str(dependent(named(0.0))).startswith("Yes, as far as can be seen: once the weights are random, ")
    said = str(dependent(named(0.5)))
    assert said.startswith("Only in part for Grad-CAM on REAL verdicts: ")
    assert "Grad-CAM on FAKE verdicts and LIME on FAKE and REAL verdicts depend on the weights" in said


@pytest.mark.parametrize(
    ("lead", "words"), [(0.2, "is more than"), (0.0, "cannot be told from"), (-0.2, "is less than")]
)
def test_sanity_says_on_which_side_of_its_control_a_map_is(lead: float, words: str) -> None:
    one = finding(
        0.3,
        control=0.3 - lead,
        difference=lead,
        study="sanity",
        quantity="residual_correlation",
        group="FAKE",
        beside={"classifier": measure(0.5), "edges": measure(0.1)},
        details={"name": "LIME"},
    )
    assert str(tell(one).control).startswith(f"That {words} chance: ")


def test_one_colour_before_and_after() -> None:
    def found(key: str, group: str, value: float, **more: object) -> Finding:
        about = {"study": "one_colour", "quantity": "one_colour", "details": {"name": "LIME"}}
        return Finding(key, measure=Measure(value), group=group, **about, **more)  # type: ignore[arg-type]

    few = {"beside": {"few": Measure(0.9)}}
    control = {"control": Control("the paper's settings", Measure(0.9)), "difference": measure(-0.4)}
    both = [
        found("paper-FAKE", "FAKE", 0.93, **few),
        found("ours-FAKE", "FAKE", 0.0, **control),
        found("paper-REAL", "REAL", 0.5, **few),
        found("ours-REAL", "REAL", 0.25, **control),
    ]
    assert str(one_coloured(both)) == (
        "Paper's settings: one colour on 93% of FAKE verdicts and 50% of REAL verdicts. Our settings, undecided "
        "segments left grey: one colour or none on 0% of FAKE verdicts and 25% of REAL verdicts."
    )
    assert str(cured(both)).startswith("Most of it is the settings")
    same = found("ours-FAKE", "FAKE", 0.9, control=control["control"], difference=measure(0.0))
    assert str(cured([both[0], same])) == "That finer segments alone cure it is not shown for every verdict here."


def test_a_cure_is_claimed_only_of_what_the_settings_mostly_took_away() -> None:
    def said(paper: float, ours: float, few: float) -> str:
        before = finding(paper, study="one_colour", quantity="one_colour", group="FAKE", beside={"few": Measure(few)})
        lead = ours - paper
        after = finding(ours, control=paper, difference=lead, study="one_colour", quantity="one_colour", group="FAKE")
        return str(cured([before, after]))

    assert said(paper=0.0, ours=0.0, few=0.9) == ""
    # by less than half, and where the paper's settings leave many segments
    assert said(paper=0.9, ours=0.6, few=0.9) == said(paper=0.9, ours=0.1, few=0.2)
    assert said(paper=0.9, ours=0.6, few=0.9) == "Our settings show one colour less often."
    assert said(paper=0.9, ours=0.1, few=0.9).startswith("Most of it is the settings: ")
