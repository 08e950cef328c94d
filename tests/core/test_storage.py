import errno
import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.storage import atomic, limits
from core.storage.atomic import (
    ABANDONED,
    SCHEMA,
    SEAL,
    TakenError,
    WriteError,
    cache_dir,
    only_writer,
    read_folder,
    read_manifest,
    read_sealed,
    restore_all,
    write_bytes_atomically,
    write_folder,
)
from core.storage.limits import (
    MB,
    ContractError,
    check_file,
    first_line,
    is_plain_name,
    is_text,
    parse_json,
    plain_json,
    printable,
    read_array,
    read_bytes,
    read_table,
)
from core.storage.memory import Bounded, lazy_property
from core.storage.shards import compute_shards, progress_of, remove_shards, run_locally
from tests.damage import reseal


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "t"


def write(path, text="hello", **options):
    files = {"a.txt": lambda file: file.write_text(text)}
    write_folder(path, kind="thing", manifest={"name": "x"}, files=files, **options)


def test_what_is_written_is_read_only_as_it_was_and_replaced_only_when_asked(tmp_path):
    path = tmp_path / "deep" / "t"
    files = {"a.txt": b"\x00bytes", "b.txt": lambda file: file.write_text("text")}
    write_folder(path, kind="thing", manifest={"pair": (1, 2), "by": {3: "c"}}, files=files)
    manifest = read_folder(path, "thing")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in (("a.txt", b"\x00bytes"), ("b.txt", b"text"))}
    del manifest[SEAL]
    assert manifest == {"schema": SCHEMA, "kind": "thing", "pair": [1, 2], "by": {"3": "c"}, "files": hashes}
    assert read_sealed(path, "a.txt", manifest, kind="thing") == b"\x00bytes"
    (path / "a.txt").write_bytes(b"\x00bytez")
    for read in (lambda: read_sealed(path, "a.txt", manifest, kind="thing"), lambda: read_folder(path, "thing")):
        with pytest.raises(ContractError, match=r"a\.txt is not the file that was written"):
            read()
    with pytest.raises(FileExistsError, match="exists already"):
        write(path)
    assert (path / "b.txt").exists()
    write(path, "new", replace=True)
    assert (path / "a.txt").read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["t"]
    with pytest.raises(ValueError, match="JSON"):
        write_folder(tmp_path / "nan", kind="thing", manifest={"accuracy": float("nan")}, files={})
    assert not (tmp_path / "nan").exists()


def _unseal(path, **values):
    manifest = json.loads((path / "manifest.json").read_text()) | values
    (path / "manifest.json").write_text(json.dumps({key: manifest[key] for key in manifest if key != SEAL}))


def test_the_oldest_folders_need_no_seal_unless_they_ship(tmp_path, monkeypatch, folder):
    write(folder)
    _unseal(folder, schema=1)
    assert read_folder(folder, "thing")["name"] == "x"
    monkeypatch.setattr(atomic, "SHIPPED", tmp_path)
    with pytest.raises(ContractError, match="has lost its seal"):
        read_folder(folder, "thing")


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
    # one text, and lists of one that is stored once
    for value, sentence in (("a" * (2**24 + 2**13), "1 rows of 16 MB, far more"), (["a" * 10240] * 2**11, "far more")):
        pq.write_table(pa.table({"id": [value]}), tmp_path / "t.parquet", compression="zstd")
        assert (tmp_path / "t.parquet").stat().st_size < 2**15
        with pytest.raises(ContractError, match=sentence):
            read_table(tmp_path / "t.parquet")


def test_a_replacement_that_was_cut_off_between_its_two_renames_is_brought_back(tmp_path, folder):
    for bring_back in (None, restore_all, lambda home: write(home / "t", replace=True)):
        write(folder, replace=True)
        folder.rename(tmp_path / f".t.{'a' * 32}.old")
        if bring_back is not None:
            bring_back(tmp_path)
            assert folder.is_dir()
        assert read_folder(folder, "thing")["name"] == "x"


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


