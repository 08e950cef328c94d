"""Columns that studies and other runs add to a run's rows."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.runs.filter import Filter, choices_of, range_columns
from core.runs.rows import find_rows, judged_table
from core.runs.run import Run
from core.storage import ContractError, write_folder
from core.studies.columns import (
    StudyColumn,
    added_by_studies,
    browse_table,
    describe_verdicts,
    further_columns,
    read_embedding,
    study_columns,
    verdicts_of,
)
from core.studies.store import OF_COLUMNS
from tests.core.runs.test_rows import ids, make_run
from tests.core.studies.pairs import drawn_runs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "d@s")


def test_studies_add_their_columns_by_id(run: Run) -> None:
    folder = run.path / "studies"
    folder.mkdir(parents=True)
    study = pd.DataFrame(
        {"id": run.predictions["id"][::-2], "flips": np.arange(200) / 200, "cue": ["detail", "colour"] * 100}
    )
    study["turned"] = study["flips"] > 0.5
    study["cue"] = study["cue"].astype("category")
    study.to_parquet(folder / "probes.parquet")
    pd.DataFrame({"rate": [1.0]}).to_parquet(folder / "summary.parquet")
    (folder / "broken.parquet").write_bytes(b"no parquet")
    table = browse_table(run)
    assert len(table) == len(run)
    assert "probes.flips" in range_columns(table)
    assert choices_of(table, "probes.cue") == ["colour", "detail"]
    assert not any(name.startswith(("summary", "broken")) for name in table.columns)
    found = ids(table, Filter.from_params({"probes.flips": "0.5..", "probes.cue": "detail"}, table))
    assert found == set(study["id"][(study["flips"] >= 0.5) & (study["cue"] == "detail")])
    described = study_columns(run.path)
    assert described["probes.flips"] == StudyColumn("Probes", "Flips", "")
    assert not any(name.startswith(("summary", "broken")) for name in described)


def seal(file: Path, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """Write a study as `core.studies` does: what it says of itself is in the schema's metadata."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow.replace_schema_metadata({b"telltale": json.dumps(about).encode()}), file)


def test_columns_that_cannot_be_read_for_a_moment_are_not_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"id": run.predictions["id"], "flips": 1.0})
    seal(run.path / "studies" / "probes.parquet", frame, {})

    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    for function in ("read_table", "read_schema"):
        with monkeypatch.context() as patch:
            patch.setattr(pq, function, busy)
            with pytest.raises(ContractError, match="at this moment"):
                added_by_studies(run.path, run.predictions["id"])
    assert list(added_by_studies(run.path, run.predictions["id"])) == ["probes.flips"]


def test_columns_of_another_version_or_run_are_neither_offered_nor_read(run: Run) -> None:
    made = {"detector_sha256": "d" * 64, "set_fingerprint": "f" * 64}
    write_folder(run.path, kind="run", manifest=made, files={})
    frame = pd.DataFrame({"id": run.predictions["id"], "a": 1.0, "b": 2.0})
    now = OF_COLUMNS["probes"]
    said = {
        "probes": {**made, "explore": ["a"], "column_versions": {"a": now, "b": now + 1}},
        "transfer": {**made, "explore": ["a"], "version": OF_COLUMNS["transfer"] - 1},
        "audit": {**made, "explore": ["a"], "detector_sha256": "0" * 64},
        "files": {**made, "explore": ["a"], "set_fingerprint": "0" * 64},
        # what names neither is taken as it is
        "quiet": {},
    }
    for name, about in said.items():
        seal(run.path / "studies" / f"{name}.parquet", frame, about)
    assert list(study_columns(run.path)) == ["probes.a", "quiet.a", "quiet.b"]
    assert further_columns(run.path) == {}
    also = [f"{name}.b" for name in said]
    added = added_by_studies(run.path, run.predictions["id"], also)
    assert added.to_dict("list") == {
        "probes.a": [1.0] * len(run), "quiet.a": [1.0] * len(run), "quiet.b": [2.0] * len(run),
    }  # fmt: skip


