import contextlib
import hashlib
import io
import os
import shutil
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images import loading as dataset
from core.images import packing, reading, sources
from core.images.decoding import MAX_BYTES
from core.images.image_set import DatasetError, ImageSet, is_cifake, split_of
from core.images.labels import CLASSES
from core.images.loading import check_image_set, load_image_set, read_files, side_of
from core.images.preprocessing import Preprocessing
from core.storage import cache_dir
from tests.conftest import jpeg, textured


def zipped(folder: Path, *, prefix: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.jpg")):
            archive.write(file, prefix + str(file.relative_to(folder)))
    return path


def damaged_zips(folder: Path) -> dict[str, Path]:
    """Two .zip files that Python's own reader gives up on with errors of other kinds."""
    name = "test/REAL/\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"
    paths = {kind: folder / f"{kind}.zip" for kind in ("too new", "no text")}
    for path in paths.values():
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"x")
    whole = paths["too new"].read_bytes()
    # the version that is needed to unpack stands 6 bytes into the member's entry in the directory
    entry = whole.index(b"PK\1\2")
    paths["too new"].write_bytes(whole[: entry + 6] + bytes([99]) + whole[entry + 7 :])
    paths["no text"].write_bytes(whole.replace(b"\xc3\xa9", b"\xff\xff"))
    return paths


def test_rows_say_what_the_files_are(cifake: Path) -> None:
    images = load_image_set(cifake, "train")
    assert images.name == "cifake-train"
    assert images.pixels.shape == (80, 32, 32, 3)
    for index in (0, 41, 79):
        row = images.rows.iloc[index]
        file = cifake / "train" / row["name"]
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert row["file_bytes"] == file.stat().st_size
        assert row["label"] == (row["name"].startswith("REAL"))
        assert (images.pixels[index] == np.asarray(Image.open(file))).all()
    by_name = images.rows.set_index("name")["category"]
    assert by_name["REAL/0000.jpg"] == "airplane"
    assert by_name["FAKE/0009 (10).jpg"] == "truck"


def test_files_that_are_only_numbered_may_be_anybodys(cifake: Path) -> None:
    for file in sorted((cifake / "test").rglob("*.jpg")):
        file.rename(file.with_name(f"{file.name[:4]}.jpg"))
    numbered, train = load_image_set(cifake, "test"), load_image_set(cifake, "train")
    assert (numbered.name, train.name) == ("images-test", "cifake-train")
    assert numbered.rows["category"].isna().all()
    assert train.rows["category"].notna().all()


@pytest.mark.parametrize("prefix", ["", "cifake/"])
def test_zip_and_folder_are_the_same_set(cifake: Path, prefix: str) -> None:
    from_zip = load_image_set(zipped(cifake, prefix=prefix), "test")
    from_folder = load_image_set(cifake, "test")
    assert from_zip.fingerprint == from_folder.fingerprint
    assert (from_zip.pixels == from_folder.pixels).all()
    assert from_zip.rows.equals(from_folder.rows)


def test_fingerprint_knows_label_and_content(cifake: Path) -> None:
    before = load_image_set(cifake, "test").fingerprint
    a, b = cifake / "test/REAL/0000.jpg", cifake / "test/FAKE/0000.jpg"
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)
    assert load_image_set(cifake, "test").fingerprint != before


def test_a_zip_that_cannot_be_listed_and_an_unknown_user_are_one_sentence(tmp_path: Path) -> None:
    asked = dict.fromkeys(damaged_zips(tmp_path).values(), "not read here")
    for path, sentence in {**asked, Path("~nosuchuser/cifake"): "names an unknown user"}.items():
        with pytest.raises(DatasetError, match=sentence) as raised:
            check_image_set(path, "test")
        assert str(raised.value).startswith(str(path))
        assert "\n" not in str(raised.value)


