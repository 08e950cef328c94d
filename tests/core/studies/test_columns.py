"""Columns that studies and other runs add to a run's rows."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from core.runs.filter import Filter, choices_of, range_columns
from core.runs.rows import find_rows
from core.studies.columns import (
    browse_table,
    read_columns,
    study_columns,
    versus_table,
)
from core.studies.former import present_column
from core.studies.store import SCHEMA, read_study, write_sealed
from core.studies.study import STUDIES, find_study
from tests.core.runs.test_rows import ids, make_run
from tests.core.runs.test_rows import run as run  # noqa: PLC0414 - a fixture
from tests.core.studies.pairs import drawn_runs


def seal(file, frame, about):
    """Write a study as `core.studies` does: what it says of itself is in the schema's metadata."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow.replace_schema_metadata({b"telltale": json.dumps(about).encode()}), file)


def test_columns_of_another_version_or_run_are_neither_offered_nor_read(run):
    run.manifest["detector_sha256"] = "d"
    frame = pd.DataFrame({"id": run.predictions["id"], "a_margin": 1.0, "b_margin": 2.0})
    made = {"detector_sha256": "d", "set_fingerprint": "f", "explore": ["a_margin"], "schema": SCHEMA, "version": 1}
    said = {
        "probes": made,
        # of a user from before
        "deliveries": made | {"schema": 1, "version": 7},
        "out_of_distribution": made | {"version": 2},
        "later": made | {"schema": SCHEMA + 1},
        "audit": made | {"detector_sha256": "0"},
        "files": made | {"set_fingerprint": "0"},
        # what names neither is taken as it is
        "quiet": {},
    }
    for name, about in said.items():
        seal(run.path / "studies" / f"{name}.parquet", frame, about)
    described = study_columns(run)
    assert {name: column.offered for name, column in described.items()} == {
        "deliveries.a_margin": True, "deliveries.b_margin": False, "probes.a_margin": True, "probes.b_margin": False,
        "quiet.a_margin": True, "quiet.b_margin": True,
    }  # fmt: skip
    assert read_columns(run, ["probes.a_margin", "quiet.b_margin"]).to_dict("list") == {
        "probes.a_margin": [1.0] * len(run), "quiet.b_margin": [2.0] * len(run),
    }  # fmt: skip


def test_whatever_a_study_holds_can_be_browsed_or_is_left_out(run):
    n = len(run)
    number = np.arange(n)
    odd = number % 3 == 0
    frame = pd.DataFrame(
        {
            "id": run.predictions["id"],
            "counted": pd.array(np.where(odd, None, number % 7), "Int64"),
            "asked": pd.array(np.where(odd, None, number % 2 == 0), "boolean"),
            "half": np.where(odd, np.nan, number).astype(np.float16),
            "words": np.where(odd, None, np.where(number % 2 == 0, "blur, sigma 2", "50 % grey")),
            "lists": [[1, 2]] * n,
            "empty": [None] * n,
            "nothing": np.full(n, np.nan),
        }
    )
    seal(run.path / "studies" / "odd.parquet", frame, {})
    table = browse_table(run)
    assert [name for name in table.columns if "." in name] == [
        f"odd.{name}" for name in ("counted", "asked", "half", "words", "nothing")
    ]
    assert {name for name in range_columns(table) if "." in name} == {"odd.counted", "odd.half", "odd.nothing"}
    assert choices_of(table, "odd.asked") == ["no", "yes"]
    params = {"odd.counted": "3..", "odd.asked": "yes", "odd.words": "blur%2C sigma 2"}
    wanted = Filter.from_params(params, table)
    assert wanted.to_params() == params
    expected = ~odd & (number % 7 >= 3) & (number % 2 == 0)
    assert expected.any()
    assert ids(table, wanted) == set(frame["id"][expected])
    assert Filter.from_params({"odd.words": "50 %25 grey"}, table).chosen("odd.words") == ("50 % grey",)
    for sort in ("odd.words", "-odd.words", "odd.counted", "-odd.half", "odd.nothing"):
        ordered = table[sort.removeprefix("-")].iloc[find_rows(table, Filter.from_params({"sort": sort}, table))]
        values = ordered.dropna().astype(object)
        assert values.is_monotonic_decreasing if sort.startswith("-") else values.is_monotonic_increasing
        assert ordered.isna().to_numpy()[len(values) :].all()


