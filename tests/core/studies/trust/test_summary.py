"""What the studies of explanations come to: every number a second time from the table."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import auc

from core.findings.claims import ClaimStatus, claim_status
from core.findings.words import tell
from core.runs.run import Run
from core.studies.agreement import SUMMARY as AGREEMENT
from core.studies.agreement import agreement_summary
from core.studies.explanations import coverage
from core.studies.faithfulness import COLUMNS
from core.studies.faithfulness_curves import (
    COARSE,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    STEPS,
    area_column,
    area_of,
    curve_column,
    curve_of,
    leads,
    mean_curves,
)
from core.studies.faithfulness_curves import conclude as faithfulness
from core.studies.groups import CELLS
from core.studies.randomisation import levels_of
from core.studies.result import StudyResult
from core.studies.single_sign import SUMMARY as ONE_COLOUR
from core.studies.single_sign import one_colour_summary
from core.studies.stability import stability_summary
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


def height(part: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """(N,): area under a curve, by trapezoids, negated for deletion; higher is better."""
    points = line(part, direction, method, fill)
    area = ((points[:, 1:] + points[:, :-1]) / 2).mean(axis=1)
    return np.asarray(area if direction == "insertion" else -area)


def test_curves_begin_and_end_where_they_must(table: pd.DataFrame) -> None:
    for method in ("lime", "area"):
        for fill in FILLS:
            for direction in ("deletion", "insertion"):
                expected = line(table, direction, method, fill)
                np.testing.assert_array_equal(curve_of(table, direction, method, fill), expected)
                by_scikit_learn = auc(SHARES, expected[0])
                assert area_of(table, direction, method, fill)[0] == pytest.approx(by_scikit_learn)
    assert curve_column("deletion", "lime", "blur", 3) == "deletion_lime_blur_3"


@pytest.mark.parametrize("by", ["verdict", "cell"])
def test_leads_are_the_paired_difference_from_the_best_control(by: str, table: pd.DataFrame, run: Run) -> None:
    found = leads(table, run, by=by).set_index(["group", "fill", "direction", "method"])  # type: ignore[arg-type]
    assert len(found) == (2 if by == "verdict" else 4) * len(FILLS) * 2 * len(EXPLANATIONS)
    for group, part in parts(table, by):
        for fill, direction, method in product(FILLS, DIRECTIONS, EXPLANATIONS):
            back = {"deletion": "insertion", "insertion": "deletion"}[direction]
            sign = 1 if direction == "insertion" else -1
            own = {}
            for key, (name, opposite) in CONTROLS.items():
                own[name] = height(part, direction, key, fill)
                if opposite:
                    # the reverse is shown where the order itself is filled
                    own[opposite] = -height(part, back, key, fill)
                for called, way in ((name, direction), (opposite, back)):
                    if key in COARSE and called:
                        values = part[area_column(way, key, method, fill)].to_numpy(float)
                        own[f"{called}, as coarse as the map"] = sign * values
            means = {key: np.average(one, weights=part["weight"]) for key, one in own.items()}
            best = max(means, key=lambda key: means[key])
            row = found.loc[(group, fill, direction, method)]
            assert row["control"] == best
            difference = height(part, direction, method, fill) - own[best]
            assert row["value"] == pytest.approx(np.average(difference, weights=part["weight"]))
            # the linearised variance of a weighted mean, with numpy
            pulls = part["weight"] * (difference - row["value"]) / part["weight"].sum()
            spread = np.sqrt((pulls**2).sum() * len(part) / (len(part) - 1))
            assert row["high"] - row["value"] == pytest.approx(row["value"] - row["low"])
            assert 1.9 * spread < row["high"] - row["value"] < 2.4 * spread
            assert row["images"] == len(part)


def test_a_file_from_before_coarse_controls_and_a_fill_is_read_as_it_is(table: pd.DataFrame, run: Run) -> None:
    old = table[[name for name in table if "_as_" not in name and not name.endswith("road") and "_road_" not in name]]
    found = leads(old, run)
    assert list(dict.fromkeys(found["fill"])) == ["mean", "blur", "texture"]
    assert not found["control"].str.contains("coarse").any()
    finding = next(one for one in faithfulness(run, old, {}) if one.key == "lime-FAKE")
    assert len(finding.choices) == 6
    assert "ROAD" not in str(tell(finding).full)


def test_mean_curves_are_means_point_by_point_and_reverses_their_mirrors(table: pd.DataFrame, run: Run) -> None:
    found = mean_curves(table, run).set_index(["group", "fill", "method", "direction"]).sort_index()
    for group, part in parts(table):
        for fill in ("blur", "road"):
            for direction in ("deletion", "insertion"):
                points = line(part, direction, "centre", fill)
                rows = found.loc[(group, fill, "centre", direction)]
                np.testing.assert_allclose(rows["share"], SHARES)
                np.testing.assert_allclose(rows["value"], np.average(points, axis=0, weights=part["weight"]))
                opposite = {"deletion": "insertion", "insertion": "deletion"}[direction]
                mirror = found.loc[(group, fill, "centre reversed", opposite)]
                np.testing.assert_allclose(mirror["value"], rows["value"][::-1])
                assert set(mirror["name"]) == {"border first"}


def moved(table: pd.DataFrame, by: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Curves that are better by so much in both directions on FAKE verdicts: method -> fill -> margins."""
    raised = table.copy()
    fake = CALLED[table["id"].astype(int)] == "FAKE"
    for method, fills in by.items():
        for fill, far in fills.items():
            for step in range(1, STEPS):
                raised.loc[fake, f"insertion_{method}_{fill}_{step}"] += np.float16(far)
                raised.loc[fake, f"deletion_{method}_{fill}_{step}"] -= np.float16(far)
    return raised


