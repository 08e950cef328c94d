"""Filters: what they find against plain pandas, their way through a URL and back, and nonsense."""

import errno
import json
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.images.statistics import STATISTICS
from core.runs.filter import PAGE_SIZES, Filter, choices_of, range_columns
from core.runs.rows import Place, at_threshold, cells, count_choices, extents_of, find_rows, page_rows, pages, place_of
from core.runs.run import Run
from core.storage import ContractError, write_folder
from core.studies.columns import StudyColumn, added_by_studies, browse_table, further_columns, study_columns
from core.studies.registry import OF_COLUMNS


def make_run(path: Path, n: int = 400, seed: int = 0) -> Run:
    """A run of rows only."""
    generator = np.random.default_rng(seed)
    is_real = generator.random(n) < 0.5
    margin = (generator.normal(0, 2, n) + np.where(is_real, 1, -1)).astype(np.float32)
    frame = pd.DataFrame(
        {
            "id": [f"test-{number:016x}" for number in range(n)],
            "name": [f"{'REAL' if real else 'FAKE'}/{number:04d}.jpg" for number, real in enumerate(is_real)],
            "label": pd.Categorical.from_codes(is_real.astype(int), ["FAKE", "REAL"]),
            "predicted": pd.Categorical.from_codes((margin > 0).astype(int), ["FAKE", "REAL"]),
            "margin": margin,
            "p_real": (1 / (1 + np.exp(-margin))).astype(np.float32),
            "logit_fake": -margin / 2,
            "logit_real": margin / 2,
            "category": pd.Categorical(generator.choice(["cat", "dog", "ship"], n)),
            "sha256": [f"{number:064x}" for number in range(n)],
            "in_train": generator.random(n) < 0.05,
            "is_repeat": generator.random(n) < 0.05,
        }
    )
    for fact in STATISTICS:
        frame[fact] = generator.random(n).astype(np.float32)
    return Run(path, {"set_fingerprint": "f"}, frame, np.zeros((n, 4, 4), np.float16), None, None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "d@s")


@pytest.fixture
def table(run: Run) -> pd.DataFrame:
    return browse_table(run)


def ids(table: pd.DataFrame, wanted: Filter, **options: object) -> set[str]:
    return set(table["id"].iloc[find_rows(table, wanted, **options)])


def test_derived_columns(table: pd.DataFrame) -> None:
    np.testing.assert_allclose(table["confidence"], np.maximum(table["p_real"], 1 - table["p_real"]))
    assert ((table["correct"] == "right") == (table["label"] == table["predicted"].astype(table["label"].dtype))).all()


def test_choices_ranges_name_and_tag_all_have_to_fit(table: pd.DataFrame) -> None:
    wanted = (
        Filter(tag="t", name="real/")
        .choosing("category", ["cat", "ship"])
        .choosing("in_train", ["no"])
        .ranging("confidence", 0.6, 0.95)
        .ranging("greyness", low=0.2)
    )
    tagged = frozenset(table["id"].iloc[::2])
    expected = table[
        table["category"].isin(["cat", "ship"])
        & ~table["in_train"]
        & table["confidence"].between(0.6, 0.95)
        & (table["greyness"] >= 0.2)
        & table["id"].isin(tagged)
        & table["name"].str.startswith("REAL")
    ]
    assert len(expected) > 5
    assert ids(table, wanted, tagged=tagged) == set(expected["id"])


@pytest.mark.parametrize("cut", [0.2, 0.9])
def test_rows_at_a_threshold_are_what_its_filter_finds(table: pd.DataFrame, cut: float) -> None:
    judged = at_threshold(table, cut)
    for column, value in (("predicted", "FAKE"), ("predicted", "REAL"), ("correct", "right"), ("correct", "wrong")):
        found = ids(table, Filter(threshold=cut).choosing(column, [value]))
        assert set(judged["id"][judged[column] == value]) == found != ids(table, Filter().choosing(column, [value]))
    assert (judged["threshold"] == cut).all()
    pd.testing.assert_frame_equal(judged[["p_real", "confidence", "margin"]], table[["p_real", "confidence", "margin"]])
    assert at_threshold(table, 0.5) is table


def test_a_choice_counts_what_it_would_find_beside_the_other_filters(table: pd.DataFrame) -> None:
    wanted = Filter(threshold=0.3).choosing("category", ["dog"]).choosing("predicted", ["REAL"])
    for column in ("label", "predicted", "correct", "category", "in_train"):
        counts = count_choices(table, wanted, column)
        assert list(counts) == choices_of(table, column)
        found = {value: len(find_rows(table, wanted.choosing(column, [value]))) for value in counts}
        assert counts == found
        assert sum(counts.values()) > 0


