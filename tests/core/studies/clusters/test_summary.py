"""Cards of clusters: each number a second time from the table, and no cluster called worse by chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from core.findings.claims import ClaimStatus, claim_status
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.clusters.findings import conclude
from core.studies.clusters.summary import card_table, clearness, read_cards, worst_card
from tests.core.trust_cues import made_run

SIZE = 240
STATISTICS = {name: np.float32(1) for name in ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")}
GENERATOR = np.random.default_rng(0)
CALLED = np.repeat(["FAKE", "REAL"], SIZE // 2)
# clusters 0, 2, 4 are FAKE verdicts and 1, 3, 5 REAL ones; cluster 4 is mostly wrong
CLUSTER = np.concatenate([np.repeat([0, 2, 4], [60, 40, 20]), np.repeat([1, 3, 5], [50, 40, 30])])
WRONG = (CLUSTER == 4) & (np.arange(SIZE) % 4 > 0) | (np.arange(SIZE) % 20 == 0)


@pytest.fixture
def run() -> Run:
    label = np.where(WRONG, np.where(CALLED == "FAKE", "REAL", "FAKE"), CALLED)
    bright = np.where(CLUSTER == 2, 200, 100) + GENERATOR.normal(0, 5, SIZE)
    return made_run(label.tolist(), CALLED.tolist(), category="cat", **{**STATISTICS, "brightness": bright})


@pytest.fixture
def table() -> pd.DataFrame:
    """In an order of its own."""
    generator = np.random.default_rng(1)
    found = pd.DataFrame(
        {
            "id": list(map(str, range(SIZE))),
            "features_cluster": CLUSTER.astype(np.int8),
            "features_distance": generator.random(SIZE).astype(np.float32),
            "features_silhouette": np.where(generator.random(SIZE) < 0.5, generator.random(SIZE), np.nan),
            "features_control": generator.random(SIZE) / 5,
        }
    )
    for name in ("cluster", "distance", "silhouette", "control"):
        found[f"maps_{name}"] = found[f"features_{name}"]
    return found.iloc[generator.permutation(SIZE)].reset_index(drop=True)


def test_cards_hold_what_the_table_and_the_run_say(run: Run, table: pd.DataFrame) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (SIZE, 32, 32, 3)).astype(np.uint8)
    cards = read_cards(table, run, "features", pictures=Pictures(pixels, np.arange(SIZE)))
    assert [card.number for card in cards] == list(range(6))
    for card in cards:
        mine = np.flatnonzero(card.number == CLUSTER)
        assert (card.images, card.verdict) == (len(mine), CALLED[mine[0]])
        assert card.share == pytest.approx(len(mine) / SIZE)
        assert card.errors == WRONG[mine].sum()
        low, high = binomtest(card.errors, card.images).proportion_ci(method="wilson")
        assert card.error_rate.value == pytest.approx(card.errors / card.images)
        assert (card.error_rate.low, card.error_rate.high) == (pytest.approx(low), pytest.approx(high))
        assert card.verdict_error_rate == pytest.approx(WRONG[card.verdict == CALLED].mean())
        part = table[table["features_cluster"] == card.number].sort_values("features_distance")
        assert list(card.members) == part["id"].tolist()[:12]
        assert card.mean_image is not None
        np.testing.assert_array_equal(card.mean_image, np.rint(pixels[mine].mean(axis=0)).astype(np.uint8))
        np.testing.assert_allclose(card.mean_map, np.asarray(run.maps[mine], float).mean(axis=0), atol=1e-3)
        surest = run.predictions.loc[mine[WRONG[mine]]].sort_values("margin", key=lambda margin: -margin.abs())
        assert list(card.wrong) == surest["id"].tolist()[:12]


def test_words_are_those_of_the_planted_fact(run: Run, table: pd.DataFrame) -> None:
    cards = {card.number: card for card in read_cards(table, run, "features")}
    assert (cards[2].apart[0].column, cards[2].apart[0].own) == ("brightness", pytest.approx(200, abs=2))
    assert all(one.column != "brightness" or one.own < one.rest for one in cards[5].apart)
    assert cards[2].visible >= 1
    assert cards[2].mean_image is None


def test_pictures_that_are_not_all_at_hand_make_no_mean(run: Run, table: pd.DataFrame) -> None:
    where = np.arange(SIZE)
    where[CLUSTER == 3] = -1
    pictures = Pictures(np.zeros((SIZE, 32, 32, 3), np.uint8), where)
    cards = read_cards(table, run, "features", pictures=pictures)
    assert [card.mean_image is None for card in cards] == [number == 3 for number in range(6)]


def test_the_cluster_that_errs_more_is_found_and_chance_is_not(run: Run, table: pd.DataFrame) -> None:
    cards = read_cards(table, run, "features")
    fake, real = ([card for card in cards if card.verdict == verdict] for verdict in ("FAKE", "REAL"))
    worst = worst_card(fake)
    assert worst is not None
    assert worst.number == 4
    # errors are even among REAL verdicts
    assert worst_card(real) is None


def test_of_many_clusters_that_err_alike_one_is_called_worse_about_as_seldom_as_it_says() -> None:
    """Errors by lot in twelve clusters, sixty times: 95 % intervals one by one would be fooled far more often."""
    generator = np.random.default_rng(3)
    labels = np.arange(360) % 12
    table = pd.DataFrame({"id": list(map(str, range(360))), "maps_cluster": labels, "maps_distance": 0.0})
    alone = strict = 0
    for _ in range(60):
        label = np.where(generator.random(360) < 0.2, "REAL", "FAKE")
        run = made_run(label.tolist(), ["FAKE"] * 360, category="cat", **STATISTICS)
        cards = read_cards(table, run, "maps")
        alone += any(card.error_rate.low > card.verdict_error_rate for card in cards)
        strict += worst_card(cards) is not None
    assert strict <= 5 < alone


def test_a_sample_with_every_error_is_weighted_up(run: Run, table: pd.DataFrame) -> None:
    """The rates of a sample of every error and every third right answer are those of the run."""
    keep = WRONG | (np.arange(SIZE) % 3 == 0)
    part = table[table["id"].astype(int).map(dict(enumerate(keep)))]
    whole, sample = (read_cards(one, run, "features") for one in (table, part))
    for card, guess in zip(whole, sample, strict=True):
        assert guess.images < card.images
        assert guess.errors == card.errors
        assert guess.verdict_error_rate == pytest.approx(card.verdict_error_rate)
        assert guess.error_rate.value == pytest.approx(card.error_rate.value, abs=0.06)
        assert guess.share == pytest.approx(card.share, abs=0.06)


def test_mean_images_of_a_sample_are_weighted_up_wherever_its_pictures_stand(run: Run, table: pd.DataFrame) -> None:
    generator = np.random.default_rng(2)
    pixels = generator.integers(0, 256, (SIZE, 8, 8, 3)).astype(np.uint8)
    where = generator.permutation(SIZE)
    keep = WRONG | (np.arange(SIZE) % 3 == 0)
    part = table[table["id"].astype(int).map(dict(enumerate(keep)))]
    for card in read_cards(part, run, "features", pictures=Pictures(pixels, where)):
        mine = np.flatnonzero(keep & (card.number == CLUSTER))
        right = ~WRONG & (card.verdict == CALLED)
        weights = np.where(WRONG[mine], 1, right.sum() / (right & keep).sum())
        expected = np.average(pixels[where[mine]], axis=0, weights=weights)
        assert card.mean_image is not None
        np.testing.assert_allclose(card.mean_image, expected, rtol=0, atol=0.51)


def test_what_sets_a_cluster_of_a_sample_apart_is_weighted_up(run: Run, table: pd.DataFrame) -> None:
    # a sample holds every error, which would make its plain mean too bright
    run.predictions.loc[WRONG, "brightness"] += 20
    keep = WRONG | (np.arange(SIZE) % 3 == 0)
    part = table[table["id"].astype(int).map(dict(enumerate(keep)))]
    (card,) = (card for card in read_cards(part, run, "features") if card.number == 2)
    mine = np.flatnonzero(keep & (CLUSTER == 2))
    right = ~WRONG & (card.verdict == CALLED)
    weights = np.where(WRONG[mine], 1, right.sum() / (right & keep).sum())
    (bright,) = (one for one in card.apart if one.column == "brightness")
    expected = np.average(run.predictions["brightness"].to_numpy()[mine], weights=weights)
    assert bright.own == pytest.approx(expected)


def test_clearness_is_the_mean_silhouette(run: Run, table: pd.DataFrame) -> None:
    for verdict in ("FAKE", "REAL"):
        mine = table[table["id"].astype(int).map(dict(enumerate(verdict == CALLED)))]
        found = clearness(table, run, "features", verdict)
        own = mine["features_silhouette"].dropna()
        assert found.clusters == 3
        assert found.images == len(own)
        assert found.silhouette == pytest.approx(own.mean())
        assert found.control == pytest.approx(mine["features_control"].mean())
    none = clearness(table.assign(features_silhouette=np.nan), run, "features", "FAKE")
    assert np.isnan(none.silhouette)
    assert none.images == 0


def test_the_table_of_cards_has_a_row_a_cluster(run: Run, table: pd.DataFrame) -> None:
    cards = read_cards(table, run, "features")
    found = card_table(cards)
    assert len(found) == 6
    assert found["errors"].sum() == WRONG.sum()
    assert found["images"].sum() == SIZE
    np.testing.assert_allclose(found["share"].sum(), 1)
    assert list(card_table([]).columns) == []


def test_findings_stand_for_each_verdict_alone_and_an_empty_one_has_none(run: Run, table: pd.DataFrame) -> None:
    found = conclude(run, table, {})
    assert [one.key for one in found] == [
        f"{what}-{space}-{verdict}"
        for space in ("features", "maps")
        for verdict in ("FAKE", "REAL")
        for what in ("worst", "number")
    ]
    for finding in found:
        assert finding.key.endswith(f"-{finding.group}")
    # margins are by lot, so that a cluster's are expected to err about as its verdict does
    worst = found[0]
    assert worst.control is not None
    assert worst.control.measure.value == pytest.approx(worst.beside["overall"].value, abs=0.15)
    assert claim_status(worst) == ClaimStatus("holds", 1)
    only = table[table["id"].astype(int) < SIZE // 2]
    assert {one.key.split("-")[-1] for one in conclude(run, only, {})} == {"FAKE"}
    # a verdict that stayed whole has nothing to tell apart
    whole = only.assign(features_cluster=0, maps_cluster=0, features_silhouette=np.nan, maps_silhouette=np.nan)
    assert conclude(run, whole, {}) == []
    assert len(read_cards(whole, replace(run), "maps")) == 1