def test_second_start_decodes_nothing(cifake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_image_set(cifake, "test")
    monkeypatch.setattr(reading, "decode", lambda data: pytest.fail("decoded again"))
    again = load_image_set(cifake, "test")
    assert isinstance(again.pixels, np.memmap)


def test_a_changed_file_is_read_again(cifake: Path) -> None:
    before = load_image_set(cifake, "test")
    (cifake / "test/REAL/0000.jpg").write_bytes(jpeg(textured(1, fine=True, seed=99)[0]))
    assert load_image_set(cifake, "test").fingerprint != before.fingerprint


def test_files_are_read_again_up_to_the_size_that_a_picture_may_have(cifake: Path) -> None:
    sizes = {"REAL/0000.jpg": 3 * 2**20, "REAL/0001 (2).jpg": MAX_BYTES + 1}
    for name, size in sizes.items():
        with (cifake / "test" / name).open("r+b") as file:
            file.truncate(size)
    assert [len(data) for data in read_files(cifake, "test", sizes)] == [3 * 2**20, 0]


def test_the_sample_has_its_name_though_its_file_was_read_as_any_other_before() -> None:
    assert load_image_set(sources.SAMPLE, "test").name == "images-test"
    assert load_image_set("sample", "test").name == "sample-test"
    assert load_image_set(sources.SAMPLE, "test").name == "images-test"


def test_a_damaged_pack_is_made_anew(cifake: Path) -> None:
    before = np.array(load_image_set(cifake, "test").pixels)
    pack = next((cache_dir() / "packs").iterdir())
    with (pack / "images.npy").open("r+b") as file:
        file.seek(200)
        file.write(b"x")
    np.testing.assert_array_equal(load_image_set(cifake, "test").pixels, before)


def test_a_full_disk_costs_only_the_pack(
    cifake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing, "write_folder", full)
    assert len(load_image_set(cifake, "test")) == 24
    assert "No space left" in capsys.readouterr().err


def test_offenders_are_named_ten_at_most_with_their_total(cifake: Path) -> None:
    folder = cifake / "train/REAL"
    for file in sorted(folder.iterdir())[:11]:
        file.write_bytes(b"no image")
    (folder / "small.jpg").write_bytes(jpeg(np.zeros((16, 24, 3), np.uint8)))
    with pytest.raises(DatasetError) as caught:
        load_image_set(cifake, "train")
    sentence = str(caught.value)
    assert sentence.startswith("12 files are not 32 x 32 images: train/REAL/0000.jpg: ")
    assert "and 2 more" in sentence
    assert "--skip-bad" in sentence
    assert not (cache_dir() / "packs").exists()
    images = load_image_set(cifake, "train", skip_bad=True)
    assert len(images) == 80 - 11
    assert len(images.skipped) == 12
    assert any("is 24 x 16 pixels" in offender for offender in images.skipped)
    with pytest.raises(DatasetError, match="12 files"):
        load_image_set(cifake, "train")


def test_missing_folder_and_class(cifake: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent does not exist; name the folder"):
        load_image_set(tmp_path / "absent", "train")
    for file in (cifake / "test/FAKE").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=r"test/FAKE of .* holds no image"):
        check_image_set(cifake, "test")
    shutil.rmtree(cifake / "test/FAKE")
    with pytest.raises(DatasetError, match=r"FAKE is missing; CIFAKE has the folders"):
        check_image_set(cifake, "test")


def test_class_of_bad_images_only(cifake: Path) -> None:
    for file in (cifake / "test/FAKE").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(DatasetError, match="test/FAKE .* holds no usable image"):
        load_image_set(cifake, "test", skip_bad=True)


def test_truncated_zip(cifake: Path) -> None:
    path = zipped(cifake)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DatasetError, match="is not a whole .zip file; download it again"):
        load_image_set(path, "test")


def test_damaged_zip_member_is_named(cifake: Path) -> None:
    path = zipped(cifake)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("test/REAL/0003 (4).jpg")
    data = bytearray(path.read_bytes())
    data[info.header_offset + 200] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r"1 file is .*test/REAL/0003 \(4\)\.jpg: cannot be read"):
        load_image_set(path, "test")


def test_zip_without_a_class(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("test/REAL/0000.jpg", b"x")
        archive.writestr("../../test/FAKE/0000.jpg", b"x")
    with pytest.raises(DatasetError, match="no images in test/FAKE/"):
        check_image_set(tmp_path / "z.zip", "test")


def test_a_bomb_in_a_zip_is_not_unpacked(cifake: Path) -> None:
    path = zipped(cifake)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test/REAL/bomb.jpg", bytes(50_000_000))
    with pytest.raises(DatasetError, match="bomb.jpg: has 50000000 bytes"):
        load_image_set(path, "test")


def zip_of_large(path: Path, members: int) -> Path:
    """A small .zip of pictures with 16 million pixels each."""
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "PNG")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            for label in CLASSES:
                archive.writestr(f"test/{label}/{number:04d}.png", buffer.getvalue())
    return path


def test_a_small_zip_of_large_pictures_is_refused_by_their_headers(tmp_path: Path) -> None:
    path = zip_of_large(tmp_path / "large.zip", 100)
    assert path.stat().st_size < 150_000
    begun = time.process_time()
    with pytest.raises(DatasetError, match=r"200 files are .* 4000 x 4000 pixels; at most"):
        load_image_set(path, "test")
    # a second each to decode
    assert time.process_time() - begun < 5


