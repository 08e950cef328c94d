import errno
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train
from core import predict
from core.detectors.storage import load_detector, save_detector
from core.images.image_set import DatasetError
from core.runs import validation
from core.runs.run import read_run
from core.storage import WriteError, cache_dir, only_writer, read_manifest
from core.training import joining
from core.training.fit import Trained, fit
from core.training.recipe import RECIPES
from tests.conftest import make_detector
from tests.core.any_detector import write_set
from tests.core.images.github import Serve, serve

__all__ = ["serve"]

QUICK = ["--width", "4", "--epochs", "2", "--batch-size", "16", "--device", "cpu", "--precision", "float32"]


def command(data: Path, out: Path, *more: str) -> list[str]:
    return ["--data", str(data), "--out", str(out), *QUICK, *more]


def test_from_pixels_to_a_run(cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(command(cifake, tmp_path, "--name", "mine", "--validation", "0.2")) == 0
    run = read_run(tmp_path / "runs/mine@cifake-test")
    detector = load_detector(tmp_path / "detectors/mine", device="cpu")
    assert len(run) == 24
    assert run.images is None
    assert run.manifest["detector_sha256"] == detector.sha256
    assert detector.manifest["recipe"]["epochs"] == 2
    assert len(detector.manifest["history"]) == 2
    printed = capsys.readouterr().out
    assert "FAKE" in printed
    assert "(paper 9584, 416)" in printed
    accuracy = run.manifest["metrics"]["all"]["accuracy"]
    assert f"accuracy {accuracy:.4f} (paper 0.945)" in printed
    card = (tmp_path / "detectors/mine/README.md").read_text()
    assert f"accuracy {accuracy:.4f}" in card
    assert not list((cache_dir() / "checkpoints").iterdir())


def test_another_architecture_without_the_cue(cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--name", "other", "--arch", "timm:test_resnet", "--without-cue", "--validation", "0.2"]
    assert train.main(command(cifake, tmp_path, *arguments)) == 0
    manifest = read_run(tmp_path / "runs/other@cifake-test").manifest
    detector = load_detector(tmp_path / "detectors/other", device="cpu")
    assert detector.sha256 == manifest["detector_sha256"]
    assert detector.manifest["architecture"] == {
        "kind": "timm", "name": "test_resnet", "outputs": 2, "size": None, "stem": 32,
    }  # fmt: skip
    assert detector.manifest["recipe"]["arch"] == "timm:test_resnet"
    assert detector.manifest["recipe"]["without_cue"] is True
    assert "A network `timm:test_resnet` for 32 x 32 pixels" in (tmp_path / "detectors/other/README.md").read_text()
    # two bytes a weight
    assert (tmp_path / "detectors/other/weights.safetensors").stat().st_size < 2.5 * detector.manifest["parameters"]
    assert train.main(command(cifake, tmp_path, *arguments, "--resume")) == 2
    assert "exists" in capsys.readouterr().err
    for arch, sentence in (
        ("timm:nobody", "has no network 'nobody'"),
        ("resnet50", "arch is resnet, torchvision:NAME"),
    ):
        assert train.main(command(cifake, tmp_path / "none", "--arch", arch)) == 2
        assert sentence in capsys.readouterr().err


def test_starting_with_another_s_weights_and_joining_both(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = ["--validation", "0.25"]
    assert train.main(command(cifake, tmp_path, "--name", "first", *held)) == 0
    first = load_detector(tmp_path / "detectors/first", device="cpu")
    # so small a step that weights stay what they were, the averaged ones too
    still = ["--learning-rate", "1e-9", "--weight-decay", "0", "--average", "0.9", "--recipe", "robust"]
    folder = str(tmp_path / "detectors/first")
    assert train.main(command(cifake, tmp_path, "--name", "second", "--start", folder, *held, *still)) == 0
    second = load_detector(tmp_path / "detectors/second", device="cpu")
    assert second.manifest["recipe"]["start"] == "first"
    assert second.manifest["recipe"]["start_sha256"] == first.sha256
    assert str(tmp_path) not in (tmp_path / "detectors/second/manifest.json").read_text()
    weights = [one.network.get_submodule("layer2.0.conv1").weight for one in (first, second)]
    np.testing.assert_allclose(*weights, rtol=1e-3, atol=1e-6)
    wide = command(cifake, tmp_path, "--name", "wide", "--start", "first", "--width", "8")
    assert train.main([*wide, *held]) == 2
    assert "the weights of first do not fit the network of this recipe" in capsys.readouterr().err
    assert train.main(command(cifake, tmp_path, "--name", "none", "--start", "nobody", *held)) == 2
    assert "there is no detector 'nobody'" in capsys.readouterr().err
    # images that are held out now were trained on then
    for other in (["--validation", "0.5"], ["--validation", "0"], [*held, "--seed", "1"]):
        assert train.main(command(cifake, tmp_path, "--name", "none", "--start", "first", *other)) == 2
        assert "first was trained on other images" in capsys.readouterr().err
    assert (
        train.main(command(cifake, tmp_path, "--name", "none", "--start", "first", *held, "--normalise", "unit")) == 2
    )
    assert "first normalises images otherwise" in capsys.readouterr().err
    # networks that know so little may weigh nothing
    monkeypatch.setattr(joining, "fit_weights", lambda margins, labels: np.array([0.75, 0.5]))
    join = ["--data", str(cifake), "--out", str(tmp_path), "--name", "both", "--join", "first", "second"]
    assert train.main([*join, "--device", "cpu"]) == 0
    both = load_detector(tmp_path / "detectors/both", device="cpu")
    assert both.config == {"width": 8, "groups": 2}
    assert read_run(tmp_path / "runs/both@cifake-test").manifest["detector_sha256"] == both.sha256
    assert f"joined         validation accuracy {both.manifest['val_accuracy']:.4f}" in capsys.readouterr().out
    card = (tmp_path / "detectors/both/README.md").read_text()
    assert "A network of 2 ResNet-18s side by side, each of width 4, for 32 x 32 pixels" in card
    assert "| second | 0.500 |" in card
    assert f"accuracy {read_run(tmp_path / 'runs/both@cifake-test').manifest['metrics']['all']['accuracy']:.4f}" in card
    assert train.main(join) == 2
    assert "exists; choose another --name or pass --replace\n" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main([*join, "--width", "8"])
    assert "it takes no recipe and no hyper-parameters" in capsys.readouterr().err


def test_a_recipe_says_no_more_than_older_ones_did() -> None:
    shipped = read_manifest(train.ROOT / "assets/detectors/swift", "detector")
    assert RECIPES["swift"].settings() == shipped["recipe"]


def test_zip_gives_the_same_predictions(cifake: Path, tmp_path: Path) -> None:
    from tests.core.images.test_image_set import zipped

    assert train.main(command(cifake, tmp_path / "a")) == 0
    assert train.main(command(zipped(cifake), tmp_path / "b")) == 0
    a, b = (read_run(tmp_path / side / "runs/swift@cifake-test") for side in "ab")
    assert a.manifest["set_fingerprint"] == b.manifest["set_fingerprint"]
    np.testing.assert_array_equal(a.predictions["margin"], b.predictions["margin"])


def test_what_is_fetched_trains_as_what_is_unpacked(cifake: Path, tmp_path: Path, serve: Serve) -> None:
    server = serve()
    server.cuts = [20_000]
    assert train.main(command(cifake, tmp_path / "a")) == 0
    assert train.main([*command(cifake, tmp_path / "b"), "--data", "github"]) == 0
    a, b = (load_detector(tmp_path / side / "detectors/swift", device="cpu") for side in "ab")
    assert a.manifest["training_set_fingerprint"] == b.manifest["training_set_fingerprint"]
    assert a.sha256 == b.sha256
    runs = [read_run(tmp_path / side / "runs/swift@cifake-test") for side in "ab"]
    assert runs[0].manifest["set_fingerprint"] == runs[1].manifest["set_fingerprint"]


@pytest.mark.parametrize(
    ("failure", "status", "sentence"),
    [
        (KeyboardInterrupt(), 130, "stopped; the download is kept, the same command continues it."),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "has room and is writable, then run the same command"),
        (DatasetError("127.0.0.1 answered 404."), 2, "127.0.0.1 answered 404."),
    ],
)
def test_a_download_that_fails_is_a_sentence(
    tmp_path: Path,
    serve: Serve,
    *,
    failure: BaseException,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise failure

    serve()
    monkeypatch.setattr("core.images.cifake.fetching._pieces", fail)
    assert train.main([*command(tmp_path, tmp_path), "--data", "github"]) == status
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert said.count("\n") == 0


def test_after_training_elsewhere_the_command_to_see_it_names_that_home(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "fit_and_write", lambda *_: make_detector())
    monkeypatch.setattr(train, "test_and_write", lambda *_: train.ROOT / "assets/runs/sample@sample-test")
    home = tmp_path / "my detectors"
    assert train.main(command(cifake, home)) == 0
    assert f"See it: TELLTALE_HOME='{home}' streamlit run dashboard/app.py\n" in capsys.readouterr().out


def test_an_existing_detector_is_not_overwritten_unasked(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(command(cifake, tmp_path)) == 0
    assert train.main(command(cifake, tmp_path)) == 2
    assert "choose another --name or pass --replace" in capsys.readouterr().err
    assert train.main(command(cifake, tmp_path, "--replace")) == 0


def test_a_missing_test_set_is_found_before_training(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (cifake / "test/REAL").iterdir():
        file.unlink()
    assert train.main(command(cifake, tmp_path)) == 2
    captured = capsys.readouterr()
    assert "test/REAL" in captured.err
    assert "epoch" not in captured.out


def test_limit_and_overrides(cifake: Path, tmp_path: Path) -> None:
    assert train.main(command(cifake, tmp_path, "--limit", "40", "--no-flip", "--shift", "1")) == 0
    detector = load_detector(tmp_path / "detectors/swift", device="cpu")
    assert detector.manifest["training_images"] == 40
    assert detector.manifest["recipe"]["flip"] is False
    assert len(read_run(tmp_path / "runs/swift@cifake-test-8")) == 8


@pytest.mark.parametrize("setting", [["--epochs", "0"], ["--schedule", "sawtooth"]])
def test_impossible_settings_are_a_sentence(
    cifake: Path, tmp_path: Path, setting: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*command(cifake, tmp_path), *setting]) == 2
    assert f"{setting[0][2:]} cannot be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--limit", "1"], "--limit must be at least 2"),
        (["--limit", "-5"], "--limit must be at least 2"),
        (["--limit", "4", "--validation", "0.9"], "leaves none of"),
    ],
)
def test_too_few_images_are_a_sentence(
    cifake: Path, tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*command(cifake, tmp_path), *options]) == 2
    assert sentence in capsys.readouterr().err