@pytest.mark.parametrize("cut", [0.5, 0.2, 0.9])
def test_each_cell_counts_what_its_filter_finds(table: pd.DataFrame, cut: float) -> None:
    wanted = Filter(threshold=cut).choosing("category", ["dog"]).choosing("correct", ["wrong"])
    counts = cells(table, wanted)
    assert counts.sum() == (table["category"] == "dog").sum()
    for row, truth in enumerate(("FAKE", "REAL")):
        for column, said in enumerate(("FAKE", "REAL")):
            cell = (
                Filter(threshold=cut)
                .choosing("category", ["dog"])
                .choosing("label", [truth])
                .choosing("predicted", [said])
            )
            assert len(find_rows(table, cell)) == counts[row, column]


def test_wrong_at_another_threshold(table: pd.DataFrame) -> None:
    found = ids(table, Filter(threshold=0.9).choosing("correct", ["wrong"]))
    wrong = (table["p_real"] > 0.9) != (table["label"] == "REAL")
    assert found == set(table["id"][wrong])


def test_most_confidently_wrong_come_first(table: pd.DataFrame) -> None:
    ordered = table.iloc[find_rows(table, Filter())]
    wrong = (ordered["correct"] == "wrong").to_numpy()
    assert wrong.any()
    assert not wrong[wrong.sum() :].any()
    for half in (ordered[wrong], ordered[~wrong]):
        assert half["confidence"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("sort", "column", "rising"),
    [
        ("unsure", "confidence", True),
        ("sure", "confidence", False),
        ("-red", "red", False),
        ("red", "red", True),
        ("name", "name", True),
    ],
)
def test_orders(table: pd.DataFrame, sort: str, column: str, rising: bool) -> None:
    values = table[column].iloc[find_rows(table, Filter(sort=sort))]
    assert len(values) == len(table)
    assert values.is_monotonic_increasing if rising else values.is_monotonic_decreasing


def test_missing_values_come_last_and_fit_no_range(table: pd.DataFrame) -> None:
    table.loc[:9, "red"] = np.nan
    for sort in ("red", "-red"):
        assert table["red"].iloc[find_rows(table, Filter(sort=sort))].isna().to_numpy()[-10:].all()
    assert len(find_rows(table, Filter().ranging("red", low=0))) == len(table) - 10


def test_a_filter_comes_back_from_its_url(table: pd.DataFrame) -> None:
    wanted = Filter(tag="odd ones", name="0 (2)", threshold=0.31, sort="-fine_detail", page=3, per_page=96)
    wanted = (
        wanted.choosing("label", ["REAL"]).choosing("is_repeat", ["yes", "no"]).choosing("category", ["ship", "cat"])
    )
    wanted = wanted.ranging("brightness", 0.25, 0.5).ranging("confidence", high=0.9)
    # a file of some megabytes has seven digits
    wanted = wanted.ranging("file_bytes", low=3456789)
    # choosing and ranging turn back to the first page
    wanted = Filter(**{**{name: getattr(wanted, name) for name in wanted.__dataclass_fields__}, "page": 3})
    assert Filter.from_params(wanted.to_params(), table) == wanted
    assert Filter().to_params() == {}
    assert Filter.from_params({}, table) == Filter()


def test_changing_a_filter_turns_to_the_first_page() -> None:
    assert Filter(page=4).choosing("label", ["REAL"]).page == 1
    assert Filter(page=4).ranging("red", 1, 2).page == 1
    assert Filter().choosing("label", ["REAL"]).choosing("label", []) == Filter()
    assert Filter().ranging("red", 1, 2).ranging("red") == Filter()


def test_nonsense_is_as_if_it_were_not_there(table: pd.DataFrame) -> None:
    params = {"true": "MAYBE", "said": "", "category": "yeti,cat,cat", "leaked": "perhaps"}
    params |= {"sure": "high", "brightness": "2..1", "red": "nan..inf", "page": "-3", "per": "7", "cut": "1"}
    params |= {"sort": "drop table", "nothing": "1", "id": "x", "sha256": "y"}
    # its orders have names of their own, and a box that lists them
    assert Filter.from_params({"sort": "confidence"}, table).sort == "mistakes"
    assert Filter.from_params(params, table) == Filter().choosing("category", ["cat"])


def test_random_text_never_raises(table: pd.DataFrame) -> None:
    generator = np.random.default_rng(5)
    keys = [
        "true",
        "said",
        "result",
        "sure",
        "leaked",
        "category",
        "page",
        "per",
        "cut",
        "sort",
        "red",
        "name",
        "tag",
        "%00",
    ]
    letters = np.array(list(string.printable + "é∞"))
    for _ in range(300):
        params = {
            str(key): "".join(generator.choice(letters, generator.integers(0, 12))) for key in generator.choice(keys, 4)
        }
        wanted = Filter.from_params(params, table)
        page_rows(find_rows(table, wanted), wanted)
        assert Filter.from_params(wanted.to_params(), table) == wanted


