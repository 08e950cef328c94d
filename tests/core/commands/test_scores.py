"""A table of scores becomes a run: margins are those of the scores, and what asks the detector says that it cannot."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import logit

from core.commands import runs
from core.detectors.manifest import Classes
from core.runs.run import read_run
from core.runs.scores import join_scores, logits_of, read_scores
from core.studies.runner import find_source, run_study
from core.studies.store import read_study
from core.studies.study import STUDIES, find_study
from tests.conftest import make_set, textured
from tests.core.any_detector import write_set


def write_table(home, data):
    """`scores.csv` of the test images in any order: paths, hashes and P(FAKE), wrong for one in four."""
    files = sorted(data.glob("test/*/*.png"))[::-1]
    generator = np.random.default_rng(0)
    p_fake = [generator.uniform(0.6, 0.9) if (file.parent.name == "FAKE") ^ (number % 4 == 0) else 0.25
              for number, file in enumerate(files)]  # fmt: skip
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    table = pd.DataFrame({"path": map(str, files), "sha256": hashes, "score": p_fake})
    table.to_csv(home / "scores.csv", index=False)
    return table


def add(home, file, *options):
    """Add the run `theirs@set-test` of a table of scores; the command's status."""
    return runs.main(["add", "theirs", str(file), "--data", str(home / "set"), "--out", str(home), *options])


def write_scores_home(home):
    """A home with the run `theirs@set-test` of scores alone, and the images in `set`."""
    data = write_set(home / "set")
    write_table(home, data)
    assert add(home, home / "scores.csv") == 0
    return home / "runs" / "theirs@set-test"


@pytest.mark.parametrize(
    "columns, options, threshold",
    [
        (["path", "score"], [], 0.0),
        (["sha256", "score"], [], 0.0),
        (["path", "score"], ["--threshold", "0.7"], logit(0.7)),
        (["path", "score"], ["--outputs", "logits", "--threshold", "0.7"], None),
    ],
)
def test_its_margins_are_those_of_the_scores(tmp_path, columns, options, threshold, capsys):
    data = write_set(tmp_path / "set")
    table = write_table(tmp_path, data)
    if "sha256" in columns:
        # copies of an image share its score
        shutil.copy(table["path"][0], data / "test" / "REAL" / "copy.png")
    # as somebody writes them who scored the folder somewhere else
    table["path"] = table["path"].str.replace(str(data), r"C:\mine").str.replace("/", "\\")
    file = tmp_path / ("scores.csv" if "path" in columns else "scores.parquet")
    table[columns].to_csv(file) if file.suffix == ".csv" else table[columns].to_parquet(file)
    assert add(tmp_path, file, *options, "--json") == 0
    run = read_run(tmp_path / "runs" / "theirs@set-test")
    printed = json.loads(capsys.readouterr().out)
    assert printed["run"] == str(run.path)
    assert printed["metrics"] == run.manifest["metrics"]["all"]
    given = table.set_index("sha256")["score"][run.predictions["sha256"]].to_numpy()
    expected = 0.7 - given if threshold is None else threshold - logit(given)
    np.testing.assert_allclose(run.predictions["margin"], expected, atol=1e-5)
    assert run.scores_only
    assert run.manifest["metrics"]["all"]["accuracy"] == ((expected > 0) == run.is_real).mean()


