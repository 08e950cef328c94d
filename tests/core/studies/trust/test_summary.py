"""What the studies of explanations come to: every number a second time from the table."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import auc

from core.findings.claims import Standing, standing
from core.findings.words import tell
from core.runs.run import Run
from core.studies.groups import CELLS
from core.studies.study import StudyResult
from core.studies.trust.faithfulness import COLUMNS
from core.studies.trust.findings import faithfulness
from core.studies.trust.summary import (
    AGREEMENT,
    CONTROLS,
    FILLS,
    ONE_COLOUR,
    STEPS,
    UNSEEN,
    agreement_summary,
    coverage,
    curve_column,
    curve_of,
    curves,
    excess,
    one_colour_summary,
    score_of,
    scores,
    stability_summary,
    turned,
)
from tests.core.trust_cues import made_run

EXPLANATIONS = {"gradcam": "Grad-CAM", "lime": "LIME"}
METHODS = (*EXPLANATIONS, *CONTROLS)
STABILITY = {
    "lime_seed": "LIME, another seed",
    "lime_noise": "LIME, noise of 1 in 255",
    "lime_other": "LIME of other images",
    "gradcam_noise": "Grad-CAM, noise of 1 in 255",
    "gradcam_other": "Grad-CAM of other images",
}

SIZE = 90
GENERATOR = np.random.default_rng(0)
LABEL = GENERATOR.choice(["FAKE", "REAL"], SIZE)
CALLED = GENERATOR.choice(["FAKE", "REAL"], SIZE)
WEIGHT = GENERATOR.uniform(1, 4, SIZE).astype(np.float32)
REVERSED = {f"{key} reversed" for key, (_, back) in CONTROLS.items() if back}
SHARES = np.arange(STEPS + 1) / STEPS


@pytest.fixture
def run() -> Run:
    return made_run(LABEL.tolist(), CALLED.tolist())


@pytest.fixture
def table() -> pd.DataFrame:
    """Curves by lot, in an order of their own."""
    generator = np.random.default_rng(1)
    found = pd.DataFrame({name: generator.normal(0.5, 1, SIZE) for name in COLUMNS})
    found = found.astype(np.float16)
    found.insert(0, "id", list(map(str, range(SIZE))))
    return found.assign(weight=WEIGHT).iloc[generator.permutation(SIZE)].reset_index(drop=True)


def parts(table: pd.DataFrame, by: str = "verdict") -> Iterator[tuple[str, pd.DataFrame]]:
    """The table's rows of each group, found a second time."""
    position = table["id"].astype(int).to_numpy()
    names = ("FAKE", "REAL") if by == "verdict" else CELLS
    for name in names:
        verdict = CALLED[position] == name.split(" called ")[-1]
        right = LABEL[position] == name.split(" called ")[0]
        yield name, table[verdict & (right | (by == "verdict"))]


