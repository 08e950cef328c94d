"""Loading image sets: rows and pixels are the files', the cache is made once, and what does not fit is named."""

import errno
import hashlib
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from core.images import files, loading, sources
from core.images.image_set import DatasetError, categories_of
from core.images.labels import REAL
from core.images.loading import check_image_set, load_image_set, load_with_bar
from core.images.preprocessing import Preprocessing
from core.storage.atomic import cache_dir
from tests.conftest import jpeg, noise, textured
from tests.damage import cut, flip_bit
from tests.faults import faulty, in_child, small_disk

IMAGES = 24


def same(found, expected):
    assert (found.name, found.split, found.fingerprint) == (expected.name, expected.split, expected.fingerprint)
    pd.testing.assert_frame_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.pixels, expected.pixels)


def caches():
    folder = cache_dir() / "images"
    return [file for file in folder.iterdir() if file.is_dir() and file.suffix != ".part"] if folder.exists() else []


def without_cache(images):
    """The same set in memory; its cache is removed."""
    images = replace(images, pixels=np.array(images.pixels))
    shutil.rmtree(cache_dir() / "images")
    return images


@pytest.fixture
def expected(cifake):
    """The test split of `cifake`."""
    return without_cache(load_image_set(cifake, "test"))


def test_a_second_start_decodes_nothing_until_a_file_has_changed(cifake, monkeypatch):
    before = load_image_set(cifake, "test")
    assert (before.name, before.pixels.shape) == ("images-test", (IMAGES, 32, 32, 3))
    rows = before.rows.set_index("name")
    assert rows["file_bytes"].to_dict() == {name: (cifake / "test" / name).stat().st_size for name in rows.index}
    assert rows.loc[["REAL/0000.jpg", "FAKE/0009 (10).jpg"], "category"].tolist() == ["airplane", "truck"]
    with monkeypatch.context() as patched:
        patched.setattr(sources, "decode", lambda data, **_: pytest.fail("decoded again"))
        again = load_image_set(cifake, "test")
        assert isinstance(again.pixels, np.memmap)
        same(again, before)
    (cifake / "test/REAL/0000.jpg").write_bytes(jpeg(textured(1, fine=True, seed=99)[0]))
    assert load_image_set(cifake, "test").fingerprint != before.fingerprint


def test_a_set_without_usable_images_is_refused_and_one_of_one_class_is_not(cifake, tmp_path):
    with pytest.raises(DatasetError, match=r"absent does not exist"):
        load_image_set(tmp_path / "absent", "train")
    with pytest.raises(DatasetError, match="unknown user"):
        check_image_set("~nosuchuser/cifake", "test")
    for file in (cifake / "test/FAKE").iterdir():
        file.write_bytes(b"x")
    images = load_image_set(cifake, "test", skip_bad=True)
    assert set(images.labels) == {REAL}
    with pytest.raises(DatasetError, match="no FAKE images, and both classes are needed"):
        images.needing_both()
    for file in (cifake / "test/REAL").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(DatasetError, match="holds no image that can be used"):
        load_image_set(cifake, "test", skip_bad=True)


