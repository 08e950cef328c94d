import errno
import io
import json
import os
import time
from pathlib import Path

import numpy as np
import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.storage import seals
from core.storage.atomic import (
    ABANDONED,
    TakenError,
    WriteError,
    cache_dir,
    only_writer,
    restore_all,
    write_bytes_atomically,
)
from core.storage.limits import ContractError, parse_json, read_array, read_bytes, read_table
from core.storage.seals import SCHEMA, SEAL, read_folder, write_folder
from tests.damage import reseal


def write(path, text="hello", **options):
    files = {"a.txt": lambda file: file.write_text(text)}
    write_folder(path, kind="thing", manifest={"name": "x"}, files=files, **options)


def test_what_is_written_is_read_and_replaced_only_when_asked(tmp_path):
    write(tmp_path / "t")
    manifest = read_folder(tmp_path / "t", "thing")
    assert (manifest["name"], manifest["schema"]) == ("x", SCHEMA)
    with pytest.raises(FileExistsError, match="exists already"):
        write(tmp_path / "t", "new")
    assert (tmp_path / "t" / "a.txt").read_text() == "hello"
    write(tmp_path / "t", "new", replace=True)
    assert (tmp_path / "t" / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def _unseal(path, **values):
    manifest = json.loads((path / "manifest.json").read_text()) | values
    (path / "manifest.json").write_text(json.dumps({key: manifest[key] for key in manifest if key != SEAL}))


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda p: (p / "a.txt").write_text("hellO"), r"a\.txt is not the file that was written"),
        (lambda p: (p / "a.txt").unlink(), r"a\.txt is missing"),
        (lambda p: (p / "manifest.json").write_text("{"), r"manifest\.json is not readable JSON"),
        (lambda p: (p / "manifest.json").write_text("[]"), r"is not a thing's manifest"),
        (lambda p: reseal(p, schema=99), "has schema 99 and this version reads 2"),
        (lambda p: reseal(p, kind="other"), "describes a other, not a thing"),
        (lambda p: reseal(p, files={"../x": "0"}), "names a file outside its folder"),
        (_unseal, "has lost its seal"),
    ],
)
def test_damage_is_named(tmp_path, damage, sentence):
    write(tmp_path / "t")
    damage(tmp_path / "t")
    with pytest.raises(ContractError, match=sentence):
        read_folder(tmp_path / "t", "thing")


def test_the_oldest_folders_need_no_seal_unless_they_ship(tmp_path, monkeypatch):
    write(tmp_path / "t")
    _unseal(tmp_path / "t", schema=1)
    assert read_folder(tmp_path / "t", "thing")["name"] == "x"
    monkeypatch.setattr(seals, "SHIPPED", tmp_path)
    with pytest.raises(ContractError, match="has lost its seal"):
        read_folder(tmp_path / "t", "thing")


def test_a_replacement_that_fails_brings_the_old_folder_back(tmp_path, monkeypatch):
    write(tmp_path / "t")
    rename = Path.rename

    def fail(path, target):
        if path.suffix == ".tmp":
            raise OSError(errno.ENOSPC, "no room")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(WriteError):
        write(tmp_path / "t", "new", replace=True)
    assert [(path.name, (path / "a.txt").read_text()) for path in tmp_path.iterdir()] == [("t", "hello")]


def test_of_two_writers_at_once_the_second_is_refused_until_the_first_is_done(tmp_path):
    path = tmp_path / "new" / "t"
    for _ in range(2):
        with only_writer(path), only_writer(tmp_path / "new" / "u"):
            with pytest.raises(TakenError, match="t is being written by another process"), only_writer(path):
                pass
            with pytest.raises(KeyError), only_writer(tmp_path / "new" / "v"):
                # whatever ends a work ends its lock
                raise KeyError
    assert not path.exists()


def test_a_table_that_unpacks_to_far_too_much_is_not_unpacked(tmp_path):
    long, short = "a" * (2**24 + 2**13), "a" * 10
    # one text, and lists of one that is stored once
    for value, sentence in ((long, "1 rows of 16 MB, far more"), ([short * 2**10] * 2**11, "far more"), (short, "")):
        pq.write_table(pa.table({"id": [value]}), tmp_path / "t.parquet", compression="zstd")
        if sentence:
            assert (tmp_path / "t.parquet").stat().st_size < 2**15
            with pytest.raises(ContractError, match=sentence):
                read_table(tmp_path / "t.parquet")
        else:
            assert read_table(tmp_path / "t.parquet").num_rows == 1


def test_a_replacement_that_was_cut_off_between_its_two_renames_is_brought_back(tmp_path):
    for bring_back in (None, restore_all, lambda folder: write(folder / "t", replace=True)):
        write(tmp_path / "t", replace=True)
        (tmp_path / "t").rename(tmp_path / f".t.{'a' * 32}.old")
        if bring_back is not None:
            bring_back(tmp_path)
            assert (tmp_path / "t").is_dir()
        assert read_folder(tmp_path / "t", "thing")["name"] == "x"


def test_what_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_folder(tmp_path / "t", kind="thing", manifest={"accuracy": float("nan")}, files={})
    assert not (tmp_path / "t").exists()


def test_half_a_letter_is_no_text_and_what_is_longer_than_allowed_is_no_file(tmp_path):
    assert parse_json(b'{"a": "\\u00e9 \xc3\xa9"}') == {"a": "\u00e9 \u00e9"}
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(b'{"a": "\\ud800"}')
    (tmp_path / "long").write_bytes(b"four")
    assert read_bytes(tmp_path / "long", limit=4) == b"four"
    with pytest.raises(OSError, match="save it smaller"):
        read_bytes(tmp_path / "long", limit=3)