def test_data_reaches_the_disk_before_its_name_does(tmp_path, monkeypatch, folder):
    synced = set()

    def note(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        assert not folder.exists()
        assert not (tmp_path / "f").exists()

    monkeypatch.setattr(os, "fsync", note)
    write_bytes_atomically(tmp_path / "g", lambda path: path.write_bytes(b"whole"), durable=False)
    assert synced == set()
    write_bytes_atomically(tmp_path / "f", lambda path: path.write_bytes(b"whole"))
    files = [(tmp_path / "f").rename(tmp_path / "h")]
    write(folder)
    files += folder.iterdir()
    assert synced == {file.stat().st_ino for file in files}


def _fail_as_numpy_does(_path):
    raise OSError("3920 requested and 1984 written")


def test_a_failed_write_names_its_file_and_leaves_what_was_there(tmp_path, folder):
    write(folder)
    write_bytes_atomically(tmp_path / "f", lambda file: file.write_bytes(b"old"))

    def fail(file):
        file.write_text("half")
        # as pyarrow and numpy do, without a name
        raise OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device")

    with pytest.raises(WriteError, match=r"/t/a\.txt could not be written \(No space left on device\); check that"):
        write_folder(folder, kind="thing", manifest={}, files={"a.txt": fail}, replace=True)
    with pytest.raises(WriteError, match=r"/f could not be written \(No space left on device\); check that"):
        write_bytes_atomically(tmp_path / "f", fail)
    assert (folder / "a.txt").read_text() == "hello"
    assert (tmp_path / "f").read_bytes() == b"old"
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


class Doubling:
    """Work that doubles its rows' numbers; `asked` keeps the rows of each shard that it computed."""

    name = "doubling"
    device = "cpu"

    def __init__(self):
        self.asked = []

    def open(self, report):
        report(0.5, "opening")

        def compute(positions):
            self.asked.append(positions.tolist())
            return pd.DataFrame({"row": positions, "double": 2 * positions}, index=positions)

        return compute


def test_shards_are_computed_once_and_kept_until_their_result_is_written(tmp_path):
    folder = tmp_path / "shards"

    def run(positions, **options):
        work = Doubling()
        seen = []
        shards = dict(
            compute_shards(
                work, np.array(positions, int), 4, folder, engine=run_locally,
                progress=lambda *progress: seen.append(progress), **options,
            )
        )  # fmt: skip
        return work.asked, seen, {number: table["double"].tolist() for number, table in sorted(shards.items())}

    positions = [3 * n for n in range(10)]
    parts = [positions[:4], positions[4:8], positions[8:]]
    doubled = {number: [2 * row for row in part] for number, part in enumerate(parts)}
    done = [(rows, 10, "doubling") for rows in (0, 4, 8, 10)]
    assert run(positions) == (parts, [done[0], (5, 10, "opening"), *done[1:]], doubled)
    first, _, last = sorted(folder.iterdir())
    assert list(pd.read_parquet(last)) == ["row", "double"]
    assert pd.read_parquet(last).index.tolist() == [0, 1]
    # one is damaged, and one has fewer rows than it should
    first.write_bytes(b"damaged")
    short = pd.read_parquet(last)[:1]
    short.to_parquet(last)
    assert run(positions) == ([parts[0], parts[2]], [done[1], (7, 10, "opening"), *done[2:]], doubled)
    assert run(positions) == ([], [done[3]], doubled)
    short.to_parquet(last)
    assert run(positions, whole=True) == ([], [done[3]], doubled | {2: doubled[2][:1]})
    for _ in range(2):
        remove_shards(folder)
        assert not folder.exists()
    assert run([]) == ([[]], [(0, 0, "doubling"), (0, 0, "opening"), (0, 0, "doubling")], {0: []})


def test_progress_is_the_share_that_is_done():
    seen = []
    progress = progress_of(lambda *said: seen.append(said), "reading")
    progress(1, 4)
    progress(0, 0)
    assert seen == [(0, "reading, 25%"), (0, "reading, 0%")]


def test_what_a_table_holds_is_read_as_it_was_written(tmp_path):
    columns = {
        "large": pa.array(["a", None, "b"], pa.large_string()),
        "bytes": pa.array([b"1", b"", None], pa.binary()),
        "large bytes": pa.array([b"1", b"2", None], pa.large_binary()),
        "text": ["x", "x", "y"],
        "number": [1, 2, 3],
        "list": pa.array([[1], [], None], pa.list_(pa.field("element", pa.int64()))),
    }
    table = pa.table(columns).replace_schema_metadata({"made": "here"})
    file = tmp_path / "t.parquet"
    pq.write_table(table, file)
    assert read_table(file, rows=3).equals(table, check_metadata=True)
    assert read_table(file, columns=["number", "large"]).equals(table.select(["number", "large"]))
    with pytest.raises(ContractError, match=r"t\.parquet has 3 rows and manifest\.json says 4"):
        read_table(file, rows=4)
    pq.write_table(table, file, write_page_checksum=True, use_dictionary=False, compression="none")
    data = file.read_bytes()
    # the "y" of the column text
    file.write_bytes(data.replace(b"\1\0\0\0y", b"\1\0\0\0z", 1))
    with pytest.raises(OSError, match="checksum"):
        read_table(file)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ContractError, match=r"t\.parquet is no parquet file \(ArrowInvalid\)"):
        read_table(file)
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.parquet")


