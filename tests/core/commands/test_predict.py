import json
import shutil
from html import unescape

import numpy as np
import pandas as pd
from PIL import Image

from core.commands import predict
from core.detectors.resnet import ResNetDetector
from core.images.loading import load_image_set
from core.report.run_report import report_of, selection_report
from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.runs.run import read_run
from core.runs.summary import warnings_of
from core.runs.writing import write_run
from core.storage.atomic import cache_dir
from core.studies.columns import browse_table
from tests.conftest import make_detector, write_detector
from tests.core.images.made import write


def command(home, data, *more, detector="other"):
    """The status of a command in which a detector of a home predicts a set."""
    return predict.main([detector, "--data", str(data), "--out", str(home), "--device", "cpu", *more])


def test_a_run_on_another_set(cifake, tmp_path, monkeypatch, capsys):
    detector = write_detector(tmp_path)
    assert command(tmp_path, cifake) == 0
    run = read_run(tmp_path / "runs/other@images-test")
    assert run.manifest["detector_sha256"] == detector.sha256
    assert len(run) == 24
    assert np.ptp(run.predictions["margin"]) > 0
    assert f"accuracy {run.manifest['metrics']['all']['accuracy']:.4f}" in capsys.readouterr().out
    # before any pass
    monkeypatch.setattr(ResNetDetector, "full_pass", None)
    assert command(tmp_path, cifake) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_pass_that_was_stopped_goes_on_where_it_was(cifake, tmp_path, monkeypatch, capsys):
    for module in ("core.runs.writing", "core.detectors.detector"):
        monkeypatch.setattr(f"{module}.batch_size", lambda *_: 4)
    detector = write_detector(tmp_path)
    whole = read_run(write_run(tmp_path / "whole", detector, load_image_set(str(cifake), "test")))
    monkeypatch.setattr("core.runs.writing.SHARD", 7)
    full_pass = ResNetDetector.full_pass
    passed = []

    def stops(self, pixels, **more):
        passed.append(len(pixels))
        if len(passed) == 2:
            raise KeyboardInterrupt
        return full_pass(self, pixels, **more)

    monkeypatch.setattr(ResNetDetector, "full_pass", stops)
    assert command(tmp_path, cifake) == 130
    assert "give the same command again" in capsys.readouterr().err
    assert command(tmp_path, cifake) == 0
    assert passed == [8, 8, 8, 8]
    run = read_run(tmp_path / "runs/other@images-test")
    pd.testing.assert_frame_equal(run.predictions, whole.predictions)
    for name in ("maps", "features"):
        np.testing.assert_array_equal(getattr(run, name), getattr(whole, name))
    assert list((cache_dir() / "passes").iterdir()) == []


