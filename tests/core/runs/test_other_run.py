"""The verdicts of another run as columns to browse by."""

from dataclasses import replace

import numpy as np
import pandas as pd

from core.runs.filter import Filter
from core.runs.rows import find_rows, judged_table
from core.runs.run import same_images
from core.studies.columns import describe_verdicts, verdicts_of
from tests.core.studies.pairs import drawn_runs


def test_verdicts_stand_beside_the_images_and_can_be_filtered_by() -> None:
    first, second = drawn_runs(200)
    table = pd.concat([judged_table(first), verdicts_of(second, first.predictions["id"])], axis=1)
    by_id = second.predictions.set_index("id").loc[first.predictions["id"]]
    wrong = (by_id["label"].astype(str) != by_id["predicted"].astype(str)).to_numpy()
    wanted = Filter.from_params({"versus.correct": "wrong", "result": "right"}, table)
    own = (table["correct"] == "right").to_numpy()
    assert set(find_rows(table, wanted)) == set(np.flatnonzero(wrong & own))
    assert (table["versus.margin"].to_numpy() == by_id["margin"].to_numpy()).all()
    assert set(describe_verdicts(second)) == {name for name in table if name.startswith("versus.")}


def test_an_image_that_the_other_lacks_has_no_verdict() -> None:
    first, second = drawn_runs(20)
    short = replace(second, predictions=second.predictions[second.predictions["id"] != "test-3"])
    found = verdicts_of(short, first.predictions["id"])
    assert found.isna().all(axis=1).to_list() == [number == 3 for number in range(20)]


def test_runs_on_other_images_are_told_apart() -> None:
    first, second = drawn_runs(20)
    assert same_images(first, second)
    assert not same_images(first, first)
    assert not same_images(first, replace(second, manifest=second.manifest | {"set_fingerprint": "2"}))