def test_a_table_is_read_in_part_and_a_flipped_bit_is_noticed(tmp_path):
    file = tmp_path / "a.parquet"
    numbers = pa.table({"a": np.arange(1000), "b": np.arange(1000)})
    pq.write_table(numbers, file, write_page_checksum=True, use_dictionary=False, compression="none")
    assert read_table(file, columns=["b"]).column_names == ["b"]
    data = bytearray(file.read_bytes())
    data[500] ^= 1
    file.write_bytes(data)
    with pytest.raises(OSError, match="checksum"):
        read_table(file)


def test_the_cache_is_where_it_is_set_or_the_systems(monkeypatch, tmp_path):
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("TELLTALE_CACHE")
    assert cache_dir() == Path(platformdirs.user_cache_dir("telltale"))


def test_what_a_killed_writer_left_is_removed_when_nobody_can_be_at_it_any_more(tmp_path):
    # of t, of f, of t.v2, of which it is the only copy; and of t, but still being written
    left = {f".t.{'a' * 32}.tmp": 2 * ABANDONED, f".t.{'b' * 32}.tmp": 0, f".f.{'a' * 32}.tmp": 2 * ABANDONED,
            f".t.v2.{'a' * 32}.old": 2 * ABANDONED}  # fmt: skip
    for name, age in left.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("half")
        for path in (tmp_path / name / "a.txt", tmp_path / name):
            os.utime(path, (time.time() - age,) * 2)
    (tmp_path / f".t.{'c' * 32}.tmp").mkdir()
    (tmp_path / f".t.{'c' * 32}.tmp" / "a.txt").write_text("half")
    os.utime(tmp_path / f".t.{'c' * 32}.tmp", (time.time() - 2 * ABANDONED,) * 2)
    write(tmp_path / "t")
    write_bytes_atomically(tmp_path / "f", lambda path: path.write_bytes(b"whole"))
    kept = [f".t.{letter * 32}.tmp" for letter in "bc"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [*kept, f".t.v2.{'a' * 32}.old", "f", "t"]


def test_data_reaches_the_disk_before_its_name_does(tmp_path, monkeypatch):
    synced = set()

    def note(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        assert not (tmp_path / "t").exists()
        assert not (tmp_path / "f").exists()

    monkeypatch.setattr(os, "fsync", note)
    write_bytes_atomically(tmp_path / "g", lambda path: path.write_bytes(b"whole"), durable=False)
    assert synced == set()
    write_bytes_atomically(tmp_path / "f", lambda path: path.write_bytes(b"whole"))
    files = [(tmp_path / "f").rename(tmp_path / "h")]
    write(tmp_path / "t")
    files += (tmp_path / "t").iterdir()
    assert synced == {file.stat().st_ino for file in files}


@pytest.mark.parametrize("mapped", [False, True])
def test_a_damaged_array_or_an_archive_is_a_value_error(tmp_path, mapped):
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(3))
    np.savez(archive, numbers=np.arange(3))
    for name, data in {"a.npy": array.getvalue().replace(b"}", b" ", 1), "a.npz": archive.getvalue()}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="it is no plain array"):
            read_array(tmp_path / name, mapped=mapped)


def _fail_as_numpy_does(_path):
    raise OSError("3920 requested and 1984 written")


def test_a_failed_write_names_its_file_and_leaves_what_was_there(tmp_path):
    write(tmp_path / "t")
    write_bytes_atomically(tmp_path / "f", lambda file: file.write_bytes(b"old"))

    def fail(file):
        file.write_text("half")
        # as pyarrow and numpy do, without a name
        raise OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device")

    with pytest.raises(WriteError, match=r"/t/a\.txt could not be written \(No space left on device\); check that"):
        write_folder(tmp_path / "t", kind="thing", manifest={}, files={"a.txt": fail}, replace=True)
    with pytest.raises(WriteError, match=r"/f could not be written \(No space left on device\); check that"):
        write_bytes_atomically(tmp_path / "f", fail)
    assert ((tmp_path / "t" / "a.txt").read_text(), (tmp_path / "f").read_bytes()) == ("hello", b"old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "t"]
    with pytest.raises(WriteError, match=r"/f could not be written \(No space left on device\)"):
        # as NumPy has it
        write_bytes_atomically(tmp_path / "f", _fail_as_numpy_does)
    # where a file is in the way of a folder
    with pytest.raises(WriteError, match=r"f/g could not be written \(File exists\)"):
        write_bytes_atomically(tmp_path / "f" / "g", fail)


def test_what_is_no_regular_file_or_folder_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    write(tmp_path / "folder")
    (tmp_path / "shortcut").symlink_to(tmp_path / "folder")
    before = {path.name: path.lstat().st_ino for path in tmp_path.iterdir()}
    for name in ("pipe", "link", "folder"):
        with pytest.raises(TakenError, match=f"/{name} is no regular file"):
            write_bytes_atomically(tmp_path / name, lambda file: file.write_bytes(b""))
    for name in ("pipe", "link", "shortcut"):
        with pytest.raises(TakenError, match=f"/{name} is no folder"):
            write(tmp_path / name, replace=True)
    assert {path.name: path.lstat().st_ino for path in tmp_path.iterdir()} == before