def test_pictures_that_were_resized_are_counted(tmp_path, capsys):
    for number, size in enumerate([(32, 32), (60, 40), (40, 60), (20, 90)]):
        for label in ("REAL", "FAKE"):
            (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
            Image.effect_noise(size, 60).save(tmp_path / "set" / label / f"{number}.png")
    write_detector(tmp_path)
    assert command(tmp_path, tmp_path / "set") == 0
    sentence = "4 of 8 were shrunk and 2 of 8 were enlarged"
    assert f"Warning: Pictures of other sizes: {sentence}" in capsys.readouterr().out
    assert command(tmp_path, tmp_path / "set", "--replace", "--json") == 0
    assert any(sentence in warning for warning in json.loads(capsys.readouterr().out)["warnings"])


def test_leaks_are_looked_for_where_the_training_images_are(cifake, tmp_path):
    shutil.copy(cifake / "train/REAL/0003 (4).jpg", cifake / "test/REAL/0003 (4).jpg")
    trained_on = load_image_set(str(cifake), "train")
    known = {"training_set": trained_on.name, "training_set_fingerprint": trained_on.fingerprint}
    for name, manifest, leaked, checked in (("seen", known, 1, True), ("unknown", {}, 0, False)):
        write_detector(tmp_path, name, make_detector(manifest=manifest))
        assert command(tmp_path, cifake, detector=name) == 0
        found = read_run(tmp_path / f"runs/{name}@images-test").manifest
        assert found["leaked"] == leaked
        assert found["leaks_checked"] == checked


def test_bad_files_are_left_out_when_asked(cifake, tmp_path, capsys):
    (cifake / "test/REAL/0003 (4).jpg").write_bytes(b"no image")
    write_detector(tmp_path / "elsewhere")
    detector = str(tmp_path / "elsewhere/detectors/other")
    assert command(tmp_path, cifake, detector=detector) == 2
    assert "--skip-bad" in capsys.readouterr().err
    assert command(tmp_path, cifake, "--skip-bad", detector=detector) == 0
    assert [len(read_run(path)) for path in (tmp_path / "runs").iterdir()] == [23]


def test_a_set_without_labels_has_a_name_and_no_accuracy(tmp_path, capsys):
    write(tmp_path / "set", [f"{n}.png" for n in range(4)])
    write_detector(tmp_path)
    assert command(tmp_path, tmp_path / "set", "--name", "holiday") == 0
    assert "4 images without labels, so there is no accuracy" in capsys.readouterr().out
    run = read_run(tmp_path / "runs/other@holiday")
    assert run.predictions["label"].isna().all()
    assert run.manifest["metrics"]["all"] == {"images": 4}
    assert run.classes == ()
    table = browse_table(run)
    assert table["correct"].isna().all()
    assert np.diff(table["margin"].to_numpy()[find_rows(table, Filter(sort="margin"))]).min() >= 0
    assert command(tmp_path, tmp_path / "set", "--name", "a/b") == 2
    # of one class the recall is known
    (tmp_path / "set" / "0_real").mkdir()
    for file in (tmp_path / "set").glob("*.png"):
        file.rename(tmp_path / "set" / "0_real" / file.name)
    assert command(tmp_path, tmp_path / "set", "--name", "real") == 0
    assert "one class only, so there is no accuracy" in capsys.readouterr().out
    one = read_run(tmp_path / "runs/other@real")
    assert one.classes == ("REAL",)
    assert one.manifest["metrics"]["all"]["per_class"]["REAL"]["support"] == 4


def test_rates_are_by_generator_seen_and_unseen_apart(tmp_path, capsys):
    names = {f"{source}/{label}": 6 if source == "sd14" else 2 for source in ("sd14", "biggan")
             for label in ("0_real", "1_fake")}  # fmt: skip
    write(tmp_path / "set", [f"{folder}/{n}.png" for folder, count in names.items() for n in range(count)])
    write(tmp_path / "set", [f"camera/0_real/{n}.png" for n in range(4)])
    write_detector(tmp_path)
    assert command(tmp_path, tmp_path / "set", "--seen", "sd15") == 2
    assert "has no source sd15, which --seen names" in capsys.readouterr().err
    assert command(tmp_path, tmp_path / "set", "--seen", "sd14") == 0
    shown = capsys.readouterr().out
    run = read_run(tmp_path / "runs/other@set-test")
    table = browse_table(run)
    kinds = table.astype(object).fillna("").groupby("source")["seen"].unique().map(list)
    assert kinds.to_dict() == {"sd14": ["seen"], "biggan": ["unseen"], "camera": [""]}
    wrong = table["label"] != table["predicted"]
    rates = wrong.groupby(table["source"], observed=True).mean()
    for name in rates.index:
        assert any(line.split()[0] == name and f"{rates[name]:.4f}" in line for line in shown.splitlines() if line)
    # whoever gets a report reads what the terminal said, such as that these are few images
    reports = [report_of(run), *(selection_report(run, table, Filter(), np.arange(rows)) for rows in (0, 3))]
    assert "Macro mean" in reports[0]
    for text in (shown, *map(unescape, reports)):
        assert [sentence for sentence in warnings_of(run) if sentence not in text] == []
    # filters tell them apart, too
    chosen = find_rows(table, Filter().choosing("seen", ["unseen"]))
    assert set(table["source"].iloc[chosen]) == {"biggan"}
