"""What sets one group of images apart from another: what was planted, by scipy's numbers, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.studies.clusters.differences import LEAST_ASKED, differences
from core.studies.result import StudyResult

SIZE = 900
INSIDE = np.arange(SIZE) % 3 == 0
OTHERS = np.arange(SIZE) % 3 == 1
# the rest is in neither group, and has other values
NEITHER = ~(INSIDE | OTHERS)


@pytest.fixture
def rows() -> pd.DataFrame:
    generator = np.random.default_rng(3)
    facts = {name: generator.normal(size=SIZE) for name in ("contrast", "greyness", "fine_detail", "file_bytes")}
    return pd.DataFrame(
        {
            "id": list(map(str, range(SIZE))),
            "predicted": pd.Categorical(np.where(INSIDE, "FAKE", "REAL")),
            "margin": np.where(INSIDE, 9.0, 1.0) + generator.normal(size=SIZE),
            "category": pd.Categorical(np.where(INSIDE & (generator.random(SIZE) < 0.5), "bird", "ship")),
            "brightness": generator.normal(size=SIZE) + 0.6 * INSIDE + 50 * NEITHER,
            **facts,
        }
    )


def test_what_was_planted_is_told_with_its_size_and_sureness_is_not(rows: pd.DataFrame) -> None:
    bird, brighter = differences(INSIDE, OTHERS, rows)
    assert (bird.column, bird.value, brighter.column) == ("category", "bird", "brightness")
    own, rest = rows.loc[INSIDE, "brightness"], rows.loc[OTHERS, "brightness"]
    spread = np.sqrt((own.var() + rest.var()) / 2)
    assert brighter.effect == pytest.approx(abs(own.mean() - rest.mean()) / spread, rel=0.02)
    assert (brighter.own, brighter.rest) == pytest.approx((own.mean(), rest.mean()))
    birds = (rows["category"] == "bird")[INSIDE].mean()
    assert (bird.effect, bird.own, bird.rest) == pytest.approx((2 * np.arcsin(np.sqrt(birds)), birds, 0))


def test_columns_that_are_no_news_are_left_out(rows: pd.DataFrame) -> None:
    table = pd.DataFrame({"id": rows["id"], "turns": np.where(INSIDE, 3.0, 1.0) + rows["contrast"] / 9})
    studies = {
        "probes": StudyResult(Path("p.parquet"), table, {"explore": ["turns"], "columns": {"turns": "turns, 0 to 9"}})
    }
    found = differences(INSIDE, OTHERS, rows, studies=studies)
    assert (found[0].column, found[0].label) == ("probes.turns", "turns")
    assert (found[0].own, found[0].rest) == pytest.approx(
        [table.loc[side, "turns"].mean() for side in (INSIDE, OTHERS)]
    )
    assert len(found) == 3
    assert differences(INSIDE, OTHERS, rows, studies=studies, but=("probes.turns", "category", "brightness")) == []


def test_a_difference_that_chance_makes_is_not_told(rows: pd.DataFrame) -> None:
    lot = np.random.default_rng(5).permutation(SIZE)
    few = np.isin(np.arange(SIZE), lot[:20])
    more = np.isin(np.arange(SIZE), lot[20:40])
    own, rest = rows.loc[few & ~NEITHER, "contrast"], rows.loc[more & ~NEITHER, "contrast"]
    effect = abs(own.mean() - rest.mean()) / np.sqrt((own.var() + rest.var()) / 2)
    assert effect > LEAST_ASKED
    assert not any(one.column == "contrast" for one in differences(few & ~NEITHER, more & ~NEITHER, rows))
