"""Judgements of made verdicts under made rules, their words, and the rule's file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from core.findings.words import tell
from core.images.preprocessing import Place, Preprocessing
from core.runs.nearest import unit_rows
from core.storage import ContractError
from core.studies.judgement.familiarity import Space
from core.studies.judgement.judge import Judgement, Seen, Sent, judge, setting_of, weigh
from core.studies.judgement.rule import Group, Limit, Rate, Rule, read_rule, write_rule

PIXELS = np.full((32, 32, 3), 90, np.uint8)
FILTERS = ("nearest", "box", "bicubic")
# what is said of each group
OWN_REAL = Group("photographs like its own", "REAL", "same size", 1000, 1000, {"REAL": 960, "FAKE": 10}, True)
OWN_FAKE = Group("pictures like its own", "FAKE", "same size", 1000, 1000, {"REAL": 20, "FAKE": 600}, True)
DRAWN = Group("pictures by others", "FAKE", "same size", 100, 5, {"REAL": 90, "FAKE": 1})
RULE = Rule("f", "r@s", 0.95, (OWN_REAL, OWN_FAKE, DRAWN), None, None, {})


def seen(*margins: float, sent: dict[str, float] | None = None, setting: str = "same size", unfit: str = "") -> Seen:
    """What a detector says: margins under filters, or one of the picture itself, and after deliveries."""
    filters = FILTERS if len(margins) > 1 else ("as it is",)
    found = tuple(
        Sent(name, name.upper(), margin, name != unfit) for name, margin in (sent or {"png": margins[-1]}).items()
    )
    return Seen(setting, filters, np.array(margins, np.float32), PIXELS, None, found, len(margins) - 1)  # type: ignore[arg-type]


def reason(found: Judgement) -> str:
    return str(tell(found.reasons[0]).answer)


def test_a_verdict_that_holds_and_is_worth_enough_is_given() -> None:
    found = judge(RULE, None, seen(-3.0, sent={"png": -3.0, "jpeg": -1.0}))
    assert (found.answer, found.verdict) == ("FAKE-like", "FAKE")
    # 60% of its own class get it, and 1% of the other: 60 of 61 are right
    assert found.reasons[0].measure.value == pytest.approx(60 / 61)
    assert reason(found) == (
        "the verdict stays FAKE after each of 2 deliveries (saving, resizing, sending). Of pictures like its own 60% "
        "pass this test, of photographs like its own 1.0% (0.5 to 1.8%)."
    )


def test_a_verdict_that_few_pictures_speak_for_is_not_given() -> None:
    # a tenth of the pictures, with the same shares: 95% may not be right
    few = [
        replace(one, images=100, sources=100, said={key: n // 10 for key, n in one.said.items()})
        for one in (OWN_REAL, OWN_FAKE)
    ]
    found = judge(replace(RULE, groups=tuple(few)), None, seen(-3.0))
    assert found.answer == "Cannot tell"
    worth = found.reasons[0].measure
    own, other = (proportion_confint(n, 100, method="wilson") for n in (60, 1))
    assert (worth.low, worth.high) == pytest.approx((own[0] / (own[0] + other[1]), own[1] / (own[1] + other[0])))
    assert worth.low < RULE.level < worth.value
    assert reason(found).endswith(
        "; so few were measured that only 90% of such verdicts may be right, and 95% are asked for."
    )


def test_groups_whose_deliveries_were_not_counted_are_told_as_they_were_called_before() -> None:
    groups = tuple(replace(group, held=False) for group in (OWN_REAL, OWN_FAKE))
    found = judge(replace(RULE, groups=groups), None, seen(-3.0, sent={"png": -3.0, "jpeg": -1.0}))
    assert found.answer == "FAKE-like"
    assert reason(found) == (
        "the verdict stays FAKE after each of 2 deliveries (saving, resizing, sending). Of pictures like its own 60% "
        "are called FAKE before any delivery, of photographs like its own 1.0% (0.5 to 1.8%)."
    )


def test_a_verdict_that_others_get_too_is_not_given() -> None:
    found = judge(RULE, None, seen(3.0))
    assert (found.answer, found.verdict) == ("Cannot tell", "REAL")
    # 96 of 100 of its own class, and 90 of 100 of the generators that nobody trained it on
    assert found.reasons[0].measure.value == pytest.approx(96 / 186)
    assert reason(found) == (
        "90% of pictures by others are called REAL before any delivery too, and 96% of photographs like its own are "
        "called REAL before and after every delivery."
    )
    assert judge(replace(RULE, groups=(OWN_REAL, OWN_FAKE)), None, seen(3.0)).answer == "REAL-like"


def test_a_reason_names_the_filters_where_resized_pictures_were_not_delivered() -> None:
    groups = tuple(replace(group, setting="shrunk", held=False) for group in RULE.groups)
    found = judge(replace(RULE, groups=groups), None, seen(3.0, setting="shrunk"))
    assert found.answer == "Cannot tell"
    assert reason(found) == (
        "90% of pictures by others are called REAL before any delivery with every filter too, and 96% of photographs "
        "like its own are called REAL before any delivery with every filter."
    )


def test_a_verdict_that_a_delivery_flips_is_not_given() -> None:
    sent = {"png": -2.0, "jpeg": 0.5, "webp": 0.1, "crop": -1.0}
    found = judge(RULE, None, seen(-2.0, sent=sent))
    assert found.answer == "Cannot tell"
    assert reason(found) == "the verdict does not survive delivery: FAKE, but REAL after JPEG and WEBP."
    assert found.reasons[0].measure.value == 0.5
    # what leaves too few pixels does not count
    assert judge(RULE, None, seen(-2.0, sent={"png": -2.0, "crop": 1.0}, unfit="crop")).answer == "FAKE-like"


def test_a_picture_that_no_delivery_leaves_enough_of_is_not_judged() -> None:
    found = judge(RULE, None, seen(-3.0, unfit="png"))
    assert (found.answer, found.verdict) == ("Cannot tell", "FAKE")
    assert [one.key for one in found.reasons] == ["undelivered", "worth"]
    assert reason(found) == "no delivery leaves enough pixels of it, so whether its verdict survives one is not known."


def test_one_delivery_beside_those_that_are_named_is_one_other_delivery() -> None:
    found = judge(RULE, None, seen(-2.0, sent=dict.fromkeys(("png", "jpeg", "webp", "crop"), 1.0)))
    assert reason(found).endswith(": FAKE, but REAL after PNG, JPEG, WEBP and 1 other delivery.")
    found = judge(RULE, None, seen(-2.0, sent=dict.fromkeys(("png", "jpeg", "webp", "crop", "send"), 1.0)))
    assert reason(found).endswith(" and 2 other deliveries.")


def test_a_verdict_that_a_filter_flips_is_not_given() -> None:
    found = judge(RULE, None, seen(1.0, -1.0, -2.0, sent={"png": -2.0}))
    assert (found.answer, found.verdict) == ("Cannot tell", "FAKE")
    assert reason(found) == "the verdict depends on how the picture is resized: FAKE, but REAL with nearest."


@pytest.mark.parametrize("setting", ["shrunk", "enlarged"])
def test_what_was_not_measured_is_not_given(setting: str) -> None:
    found = judge(RULE, None, seen(-3.0, setting=setting))
    assert found.answer == "Cannot tell"
    assert "nobody has measured FAKE verdicts on pictures that were" in reason(found)
    assert judge(None, None, seen(-3.0)).answer == "Cannot tell"


def test_nothing_is_answered_before_the_deliveries_unless_they_cannot_change_it() -> None:
    undelivered = replace(seen(-3.0), sent=None)
    assert judge(RULE, None, undelivered).answer is None
    assert judge(RULE, None, replace(seen(3.0), sent=None)).answer == "Cannot tell"


def test_what_is_far_from_everything_is_not_judged() -> None:
    generator = np.random.default_rng(0)
    # statistics of soft pictures; a black one lies far outside of them
    near_one_another = unit_rows(generator.normal(size=(50, 4)) + np.array([9, 0, 0, 0]))
    space = Space(near_one_another, np.full(7, 0.5), np.eye(7) * 4)
    limit = Limit(3.0, Rate(1, 100), {"others": Rate(2, 10)})
    near = replace(seen(-3.0), features=np.array([9.0, 0, 0, 0]))
    rule = replace(RULE, features=Limit(0.5, Rate(1, 100)))
    assert judge(rule, space, near).answer == "FAKE-like"
    found = judge(rule, space, replace(near, features=np.array([0.0, 0, 0, 9])))
    assert found.answer == "Cannot tell"
    assert reason(found).startswith("by the detector's features it is unlike everything")
    black = replace(near, pixels=np.zeros((32, 32, 3), np.uint8))
    found = judge(replace(rule, statistics=limit), space, black)
    assert reason(found) == (
        "by brightness, colour and fine detail it is unlike everything that the detector was measured on (false alarms "
        "1.0%, misses 80% of other pictures)."
    )


def test_the_worst_group_decides() -> None:
    worse = replace(DRAWN, name="worse", said={"REAL": 95, "FAKE": 0})
    assert weigh(replace(RULE, groups=(*RULE.groups, worse)), "same size", "REAL").details["other_name"] == "worse"


def test_settings() -> None:
    def names(steps: Preprocessing, *sizes: tuple[int, int]) -> list[str]:
        return [setting_of(steps, *size) for size in sizes]

    assert names(Preprocessing(32), (31, 99), (32, 99), (33, 99)) == ["enlarged", "same size", "shrunk"]
    # an image of its own size is enlarged first
    resized = Preprocessing(32, 40, "after")
    assert names(resized, (32, 32), (40, 99), (41, 99)) == ["enlarged", "same size", "shrunk"]
    # the longer side shrinks
    stretched = Preprocessing(32, crop="none")
    assert names(stretched, (31, 99), (32, 32), (32, 99)) == ["enlarged", "same size", "shrunk"]
    for steps in (Preprocessing(32), resized, stretched):
        squares = [setting_of(steps, 64, 99, Place(zoom=zoom)) for zoom in (1.5, 2.0, 2.5)]
        assert squares == ["shrunk", "same size", "enlarged"]


def test_a_rule_is_read_as_it_was_written(tmp_path: Path) -> None:
    limit = Limit(0.25, Rate(5, 400), {"gan": Rate(3, 100)})
    rule = replace(RULE, features=limit, made={"images": 800})
    write_rule(tmp_path / "studies" / "judgement.json", rule)
    assert read_rule(tmp_path / "studies" / "judgement.json") == rule
    assert limit.misses == Rate(97, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"level": 0.2},
        {"level": "high"},
        {"groups": 3},
        {"groups": [{"name": "x"}]},
        {"features": {"value": 1e999}},
        {"detector": ""},
    ],
)
def test_a_rule_that_cannot_be_is_one_sentence(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "r@s" / "studies" / "judgement.json"
    write_rule(path, RULE)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ContractError, match=r"judgement.json holds no rule of judgement .*--run r@s`$"):
        read_rule(path)


def test_pictures_of_one_source_count_as_one() -> None:
    other = weigh(RULE, "same size", "REAL").beside["other"]
    expected = proportion_confint(0.9 * 5, 5, method="wilson")
    assert (other.low, other.high) == pytest.approx(expected)
    assert (other.value, other.n, other.clusters) == (0.9, 100, 5)


def test_a_rule_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "judgement.json"
    write_rule(path, RULE)
    for groups in ((*RULE.groups, replace(DRAWN, name="x" * 201)), RULE.groups * 100):
        with pytest.raises(ContractError, match="the rule of r@s cannot be written"):
            write_rule(path, replace(RULE, groups=groups))
    assert read_rule(path) == RULE


def test_the_name_of_a_run_is_quoted_in_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"--run 'my run@set \(1\)'`$"):
        read_rule(tmp_path / "my run@set (1)" / "studies" / "judgement.json")