LETTERS = ["abcdefghij"] * 1000


@pytest.mark.parametrize(
    "columns, row_bytes",
    [
        ({"a": [1] * 1000, "b": [2.0] * 1000}, 16),
        ({"a": LETTERS}, 10),
        ({"a": pa.array(LETTERS, pa.large_string()), "b": LETTERS}, 20),
        ({"a": pa.array([b"abcdefghij"] * 1000, pa.large_binary()), "b": [b"ab"] * 1000}, 16),
    ],
)
def test_a_table_may_take_so_many_bytes_a_row_and_no_more(tmp_path, monkeypatch, columns, row_bytes):
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), file, row_group_size=300)
    monkeypatch.setattr(limits, "MAX_BYTES", 0)
    for most_bytes, most_rows, is_read in (
        (row_bytes, 1000, True),
        (row_bytes - 1, 1000, False),
        (row_bytes, 999, False),
    ):
        monkeypatch.setattr(limits, "MAX_ROW_BYTES", most_bytes)
        monkeypatch.setattr(limits, "MAX_ROWS", most_rows)
        if is_read:
            assert read_table(file).num_rows == 1000
        else:
            with pytest.raises(ContractError, match="unpacks to 1,000 rows of 0 MB"):
                read_table(file)


@pytest.mark.parametrize("mapped", [False, True])
def test_an_array_is_read_whole_or_mapped_and_never_unpickled(tmp_path, mapped):
    file = tmp_path / "a.npy"
    array = np.arange(6.0).reshape(2, 3)
    np.save(file, array)
    values = read_array(file, mapped=mapped)
    assert isinstance(values, np.memmap) == mapped
    np.testing.assert_array_equal(values, array)
    assert values.flags.writeable != mapped

    def refuse():
        with pytest.raises(ValueError, match="it is no plain array"):
            read_array(file, mapped=mapped)

    file.write_bytes(file.read_bytes().replace(b"}", b" ", 1))
    refuse()
    np.save(file, np.array([{}]), allow_pickle=True)
    refuse()
    with file.open("wb") as opened:
        np.savez(opened, numbers=array)
    refuse()
    for shape in ((2**40, 2**40), (2**50,)):
        with file.open("wb") as opened:
            np.lib.format.write_array_header_1_0(opened, {"descr": "<f8", "fortran_order": False, "shape": shape})
        refuse()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read_array(file, mapped=mapped)