def test_pages_cut_the_rows_and_end_at_the_last(table: pd.DataFrame) -> None:
    positions = np.arange(53)
    size = PAGE_SIZES[0]
    parts = [page_rows(positions, Filter(page=page)) for page in range(1, pages(53, size) + 1)]
    np.testing.assert_array_equal(np.concatenate(parts), positions)
    np.testing.assert_array_equal(page_rows(positions, Filter(page=999)), parts[-1])
    assert pages(0, size) == 1
    assert len(page_rows(positions[:0], Filter(page=2))) == 0


def test_the_place_of_a_row_and_its_neighbours() -> None:
    positions = np.array([7, 3, 9])
    assert place_of(positions, 7) == place_of(positions, 7)
    first, middle, last, absent = (place_of(positions, row) for row in (7, 3, 9, 4))
    assert (first.number, first.before, first.after, first.of) == (1, None, 3, 3)
    assert (middle.before, middle.after) == (7, 9)
    assert (last.number, last.after) == (3, None)
    assert (absent.number, absent.before, absent.after) == (None, None, None)


def test_a_row_that_has_just_left_the_filter_keeps_its_neighbours() -> None:
    every = np.array([7, 3, 9, 1, 5], np.intp)
    positions = np.array([7, 9, 5], np.intp)
    assert place_of(positions, 3, among=every) == Place(None, 3, 7, 9)
    assert place_of(positions, 1, among=every) == Place(None, 3, 9, 5)
    assert place_of(positions[:0], 3, among=every) == Place(None, 0)
    assert place_of(positions, 2, among=every) == Place(None, 3)
    assert place_of(positions, 9, among=every) == place_of(positions, 9)


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


def test_a_study_whose_ids_pandas_wrote_as_its_index_adds_its_columns(run: Run) -> None:
    (run.path / "studies").mkdir(parents=True)
    study = pd.DataFrame({"id": run.predictions["id"], "flips": np.arange(len(run))}).set_index("id")
    study.iloc[::-1].to_parquet(run.path / "studies" / "probes.parquet")
    added = added_by_studies(run.path, run.predictions["id"])
    assert added.to_dict("list") == {"probes.flips": list(range(len(run)))}


def seal(file: Path, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """Write a study as `core.studies` does: what it says of itself is in the schema's metadata."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow.replace_schema_metadata({b"telltale": json.dumps(about).encode()}), file)


def test_a_study_of_far_more_images_than_a_run_has_is_not_unpacked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"id": run.predictions["id"], "flips": 1.0})
    seal(run.path / "studies" / "probes.parquet", frame, {})
    unpacked: list[object] = []
    monkeypatch.setattr("core.storage.MAX_ROWS", len(run) - 1)
    monkeypatch.setattr(pq, "read_table", lambda *given, **_: unpacked.append(given))
    assert added_by_studies(run.path, run.predictions["id"]).shape == (len(run), 0)
    assert unpacked == []


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


def test_a_column_that_a_link_names_is_added_though_its_study_does_not_offer_it(run: Run) -> None:
    frame = pd.DataFrame({"id": run.predictions["id"], "told": 1.0, "after": np.arange(len(run), dtype=np.float16)})
    seal(run.path / "studies" / "probes.parquet", frame, {"explore": ["told"], "columns": {"after": "margin after it"}})
    also = ("probes.after", "probes.absent", "other.after", "after")
    added = added_by_studies(run.path, run.predictions["id"], also)
    assert list(added.columns) == ["probes.told", "probes.after"]
    assert study_columns(run.path, also)["probes.after"].label == "Margin after it"
    assert "probes.after" not in browse_table(run)


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


@pytest.mark.parametrize(("value", "words"), [(True, "yes"), (False, "no")])
def test_a_yes_or_no_of_which_a_sample_has_only_one_is_filtered_by_both(run: Run, value: bool, words: str) -> None:
    frame = pd.DataFrame({"id": run.predictions["id"][::2], "turned": value})
    seal(run.path / "studies" / "probes.parquet", frame, {})
    table = browse_table(run)
    assert choices_of(table, "probes.turned") == ["no", "yes"]
    for asked in ("yes", "no"):
        wanted = Filter.from_params({"probes.turned": asked}, table)
        assert wanted.chosen("probes.turned") == (asked,)
        assert ids(table, wanted) == (set(frame["id"]) if asked == words else set())


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


def test_extents_are_of_what_is_finite(table: pd.DataFrame) -> None:
    table.loc[:9, "red"] = np.nan
    table["odd.count"] = np.where(np.arange(len(table)) % 2, np.inf, np.arange(len(table)) % 5)
    table["odd.nothing"] = np.nan
    found = extents_of(table)
    assert set(found) == set(range_columns(table))
    assert found["red"] == (table["red"].min(), table["red"].max(), False)
    assert found["odd.count"] == (0, 4, True)
    assert np.isnan(found["odd.nothing"][:2]).all()
    assert not found["odd.nothing"].whole