def test_faithfulness_is_claimed_where_every_fill_and_direction_agrees(table: pd.DataFrame, run: Run) -> None:
    far = moved(table, {"lime": dict.fromkeys(FILLS, 4), "gradcam": dict.fromkeys(FILLS, -4)})
    found = leads(far, run).set_index(["group", "direction", "fill", "method"])
    said = {finding.key: finding for finding in faithfulness(run, far, {})}
    fake = CALLED[table["id"].astype(int)] == "FAKE"
    for method, sign in (("lime", 1), ("gradcam", -1)):
        finding = said[f"{method}-FAKE"]
        assert claim_status(finding) == ClaimStatus("holds", sign)
        assert (finding.measure.n, finding.group) == (fake.sum(), "FAKE")
        assert [(one.kind, one.value) for one in finding.choices] == list(product(DIRECTIONS, FILLS))
        for one in finding.choices:
            row = found.loc[("FAKE", one.kind, one.value, method)]
            assert one.control is not None
            assert one.difference is not None
            assert one.control.name == row["control"]
            ends = (one.difference.value, one.difference.low, one.difference.high)
            assert ends == (row["value"], row["low"], row["high"])
    assert "LIME finds what FAKE verdicts lean on better than every control, under every fill" in str(
        tell(said["lime-FAKE"]).full
    )
    assert {finding.group for finding in said.values()} == {"FAKE", "REAL"}


def test_one_fill_or_direction_that_disagrees_is_what_it_depends_on(table: pd.DataFrame, run: Run) -> None:
    far = moved(table, {"lime": {**dict.fromkeys(FILLS, 4), "road": -4}})
    finding = next(one for one in faithfulness(run, far, {}) if one.key == "lime-FAKE")
    signs = {"mean": 1, "blur": 1, "texture": 1, "road": -1}
    assert claim_status(finding).on == {"deletion": signs, "insertion": signs}
    told = str(tell(finding).full)
    assert "depends on the fill: better under mean colour (deletion" in told
    assert "; worse under ROAD (deletion −" in told
    # nothing pooled stands in it: eight numbers, a fill and a direction each
    assert told.count("deletion") == told.count("insertion") == len(FILLS)
    only = table.copy()
    fake = CALLED[table["id"].astype(int)] == "FAKE"
    for fill, step in product(FILLS, range(1, STEPS)):
        only.loc[fake, f"insertion_lime_{fill}_{step}"] += np.float16(4)
        only.loc[fake, f"deletion_lime_{fill}_{step}"] += np.float16(4)
    finding = next(one for one in faithfulness(run, only, {}) if one.key == "lime-FAKE")
    # far worse by deletion, which stands first, and far better by insertion
    assert claim_status(finding).on == {"insertion": dict.fromkeys(FILLS, 1)}
    assert claim_status(finding).kind == "depends"


