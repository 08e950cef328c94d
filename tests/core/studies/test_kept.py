"""Only what a file lacks is computed, for its images; what it has stays as it is, bit by bit."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module, reload
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.findings.words import tell
from core.perturbations.probe import Probe, size_column, steps
from core.perturbations.table import PROBES
from core.runs.folders import ROOT, find_runs
from core.runs.run import Run, read_run
from core.storage import ContractError
from core.studies import faithfulness
from core.studies.faithfulness_curves import COARSE, FILLS
from core.studies.flips import flip_rates, read_flips
from core.studies.groups import with_predictions
from core.studies.kept import describe_again, find_kept, sample_of, settings_of
from core.studies.registry import VERSIONS, find_study
from core.studies.runner import Source, run_study
from core.studies.store import read_study, study_path, write_study
from core.studies.study import Context
from tests.core.studies.conftest import BRIGHTNESS, brightness

NEW = "new"


def with_new(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The columns of `brightness`, with changed values, and a new one."""
    assert context.missing == {NEW}
    table = brightness(context, rows, parameters)
    return table.assign(brightness=table["brightness"] + 1, **{NEW: np.arange(len(rows), dtype=np.int16)})


EXTENDED = replace(BRIGHTNESS, compute=with_new, columns={NEW: "a number", **BRIGHTNESS.columns})


def never(*_: Any) -> pd.DataFrame:
    """Of a study of which nothing is computed."""
    raise AssertionError("nothing is computed")


def test_only_what_is_missing_is_computed_for_the_images_of_the_file(source: Source) -> None:
    path, run = run_study(BRIGHTNESS, source, images=20), read_run(source.run)
    before = read_study(path, run)
    kept = find_kept(EXTENDED, source.run)
    assert kept is not None
    assert kept.missing == {NEW}
    run_study(EXTENDED, source, kept=kept)
    after = read_study(path, run)
    # in the declared order; all that was there as it was
    assert list(after.table) == ["id", NEW, *BRIGHTNESS.columns, "weight"]
    pd.testing.assert_frame_equal(after.table[before.table.columns], before.table, check_exact=True)
    assert after.table[NEW].tolist() == [*range(16), *range(4)]
    assert (after.about["images"], after.about["created"]) == (20, before.about["created"])
    assert after.about["extended"][0]["columns"] == [NEW]
    again = find_kept(EXTENDED, source.run)
    assert again is not None
    assert not again.missing


