"""Packs of large sets: written shard by shard, resumed, and done without where the disk is full."""

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.images import packing, reading, sources
from core.images.image_set import DatasetError, ImageSet
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.images.reading import FilePixels
from core.runs.run import read_run
from core.runs.writing import write_run
from core.storage import UnfitFileError, cache_dir
from tests.conftest import make_detector, write_cifake
from tests.core.images.layouts.made import packed
from tests.hostile.faults import faulty, in_child, small_disk

IMAGES = 24
SHARDS = 5


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set is large, and a shard has five images."""
    monkeypatch.setattr(packing, "SMALL", 0)
    monkeypatch.setattr(packing, "SHARD", 5 * 32 * 32 * 3)


@pytest.fixture
def expected(cifake: Path) -> ImageSet:
    """What a set is when it is decoded in memory, which leaves no pack."""
    images = load_image_set(cifake, "test")
    images = ImageSet(images.name, "test", np.array(images.pixels), images.rows, images.fingerprint)
    shutil.rmtree(cache_dir() / "packs")
    return images


def same(found: ImageSet, expected: ImageSet) -> None:
    assert (found.name, found.split, found.fingerprint) == (expected.name, expected.split, expected.fingerprint)
    pd.testing.assert_frame_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.pixels, expected.pixels)


def counted(monkeypatch: pytest.MonkeyPatch, *, stop_at: int = 0) -> list[int]:
    """Count what is decoded, and stop like a killed process at some image."""
    decoded: list[int] = []
    decode = reading.decode

    def counts(*given: Any, **more: Any) -> Any:
        decoded.append(len(decoded))
        if len(decoded) == stop_at:
            raise KeyboardInterrupt
        return decode(*given, **more)

    monkeypatch.setattr(reading, "decode", counts)
    return decoded


def parts() -> list[Path]:
    return sorted((cache_dir() / "packs").glob("*.part"))


def test_a_set_in_shards_is_what_it_is_in_memory(cifake: Path, expected: ImageSet, shards: None) -> None:
    told: list[tuple[int, int]] = []
    found = load_image_set(cifake, "test", progress=lambda done, total: told.append((done, total)))
    same(found, expected)
    assert isinstance(found.pixels, np.memmap)
    assert told[-1] == (IMAGES, IMAGES)
    (pack,) = (cache_dir() / "packs").iterdir()
    assert sorted(file.name for file in pack.iterdir()) == ["manifest.json", "pixels.npy", "rows.parquet"]
    # any reader of .npy files can read it
    np.testing.assert_array_equal(np.load(pack / "pixels.npy"), expected.pixels)
    same(load_image_set(cifake, "test"), expected)


def test_what_was_finished_before_a_kill_is_not_decoded_again(
    cifake: Path, expected: ImageSet, shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        counted(patched, stop_at=18)
        with pytest.raises(KeyboardInterrupt):
            load_image_set(cifake, "test")
    assert len(parts()) == 1
    decoded = counted(monkeypatch)
    same(load_image_set(cifake, "test"), expected)
    assert len(decoded) == IMAGES - 15
    assert not parts()


def test_a_shard_that_is_damaged_or_lacks_its_pixels_is_made_anew(
    cifake: Path, expected: ImageSet, shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for harm in ("rows", "pixels"):
        with monkeypatch.context() as patched:
            counted(patched, stop_at=18)
            with pytest.raises(KeyboardInterrupt):
                load_image_set(cifake, "test")
        (part,) = parts()
        if harm == "rows":
            file = part / "000001.parquet"
            file.write_bytes(file.read_bytes()[:-20])
        else:
            file = part / "pixels.npy"
            with file.open("r+b") as opened:
                opened.truncate(file.stat().st_size - 7 * 32 * 32 * 3)
        same(load_image_set(cifake, "test"), expected)
        shutil.rmtree(cache_dir() / "packs")


@pytest.mark.parametrize("at", range(1, 60, 6))
def test_a_process_killed_anywhere_leaves_what_the_next_goes_on_from(
    cifake: Path, expected: ImageSet, shards: None, at: int
) -> None:
    def killed(report: Any) -> None:
        with faulty(cache_dir(), at=at, what=-1):
            load_image_set(cifake, "test")

    in_child(killed)
    same(load_image_set(cifake, "test"), expected)
    same(load_image_set(cifake, "test"), expected)


@pytest.mark.parametrize("size", [0, 20_000, 60_000])
def test_on_a_full_disk_pixels_are_read_from_the_files(
    cifake: Path, expected: ImageSet, shards: None, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(size):
        found = load_image_set(cifake, "test")
    assert isinstance(found.pixels, FilePixels)
    same(found, expected)
    assert "could not be written (" in found.uncached
    assert "continuing without it" in capsys.readouterr().err
    # with room again it goes on from what was written
    again = load_image_set(cifake, "test")
    assert isinstance(again.pixels, np.memmap)
    same(again, expected)


def test_a_disk_that_is_too_small_is_not_filled_first(
    cifake: Path, expected: ImageSet, shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 10_000))  # type: ignore[attr-defined]
    found = load_image_set(cifake, "test")
    assert "GB are needed and 0.0 GB are free" in found.uncached
    assert not parts()
    same(found, expected)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_a_run_can_go_without_a_pack(tmp_path: Path, shards: None, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data = packed(write_cifake(tmp_path / "set", train=2, test=8), kind)
    monkeypatch.setattr(packing, "_check_room", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    images = load_image_set(data, "test", fit=Preprocessing(48))
    assert isinstance(images.pixels, FilePixels)
    detector = make_detector(width=4, preprocessing=Preprocessing(48))
    detector.manifest = {"name": "tiny"}
    run = read_run(write_run(tmp_path, detector, images))
    margins = detector.margins(np.asarray(images.pixels))
    np.testing.assert_allclose(run.predictions["margin"], margins, rtol=1e-4, atol=1e-4)


def test_files_are_indexed_like_an_array(
    cifake: Path, expected: ImageSet, shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_check_room", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    found, whole = load_image_set(cifake, "test").pixels, expected.pixels
    assert (found.shape, found.dtype, found.ndim, len(found)) == (whole.shape, whole.dtype, 4, len(whole))
    indices: list[Any] = [
        3,
        -1,
        slice(2, 5),
        slice(None, None, -7),
        np.array([4, 4, 0]),
        whole[:, 0, 0, 0] > 100,
        [1, 2],
    ]
    indices += [(slice(1, 3), slice(None), slice(None, None, -1)), (5, 0), np.array([], np.intp)]
    for index in indices:
        np.testing.assert_array_equal(found[index], whole[index])
    (cifake / "test/FAKE/0000.jpg").write_bytes(b"gone")
    with pytest.raises(DatasetError, match=r"FAKE/0000\.jpg has changed since its set was read"):
        found[:2]


def test_another_picture_in_the_place_of_a_file_is_not_taken_for_it(
    cifake: Path, shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_check_room", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    found = load_image_set(cifake, "test")
    shutil.copy(cifake / "test/FAKE/0001 (2).jpg", cifake / "test/FAKE/0000.jpg")
    row = found.rows["name"].tolist().index("FAKE/0000.jpg")
    with pytest.raises(DatasetError, match=r"FAKE/0000\.jpg has changed since its set was read: it is another file"):
        found.pixels[row]


def test_files_that_are_no_images_are_left_out_across_shards(cifake: Path, shards: None) -> None:
    names = sorted((cifake / "test/REAL").iterdir())
    for file in (names[0], names[7]):
        file.write_bytes(b"no image")
    with pytest.raises(DatasetError, match="2 files are not 32 x 32 images"):
        load_image_set(cifake, "test")
    assert len(parts()) == 1
    images = load_image_set(cifake, "test", skip_bad=True)
    assert (len(images), len(images.skipped)) == (IMAGES - 2, 2)
    assert not parts()
    with pytest.raises(DatasetError, match="2 files are not 32 x 32 images"):
        load_image_set(cifake, "test")


@pytest.mark.parametrize("small", [0, 2**29])
def test_a_file_that_could_only_not_be_read_this_time_is_read_another_time(
    cifake: Path, monkeypatch: pytest.MonkeyPatch, shards: None, small: int
) -> None:
    monkeypatch.setattr(packing, "SMALL", small)
    with monkeypatch.context() as patched:
        read = sources.read_bytes

        def refused(path: Path, **limit: int) -> bytes:
            if path.name == "0003 (4).jpg" and path.parent.name == "REAL":
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(path, **limit)

        patched.setattr(sources, "read_bytes", refused)
        images = load_image_set(cifake, "test", skip_bad=True)
        assert images.skipped == ("REAL/0003 (4).jpg: cannot be read (Permission denied)",)
        assert np.asarray(images.pixels).shape == (IMAGES - 1, 32, 32, 3)
        # as long as nothing has changed it is not read again
        decoded = counted(patched)
        assert load_image_set(cifake, "test", skip_bad=True).passing == ("REAL/0003 (4).jpg",)
        assert not decoded
    whole = load_image_set(cifake, "test", skip_bad=True)
    assert (len(whole), whole.skipped, whole.passing) == (IMAGES, (), ())
    in_memory = dict(zip(whole.rows["name"], whole.pixels, strict=True))
    for name, pixels in zip(images.rows["name"], np.asarray(images.pixels), strict=True):
        np.testing.assert_array_equal(pixels, in_memory[name])


def test_files_that_fail_in_turn_leave_every_picture_beside_its_row(
    cifake: Path, expected: ImageSet, monkeypatch: pytest.MonkeyPatch, shards: None
) -> None:
    read = sources.read_bytes
    for failing in expected.rows["name"][[1, 7, 13]]:

        def refused(path: Path, *, failing: str = failing, **limit: int) -> bytes:
            if f"{path.parent.name}/{path.name}" == failing:
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(path, **limit)

        monkeypatch.setattr(sources, "read_bytes", refused)
        # refused, and its shards stay
        with pytest.raises(DatasetError, match="Permission denied"):
            load_image_set(cifake, "test")
    monkeypatch.setattr(sources, "read_bytes", read)
    same(load_image_set(cifake, "test"), expected)


def test_pixels_of_another_size_than_was_written_are_packed_anew(
    cifake: Path, expected: ImageSet, shards: None
) -> None:
    load_image_set(cifake, "test")
    (pack,) = (cache_dir() / "packs").iterdir()
    with (pack / "pixels.npy").open("ab") as file:
        file.write(b"more")
    same(load_image_set(cifake, "test"), expected)
    (pack / "pixels.npy").unlink()
    (pack / "pixels.npy").mkdir()
    with pytest.raises((OSError, UnfitFileError)):
        packing.read_pack(pack)
    same(load_image_set(cifake, "test"), expected)