@pytest.mark.parametrize("suffix, most", [(".md", MB), (".JSON", 8 * MB), (".other", 256 * MB)])
def test_a_file_is_as_large_as_its_kind_may_be(tmp_path, suffix, most):
    file = tmp_path / f"f{suffix}"
    for size in (most, most + 1):
        with file.open("wb") as opened:
            opened.truncate(size)
        if size == most:
            check_file(file)
        else:
            with pytest.raises(OSError, match=f"it has {most // MB + 1} MB, and at most {most // MB} MB") as refused:
                check_file(file)
            assert refused.value.filename == str(file)
    with pytest.raises(OSError, match="no regular file"):
        check_file(tmp_path)
    file.write_bytes(b"four")
    assert read_bytes(file, limit=4) == b"four"
    with pytest.raises(OSError, match="save it smaller"):
        read_bytes(file, limit=3)


def test_a_plain_name_leads_nowhere_and_can_be_shown():
    assert all(map(is_plain_name, ("a", "a b.c", "\u00e9")))
    assert not any(map(is_plain_name, ("", ".a", "a/b", "a\\b", "a\n", "\x7f", "a\ud800", 3)))


def test_text_from_a_disk_is_shown_without_what_no_page_can_show():
    assert printable("a\nb\x1b[1m \ud800\u00e9") == "a b [1m \N{REPLACEMENT CHARACTER}\u00e9"
    assert is_text("\u00e9")
    assert not is_text("a\udfff")
    assert parse_json(b'{"a": "\\u00e9 \xc3\xa9"}') == {"a": "\u00e9 \u00e9"}
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(b'{"a": "\\ud800"}')
    assert first_line(ValueError("\n it\tbroke\nhere")) == "it broke"
    assert first_line(KeyError()) == "KeyError"
    values = {"a": np.float32(0.5), "b": [float("nan"), np.inf], "c": np.int64(3), "d": ("x", None)}
    assert plain_json(values) == {"a": 0.5, "b": [None, None], "c": 3, "d": ["x", None]}


def test_a_lazy_property_is_computed_once_an_instance():
    class Counting:
        def __init__(self):
            self.computed = 0

        @lazy_property
        def value(self):
            """Of an instance."""
            self.computed += 1
            if self.computed == 1:
                raise KeyError
            time.sleep(0.01)
            return [self.computed]

    one = Counting()
    with pytest.raises(KeyError):
        _ = one.value
    with ThreadPoolExecutor(4) as threads:
        values = list(threads.map(lambda _: one.value, range(4)))
    assert one.computed == 2
    assert all(value is one.value for value in values)
    other = Counting()
    other.computed = 5
    assert other.value == [6]
    assert one.value == [2]


def test_a_bounded_dictionary_drops_what_was_set_longest_ago():
    kept = Bounded(2)
    for key in "abac":
        kept[key] = key.upper()
    assert list(kept.items()) == [("a", "A"), ("c", "C")]


def _edit(path):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "note": "added"}))


def saying(data):
    """Damage that writes a manifest."""
    return lambda folder: (folder / "manifest.json").write_bytes(data)


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda p: (p / "a.txt").unlink(), r"a\.txt is missing"),
        (lambda p: (p / "manifest.json").unlink(), "t is no thing: it has no"),
        (saying(b"\xff"), "is not readable JSON"),
        (saying(b"[" * 100_000), "is not readable JSON"),
        (saying(b"[]"), "is not a thing's manifest"),
        (saying(b'{"files": []}'), "is not a thing's manifest"),
        (lambda p: reseal(p, schema=99), "has schema 99 and this version reads 2"),
        (lambda p: reseal(p, kind="other"), "describes a other, not a thing"),
        (lambda p: reseal(p, files={"../x": "0"}), "names a file outside its folder"),
        (lambda p: reseal(p, files={"a\0": "0"}), "is missing; restore it or write the thing again"),
        (lambda p: reseal(p, files={"": "0"}), "cannot be read"),
        (_unseal, "has lost its seal"),
        (_edit, r"manifest\.json is not the file that was written"),
    ],
)
def test_a_manifest_is_refused_before_its_files_are_opened(folder, damage, sentence):
    write(folder)
    damage(folder)
    for read in (read_manifest, read_folder):
        with pytest.raises(ContractError, match=sentence):
            read(folder, "thing")