def test_a_column_of_another_version_is_missing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_study(BRIGHTNESS, source)
    before = read_study(path).table
    monkeypatch.setitem(VERSIONS, "brightness.bright", 2)
    kept = find_kept(BRIGHTNESS, source.run)
    assert kept is not None
    assert kept.missing == {"bright"}

    def other(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
        table = brightness(context, rows, parameters)
        return table.assign(bright=~table["bright"])[["id", "bright"]]

    after = read_study(run_study(replace(BRIGHTNESS, compute=other), source, kept=kept))
    assert (after.table["bright"] != before["bright"]).all()
    pd.testing.assert_frame_equal(after.table.drop(columns="bright"), before.drop(columns="bright"), check_exact=True)
    assert after.about["column_versions"] == {"brightness": 1, "margin": 1, "bright": 2, "half": 1}


def test_another_question_keeps_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_kept(BRIGHTNESS, source.run) is None
    path = run_study(BRIGHTNESS, source, images=20)
    assert find_kept(BRIGHTNESS.with_parameters({"scale": 2.0}), source.run) is None
    assert find_kept(BRIGHTNESS, source.run, images=30) is None
    assert find_kept(BRIGHTNESS, source.run, images=20, seed=1) is None
    assert find_kept(BRIGHTNESS, source.run, images=20) is not None
    # a parameter added with a new column does not affect the old ones
    assert find_kept(replace(BRIGHTNESS, parameters={"scale": 1.0, "more": 2}), source.run) is not None
    answer = read_study(path)
    write_study(path, answer.table, {**answer.about, "set_fingerprint": "0" * 64})
    assert find_kept(BRIGHTNESS, source.run) is None


def test_a_file_says_which_settings_it_was_made_with(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(BRIGHTNESS, source.run) == {}
    path = run_study(BRIGHTNESS.with_parameters({"scale": 2.0}), source, images=20)
    assert settings_of(BRIGHTNESS, source.run) == {"scale": 2.0}
    assert sample_of(BRIGHTNESS, source.run) == (20, 0)
    # of a file that another version of the study made, too
    with monkeypatch.context() as patch:
        patch.setitem(VERSIONS, "brightness", 99)
        with pytest.raises(ContractError, match="another version of the study"):
            read_study(study_path(source.run, "brightness"))
        assert settings_of(BRIGHTNESS, source.run) == {"scale": 2.0}
    # those of another type, those that it does not name and places on a machine are not taken from it
    other = replace(BRIGHTNESS, parameters={"scale": 1, "more": 2, "folder": ""}, private=("folder",))
    answer = read_study(path)
    write_study(path, answer.table, {**answer.about, "parameters": {"scale": 2.0, "folder": "elsewhere"}})
    assert settings_of(other, source.run) == {}
    path.write_bytes(b"no study")
    assert settings_of(BRIGHTNESS, source.run) == {}
    assert sample_of(BRIGHTNESS, source.run) is None
    run_study(BRIGHTNESS, source)
    assert sample_of(BRIGHTNESS, source.run) is None


def test_a_question_about_the_whole_set_is_asked_again_as_a_whole(source: Source) -> None:
    whole = replace(BRIGHTNESS, whole=True)
    run_study(whole, source)
    kept = find_kept(whole, source.run)
    assert kept is not None
    assert not kept.missing
    assert find_kept(whole, source.run, images=20) is None
    assert find_kept(replace(EXTENDED, whole=True), source.run) is None
    run_study(whole, source, images=20)
    assert find_kept(whole, source.run, images=20) is not None
    assert find_kept(whole, source.run, images=20, seed=1) is None
    # a place that the file does not name may be another one
    placed = replace(whole, parameters={"scale": 1.0, "folder": ""}, private=("folder",))
    assert find_kept(placed, source.run, images=20) is not None
    assert find_kept(placed.with_parameters({"folder": "elsewhere"}), source.run, images=20) is None


def test_words_and_derived_columns_are_brought_up_to_date_without_computing(source: Source) -> None:
    def derive(run: Run, table: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"wrong": (with_predictions(table, run)["label"] == "REAL") != (table["margin"] > 0)})

    path = run_study(BRIGHTNESS, source, images=20)
    before, run, written = read_study(path), read_run(source.run), path.stat().st_mtime_ns
    same, kept = replace(BRIGHTNESS, compute=never), find_kept(BRIGHTNESS, source.run)
    assert kept is not None
    assert describe_again(same, source.run, kept) == path
    assert path.stat().st_mtime_ns == written
    said = replace(
        same, question="Is it bright?", columns={**BRIGHTNESS.columns, "wrong": "or right"}, derived=("wrong",),
        derive=derive,
    )  # fmt: skip
    kept = find_kept(said, source.run)
    assert kept is not None
    assert not kept.missing
    describe_again(said, source.run, kept)
    after = read_study(path, run)
    pd.testing.assert_frame_equal(after.table.drop(columns="wrong"), before.table, check_exact=True)
    rows = run.predictions.set_index("id").loc[after.table["id"]]
    assert after.table["wrong"].tolist() == (rows["label"].astype(str) != rows["predicted"].astype(str)).tolist()
    changed = {"question", "columns", "described", "column_versions"}
    assert {key for key in after.about if after.about[key] != before.about.get(key)} == changed


SHIPPED = [
    (name, study.stem)
    for name, run in find_runs((ROOT / "assets",)).items()
    for study in sorted((run / "studies").glob("*.parquet"))
]


@pytest.mark.parametrize(("run", "study"), SHIPPED, ids=map(" ".join, SHIPPED))
def test_shipped_studies_are_whole_and_derived_values_are_what_they_hold(run: str, study: str) -> None:
    folder = ROOT / "assets" / "runs" / run
    kept = find_kept(find_study(study), folder)
    assert kept is not None
    # hours on two cores: `python -m core.studies STUDY --run RUN` computes what a file lacks
    assert not kept.missing
    if derived := list(find_study(study).derived):
        table = kept.answer.table
        pd.testing.assert_frame_equal(find_study(study).derive(read_run(folder), table), table[derived])


def test_a_toy_probe_is_one_line_and_an_old_file_is_asked_for_it_alone(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run = run_study(find_study("probes"), source, images=24), read_run(source.run)
    before = read_study(path, run)
    toy = Probe(
        "toy", "light", "Toy", "The lowest bits are cleared.", steps((1, 2), "{} bits"),
        lambda batch, bits: np.asarray(batch.pixels >> int(bits) << int(bits), np.uint8), "its lowest bits",
    )  # fmt: skip
    monkeypatch.setitem(PROBES, "toy", toy)
    module = import_module("core.studies.probes")
    try:
        study = reload(module).STUDY
        # the old file is shown as it is until then
        assert [tell(one).whole for one in read_study(path, run).findings]
        kept = find_kept(study, source.run)
        assert kept is not None
        assert kept.missing == {name for one in toy.columns for name in (one, size_column(one))}
        asked: list[int] = []
        many = {name: replace(one, edit=never) for name, one in PROBES.items() if name != "toy"}
        with monkeypatch.context() as patch:
            for name, one in many.items():
                patch.setitem(PROBES, name, one)
            run_study(study, source, kept=kept, progress=lambda done, _total, _text: asked.append(done))
    finally:
        monkeypatch.undo()
        reload(module)
    assert asked[-1] == 24
    after = read_study(path, run)
    values = [name for name in before.table if name not in study.derived]
    pd.testing.assert_frame_equal(after.table[values], before.table[values], check_exact=True)
    context = source.open()
    where = pd.Index(run.predictions["id"]).get_indexer(after.table["id"])
    for bits, column in zip((1, 2), toy.columns, strict=True):
        changed = (context.pixels[where] >> bits << bits).astype(np.uint8)
        assert np.allclose(after.table[column], context.detector.margins(changed), rtol=0.01, atol=0.01)
        rms = np.sqrt(((changed.astype(float) - context.pixels[where]) ** 2).mean(axis=(1, 2, 3)))
        assert np.allclose(after.table[size_column(column)], rms, rtol=0.06)
    assert set(flip_rates(read_flips(run, after.table))["probe"]) == set(PROBES)


# computed once for all that is taken out of it
WHOLE: list[tuple[pd.DataFrame, dict[str, Any]]] = []


@pytest.mark.parametrize("lacking", ["gradcampp", "mean", "road"])
def test_a_method_or_a_fill_that_is_missing_is_computed_alone(
    patched: Source, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, path = find_study("faithfulness"), study_path(patched.run, "faithfulness")
    if not WHOLE:
        found = read_study(run_study(study, patched, images=6))
        WHOLE.append((found.table, dict(found.about)))
    write_study(path, *WHOLE[0])
    whole = read_study(path)
    gone = [name for name in study.columns if lacking in name.split("_")]
    write_study(path, whole.table.drop(columns=gone), whole.about)
    # until then the rest of the file is told as it is
    findings = read_study(path, read_run(patched.run)).findings
    told = {one.key for one in findings}
    assert {f"{name}-{group}" for name in ("gradcam", "lime") for group in ("FAKE", "REAL")} <= told
    assert not any(lacking in (one.details["method"], *one.details["fills"]) for one in findings)
    kept = find_kept(study, patched.run)
    assert kept is not None
    assert kept.missing == set(gone)
    wanted = faithfulness.asked(replace(patched.open(), missing=kept.missing))
    coarse = [(control, "gradcampp") for control in COARSE]
    if lacking == "gradcampp":
        assert wanted == {fill: [("gradcampp", ""), *coarse] for fill in FILLS}
    else:
        assert wanted == {lacking: faithfulness.asked(patched.open())["mean"]}
    again = read_study(run_study(study, patched, kept=kept)).table
    pd.testing.assert_frame_equal(again.drop(columns=gone), whole.table.drop(columns=gone), check_exact=True)
    pd.testing.assert_frame_equal(again, whole.table, rtol=0.01, atol=0.02)