def test_where_every_interval_holds_nothing_nothing_is_claimed(table: pd.DataFrame, run: Run) -> None:
    # LIME is the best control itself, but for noise
    same = table.copy()
    generator = np.random.default_rng(5)
    for fill in FILLS:
        for step, direction in product(range(1, STEPS), DIRECTIONS):
            drawn = generator.normal(0, 0.2, SIZE)
            same[f"{direction}_lime_{fill}_{step}"] = 0.5 + drawn
            for control in CONTROLS:
                same[f"{direction}_{control}_{fill}_{step}"] = 0.5 + generator.normal(0, 0.2, SIZE)
        for control, direction in product(COARSE, DIRECTIONS):
            same[area_column(direction, control, "lime", fill)] = np.nan
    same["start"] = 0.5
    for fill in FILLS:
        same[f"filled_{fill}"] = 0.5
    # the best of nine controls is chosen with the same images: so much is in LIME's favour here
    for fill, step, direction in product(FILLS, range(1, STEPS), DIRECTIONS):
        same[f"{direction}_lime_{fill}_{step}"] += 0.02 if direction == "insertion" else -0.02
    finding = next(one for one in faithfulness(run, same, {}) if one.key == "lime-FAKE")
    assert claim_status(finding) == ClaimStatus("not shown")
    assert "cannot be told from the best control" in str(tell(finding).full)


def test_flipped_verdicts_are_a_number_under_each_fill_beside_that_of_scattered_cells(
    table: pd.DataFrame, run: Run
) -> None:
    """Single cells have another shape than what a map ranks first, so they are no control."""
    said = {finding.key: finding for finding in faithfulness(run, table.assign(weight=1.0), {})}
    for group, part in parts(table):
        for method in EXPLANATIONS:
            finding = said[f"flipped-{method}-{group}"]
            assert claim_status(finding) == ClaimStatus("no control")
            assert "so the two are not compared" in str(tell(finding).full)
            assert [one.value for one in finding.choices] == list(FILLS)
            for one in finding.choices:
                gone, blind = (part[f"deletion_{name}_{one.value}_2"] < 0 for name in (method, "random"))
                low, high = binomtest(int(gone.sum()), len(part)).proportion_ci(method="wilson")
                assert (one.measure.value, one.measure.low) == (pytest.approx(gone.mean()), pytest.approx(low))
                assert one.measure.high == pytest.approx(high)
                assert finding.beside[one.value].value == pytest.approx(blind.mean())


def test_one_image_gives_no_interval_and_no_nan_in_words(table: pd.DataFrame, run: Run) -> None:
    for finding in faithfulness(run, table.head(1), {}):
        assert "nan" not in str(tell(finding).full)
    assert np.isnan(leads(table.head(1), run)["low"]).all()


def test_other_summaries_are_weighted_means_and_shares(run: Run) -> None:
    generator = np.random.default_rng(4)
    numbers = pd.DataFrame({name: generator.uniform(-1, 1, SIZE) for name in (*AGREEMENT, *STABILITY)})
    flags = pd.DataFrame({name: generator.random(SIZE) < 0.4 for name in ONE_COLOUR})
    table = pd.concat([numbers, flags], axis=1).assign(id=list(map(str, range(SIZE))), weight=WEIGHT)
    table.loc[5, "rank"] = np.nan
    for make, columns in (
        (agreement_summary, {name: text.format(one="LIME", kept="Grad-CAM") for name, text in AGREEMENT.items()}),
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


def test_columns_of_a_method_that_is_not_here_are_no_levels_of_another() -> None:
    parts = ("fc", "layer4", "other", "edges")
    table = pd.DataFrame(columns=["network", *(f"{method}_{part}" for method in ("lime", "lime_x") for part in parts)])
    assert levels_of(table, "lime") == levels_of(table, "lime_x") == ["fc", "layer4"]


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
    for make in (leads, mean_curves):
        assert make(nothing, run).empty
    only = table[CALLED[table["id"].astype(int)] == "REAL"]
    assert set(leads(only, run)["group"]) == {"REAL"}
    assert {one.group for one in faithfulness(run, only, {})} == {"REAL"}