@pytest.mark.parametrize("damaged, first", [("", 10), ("000001.parquet", 5)])
def test_a_reading_that_was_stopped_goes_on_where_it_was(cifake, monkeypatch, damaged, first):
    files = sorted((cifake / "test/FAKE").iterdir())
    for file in (files[1], files[6]):
        file.write_bytes(b"no image")
    expected = without_cache(load_image_set(cifake, "test", skip_bad=True))
    monkeypatch.setattr(sources, "BATCH", 5 * 32 * 32 * 3)

    def stop(done, total):
        if done == 10:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        load_image_set(cifake, "test", skip_bad=True, progress=stop)
    assert not caches()
    (part,) = (cache_dir() / "images").glob("*.part")
    if damaged:
        os.truncate(part / damaged, (part / damaged).stat().st_size // 2)
    reports = []
    images = load_image_set(cifake, "test", skip_bad=True, progress=lambda done, total: reports.append(done))
    same(images, expected)
    assert (reports[0], reports[-1], len(images.skipped)) == (first, IMAGES, 2)
    assert not part.exists()


@pytest.mark.parametrize(
    "name, damage",
    [
        (loading.PIXELS, flip_bit),
        (loading.PIXELS, cut(0.9)),
        (loading.ROWS, cut(0.9)),
    ],
)
def test_a_damaged_cache_is_made_again(cifake, expected, name, damage, monkeypatch):
    # of a large one's pixels only the size is checked
    monkeypatch.setattr(loading, "SMALL", loading.SMALL if damage is flip_bit else 0)
    load_image_set(cifake, "test")
    (folder,) = caches()
    damage(folder / name)
    same(load_image_set(cifake, "test"), expected)


@pytest.mark.parametrize("at", range(1, 40, 9))
def test_a_process_killed_anywhere_leaves_nothing_wrong(cifake, expected, at):
    def killed(report):
        with faulty(cache_dir(), at=at, what=-1):
            load_image_set(cifake, "test")

    in_child(killed)
    same(load_image_set(cifake, "test"), expected)
    same(load_image_set(cifake, "test"), expected)


def test_where_the_cache_cannot_be_written_no_half_of_one_is_left(cifake, expected):
    for disk in (faulty(cache_dir(), at=1, what=errno.EROFS), small_disk(20_000)):
        with disk, pytest.raises(DatasetError, match="could not be written"):
            load_image_set(cifake, "test")
        assert not caches()
    same(load_image_set(cifake, "test"), expected)


def test_offenders_are_named_ten_at_most_with_their_total(cifake, capsys):
    folder = cifake / "train/REAL"
    for file in sorted(folder.iterdir())[:11]:
        file.write_bytes(b"no image")
    (folder / "small.jpg").write_bytes(jpeg(np.zeros((16, 24, 3), np.uint8)))
    with pytest.raises(DatasetError) as caught:
        load_image_set(cifake, "train")
    sentence = str(caught.value)
    assert sentence.startswith("12 of the files cannot be used: train/REAL/0000.jpg: The file is not an image ")
    assert "and 2 more" in sentence
    assert not caches()
    images = load_with_bar(cifake, "train", skip_bad=True)
    listed = capsys.readouterr().err.splitlines()
    assert listed[0] == "Left out of train: 12 of the files"
    assert [line.partition(":")[0].strip() for line in listed[1:]] == [bad.partition(":")[0] for bad in images.skipped]
    assert len(listed) == 13
    assert (len(images), len(images.skipped)) == (80 - 11, 12)
    assert any("is 24 x 16 pixels" in offender for offender in images.skipped)
    with pytest.raises(DatasetError, match="12 of the files"):
        load_image_set(cifake, "train")


def test_a_file_that_cannot_be_read_now_is_no_mistake_of_the_set(cifake, expected, monkeypatch):
    with monkeypatch.context() as patched:
        read = files.read_bytes

        def refused(path, **limit):
            if path.name == "0003 (4).jpg" and path.parent.name == "REAL":
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(path, **limit)

        patched.setattr(files, "read_bytes", refused)
        with pytest.raises(DatasetError, match=r"0003 \(4\).jpg cannot be read \(Permission denied\); try again"):
            load_image_set(cifake, "test", skip_bad=True)
    same(load_image_set(cifake, "test"), expected)


def test_repeats_keep_rows_apart_and_belong_to_their_subset(cifake):
    shutil.copy(cifake / "test/REAL/0000.jpg", cifake / "test/REAL/0500.jpg")
    images = load_image_set(cifake, "test")
    assert images.rows["id"].is_unique
    assert images.rows.loc[images.rows["is_repeat"], "name"].tolist() == ["REAL/0500.jpg"]
    copies = np.flatnonzero(images.rows["sha256"].duplicated(keep=False))
    assert images.subset(copies).rows["is_repeat"].tolist() == [False, True]
    assert images.subset(copies[1:]).rows["is_repeat"].tolist() == [False]


def test_a_limit_is_balanced_and_reads_the_files_that_limited_takes_and_no_others(cifake, monkeypatch):
    whole = load_image_set(cifake, "train")
    assert whole.limited(1000) is whole
    read = []
    decode = sources.decode
    monkeypatch.setattr(sources, "decode", lambda data, **how: read.append(data) or decode(data, **how))
    shutil.rmtree(cache_dir() / "images")
    few = load_image_set(cifake, "train", limit=20)
    same(few, whole.limited(20))
    assert few.name == "images-train-20"
    assert np.bincount(few.labels).tolist() == [10, 10]
    assert {hashlib.sha256(data).hexdigest() for data in read} == set(few.rows["sha256"])
    # neither takes the other's place in the cache
    same(load_image_set(cifake, "train", limit=1000), whole)
    same(load_image_set(cifake, "train", limit=20), few)


def write_pictures(folder, sizes, **options):
    """Files of the test split, name -> (width, height), and options of Pillow's encoder."""
    for number, (name, size) in enumerate(sizes.items()):
        (folder / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(*size[::-1], seed=number)).save(folder / "test" / name, **options)
    return folder


def test_the_side_of_a_set_is_that_of_most_of_its_files(tmp_path):
    # noise of 600 x 600 pixels takes more than a megabyte
    sizes = {f"{label}/{n}.png": (600, 600) for label in ("REAL", "FAKE") for n in range(3)}
    folder = write_pictures(tmp_path, sizes | {"FAKE/0.png": (32, 32), "REAL/x.png": (600, 40)})
    with pytest.raises(DatasetError, match=r"2 of the files .*FAKE/0\.png: is 32 x 32 pixels, not 600 x 600"):
        load_image_set(folder, "test")
    images = load_image_set(folder, "test", skip_bad=True)
    assert (images.side, images.pixels.shape) == (600, (5, 600, 600, 3))


def test_files_of_any_size_are_fitted_where_that_is_asked(tmp_path):
    sizes = {"REAL/a.png": (100, 60), "REAL/b.png": (48, 48), "FAKE/a.png": (70, 200), "FAKE/b.png": (30, 30)}
    folder = write_pictures(tmp_path, sizes)
    fit = Preprocessing(32, interpolation="lanczos")
    images = load_image_set(folder, "test", fit=fit)
    assert (images.pixels.shape, images.fit) == ((4, 32, 32, 3), fit.steps)
    for name, pixels in zip(images.rows["name"], images.pixels, strict=True):
        np.testing.assert_array_equal(pixels, fit.fit(np.asarray(Image.open(folder / "test" / name))))
    # another preprocessing is another cache of the same files
    other = load_image_set(folder, "test", fit=Preprocessing(32, interpolation="box"))
    assert other.fingerprint == images.fingerprint
    assert (other.pixels != images.pixels).any()
    # one class alone of the right size is no reason to take the set as it is
    sizes = {f"FAKE/{n}.png": (32, 32) for n in range(4)} | {f"REAL/{n}.png": (60, 40) for n in range(3)}
    images = load_image_set(write_pictures(tmp_path / "mixed", sizes), "test", fit=Preprocessing(32))
    assert (len(images), images.skipped) == (7, ())


def test_numbers_in_brackets_are_cifakes_where_they_are_from_2_to_10():
    assert categories_of(["FAKE/1.jpg", "REAL/1 (2).jpg", "REAL/a-b.jpg"]) == ["airplane", "automobile", "a"]
    assert categories_of(["FAKE/1.jpg", "REAL/1 (10).jpg", "REAL/own.jpg"]) == ["airplane", "truck", None]
    # alone, renamed in bulk, or downloaded twice
    for name in ("REAL/1.jpg", "REAL/1 (1).jpg", "REAL/1 (11).jpg"):
        assert categories_of([name, *(["REAL/1 (2).jpg"] if "(" in name else [])])[0] is None


def test_the_original_files_format_size_quality_and_metadata_are_columns(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    text = PngInfo()
    text.add_text("parameters", "a cat")
    expected = {
        "REAL/a.jpg": ({"quality": 83, "exif": exif}, ("JPEG", 83, "EXIF")),
        "REAL/b.jpg": ({"quality": 20}, ("JPEG", 20, "none")),
        "FAKE/a.png": ({"pnginfo": text}, ("PNG", 0, "text")),
        "FAKE/b.webp": ({"quality": 30}, ("WEBP", 0, "none")),
    }
    for name, (options, _) in expected.items():
        write_pictures(tmp_path, {name: (60, 40)}, **options)
    rows = load_image_set(tmp_path, "test", fit=Preprocessing(32)).rows.set_index("name")
    for name, row in rows.fillna({"quality": 0}).iterrows():
        assert tuple(row[["format", "quality", "metadata"]]) == expected[name][1]
        assert (row["width"], row["height"]) == (60, 40)