def test_a_study_may_have_other_images_in_another_order(run):
    values = np.arange(len(run))
    others = [f"other-{number}" for number in values]
    frames = {
        "some": pd.DataFrame({"id": run.predictions["id"], "value": values})[::-2],
        "more": pd.DataFrame({"id": [*run.predictions["id"], *others], "value": np.tile(values, 2)}),
        "none": pd.DataFrame({"id": others, "value": values}),
    }
    for name, frame in frames.items():
        seal(run.path / "studies" / f"{name}.parquet", frame, {})
    read = read_columns(run, [f"{name}.value" for name in frames])
    expected = {"some.value": np.where(values % 2, values, np.nan), "more.value": values}
    assert_frame_equal(read, pd.DataFrame(expected))


def test_positions_in_embeddings_are_found_by_id_and_filtered_by_an_area(tmp_path):
    few = make_run(tmp_path / "d@s", n=100)
    plain = browse_table(few)
    file = few.path / "studies" / "clusters.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no parquet")
    assert_frame_equal(browse_table(few), plain)
    positions = np.random.default_rng(1).normal(size=(90, 2)).astype(np.float32)
    study = pd.DataFrame({"features_x": positions[:, 0], "features_y": positions[:, 1]})
    study.set_index(pd.Index(few.predictions["id"][:90], name="id")).iloc[::-1].to_parquet(file)
    table = browse_table(few)
    wanted = Filter.from_params({"area": "features:0,-9;9,9", "true": "REAL"}, table)
    expected = np.flatnonzero((positions[:, 0] > 0) & (table["label"][:90] == "REAL").to_numpy())
    assert len(expected) > 5
    assert set(find_rows(table, wanted)) == set(expected)
    assert Filter.from_params(wanted.to_params(), table) == wanted
    # an embedding that this run has not, and what is no area, filter nothing
    for text in ("maps:0,0;1,1", "features:0"):
        assert Filter.from_params({"area": text}, table) == Filter()


def test_verdicts_of_another_run_are_found_by_id():
    first, second = drawn_runs(200)
    table = versus_table(second, first.predictions["id"])
    rows = second.predictions.set_index("id").loc[first.predictions["id"]]
    assert table["versus.margin"].tolist() == rows["margin"].tolist()
    assert (table["versus.correct"] == "wrong").tolist() == (rows["label"] != rows["predicted"]).tolist()


@pytest.mark.parametrize("study", STUDIES)
def test_former_names_lead_to_present_ones_which_stay(study):
    assert [present_column(study, name) for name in find_study(study).columns] == list(find_study(study).columns)


OLD = {
    "neighbours": ({"agrees": True, "near_1": "a", "distance": 0.5}, ["is_agreeing", "near_1_id", "nearest_distance"]),
    "probes": (
        {"lowpass_8": 1.0, "lowpass_8_size": 2.0, "turned_by": "blur", "detail_both_ways": True},
        ["lowpass_8_margin", "lowpass_8_size", "smallest_flip_probe", "is_detail_decisive"],
    ),
    "deliveries": ({"jpeg_50": 1.0}, ["jpeg_50_margin"]),
    "stability": ({"lime_noise": 0.5, "noise_turns": False}, ["lime_noise_rank", "is_flipped_by_noise"]),
}


@pytest.mark.parametrize("study", OLD)
def test_a_file_with_former_names_opens_with_the_present_ones(run, study):
    values, names = OLD[study]
    path = run.path / "studies" / f"{study}.parquet"
    path.parent.mkdir(parents=True)
    texts = {name: f"about {name}" for name in values}
    about = {"study": study, "schema": 3, "version": 1, "columns": texts, "explore": list(values)}
    frame = pd.DataFrame({"id": run.predictions["id"], **values})
    write_sealed(path, frame, about)
    result = read_study(path)
    assert list(result.table) == ["id", *names]
    assert list(result.about["columns"].values()) == list(texts.values())
    assert list(result.about["columns"]) == result.about["explore"] == names
    assert [name for name, column in study_columns(run).items() if column.offered] == [f"{study}.{n}" for n in names]
    read = read_columns(run, [f"{study}.{name}" for name in names])
    assert read[f"{study}.{names[0]}"].tolist() == [next(iter(values.values()))] * len(run)
