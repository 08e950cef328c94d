"""The study on sets whose only cue is known, its cells by a second implementation, and what is kept of it."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from core.findings.claims import claim_status
from core.findings.finding import find
from core.findings.numbers import share
from core.findings.words import tell
from core.findings.words.cues import overall
from core.images.image_set import ImageSet
from core.storage import ContractError
from core.studies.cues.__main__ import main
from core.studies.cues.results import FOLDER, read_results
from core.studies.cues.running import Plan, Unit, network_rows, run_on
from core.studies.cues.summary import cells, conclude, matrix
from core.studies.cues.training import RECIPE
from core.studies.cues.versions import VERSIONS
from core.training.checkpoints import TrainingInterrupted
from core.training.fit import Training
from tests.core.studies.cues.planted import by_colour, by_detail

RECIPE_OF_TESTS = replace(RECIPE, width=4, epochs=4, batch_size=32, learning_rate=0.1, average=0.9)
CHOSEN = ("everything", "labels", "low-8", "high-8", "grey", "colour")


def study(folder: Path, train: ImageSet, test: ImageSet, *names: str, seeds: int = 1, **options):  # type: ignore[no-untyped-def]
    """Run the study on some versions."""
    plan = Plan(versions=names, seeds=tuple(range(seeds)), across=100, recipe=RECIPE_OF_TESTS)
    versions = {name: VERSIONS[name] for name in CHOSEN}
    return read_results(run_on(train, test, plan, folder=folder, say=lambda _line: None, versions=versions, **options))


@pytest.fixture(scope="module")
def detail(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    sets = by_detail(240, "train", seed=1), by_detail(200, "test", seed=2)
    return sets, study(tmp_path_factory.mktemp("detail"), *sets, "everything", "labels", "low-8", "high-8", "colour")


def test_the_planted_cue_gets_all_and_the_others_are_at_chance(detail, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = cells(detail[1]).set_index(["trained", "tested"])["value"]
    assert found[("high-8", "high-8")] > 0.97
    assert found[("everything", "everything")] > 0.97
    # by chance 240 shuffled labels correlate a little with the cue, either way, and so does the network
    assert found[("labels", "labels")] == pytest.approx(0.5, abs=0.4)
    for name in ("low-8", "colour"):
        # five standard errors
        assert found[(name, name)] == pytest.approx(0.5, abs=0.18)
    sets = by_colour(240, "train", seed=1), by_colour(200, "test", seed=2)
    found = cells(study(tmp_path, *sets, "colour", "grey")).set_index(["trained", "tested"])["value"]
    assert found[("colour", "colour")] > 0.97
    assert found[("grey", "grey")] == pytest.approx(0.5, abs=0.18)


def test_two_cells_agree_with_a_second_implementation(detail) -> None:  # type: ignore[no-untyped-def]
    (train, test), results = detail
    grey = [np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BOX)) for image in train.pixels]
    own = {"colour": np.stack(grey).repeat(4, axis=1).repeat(4, axis=2), "everything": train.pixels}
    # of the training only the loop is shared: the version, the pass and the counting are made here
    for name, pixels in own.items():
        training = Training(RECIPE_OF_TESTS, replace(train, pixels=pixels), torch.device("cpu"), None)
        while training.done.epoch < RECIPE_OF_TESTS.epochs:
            training.run_epoch(None)
        network = training.averaged.eval()
        with torch.inference_mode():
            inputs = torch.from_numpy(test.pixels).permute(0, 3, 1, 2) / 255 - torch.tensor(training.mean).view(3, 1, 1)
            called = network((inputs / torch.tensor(training.std).view(3, 1, 1)).float()).argmax(1).numpy()
        some = test.limited(100)
        here = np.isin(test.rows["id"], some.rows["id"]) if name == "colour" else np.ones(len(test), bool)
        right = (called == test.labels)[here].mean()
        cell = cells(results).set_index(["trained", "tested"]).loc[(name, "everything")]
        assert cell["images"] == here.sum()
        assert cell["value"] == pytest.approx(right, abs=0.02)


def test_findings_are_claimed_beside_shuffled_labels(detail) -> None:  # type: ignore[no-untyped-def]
    found = conclude(detail[1])
    fine, coarse = find(found, "cue-high-8"), find(found, "cue-low-8")
    assert fine is not None
    assert coarse is not None
    assert (claim_status(fine).kind, claim_status(fine).sign) == ("holds", 1)
    assert claim_status(coarse).kind != "holds"
    assert found[0].key == "cue-high-8"
    assert "From wavelengths under 4 pixels alone" in str(tell(fine).full)
    assert "there is one network" in str(tell(fine).full)
    assert fine.control is not None
    assert f"more than shuffled labels, {share(fine.control.measure)}" in str(tell(fine).full)
    told = str(overall(found))
    assert "about as often from “high-pass 8”" in told
    assert "not significantly more often than by chance from" in told


def test_the_matrix_has_what_was_measured(detail) -> None:  # type: ignore[no-untyped-def]
    wide = matrix(detail[1])
    assert list(wide.index) == ["everything", "low-8", "high-8", "grey", "colour"]
    assert wide.loc["grey"].isna().all()
    assert wide.loc["everything", "low-8"] == pytest.approx(0.5, abs=0.25)


def test_what_was_made_is_kept_and_another_setting_is_refused(tmp_path: Path) -> None:
    # ten steps and more, of which the tenth is told
    sets = by_colour(90, "train", seed=1), by_colour(40, "test", seed=2)
    first = study(tmp_path, *sets, "grey")
    seconds = first.table["seconds"].to_list()

    def stop(_done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(tmp_path, *sets, "grey", "colour", seeds=2, steps=stop)
    assert read_results(first.path).table["seconds"].to_list() == seconds
    both = study(tmp_path, *sets, "grey", "colour")
    assert both.done == {("grey", 0), ("colour", 0)}
    assert both.table["seconds"].to_list()[: len(seconds)] == seconds
    with pytest.raises(ContractError, match="was made with another"):
        study(tmp_path, by_colour(66, "train", seed=1), sets[1], "grey")
    assert study(tmp_path, by_colour(66, "train", seed=1), sets[1], "grey", restart=True).done == {("grey", 0)}


def test_a_network_that_two_processes_made_is_kept_once(tmp_path: Path) -> None:
    sets = by_colour(90, "train", seed=1), by_colour(40, "test", seed=2)
    plan = Plan(versions=("grey",), seeds=(0,), across=100, recipe=RECIPE_OF_TESTS)
    tests = plan.tests(*sets, {name: VERSIONS[name] for name in CHOSEN})

    def twice(units: list[Unit]) -> Iterator[tuple[Unit, pd.DataFrame]]:
        rows = network_rows(units[0], plan, tests)
        yield from [(units[0], rows), (units[0], rows)]

    found = study(tmp_path, *sets, "grey", engine=twice)
    assert len(found.table) == found.table["tested"].nunique()


def test_a_file_of_other_settings_that_appeared_meanwhile_is_left_alone(tmp_path: Path) -> None:
    sets = by_colour(90, "train", seed=1), by_colour(40, "test", seed=2)

    def meanwhile(units: list[Unit]) -> Iterator[tuple[Unit, pd.DataFrame]]:
        other = by_colour(66, "train", seed=1), sets[1]
        # refused at once, and not after its first network
        with pytest.raises(ContractError, match="was made with another"):
            study(tmp_path, *other, "grey", steps=lambda _done, _all: pytest.fail("it trains"))
        study(tmp_path, *other, "grey", restart=True)
        yield units[0], pd.DataFrame([{"right_fake": 1, "right_real": 1, "images_fake": 1, "images_real": 1}])

    with pytest.raises(ContractError, match="was made with another"):
        study(tmp_path, *sets, "grey", engine=meanwhile)
    assert read_results(tmp_path / "planted-test.parquet").about["training_images"] == 66


def test_a_diverging_network_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverge(*_arguments: object, **_options: object) -> None:
        raise TrainingInterrupted("The loss is not finite in epoch 1; lower the learning rate.")

    monkeypatch.setattr("core.studies.cues.running.run_on", diverge)
    assert main(["--data", "sample", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "core.studies.cues: The loss is not finite in epoch 1; lower the learning rate. Every network before it is "
        "kept.\n"
    )


@pytest.mark.parametrize(
    ("options", "again"), [([], "the same command"), (["--restart"], "the same command without --restart")]
)
def test_ctrl_c_says_which_command_goes_on(
    options: list[str], again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.studies.cues.running.run_on", interrupted)
    assert main(["--data", "sample", "--out", str(tmp_path), *options]) == 130
    assert capsys.readouterr().err.endswith(f"every finished network is kept, {again} goes on.\n")


def test_without_ray_nothing_is_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / FOLDER / "sample-test.parquet"
    kept.parent.mkdir()
    kept.write_bytes(b"networks")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--data", "sample", "--out", str(tmp_path), "--engine", "ray", "--restart"]) == 2
    assert "pip install 'ray[data]'" in capsys.readouterr().err
    assert kept.read_bytes() == b"networks"


def test_bad_files_are_left_out_when_asked(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (cifake / "test/REAL/0003 (4).jpg").write_bytes(b"no image")
    given: list[tuple[int, bool]] = []

    def kept(_train: ImageSet, test: ImageSet, plan: Plan, **_options: object) -> Path:
        given.append((len(test), plan.skip_bad))
        return tmp_path

    monkeypatch.setattr("core.studies.cues.running.run_on", kept)
    command = ["--data", str(cifake), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "--skip-bad" in capsys.readouterr().err
    assert main([*command, "--skip-bad"]) == 0
    assert given == [(23, True)]
