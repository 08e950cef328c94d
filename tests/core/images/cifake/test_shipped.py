"""CIFAKE's test set as it ships: the same set as the folder it was made of, verified, and never written by name."""

import errno
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.images.cifake.shipped import ARCHIVE, KIND, TABLE
from core.images.image_set import DatasetError
from core.images.loading import check_image_set, load_image_set, read_files
from core.images.statistics import STATISTICS
from core.storage import MANIFEST, cache_dir, write_folder
from tests.conftest import jpeg, textured, write_shipped
from tests.hostile.faults import faulty, small_disk


@pytest.fixture
def shipped(cifake: Path, tmp_path: Path) -> Path:
    folder = write_shipped(tmp_path / "shipped", cifake)
    # the pack of the folder that it was made of
    shutil.rmtree(cache_dir() / "packs")
    return folder


def rewrite(shipped: Path, *, archive: bytes | None = None, table: pd.DataFrame | None = None) -> None:
    """Put another archive or table there, as well sealed as before."""
    data = (shipped / ARCHIVE).read_bytes() if archive is None else archive
    facts = pd.read_parquet(shipped / TABLE) if table is None else table
    files: dict[str, Callable[[Path], object]] = {
        ARCHIVE: lambda path: path.write_bytes(data),
        TABLE: lambda path: facts.to_parquet(path, index=False),
    }
    write_folder(shipped, kind=KIND, manifest={}, files=files, replace=True)


def added(shipped: Path, members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """The archive with more members of exactly these names."""
    buffer = io.BytesIO()
    with tarfile.open(shipped / ARCHIVE) as old, tarfile.open(fileobj=buffer, mode="w:xz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_image_set(folder, "test", skip_bad=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_is_the_set_that_it_was_made_of(shipped: Path, cifake: Path) -> None:
    found, expected = load_image_set(shipped, "test"), load_image_set(cifake, "test")
    assert (found.name, found.fingerprint) == ("cifake-test", expected.fingerprint)
    assert (found.pixels == expected.pixels).all()
    assert found.rows.equals(expected.rows)
    name = found.rows["name"][3]
    assert list(read_files(shipped, "test", [name])) == [(cifake / "test" / name).read_bytes()]


def test_facts_are_those_that_ship(shipped: Path) -> None:
    # in another order, and with last bits of another machine
    table = pd.read_parquet(shipped / TABLE).iloc[::-1]
    table["contrast"] = np.nextafter(table["contrast"].to_numpy(), np.float32(1e9))
    rewrite(shipped, table=table)
    rows = load_image_set(shipped, "test").rows.set_index("name")[list(STATISTICS)]
    assert rows.equals(table.set_index("name").loc[rows.index])


def test_the_second_start_touches_no_archive(shipped: Path) -> None:
    load_image_set(shipped, "test")
    (shipped / ARCHIVE).unlink()
    assert isinstance(load_image_set(shipped, "test").pixels, np.memmap)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: flip(folder / ARCHIVE), f"{ARCHIVE} is not the file that was shipped (its sha256 differs)"),
        (lambda folder: flip(folder / TABLE), f"{TABLE} is not the file that was shipped (its sha256 differs)"),
        (lambda folder: flip(folder / MANIFEST), MANIFEST),
        (lambda folder: (folder / ARCHIVE).unlink(), f"{ARCHIVE} is missing; restore it, or remove its whole folder"),
        (lambda folder: (folder / TABLE).unlink(), f"{TABLE} is missing"),
        (lambda folder: (folder / MANIFEST).unlink(), f"it has no {MANIFEST}"),
        (lambda folder: rewrite(folder, archive=b"no archive"), f"{ARCHIVE} cannot be unpacked"),
        (lambda folder: rewrite(folder, table=pd.DataFrame({"x": [1]})), f"{TABLE} is no table of statistics"),
        (
            lambda folder: rewrite(folder, table=pd.read_parquet(folder / TABLE).iloc[1:]),
            f"{ARCHIVE} holds other files than {TABLE} names",
        ),
    ],
)
def test_what_is_damaged_is_a_sentence(shipped: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(shipped)
    assert sentence in refusal(shipped)


def test_what_is_cut_off_is_a_sentence(shipped: Path) -> None:
    rewrite(shipped, archive=(shipped / ARCHIVE).read_bytes()[:-3000])
    assert f"{ARCHIVE} cannot be unpacked" in refusal(shipped)


def test_no_name_in_the_archive_is_a_path(shipped: Path, tmp_path: Path) -> None:
    picture = jpeg(textured(1, fine=True, seed=9)[0])
    link = tarfile.TarInfo("test/REAL/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.jpg")
    (tmp_path / "secret.jpg").write_bytes(picture)
    away = dict.fromkeys(
        ("../away.jpg", "/tmp/away.jpg", "test/REAL/../../away.jpg", "test/REAL/.hidden.jpg", "train/REAL/0000.jpg"),  # noqa: S108
        picture,
    )
    rewrite(shipped, archive=added(shipped, {**away, "link": link}))
    before = set(tmp_path.rglob("*"))
    assert len(load_image_set(shipped, "test")) == 24
    assert set(tmp_path.rglob("*")) == before


def test_a_huge_member_is_not_read(shipped: Path) -> None:
    rewrite(shipped, archive=added(shipped, {"test/REAL/9999.jpg": bytes(3_000_000)}))
    assert len(load_image_set(shipped, "test")) == 24


def test_there_are_no_training_images(shipped: Path) -> None:
    with pytest.raises(DatasetError, match="holds only CIFAKE's test images; name a folder or .zip with train/ in it"):
        check_image_set(shipped, "train")
    assert check_image_set(shipped, "test") == 24


def test_where_it_was_taken_out_its_name_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.images.sources.SHIPPED_FOLDER", tmp_path / "gone")
    with pytest.raises(DatasetError, match="gone, which held CIFAKE's test images, is missing"):
        check_image_set("cifake-test", "test")


def test_a_read_only_cache_is_done_without(shipped: Path) -> None:
    with faulty(cache_dir(), at=1, what=errno.EROFS):
        images = load_image_set(shipped, "test")
    assert len(images) == 24
    assert images.uncached == (
        f"{cache_dir() / 'packs'} could not be written (Read-only file system); check that its disk has room and is "
        "writable"
    )
    assert not list(cache_dir().rglob("*.npy"))


def test_a_full_disk_is_done_without(shipped: Path) -> None:
    with small_disk(20_000):
        images = load_image_set(shipped, "test")
    assert len(images) == 24
    assert images.uncached.startswith(f"{cache_dir() / 'packs'} could not be written (")
    # what had been begun is gone
    assert not list(cache_dir().rglob("*.npy"))
    assert load_image_set(shipped, "test").uncached == ""


def test_a_cache_that_may_not_be_looked_into_is_done_without(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = Path.exists

    def exists(path: Path) -> bool:
        if path.is_relative_to(cache_dir() / "packs"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return looked_at(path)

    # who runs the tests may look into everything
    monkeypatch.setattr(Path, "exists", exists)
    assert "Permission denied" in load_image_set(shipped, "test").uncached
