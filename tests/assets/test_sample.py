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

from assets.sample.crops import choose_crops
from assets.sample.settings import ARCHIVE, MANIFEST, PHOTOGRAPHS, SETTINGS
from core.images.loading import load_image_set


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
    assert {row["file"]: row["sha256"] for row in rows} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }


def test_no_two_files_are_equal(files):
    assert len(set(files.values())) == len(files)


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
    assert train
    assert test
    assert not train & test
    assert {row["photograph"] for row in rows} == set(PHOTOGRAPHS)


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


def test_fake_images_show_their_crop_but_are_redrawn(rows, files, photographs):
    correlations, differences = [], []
    for row in rows:
        if label_of(row) == "FAKE":
            cut, image = recut(photographs[row["photograph"]], row), shipped(files[row["file"]])
            # a thumbnail of 8 x 8 forgets what the generator may invent
            coarse = [pixels.reshape(8, 4, 8, 4, 3).mean((1, 3)).ravel() for pixels in (cut, image)]
            correlations.append(np.corrcoef(*coarse)[0, 1])
            differences.append(np.abs(cut - image).mean())
    assert np.median(correlations) > 0.9
    assert np.mean(differences) > 9


def test_only_fake_images_have_strength_and_seed(rows):
    for row in rows:
        assert ("strength" in row) == ("seed" in row) == (label_of(row) == "FAKE")
    seeds = [row["seed"] for row in rows if "seed" in row]
    assert len(set(seeds)) == len(seeds)
    assert {row["strength"] for row in rows if "strength" in row} == {SETTINGS.strength}


def test_boxes_lie_in_their_photograph_and_no_box_is_used_twice(rows, photographs):
    boxes = [(row["photograph"], *row["box"]) for row in rows]
    assert len(set(boxes)) == len(boxes)
    for row in rows:
        left, top, side = row["box"]
        width, height = photographs[row["photograph"]].size
        assert 0 <= left <= width - side
        assert 0 <= top <= height - side
        assert row["scale"] == side / 32 > 1


def test_manifest_says_what_the_settings_say(manifest):
    assert manifest["settings"] == json.loads(json.dumps(vars(SETTINGS)))
    assert manifest["photographs"] == {name: vars(photograph) for name, photograph in PHOTOGRAPHS.items()}


def test_crops_follow_from_the_seed_and_are_those_that_shipped(rows):
    for index, (name, photograph) in enumerate(PHOTOGRAPHS.items()):
        if not photograph.path.endswith(".png"):
            # a JPEG decoder's rounding may move a crop across the contrast limit
            continue
        pixels = photograph.read()
        crops = choose_crops(pixels, SETTINGS.crops(photograph.split), seed=SETTINGS.seed + index)
        expected = {(crop.label, crop.left, crop.top, crop.side) for crop in crops}
        assert {(label_of(row), *row["box"]) for row in rows if row["photograph"] == name} == expected


def test_a_flat_photograph_is_refused():
    with pytest.raises(ValueError, match="only 0 of"):
        choose_crops(np.full((200, 200, 3), 90, np.uint8), 10, seed=0)


def test_loader_reads_the_sample_with_the_photograph_as_category():
    images = load_image_set("sample", "test")
    assert len(images) == 600
    assert set(images.rows["category"]) == {name for name, p in PHOTOGRAPHS.items() if p.split == "test"}
    assert not images.rows["is_repeat"].any()
