"""The shipped sample is what its manifest says: checked against the photographs and against the files' own headers."""

import hashlib
import io
import json
import zipfile
from collections import Counter

import pytest
from PIL import Image

from assets.sample.settings import ARCHIVE, MANIFEST, PHOTOGRAPHS, SETTINGS


@pytest.fixture(scope="module")
def manifest():
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(manifest):
    return manifest["images"]


@pytest.fixture(scope="module")
def files():
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def label_of(row):
    return row["file"].split("/")[1]


def test_archive_holds_the_files_of_the_manifest_and_is_small(manifest, rows, files):
    assert ARCHIVE.stat().st_size < 3_000_000
    assert hashlib.sha256(ARCHIVE.read_bytes()).hexdigest() == manifest["archive_sha256"]
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert {row["file"]: row["sha256"] for row in rows} == hashes
    assert len(set(hashes.values())) == len(files)


def test_images_are_balanced_over_classes_photographs_and_scales(rows):
    splits = Counter(row["file"].split("/")[0] for row in rows)
    assert splits == {"train": 2000, "test": 600}
    for split, count in splits.items():
        cells = Counter(
            (label_of(row), row["photograph"], row["scale"]) for row in rows if row["file"].startswith(split)
        )
        names = [name for name, photograph in PHOTOGRAPHS.items() if photograph.split == split]
        assert set(cells.values()) == {count // (2 * len(names) * len(SETTINGS.sides))}
        assert len(cells) == 2 * len(names) * len(SETTINGS.sides)
        assert {photograph for _, photograph, _ in cells} == set(names)


def test_every_image_has_the_same_size_mode_and_encoder_settings_in_both_classes(files):
    seen = {"REAL": set(), "FAKE": set()}
    for name, data in files.items():
        with Image.open(io.BytesIO(data)) as image:
            tables = tuple(sorted((index, tuple(table)) for index, table in image.quantization.items()))
            sampling = tuple(layer[1:] for layer in image.layer)
            seen[name.split("/")[1]].add((image.format, image.size, image.mode, tables, sampling, str(image.info)))
    assert seen["REAL"] == seen["FAKE"]
    assert len(seen["REAL"]) == 1
    _, size, mode, _, sampling, _ = seen["REAL"].pop()
    assert (size, mode) == ((32, 32), "RGB")
    # 4:2:0: the luma component is sampled twice as densely as chroma in both directions
    assert [component[:2] for component in sampling] == [(2, 2), (1, 1), (1, 1)]