def line(part: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """(N, 9), point by point."""
    columns = [f"{direction}_{method}_{fill}_{step}" for step in range(1, 8)]
    ends = ["start", f"filled_{fill}"]
    ordered = [ends[0], *columns, ends[1]] if direction == "deletion" else [ends[1], *columns, ends[0]]
    return np.asarray(part[ordered], np.float64)


def height(part: pd.DataFrame, method: str, fill: str) -> NDArray[np.float64]:
    """(N,): the score, each of eight strips as high as its middle."""
    gap = line(part, "insertion", method, fill) - line(part, "deletion", method, fill)
    return np.asarray(((gap[:, 1:] + gap[:, :-1]) / 2).mean(axis=1))


def test_curves_begin_and_end_where_they_must(table: pd.DataFrame) -> None:
    for method in ("lime", "area"):
        for fill in FILLS:
            for direction in ("deletion", "insertion"):
                expected = line(table, direction, method, fill)
                np.testing.assert_array_equal(curve_of(table, direction, method, fill), expected)
            np.testing.assert_allclose(score_of(table, method, fill), height(table, method, fill), atol=1e-12)
            lines = [line(table, direction, method, fill)[0] for direction in ("insertion", "deletion")]
            by_scikit_learn = auc(SHARES, lines[0]) - auc(SHARES, lines[1])
            assert score_of(table, method, fill)[0] == pytest.approx(by_scikit_learn)
    assert curve_column("deletion", "lime", "blur", 3) == "deletion_lime_blur_3"


@pytest.mark.parametrize("by", ["verdict", "cell"])
def test_scores_are_weighted_means_of_areas(by: str, table: pd.DataFrame, run: Run) -> None:
    found = scores(table, run, by=by).set_index(["group", "fill", "method"])  # type: ignore[arg-type]
    assert set(found.index.get_level_values("method")) == {*METHODS, *REVERSED}
    for group, part in parts(table, by):
        for method in ("gradcam", "edges"):
            for fill in FILLS:
                mean = np.average(height(part, method, fill), weights=part["weight"])
                row = found.loc[(group, fill, method)]
                assert row["value"] == pytest.approx(mean)
                assert row["low"] < mean < row["high"]
                assert row["images"] == len(part)
            unseen = np.average(np.mean([height(part, method, fill) for fill in UNSEEN], 0), weights=part["weight"])
            assert found.loc[(group, "unseen", method), "value"] == pytest.approx(unseen)
        assert found.loc[(group, "blur", "edges reversed"), "value"] == pytest.approx(
            -found.loc[(group, "blur", "edges"), "value"]
        )
        assert found.loc[(group, "blur", "edges reversed"), "name"] == "flat areas first"


@pytest.mark.parametrize("by", ["verdict", "cell"])
def test_the_excess_is_the_paired_difference_from_the_best_control(by: str, table: pd.DataFrame, run: Run) -> None:
    found = excess(table, run, by=by).set_index(["group", "fill", "method"])  # type: ignore[arg-type]
    for group, part in parts(table, by):
        for fill in (*FILLS, "unseen"):
            wanted = UNSEEN if fill == "unseen" else (fill,)
            own = {key: np.mean([height(part, key, one) for one in wanted], axis=0) for key in METHODS}
            names = {key: name for key, (name, _) in CONTROLS.items()}
            for key, (_, back) in CONTROLS.items():
                if back:
                    own[f"{key} reversed"], names[f"{key} reversed"] = -own[key], back
            means = {key: np.average(own[key], weights=part["weight"]) for key in names}
            best = max(means, key=lambda key: means[key])
            for method in EXPLANATIONS:
                row = found.loc[(group, fill, method)]
                assert row["control"] == names[best]
                difference = own[method] - own[best]
                assert row["value"] == pytest.approx(np.average(difference, weights=part["weight"]))
                # the linearised variance of a weighted mean, with numpy
                pulls = part["weight"] * (difference - row["value"]) / part["weight"].sum()
                spread = np.sqrt((pulls**2).sum() * len(part) / (len(part) - 1))
                assert row["high"] - row["value"] == pytest.approx(row["value"] - row["low"])
                assert 1.9 * spread < row["high"] - row["value"] < 2.4 * spread


def test_turned_counts_verdicts_whose_margin_has_changed_sign(table: pd.DataFrame, run: Run) -> None:
    even = table.assign(weight=1.0)
    found = turned(even, run).set_index(["group", "fill", "method"])
    for group, part in parts(even):
        for method in ("lime", "random"):
            gone = part[f"deletion_{method}_texture_2"] < 0
            low, high = binomtest(int(gone.sum()), len(part)).proportion_ci(method="wilson")
            row = found.loc[(group, "texture", method)]
            assert row["value"] == pytest.approx(gone.mean())
            assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    half = turned(table, run, share=0.5).set_index(["group", "fill", "method"])
    for group, part in parts(table):
        gone = part["deletion_area_mean_4"] < 0
        assert half.loc[(group, "mean", "area"), "value"] == pytest.approx(np.average(gone, weights=part["weight"]))


def test_mean_curves_are_means_point_by_point_and_reverses_their_mirrors(table: pd.DataFrame, run: Run) -> None:
    found = curves(table, run).set_index(["group", "fill", "method", "direction"]).sort_index()
    for group, part in parts(table):
        for fill in ("blur", "unseen"):
            wanted = UNSEEN if fill == "unseen" else (fill,)
            for direction in ("deletion", "insertion"):
                points = np.mean([line(part, direction, "centre", one) for one in wanted], axis=0)
                rows = found.loc[(group, fill, "centre", direction)]
                np.testing.assert_allclose(rows["share"], SHARES)
                np.testing.assert_allclose(rows["value"], np.average(points, axis=0, weights=part["weight"]))
                opposite = {"deletion": "insertion", "insertion": "deletion"}[direction]
                mirror = found.loc[(group, fill, "centre reversed", opposite)]
                np.testing.assert_allclose(mirror["value"], rows["value"][::-1])
                assert set(mirror["name"]) == {"border first"}


def test_findings_hold_scores_controls_and_every_fill(table: pd.DataFrame, run: Run) -> None:
    raised = table.copy()
    # LIME far better than everything, Grad-CAM far worse, on FAKE verdicts alone
    fake = CALLED[table["id"].astype(int)] == "FAKE"
    for fill in FILLS:
        for step in range(1, STEPS):
            raised.loc[fake, f"insertion_lime_{fill}_{step}"] += np.float16(4)
            raised.loc[fake, f"insertion_gradcam_{fill}_{step}"] -= np.float16(4)
    found = excess(raised, run).set_index(["group", "fill", "method"])
    score = scores(raised, run).set_index(["group", "fill", "method"])
    said = {finding.key: finding for finding in faithfulness(run, raised, {})}
    for method, sign in (("lime", 1), ("gradcam", -1)):
        finding = said[f"{method}-FAKE"]
        assert standing(finding) == Standing("claimed", sign)
        assert (finding.measure.n, finding.group) == (fake.sum(), "FAKE")
        for fill, each in (("unseen", finding), *((one.value, one) for one in finding.choices)):
            row = found.loc[("FAKE", fill, method)]
            assert each.control is not None
            assert each.difference is not None
            assert each.control.name == row["control"]
            assert each.measure.value == score.loc[("FAKE", fill, method), "value"]
            ends = (each.difference.value, each.difference.low, each.difference.high)
            assert ends == (row["value"], row["low"], row["high"])
    assert [one.value for one in said["lime-REAL"].choices] == list(FILLS)
    assert {finding.group for finding in said.values()} == {"FAKE", "REAL"}
    gone = turned(raised, run).set_index(["group", "fill", "method"])
    for method in EXPLANATIONS:
        for one in said[f"flipped-{method}-REAL"].choices:
            assert one.control is not None
            assert one.measure.value == gone.loc[("REAL", one.value, method), "value"]
            assert one.control.measure.value == gone.loc[("REAL", one.value, "random"), "value"]


def test_one_image_gives_no_interval_and_no_nan_in_words(table: pd.DataFrame, run: Run) -> None:
    for finding in faithfulness(run, table.head(1), {}):
        assert "nan" not in str(tell(finding).full)
    assert np.isnan(excess(table.head(1), run)["low"]).all()


def test_other_summaries_are_weighted_means_and_shares(run: Run) -> None:
    generator = np.random.default_rng(4)
    numbers = pd.DataFrame({name: generator.uniform(-1, 1, SIZE) for name in (*AGREEMENT, *STABILITY)})
    flags = pd.DataFrame({name: generator.random(SIZE) < 0.4 for name in ONE_COLOUR})
    table = pd.concat([numbers, flags], axis=1).assign(id=list(map(str, range(SIZE))), weight=WEIGHT)
    table.loc[5, "rank"] = np.nan
    for make, columns in (
        (agreement_summary, AGREEMENT),
        (stability_summary, STABILITY),
        (one_colour_summary, ONE_COLOUR),
    ):
        for by in ("verdict", "cell"):
            found = make(table, run, by=by).set_index(["group", "column"])  # type: ignore[arg-type]
            for group, part in parts(table, by):
                for column, name in columns.items():
                    known = part.dropna(subset=[column])
                    row = found.loc[(group, column)]
                    assert row["name"] == name
                    assert row["value"] == pytest.approx(np.average(known[column], weights=known["weight"]))
                    assert row["images"] == len(known)
                    assert row["low"] < row["value"] < row["high"]


def test_coverage_counts_images_and_errors(run: Run) -> None:
    wrong = np.flatnonzero(LABEL != CALLED)
    some = pd.DataFrame({"id": list(map(str, range(0, SIZE, 3)))})
    answers = {
        "lime": StudyResult(Path("lime.parquet"), some, {"title": "LIME", "images": len(some)}),
        "whole": StudyResult(Path("whole.parquet"), pd.DataFrame({"level": [1]}), {"title": "Whole", "images": SIZE}),
    }
    found = coverage(answers, run).set_index("study")
    assert found.loc["lime", "share"] == pytest.approx(1 / 3)
    assert found.loc["lime", "errors"] == np.sum(wrong % 3 == 0)
    assert found.loc["whole", "errors"] == len(wrong)
    assert set(found["errors_of"]) == {len(wrong)}
    # no study, no row
    assert coverage({}, run).empty


def test_tables_without_rows_give_tables_without_rows(table: pd.DataFrame, run: Run) -> None:
    nothing = table.iloc[:0]
    for make in (scores, excess, turned, curves):
        assert make(nothing, run).empty
    only = table[CALLED[table["id"].astype(int)] == "REAL"]
    assert set(scores(only, run)["group"]) == {"REAL"}
    assert {one.group for one in faithfulness(run, only, {})} == {"REAL"}