def test_large_pictures_that_are_fitted_say_how_far_they_are_after_each(tmp_path: Path) -> None:
    path = zip_of_large(tmp_path / "large.zip", 20)
    told: list[int] = []

    def stop(done: int, total: int) -> None:
        told.append(done)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        load_image_set(path, "test", fit=Preprocessing(32), progress=stop)
    assert told[0] < 10


def test_names_that_collide_in_a_zip_are_offenders(cifake: Path) -> None:
    path = zipped(cifake)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("test/REAL/0003 (4).jpg", (cifake / "test/REAL/0000.jpg").read_bytes())
        archive.writestr("test/FAKE/0000.jpg", (cifake / "test/FAKE/0001 (2).jpg").read_bytes())
    with pytest.raises(DatasetError, match=r"2 files are .*FAKE/0000\.jpg: is in the \.zip more than once.*REAL/0003"):
        load_image_set(path, "test")
    assert len(load_image_set(path, "test", skip_bad=True)) == 22
    assert len(load_image_set(path, "train")) == 80


def test_an_encrypted_zip_says_so(cifake: Path) -> None:
    path = zipped(cifake)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offsets = [info.header_offset for info in archive.infolist()]
    # the bit that says so stands 6 bytes into a member, and 8 bytes into its entry in the directory
    for offset in offsets:
        data[offset + 6] |= 1
    entry = data.find(b"PK\1\2")
    while entry >= 0:
        data[entry + 8] |= 1
        entry = data.find(b"PK\1\2", entry + 4)
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="is encrypted; pack the .zip again without a password"):
        load_image_set(path, "test")