@pytest.mark.parametrize(
    "change, options, sentence",
    [
        (lambda table: table.assign(score=1.0), ["--outputs", "logits", "--threshold=-1e40"], "no usable column"),
        (lambda table: table[3:], [], "no score for 3 of 40 images"),
        (lambda table: table, ["--threshold", "1"], "above 0 and below 1"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, change, options, sentence, capsys):
    before = read_run(write_scores_home(tmp_path))
    table = pd.read_csv(tmp_path / "scores.csv")
    file = tmp_path / "scores.parquet"
    change(table[["path", "score"]]).to_parquet(file)
    assert add(tmp_path, file, *options, "--replace") == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert read_run(before.path).manifest == before.manifest
    if "no score for" in sentence:
        assert add(tmp_path, file, *options, "--replace", "--skip-bad") == 0
        assert len(read_run(before.path)) == 37


@pytest.mark.parametrize("sizes, side", [(((300, 300),), 256), (((40, 40),), 40), (((1600, 900), (30, 60)), 256)])
def test_pictures_of_any_size_are_read_to_be_shown(tmp_path, sizes, side):
    rows = []
    for number, label in enumerate(("real", "fake") * 2):
        file = tmp_path / "set" / label / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise(sizes[number % len(sizes)], 60).save(file)
        rows.append((str(file), 0.1 * number))
    pd.DataFrame(rows, columns=["path", "score"]).to_csv(tmp_path / "scores.csv")
    assert add(tmp_path, tmp_path / "scores.csv") == 0
    assert read_run(tmp_path / "runs" / "theirs@set-test").side == side


def test_studies_of_the_data_are_made_and_those_of_the_detector_are_refused(tmp_path):
    path = write_scores_home(tmp_path)
    source = find_source(path, data=str(tmp_path / "set"))
    able = {name for name in STUDIES if not find_study(name).needs}
    assert able == {"audit", "duplicates", "files"}
    for name in able:
        assert len(read_study(run_study(find_study(name), source), read_run(path)).table)
    for name in sorted(set(STUDIES) - able):
        with pytest.raises(ValueError, match="has its scores alone"):
            run_study(find_study(name), source, images=3)


def test_probabilities_are_logits_of_the_class_that_they_are_of():
    scores = np.array([0.0, 0.25, 0.75, 1.0])
    for fake, sign in (("FAKE", 1), (None, -1)):
        classes = Classes(("FAKE",) if fake else ("REAL",), ("FAKE",) if fake else (), "probabilities")
        logits = logits_of(scores, classes, "t")
        assert logits.shape == (4, 2)
        np.testing.assert_allclose((logits[:, 0] - logits[:, 1])[1:3], sign * logit(scores[1:3]), atol=1e-6)
        assert np.isfinite(logits).all()
    for wrong in ([-0.01, 0.5], [0.5, 1.01]):
        with pytest.raises(ValueError, match="t has scores outside 0 to 1.*say --outputs logits"):
            logits_of(np.array(wrong), classes, "t")
        assert np.isfinite(logits_of(np.array(wrong), replace(classes, outputs="logits"), "t")).all()


@pytest.mark.parametrize(
    "names, paths, refused",
    [
        (["FAKE/1.png", "REAL/2.png"], ["x/y/REAL/2.png", "x/y/FAKE/1.png"], ""),
        (["FAKE/1.png", "REAL/1.png"], [r"REAL\1.png", r"FAKE\1.png"], ""),
        # as deep as the shallowest
        (["a/FAKE/1.png", "a/REAL/2.png"], ["2.png", "z/1.png"], ""),
        (["FAKE/1.png", "REAL/1.png"], ["2.png", "1.png"], "several files are 1.png"),
        (["FAKE/1.png", "REAL/2.png"], ["b/FAKE/1.png", "a/FAKE/1.png"], "several files are FAKE/1.png"),
        (["FAKE/1.png", "REAL/2.png"], ["FAKE/1.png", "REAL/3.png"], "t has no score for 1 of 2 images, first REAL/2"),
        (["FAKE/1.png", "REAL/2.png"], ["FAKE/4.png", "REAL/3.png"], "t has no score for 2 of 2 images, first FAKE/1"),
    ],
)
def test_scores_are_joined_by_the_ends_of_paths(names, paths, refused):
    images = make_set(textured(2, fine=True, seed=1))
    images = replace(images, rows=images.rows.assign(name=names))
    table = pd.DataFrame({"path": paths, "score": [0.125, 0.5]})
    if refused:
        with pytest.raises(ValueError, match=refused):
            join_scores(table, images, "t")
    else:
        own, scores = join_scores(table, images, "t")
        assert scores.tolist() == [0.5, 0.125]
        assert own is images
    if "1 of 2" in refused:
        own, scores = join_scores(table, images, "t", skip_bad=True)
        assert own.rows["name"].tolist() == ["FAKE/1.png"]
        assert scores.tolist() == [0.125]
    elif refused:
        with pytest.raises(ValueError, match=refused):
            join_scores(table, images, "t", skip_bad=True)
    hashes = pd.DataFrame({"sha256": images.rows["sha256"].str.upper()[::-1], "score": [0.125, 0.5]})
    assert join_scores(hashes, images, "t")[1].tolist() == [0.5, 0.125]
    with pytest.raises(ValueError, match="several files are"):
        join_scores(pd.concat([hashes, hashes[:1]]), images, "t")


def test_columns_of_scores_have_any_of_their_names(tmp_path):
    file = tmp_path / "t.csv"
    for head, key in (("file_name,p_fake", "path"), ("sha256,logit", "sha256"), ("path,sha256,score", "sha256")):
        middle = "x," * (head.count(",") - 1)
        file.write_text(f"{head}\n{middle}007,1e3\n{middle}NA,-0.5\n")
        table = read_scores(file)
        assert list(table) == [key, "score"]
        assert table.to_numpy().tolist() == [["007", 1000.0], ["NA", -0.5]]
    largest = float(np.finfo(np.float32).max / 4)
    for value, is_read in ((largest, True), (-largest, True), (largest * 1.01, False), ("", False), ("high", False)):
        file.write_text(f"path,score\na,0\nb,{value}\n")
        if is_read:
            assert read_scores(file)["score"].tolist() == [0, value]
        else:
            with pytest.raises(ValueError, match="no finite number as the score of 1 rows, first row 2"):
                read_scores(file)
    for head in ("path,other", "other,score"):
        file.write_text(f"{head}\na,0\n")
        with pytest.raises(ValueError, match=f"it has {head.replace(',', ', ')}"):
            read_scores(file)
