"""Images from elsewhere: archives that are whole, damaged, hostile; photographs under every filter."""

import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from core.images import out_of_distribution as module
from core.images.decoding import RESAMPLING
from core.images.encoding import encode_png
from core.images.image_set import DatasetError
from core.images.out_of_distribution import AS_DRAWN, crop_photographs, read_generators
from core.images.preprocessing import Preprocessing
from tests.conftest import noise, textured


def write_archive(path, files):
    """A .tar.xz of these files."""
    with tarfile.open(path, "w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_archives_and_folders_are_read_and_nothing_is_unpacked(tmp_path):
    gan, ddpm = textured(5, fine=True, seed=3), textured(4, fine=False, seed=4)
    write_archive(tmp_path / "gan.tar.xz", {f"a/{n}.png": encode_png(image) for n, image in enumerate(gan)})
    (tmp_path / "ddpm" / "deep").mkdir(parents=True)
    for number, image in enumerate(ddpm):
        (tmp_path / "ddpm" / "deep" / f"{number}.png").write_bytes(encode_png(image))
    (tmp_path / "README.md").write_text("not a generator")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match="is no folder"):
        read_generators(tmp_path / "nowhere", Preprocessing(32))
    found = {one.name: one for one in read_generators(tmp_path, Preprocessing(32))}
    assert list(found) == ["ddpm", "gan"]
    assert_array_equal(found["gan"].pixels[AS_DRAWN], gan)
    assert_array_equal(found["ddpm"].pixels[AS_DRAWN], ddpm)
    assert sorted(tmp_path.rglob("*")) == before


def test_pictures_drawn_large_are_resized_with_every_filter_and_others_left_out(tmp_path):
    wide = noise(96, 130)
    tall = noise(90, 64)
    files = {"wide.png": encode_png(wide), "tall.png": encode_png(tall), "again.png": encode_png(wide)}
    small = {"small.png": encode_png(textured(1, fine=True, seed=1)[0]), "broken.png": b"no picture"}
    write_archive(tmp_path / "large.tar.xz", files | small)
    (one,) = read_generators(tmp_path, Preprocessing(32), large=True)
    assert (one.name, len(one), one.skipped) == ("large", 2, 2)
    for name, pixels in one.pixels.items():
        for image, picture in zip(pixels, (wide, tall), strict=True):
            assert_array_equal(image, Preprocessing(32, interpolation=name).fit(picture))
    assert list(one.pixels) == list(RESAMPLING)
    # it would enlarge this one
    with pytest.raises(DatasetError, match="holds no images larger than 96 x 96 pixels"):
        read_generators(tmp_path, Preprocessing(64, 96, "after"), large=True)
    # the other group leaves out what this one keeps
    (other,) = read_generators(tmp_path, Preprocessing(32))
    assert (list(other.pixels), len(other), other.skipped) == ([AS_DRAWN], 1, 4)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """An installed package with one photograph, a manifest of crops that lists it, and one of another package."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "made_photographs"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('a package is never imported')\n")
    data = encode_png(noise(200, 300))
    (package / "sea.png").write_bytes(data)
    one = {"package": "made_photographs", "path": "sea.png", "sha256": hashlib.sha256(data).hexdigest()}
    crops = [
        {"photograph": name, "file": f"test/REAL/{name}-{side}-{n}.jpg", "box": [10 * n, 5 * n, side]}
        for name in ("sea", "gone", "other")
        for side in (64, 128)
        for n in range(5)
    ]
    crops.append({"photograph": "sea", "file": "test/FAKE/sea-1.jpg", "box": [0, 0, 64]})
    about = {
        "photographs": {
            "sea": {**one, "split": "test"},
            "gone": {**one, "package": "no_such_package_here", "split": "train"},
            "other": {**one, "sha256": "0" * 64, "split": "train"},
        },
        "settings": {"sides": [64, 128]},
        "images": crops,
    }
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(about))
    monkeypatch.setattr(module, "MANIFEST", manifest)
    return package / "sea.png"


def test_squares_are_cut_once_and_made_small_under_every_filter(photographs):
    (sea,) = crop_photographs(Preprocessing(32), crops=6)
    # one that is absent, or another picture than the manifest's, is left out
    assert sea.name == "sea"
    assert list(sea.pixels) == list(RESAMPLING)
    picture = Image.open(photographs)
    for name, method in RESAMPLING.items():
        squares = sea.pixels[name]
        assert squares.shape == (6, 32, 32, 3)
        # three of each side, from the upper left
        for number, (side, n) in enumerate((side, n) for side in (64, 128) for n in range(3)):
            square = picture.crop((10 * n, 5 * n, 10 * n + side, 5 * n + side)).resize((32, 32), method)
            assert_array_equal(squares[number], np.asarray(square))
    assert [one.name for one in crop_photographs(Preprocessing(32), crops=2, split="test")] == ["sea"]
    assert crop_photographs(Preprocessing(32), crops=2, split="train") == []
