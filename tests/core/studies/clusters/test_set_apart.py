"""What sets a cluster apart: the planted fact and nothing else, with scipy's and textbooks' numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.studies.clusters.differences import set_apart
from core.studies.result import StudyResult

SIZE = 200
# clusters 0 and 1 are FAKE verdicts, 2 and 3 REAL ones
LABELS = np.arange(SIZE) % 4


def rows(**changes: Any) -> pd.DataFrame:
    """Rows of a run in which nothing depends on the cluster but what `changes` says."""
    generator = np.random.default_rng(0)
    called = np.where(LABELS < 2, "FAKE", "REAL")
    facts = {
        "brightness": generator.normal(120, 10, SIZE),
        "contrast": generator.normal(50, 5, SIZE),
        "greyness": generator.uniform(0, 1, SIZE),
        "fine_detail": generator.uniform(0, 0.1, SIZE),
        "file_bytes": generator.normal(900, 50, SIZE),
    }
    return pd.DataFrame(
        {
            "id": list(map(str, range(SIZE))),
            "predicted": pd.Categorical(called),
            "margin": generator.normal(2, 0.5, SIZE) * np.where(called == "REAL", 1, -1),
            "category": pd.Categorical(generator.choice(["cat", "dog", "ship"], SIZE)),
            **facts,
            **changes,
        }
    )


def study(table: pd.DataFrame, columns: dict[str, str], name: str = "probes") -> dict[str, StudyResult]:
    return {name: StudyResult(Path(f"{name}.parquet"), table, {"explore": list(columns), "columns": columns})}


def lifted(values: Any, number: int, by: float) -> NDArray[np.float64]:
    return np.asarray(values, float) + by * (number == LABELS)


def test_what_can_be_seen_is_told_apart_from_what_cannot() -> None:
    given = rows()
    inside = LABELS == 2
    given.loc[inside, "brightness"] += 100
    given.loc[inside, "file_bytes"] += 1000
    seen, rest = (set_apart(LABELS, given, visible=visible)[2] for visible in (True, False))
    assert [one.column for one in seen] == ["brightness"]
    assert [one.column for one in rest] == ["file_bytes"]
    assert {*seen, *rest} == set(set_apart(LABELS, given)[2])


def test_where_nothing_differs_there_are_no_words() -> None:
    assert set_apart(LABELS, rows()) == {0: [], 1: [], 2: [], 3: []}


def test_chance_hardly_ever_gives_a_word() -> None:
    """A hundred columns of noise, told of four clusters."""
    generator = np.random.default_rng(1)
    table = pd.DataFrame(generator.normal(size=(SIZE, 100)), columns=[f"c{number}" for number in range(100)])
    table.insert(0, "id", list(map(str, range(SIZE))))
    found = set_apart(LABELS, rows(), studies=study(table, {name: name for name in table.columns[1:]}))
    assert sum(map(len, found.values())) == 0


@pytest.mark.parametrize(
    ("fact", "by"),
    [
        ("brightness", 40),
        ("brightness", -40),
        ("contrast", 20),
        ("greyness", -0.4),
        ("fine_detail", 0.4),
        ("file_bytes", -400),
    ],
)
def test_the_planted_fact_is_named_with_both_means(fact: str, by: float) -> None:
    given = rows()
    given[fact] = lifted(given[fact], 1, by)
    found = set_apart(LABELS, given)
    (one,) = found[1]
    own, rest = (given.loc[number == LABELS, fact].mean() for number in (1, 0))
    assert one.column == fact
    assert (one.own, one.rest) == pytest.approx((own, rest))
    # Cohen's d; the peer of the two is as far from it
    spread = np.sqrt((given.loc[LABELS == 1, fact].var(ddof=0) + given.loc[LABELS == 0, fact].var(ddof=0)) / 2)
    assert one.effect == pytest.approx(abs(own - rest) / spread)
    assert len(found[0]) == 1
    # the clusters of the other verdict are compared among themselves
    assert found[2] == found[3] == []


def test_sureness_counts_without_its_sign() -> None:
    given = rows()
    given["margin"] = np.sign(given["margin"]) * lifted(given["margin"].abs(), 3, 4)
    found = set_apart(LABELS, given)
    (surer,), (less,) = found[3], found[2]
    assert surer.column == less.column == "margin"
    assert surer.own == less.rest > surer.rest
    assert found[0] == found[1] == []


def test_a_category_is_told_where_there_is_more_of_it_and_not_where_it_is_missing() -> None:
    category = np.where((LABELS == 0) & (np.arange(SIZE) % 5 > 0), "horse", rows()["category"].astype(str))
    found = set_apart(LABELS, rows(category=pd.Categorical(category)))
    share = np.mean(category[LABELS == 0] == "horse")
    (horse,) = found[0]
    assert (horse.column, horse.value, horse.own, horse.rest) == ("category", "horse", pytest.approx(share), 0)
    # Cohen's h
    assert horse.effect == pytest.approx(2 * np.arcsin(np.sqrt(share)))
    assert found[1] == []


def test_the_largest_effect_comes_first() -> None:
    given = rows()
    given["brightness"] = lifted(given["brightness"], 2, 12)
    given["contrast"] = lifted(given["contrast"], 2, -30)
    found = set_apart(LABELS, given)[2]
    assert [one.column for one in found] == ["contrast", "brightness"]
    assert found[0].effect > found[1].effect


def test_columns_of_other_studies_are_told_on_the_images_that_they_cover() -> None:
    generator = np.random.default_rng(2)
    covered = np.flatnonzero(np.arange(SIZE) % 3 > 0)
    turned = np.where(LABELS == 1, generator.random(SIZE) < 0.9, generator.random(SIZE) < 0.1)
    table = pd.DataFrame(
        {
            "id": list(map(str, covered)),
            "blur_turns": turned[covered],
            "change": lifted(generator.normal(size=SIZE), 3, 5)[covered],
            "cause": np.where(LABELS == 0, "fill", "none")[covered],
            "hidden": lifted(np.zeros(SIZE), 0, 9)[covered],
            "weight": np.where(turned[covered], 1.0, 2.0),
        }
    )
    columns = {
        "blur_turns": "blur turns the verdict, yes or no",
        "change": "change of the margin; margins",
        "cause": "why",
    }
    given = generator.permutation(len(table))
    found = set_apart(LABELS, rows(), studies=study(table.iloc[given], columns))
    part = table.assign(label=LABELS[covered])
    own, rest = (
        np.average(part.loc[part["label"] == number, "blur_turns"], weights=part.loc[part["label"] == number, "weight"])
        for number in (1, 0)
    )
    named = {(number, one.column): one for number, differing in found.items() for one in differing}
    blur = named[1, "probes.blur_turns"]
    assert (blur.label, blur.own, blur.rest) == ("blur turns the verdict", pytest.approx(own), pytest.approx(rest))
    cause = named[0, "probes.cause"]
    assert (cause.label, cause.value, cause.own, cause.rest) == ("why", "fill", 1, 0)
    assert named[3, "probes.change"].label == "change of the margin"
    assert not any("hidden" in column for _, column in named)


def test_means_count_the_images_that_each_row_of_a_sample_stands_for() -> None:
    generator = np.random.default_rng(3)
    weights = generator.uniform(1, 5, SIZE)
    given = rows()
    given["brightness"] = lifted(given["brightness"], 1, 40)
    table = pd.DataFrame(
        {"id": given["id"], "change": lifted(generator.normal(size=SIZE), 3, 5), "weight": np.full(SIZE, 3.0)}
    )
    found = set_apart(LABELS, given, weights=weights, studies=study(table, {"change": "change"}))

    def means(values: pd.Series, counts: NDArray[np.float64], *numbers: int) -> list[float]:
        return [np.average(values[number == LABELS], weights=counts[number == LABELS]) for number in numbers]

    (bright,), (changed,) = found[1], found[3]
    assert [bright.own, bright.rest] == pytest.approx(means(given["brightness"], weights, 1, 0))
    # of two samples the sparser decides
    assert [changed.own, changed.rest] == pytest.approx(means(table["change"], np.maximum(weights, 3), 3, 2))


def test_the_study_of_clusters_itself_and_columns_of_names_say_nothing() -> None:
    table = pd.DataFrame({"id": list(map(str, range(SIZE))), "kind": LABELS.astype(float)})
    assert set_apart(LABELS, rows(), studies=study(table, {"kind": "kind"}, "clusters"))[0] == []
    names = pd.DataFrame({"id": table["id"], "name": [f"n{number}" for number in range(SIZE)]})
    assert set_apart(LABELS, rows(), studies=study(names, {"name": "name"}))[0] == []
    # nor does a study that is not of images
    whole = pd.DataFrame({"level": [1.0, 2.0]})
    assert set_apart(LABELS, rows(), studies=study(whole, {"level": "level"}))[0] == []


def test_small_clusters_and_single_ones_say_only_what_is_certain() -> None:
    # one image is brighter by far: that is no kind
    labels = np.where(np.arange(SIZE) == 0, 9, np.where(LABELS < 2, 0, 1))
    given = rows()
    given.loc[0, "brightness"] = 255
    found = set_apart(labels, given)
    assert found == {0: [], 1: [], 9: []}
    # two of two in a category may be chance
    labels[4] = 9
    given["category"] = np.where(labels == 9, "horse", "cat")
    assert set_apart(labels, given)[9] == []


def test_facts_that_are_not_known_are_passed_over() -> None:
    given = rows(brightness=np.nan, category=None)
    assert set_apart(LABELS, given) == {0: [], 1: [], 2: [], 3: []}