def test_a_study_says_which_of_its_columns_are_browsed_and_what_they_are(run: Run) -> None:
    frame = pd.DataFrame({"id": run.predictions["id"]} | {f"c{number}": np.arange(len(run)) for number in range(120)})
    about = {
        "title": "What turns it",
        "explore": ["c7", "c3", "absent"],
        "columns": {
            "c3": "flipped share, 0 to 1",
            "c7": "a description that is much too long to stand over a slider of a page",
        },
    }
    seal(run.path / "studies" / "probes.parquet", frame, about)
    seal(run.path / "studies" / "quiet.parquet", frame, {"explore": []})
    seal(run.path / "studies" / "odd.parquet", frame, {"explore": "c3"})
    table = browse_table(run)
    assert [name for name in table.columns if "." in name] == ["probes.c3", "probes.c7"]
    assert table["probes.c3"].tolist() == frame["c3"].tolist()
    assert study_columns(run.path) == {
        "probes.c3": StudyColumn("What turns it", "Flipped share", "flipped share, 0 to 1"),
        "probes.c7": StudyColumn("What turns it", "C7", about["columns"]["c7"]),
    }


def test_whatever_a_study_holds_can_be_browsed_or_is_left_out(run: Run) -> None:
    n = len(run)
    odd = np.arange(n) % 3 == 0
    frame = pd.DataFrame(
        {
            "id": run.predictions["id"],
            "counted": pd.array(np.where(odd, None, np.arange(n) % 7), "Int64"),
            "asked": pd.array(np.where(odd, None, np.arange(n) % 2 == 0), "boolean"),
            "half": np.where(odd, np.nan, np.arange(n)).astype(np.float16),
            "words": np.where(odd, None, np.where(np.arange(n) % 2 == 0, "blur, sigma 2", "50 % grey")),
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
    number = np.arange(n)
    expected = ~odd & (number % 7 >= 3) & (number % 2 == 0)
    assert expected.any()
    assert ids(table, wanted) == set(frame["id"][expected])
    assert Filter.from_params({"odd.words": "50 %25 grey"}, table).chosen("odd.words") == ("50 % grey",)
    for sort in ("odd.words", "-odd.words", "odd.counted", "-odd.half", "odd.nothing"):
        ordered = table[sort.removeprefix("-")].iloc[find_rows(table, Filter.from_params({"sort": sort}, table))]
        values = ordered.dropna().astype(object)
        assert values.is_monotonic_decreasing if sort.startswith("-") else values.is_monotonic_increasing
        assert ordered.isna().to_numpy()[len(values) :].all()


def test_columns_that_are_not_offered_are_found_by_name(run: Run) -> None:
    n = len(run)
    frame = pd.DataFrame(
        {"id": run.predictions["id"], "main": np.arange(n), "step_1": np.arange(n), "step_2": np.arange(n)}
    )
    frame["same_1"] = frame["same_2"] = frame["step_1"]
    frame["near"] = [f"image {number}" for number in range(n)]
    about = {
        "title": "Curves",
        "question": "Where does it fall?",
        "explore": ["main"],
        "columns": {
            "main": "area, 0 to 1",
            "step_1": "margin, step 1",
            "step_2": "margin, step 2; in steps of 5 %",
            "same_1": "size, in grey levels",
            "same_2": "size, in grey levels",
            "near": "the nearest",
        },
    }
    seal(run.path / "studies" / "curves.parquet", frame, about)
    assert {name: one.label for name, one in further_columns(run.path).items()} == {
        "curves.step_1": "Margin, step 1",
        "curves.step_2": "Margin, step 2",
        "curves.same_1": "Same 1",
        "curves.same_2": "Same 2",
        "curves.near": "The nearest",
    }
    assert study_columns(run.path)["curves.main"].question == "Where does it fall?"
    ids_ = run.predictions["id"]
    assert list(added_by_studies(run.path, ids_)) == ["curves.main"]
    asked = added_by_studies(run.path, ids_, ["curves.near", "curves.step_2", "curves.absent", "other.step_1"])
    assert list(asked) == ["curves.main", "curves.step_2", "curves.near"]
    assert asked["curves.near"].tolist() == frame["near"].tolist()
    table = pd.concat([browse_table(run), asked[["curves.near"]]], axis=1)
    assert not choices_of(table, "curves.near")
    assert "curves.near" not in range_columns(table)


def test_positions_in_embeddings_are_found_by_id_and_filtered_by_an_area(tmp_path: Path) -> None:
    few = make_run(tmp_path / "d@s", n=100)
    assert read_embedding(few.path, few.predictions["id"]).shape == (100, 0)
    file = few.path / "studies" / "clusters.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no parquet")
    assert read_embedding(few.path, few.predictions["id"]).shape == (100, 0)
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
