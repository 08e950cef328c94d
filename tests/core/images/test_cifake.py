"""CIFAKE as it ships and as it is fetched: verified, never written by name, and what a server may do to it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from core.images import cifake as module
from core.images.cifake import ARCHIVE, FINGERPRINTS, KIND, TABLE, fetch_cifake
from core.images.image_set import DatasetError
from core.images.loading import load_image_set, load_with_bar, read_files
from core.images.sources import SHIPPED_FOLDER
from core.storage.atomic import cache_dir, write_folder
from core.storage.limits import MANIFEST
from tests.conftest import write_shipped
from tests.core.images.github import files_of, serve, tar_gz, zipped
from tests.damage import flip_bit

__all__ = ["serve"]


@pytest.fixture
def shipped(cifake, tmp_path):
    folder = write_shipped(tmp_path / "shipped", cifake)
    # the cache of the folder that it was made of
    shutil.rmtree(cache_dir() / "images")
    return folder


def rewrite(shipped, *, archive=None, table=None):
    """Put another archive or table there, as well sealed as before."""
    data = (shipped / ARCHIVE).read_bytes() if archive is None else archive
    facts = pd.read_parquet(shipped / TABLE) if table is None else table
    files = {
        ARCHIVE: lambda path: path.write_bytes(data),
        TABLE: lambda path: facts.to_parquet(path, index=False),
    }
    write_folder(shipped, kind=KIND, manifest={}, files=files, replace=True)


def test_what_ships_is_the_set_that_it_was_made_of(shipped, cifake):
    found, expected = load_image_set(shipped, "test"), load_image_set(cifake, "test")
    assert (found.name, found.fingerprint) == ("cifake-test", expected.fingerprint)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    pd.testing.assert_frame_equal(found.rows, expected.rows)
    name = found.rows["name"][3]
    assert list(read_files(shipped, "test", [name])) == [(cifake / "test" / name).read_bytes()]
    # the second start touches no archive
    (shipped / ARCHIVE).write_bytes(b"")
    assert isinstance(load_image_set(shipped, "test").pixels, np.memmap)


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda folder: flip_bit(folder / ARCHIVE), f"{ARCHIVE} is not the file that was written"),
        (lambda folder: (folder / MANIFEST).unlink(), f"it has no {MANIFEST}"),
        (lambda folder: rewrite(folder, archive=b"no archive"), f"{ARCHIVE} cannot be unpacked"),
        (lambda folder: rewrite(folder, table=pd.DataFrame({"x": [1]})), f"{TABLE} cannot be unpacked"),
        (lambda folder: rewrite(folder, table=pd.read_parquet(folder / TABLE).iloc[1:]), "holds other files than"),
    ],
)
def test_what_is_damaged_is_a_sentence(shipped, damage, sentence):
    damage(shipped)
    with pytest.raises(DatasetError) as caught:
        load_image_set(shipped, "test", skip_bad=True)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def fetched_as(cifake):
    """The .zip holds the very images, and nothing else is left."""
    folder = cache_dir() / "cifake"
    assert [file.name for file in folder.iterdir() if file.suffix != ".lock"] == ["cifake.zip"]
    for split in ("test", "train"):
        found, expected = load_image_set("github", split), load_image_set(cifake, split)
        assert (found.name, found.fingerprint) == (f"cifake-{split}", expected.fingerprint)


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("packed", [tar_gz, zipped])
def test_what_is_fetched_is_what_is_unpacked(serve, cifake, packed, *, sized):
    strange = {"../../../../evil.jpg": b"x", "train/REAL/../../evil.jpg": b"x", **files_of(cifake)}
    server = serve(packed(strange), sized=sized)
    reports = []
    fetch_cifake(lambda *done: reports.append(done))
    size = len(server.body)
    assert (size, size if sized else module.EXPECTED_BYTES) in reports
    assert reports[-1] == (104, 104)
    fetched_as(cifake)
    assert not list(cache_dir().rglob("evil*"))
    # it is asked for once
    assert server.requests == 1
    # a damaged .zip is fetched again
    module.fetched_path().write_bytes(b"PK")
    assert load_with_bar("github", "test").fingerprint == load_image_set(cifake, "test").fingerprint


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"status": 404}, "127.0.0.1 answered 404; try again, or download the .zip from kaggle.com"),
        ({"cut": 20_000}, "127.0.0.1 cannot be reached or broke off"),
        ({"body": b"<html>Log in</html>"}, "did not send a whole archive"),
        ({"body": bytes(module.MAX_BYTES // 1000)}, "sends far more than was expected"),
        ({"body": tar_gz({"test/REAL/0000.jpg": bytes(3_000_000)})}, "did not send a whole archive"),
    ],
)
def test_what_is_no_cifake_is_a_sentence_and_not_kept(serve, settings, sentence, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 300_000)
    serve(**settings)
    with pytest.raises(DatasetError, match=sentence):
        fetch_cifake()
    assert [file.name for file in (cache_dir() / "cifake").iterdir()] == [".cifake.zip.lock"]


def test_one_wrong_file_among_all_is_noticed(serve, cifake):
    files = files_of(cifake)
    files["train/FAKE/0003 (4).jpg"] += b"x"
    serve(tar_gz(files))
    with pytest.raises(DatasetError, match="not CIFAKE's own"):
        fetch_cifake()
    assert not module.is_fetched()


def test_the_fingerprints_are_those_of_the_shipped_set_and_detectors():
    manifest = json.loads((SHIPPED_FOLDER / MANIFEST).read_text())
    assert manifest["fingerprint"] == FINGERPRINTS["test"]
    detector = json.loads((SHIPPED_FOLDER.parent / "detectors" / "swift" / MANIFEST).read_text())
    assert detector["training_set_fingerprint"] == FINGERPRINTS["train"]