def test_files_that_vanish_while_they_are_read_are_offenders(cifake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = cifake / "test/REAL/0003 (4).jpg"
    side_of = sources.measure_side

    def take_away(*arguments: Any) -> int:
        gone.unlink()
        return side_of(*arguments)

    monkeypatch.setattr(dataset, "measure_side", take_away)
    with pytest.raises(DatasetError, match=r"1 file is .*0003 \(4\)\.jpg: cannot be read \(No such file"):
        load_image_set(cifake, "test")


def test_files_that_vanish_while_they_are_listed_were_not_there(cifake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    @contextlib.contextmanager
    def while_taken_away(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries(scan: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
            for item in scan:
                if item.name == "0003 (4).jpg":
                    (folder / item.name).unlink()
                yield item

        with listed(folder) as scan:
            yield entries(scan)

    monkeypatch.setattr(sources.os, "scandir", while_taken_away)
    assert check_image_set(cifake, "test") == 22


def test_repeats_keep_rows_apart(cifake: Path) -> None:
    original = cifake / "test/REAL/0000.jpg"
    shutil.copy(original, cifake / "test/REAL/0500.jpg")
    rows = load_image_set(cifake, "test").rows
    assert rows["id"].is_unique
    assert rows.loc[rows["is_repeat"], "name"].tolist() == ["REAL/0500.jpg"]


def test_a_copy_whose_first_file_is_not_in_a_subset_repeats_nothing(cifake: Path) -> None:
    shutil.copy(cifake / "test/REAL/0000.jpg", cifake / "test/REAL/0500.jpg")
    images = load_image_set(cifake, "test")
    copies = np.flatnonzero(images.rows["sha256"].duplicated(keep=False))
    assert images.subset(copies).rows["is_repeat"].tolist() == [False, True]
    assert images.subset(copies[1:]).rows["is_repeat"].tolist() == [False]
    assert images.subset(copies[::-1]).rows["is_repeat"].tolist() == [False, True]


def test_limited_is_balanced_and_repeatable(cifake: Path) -> None:
    images = load_image_set(cifake, "train")
    limited = images.limited(20, seed=3)
    assert np.bincount(limited.labels).tolist() == [10, 10]
    assert limited.name == "cifake-train-20"
    assert limited.rows["id"].tolist() == images.limited(20, seed=3).rows["id"].tolist()
    assert images.limited(1000) is images


@pytest.mark.parametrize(
    ("name", "split"),
    [("cifake-train", "train"), ("cifake-train-200", "train"), ("faces-train-test", "test"), ("cifake-test", "test")],
)
def test_a_split_is_what_a_set_is_called_at_its_end(name: str, split: str) -> None:
    assert split_of(name) == split


def test_kaggle_without_kagglehub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(DatasetError, match=r"pip install kagglehub.*download the \.zip from kaggle\.com"):
        load_image_set("kaggle", "test")


def test_kaggle_without_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        @staticmethod
        def dataset_download(handle: str) -> str:
            raise ConnectionError(handle)

    monkeypatch.setitem(__import__("sys").modules, "kagglehub", Hub)
    with pytest.raises(DatasetError, match=r"could not be reached \(ConnectionError\); download the \.zip"):
        load_image_set("kaggle", "test")


def test_progress_ends_at_the_total(cifake: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_image_set(cifake, "test", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)


def test_genuine_cifake_has_its_counts(cifake_test: ImageSet) -> None:
    images = cifake_test
    assert np.bincount(images.labels).tolist() == [10_000, 10_000]
    assert images.rows["category"].value_counts().nunique() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file's name is text")
def test_a_name_that_is_no_text_is_an_offender(cifake: Path) -> None:
    shutil.copy(cifake / "test/REAL/0003 (4).jpg", cifake / "test/REAL" / os.fsdecode(b"\xff.jpg"))
    with pytest.raises(DatasetError, match="has a name that is no text"):
        load_image_set(str(cifake), "test")
    found = load_image_set(str(cifake), "test", skip_bad=True)
    assert (len(found), len(found.skipped)) == (24, 1)


def write_pictures(folder: Path, sizes: dict[str, tuple[int, int]]) -> Path:
    """Files of the test split, name -> (width, height)."""
    for number, (name, size) in enumerate(sizes.items()):
        (folder / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / "test" / name)
    return folder


def test_the_side_of_a_set_is_that_of_most_of_its_files(tmp_path: Path) -> None:
    sizes = {f"{label}/{n}.png": (48, 48) for label in ("REAL", "FAKE") for n in range(3)}
    folder = write_pictures(tmp_path, sizes | {"FAKE/0.png": (32, 32), "REAL/x.png": (48, 40)})
    with pytest.raises(DatasetError, match=r"2 files are not 48 x 48 images: .*FAKE/0\.png: is 32 x 32 pixels"):
        load_image_set(folder, "test")
    images = load_image_set(folder, "test", skip_bad=True)
    assert (images.side, images.pixels.shape) == (48, (5, 48, 48, 3))
    assert side_of(folder, "test") == 48


def test_files_of_any_size_are_fitted_where_that_is_asked(tmp_path: Path) -> None:
    sizes = {"REAL/a.png": (100, 60), "REAL/b.png": (48, 48), "FAKE/a.png": (70, 200), "FAKE/b.png": (30, 30)}
    folder = write_pictures(tmp_path, sizes)
    fit = Preprocessing(32, interpolation="lanczos")
    images = load_image_set(folder, "test", fit=fit)
    assert images.pixels.shape == (4, 32, 32, 3)
    for name, pixels in zip(images.rows["name"], images.pixels, strict=True):
        np.testing.assert_array_equal(pixels, fit.fit(np.asarray(Image.open(folder / "test" / name))))
    # another preprocessing is another pack of the same files
    other = load_image_set(folder, "test", fit=Preprocessing(32, interpolation="box"))
    assert other.fingerprint == images.fingerprint
    assert (other.pixels != images.pixels).any()


def test_a_set_of_which_one_class_has_the_size_is_fitted(tmp_path: Path) -> None:
    sizes = {f"FAKE/{n}.png": (32, 32) for n in range(4)} | {f"REAL/{n}.png": (60, 40) for n in range(3)}
    images = load_image_set(write_pictures(tmp_path, sizes), "test", fit=Preprocessing(32))
    assert (len(images), images.skipped) == (7, ())


def test_a_set_of_the_size_that_is_asked_for_is_taken_as_it_is(cifake: Path) -> None:
    (cifake / "test/REAL/odd.png").write_bytes(jpeg(textured(1, fine=True, seed=3)[0][:30]))
    with pytest.raises(DatasetError, match="1 file is not a 32 x 32 image: test/REAL/odd.png: is 32 x 30 pixels"):
        load_image_set(cifake, "test", fit=Preprocessing(32))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["FAKE/1.jpg", *(f"REAL/1 ({number}).jpg" for number in range(2, 11))], True),
        (["FAKE/7.jpg", "REAL/0007 (4).JPG"], True),
        # renamed in bulk, or downloaded twice
        (["FAKE/1 (1).jpg", "REAL/2 (1).jpg"], False),
        ([f"REAL/1 ({number}).jpg" for number in range(1, 11)], False),
        ([f"REAL/1 ({number}).jpg" for number in range(2, 12)], False),
        (["FAKE/1.jpg", "REAL/2.jpg"], False),
    ],
)
def test_numbers_in_brackets_are_cifakes_where_they_are_from_2_to_10(names: list[str], expected: bool) -> None:
    assert is_cifake(names) is expected


def test_files_that_systems_put_into_folders_are_no_images(cifake: Path) -> None:
    before = load_image_set(cifake, "test").fingerprint
    for name in ("desktop.ini", "Thumbs.db", "Icon\r", "._0.jpg"):
        (cifake / "test" / "REAL" / name).write_bytes(b"of the system")
    assert load_image_set(cifake, "test").fingerprint == before