def test_nobody_resumes_what_is_thrown_away(cifake: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        train.main([*command(cifake, tmp_path), "--resume", "--restart"])


def test_ctrl_c_says_how_to_go_on(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", interrupted)
    assert train.main(command(cifake, tmp_path)) == 130
    assert "go on with --resume" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise WriteError(28, "No space left on device", "weights.safetensors")

    monkeypatch.setattr(train, "save_detector", full)
    assert train.main(command(cifake, tmp_path)) == 2
    assert "weights.safetensors could not be written (No space left on device)" in capsys.readouterr().err


def test_a_failed_test_leaves_the_detector_and_says_how_to_make_its_run(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # with a blank, as in many a path
    out = tmp_path / "my detectors"

    def failing(*_: object, **__: object) -> None:
        raise TypeError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(train, "write_run", failing)
        assert train.main(command(cifake, out)) == 2
    said = capsys.readouterr().err.strip()
    assert "the test failed (TypeError: a mistake of ours); the detector is kept in" in said
    detector = load_detector(out / "detectors/swift", device="cpu")
    assert "written before the test" in (out / "detectors/swift/README.md").read_text()
    assert not list((cache_dir() / "checkpoints").iterdir())
    python, dash, module, *arguments = shlex.split(said.partition("make its run with: ")[2])
    assert [python, dash, module] == ["python", "-m", "core.predict"]
    assert predict.main(arguments) == 0
    assert detector.identity.made(read_run(out / "runs/swift@cifake-test").manifest)


def test_a_failed_test_on_a_part_of_the_images_is_made_up_by_the_same_command(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise TypeError("a mistake of ours")

    limited = command(cifake, tmp_path, "--limit", "40")
    with monkeypatch.context() as patch:
        patch.setattr(train, "write_run", failing)
        assert train.main(limited) == 2
    kept = f"the detector is kept in {tmp_path / 'detectors/swift'}"
    assert f"{kept}; give the same command with --resume to make its run" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", failing)
        assert train.main([*limited, "--resume"]) == 0
    assert len(read_run(tmp_path / "runs/swift@cifake-test-8")) == 8


@pytest.mark.parametrize("failing", ["write_run", "read_run"])
def test_resume_after_a_failed_test_trains_nothing_again(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise WriteError(28, "No space left on device", "predictions.parquet")

    with monkeypatch.context() as patch:
        patch.setattr(train, failing, full)
        assert train.main(command(cifake, tmp_path)) == 2
    sha256 = load_detector(tmp_path / "detectors/swift", device="cpu").sha256
    assert train.main(command(cifake, tmp_path)) == 2
    assert "exists; choose another --name" in capsys.readouterr().err
    assert train.main(command(cifake, tmp_path, "--epochs", "3", "--resume")) == 2
    assert "exists; choose another --name" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", full)
        assert train.main(command(cifake, tmp_path, "--resume")) == 0
    run = read_run(tmp_path / "runs/swift@cifake-test")
    assert run.manifest["detector_sha256"] == sha256
    accuracy = run.manifest["metrics"]["all"]["accuracy"]
    assert f"accuracy {accuracy:.4f}" in (tmp_path / "detectors/swift/README.md").read_text()
    assert train.main(command(cifake, tmp_path, "--resume")) == 2
    assert "exists; choose another --name" in capsys.readouterr().err
    # a run on other images is not the test of these
    next((cifake / "test/FAKE").iterdir()).unlink()
    assert train.main(command(cifake, tmp_path, "--resume")) == 2
    assert "make its run with" in capsys.readouterr().err


def test_a_detector_that_is_to_be_replaced_is_trained_again_whatever_became_of_the_checkpoint(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise WriteError(28, "No space left on device", "weights.safetensors")

    assert train.main(command(cifake, tmp_path)) == 0
    study = tmp_path / "runs/swift@cifake-test/studies/kept"
    study.parent.mkdir()
    study.touch()
    assert train.main(command(cifake, tmp_path)) == 2
    assert "or --resume if only its test is missing" in capsys.readouterr().err
    # stopped before the first checkpoint, and continued
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", full)
        assert train.main(command(cifake, tmp_path, "--replace")) == 2
        assert train.main(command(cifake, tmp_path, "--replace", "--resume")) == 2
    assert study.exists()
    capsys.readouterr()
    assert train.main(command(cifake, tmp_path, "--replace", "--resume")) == 0
    assert "epoch 2/2" in capsys.readouterr().out


def test_ctrl_c_during_the_test_keeps_the_detector(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "write_run", interrupted)
    assert train.main(command(cifake, tmp_path)) == 130
    assert f"make its run with: python -m core.predict {tmp_path}/detectors/swift --data" in capsys.readouterr().err
    assert load_detector(tmp_path / "detectors/swift", device="cpu").manifest["recipe"]["width"] == 4


def test_a_bad_test_image_is_found_before_training(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cifake / "test/REAL/0003 (4).jpg").write_bytes(b"no image")
    assert train.main(command(cifake, tmp_path)) == 2
    captured = capsys.readouterr()
    assert "test/REAL/0003 (4).jpg" in captured.err
    assert "epoch" not in captured.out


def test_a_run_that_could_not_be_read_again_is_found_before_training(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(validation.COLUMNS, "category", lambda _: False)
    assert train.main(command(cifake, tmp_path)) == 2
    captured = capsys.readouterr()
    assert "a run on cifake-test could not be read back, its table has no usable column category" in captured.err
    assert "epoch" not in captured.out


def test_a_second_training_under_one_name_is_refused_before_it_begins(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_writer(tmp_path / "detectors/swift"):
        assert train.main(command(cifake, tmp_path)) == 2
        assert "detectors/swift is being written by another process" in capsys.readouterr().err
        assert train.main(command(cifake, tmp_path, "--name", "other")) == 0
    assert train.main(command(cifake, tmp_path)) == 0
    assert sorted(path.name for path in (tmp_path / "detectors").iterdir()) == ["other", "swift"]


def test_a_name_that_is_taken_meanwhile_costs_no_training(
    cifake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fit_meanwhile(*arguments: Any, **options: Any) -> Trained:
        trained = fit(*arguments, **options)
        save_detector(tmp_path / "detectors/swift", make_detector(), model_card="")
        return trained

    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", fit_meanwhile)
        assert train.main(command(cifake, tmp_path)) == 2
    assert "give another --name with --resume" in capsys.readouterr().err
    assert train.main(command(cifake, tmp_path, "--name", "other", "--resume")) == 0
    assert "Continuing after epoch 2 of 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a/b", ".hidden", "a@b", "*bold*", "x" * 121, "\udcff", "line\nend"])
def test_a_name_that_no_folder_can_have_is_a_sentence(
    cifake: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(command(cifake, tmp_path / "out", "--name", name)) == 2
    assert "a detector cannot be named" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_found_before_training(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "detectors").write_text("a file")
    assert train.main(command(cifake, tmp_path)) == 2
    captured = capsys.readouterr()
    assert f"{tmp_path / 'detectors'} could not be written" in captured.err
    assert "epoch" not in captured.out


def test_splits_of_different_sizes_are_refused_before_training(
    cifake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path / "large")
    shutil.rmtree(cifake / "test")
    shutil.copytree(tmp_path / "large" / "test", cifake / "test")
    assert train.main(command(cifake, tmp_path)) == 2
    assert "have 32 pixels a side and its test images 48" in capsys.readouterr().err
