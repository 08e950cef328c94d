"""The shipped sample is what its manifest says: checked against the photographs and against the files' own headers."""

import hashlib
import io
import json
import zipfile
from collections import Counter
from importlib import resources
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assets.sample.settings import ARCHIVE, MANIFEST, PHOTOGRAPHS, SETTINGS


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest["images"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture(scope="module")
def photographs() -> dict[str, Image.Image]:
    """Opened without the project's own decoder."""
    return {
        name: Image.open(resources.files(photograph.package) / photograph.path).convert("RGB")
        for name, photograph in PHOTOGRAPHS.items()
    }


def label_of(row: dict[str, Any]) -> str:
    return row["file"].split("/")[1]


def shipped(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)


def recut(photograph: Image.Image, row: dict[str, Any]) -> np.ndarray:
    left, top, side = row["box"]
    small = photograph.crop((left, top, left + side, top + side)).resize((32, 32), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=float)


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


def test_train_and_test_photographs_are_disjoint(rows):
    train, test = ({row["photograph"] for row in rows if row["file"].startswith(split)} for split in ("train", "test"))
    assert train.isdisjoint(test)
    assert train | test == set(PHOTOGRAPHS)


def test_every_image_has_the_same_size_mode_and_encoder_settings_in_both_classes(files):
    seen: dict[str, set[Any]] = {"REAL": set(), "FAKE": set()}
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


def test_real_images_are_crops_of_their_photographs(rows, files, photographs):
    differences = []
    for row in rows:
        if label_of(row) == "REAL":
            cut = recut(photographs[row["photograph"]], row)
            # what is left is JPEG's loss, and perhaps another decoder's rounding of the photograph
            differences.append(np.abs(shipped(files[row["file"]]) - cut).mean())
            assert differences[-1] < 16, row["file"]
    assert np.mean(differences) < 6


def test_boxes_lie_in_their_photograph_and_no_box_is_used_twice(rows, photographs):
    boxes = [(row["photograph"], *row["box"]) for row in rows]
    assert len(set(boxes)) == len(boxes)
    for row in rows:
        left, top, side = row["box"]
        width, height = photographs[row["photograph"]].size
        assert 0 <= left <= width - side
        assert 0 <= top <= height - side
        assert row["scale"] == side / 32 > 1
