"""Fetching CIFAKE: what a server may do to it, and what is left on disk afterwards."""

import errno
import os
import re
import socket
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from core.images.cifake import fetching
from core.images.cifake import files as cifake_files
from core.images.cifake.fetching import ADDRESS, fetch_cifake
from core.images.cifake.files import CHECKSUMS, FINGERPRINTS, checksum, cifake_names, known_files
from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.storage import WriteError, cache_dir
from tests.conftest import write_cifake
from tests.core.images.github import TOP, Serve, Server, files_of, serve, tar_gz, zipped

__all__ = ["serve"]


@pytest.fixture(scope="module")
def cifake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small ones, which no test here changes."""
    return write_cifake(tmp_path_factory.mktemp("cifake") / "cifake")


def left() -> list[str]:
    """What lies in the folder of what is fetched, but for the lock."""
    folder = cache_dir() / "cifake"
    return sorted(file.name for file in folder.iterdir() if file.name != ".lock") if folder.exists() else []


def fetched_as(cifake: Path) -> None:
    """The .zip holds the very images, and nothing else is left."""
    assert left() == ["cifake.zip"]
    for split in ("test", "train"):
        assert load_image_set("github", split).fingerprint == load_image_set(cifake, split).fingerprint


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("packed", [tar_gz, zipped])
def test_what_is_fetched_is_what_is_unpacked(
    serve: Serve, cifake: Path, packed: Callable[..., bytes], sized: bool
) -> None:
    server = serve(packed(files_of(cifake)), sized=sized)
    downloaded, checked = [], []
    path = fetch_cifake(downloading=lambda *at: downloaded.append(at), checking=lambda *at: checked.append(at))
    assert path == cache_dir() / "cifake" / "cifake.zip"
    size = len(server.body)
    assert downloaded[-1] == ((size, size) if sized else (size, fetching.EXPECTED_BYTES))
    assert downloaded == sorted(downloaded)
    assert checked[-1] == (104, 104)
    fetched_as(cifake)
    # it is asked for once
    assert server.asked == [""]


def test_names_are_looked_up_and_never_followed(serve: Serve, cifake: Path) -> None:
    files = files_of(cifake)
    strange = {"../../../../evil.jpg": b"x", "train/REAL/../../evil.jpg": b"x", "train/REAL/other.jpg": b"x", **files}
    serve(tar_gz(strange))
    fetch_cifake()
    with zipfile.ZipFile(cache_dir() / "cifake" / "cifake.zip") as archive:
        assert sorted(archive.namelist()) == sorted(files)
    assert not list(cache_dir().rglob("evil*"))


def test_a_link_is_no_file(serve: Serve, cifake: Path, tmp_path: Path) -> None:
    name = next(iter(files_of(cifake)))
    (tmp_path / "secret").write_bytes((cifake / name).read_bytes())
    packed = tmp_path / "links.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for other in files_of(cifake):
            if other != name:
                tar.add(cifake / other, TOP + other)
        info = tarfile.TarInfo(TOP + name)
        info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        tar.addfile(info)
    serve(packed.read_bytes())
    with pytest.raises(DatasetError, match=f"lacks {re.escape(name)}"):
        fetch_cifake()


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', ""])
def test_a_cut_is_gone_on_with(serve: Serve, cifake: Path, etag: str) -> None:
    server = serve(cuts=[20_000, 10_000], etag=etag)
    said, downloaded = [], []
    fetch_cifake(say=said.append, downloading=lambda done, _: downloaded.append(done))
    assert server.asked == ["", "bytes=20000-", "bytes=30000-"]
    assert len(said) == 2
    assert all("continues" in sentence for sentence in said)
    assert downloaded == sorted(downloaded)
    fetched_as(cifake)


@pytest.mark.parametrize("sized", [True, False])
def test_where_the_server_cannot_go_on_it_begins_again_and_says_so(serve: Serve, cifake: Path, sized: bool) -> None:
    server = serve(cuts=[20_000], ranges=False, sized=sized)
    said: list[str] = []
    fetch_cifake(say=said.append)
    assert len(server.asked) == 2
    assert said == ["127.0.0.1 cannot resume the download; it starts again."]
    fetched_as(cifake)


def test_what_the_server_has_changed_is_not_put_together(serve: Serve, cifake: Path) -> None:
    first = serve(cuts=[20_000, 0, 0, 0], ranges=True)
    with pytest.raises(DatasetError, match="what was downloaded is kept"):
        fetch_cifake()
    # the same address, another packing of the same files
    first.body, first.etag, first.cuts = tar_gz(files_of(cifake), level=1), '"two"', []
    said: list[str] = []
    fetch_cifake(say=said.append)
    assert "starts again" in said[0]
    fetched_as(cifake)


def test_a_range_of_something_else_is_refused(serve: Serve, cifake: Path) -> None:
    # a weak tag is no condition, so that the server sends a part of what it has now
    server = serve(cuts=[20_000, 0, 0, 0], etag='W/"one"')
    with pytest.raises(DatasetError):
        fetch_cifake()
    server.body, server.etag, server.cuts = tar_gz(files_of(cifake), level=1), 'W/"two"', []
    fetch_cifake()
    assert server.asked[-2:] == ["bytes=20000-", ""]
    fetched_as(cifake)


def test_a_part_that_is_longer_than_all_begins_again(serve: Serve, cifake: Path) -> None:
    server = serve(cuts=[20_000, 0, 0, 0])
    with pytest.raises(DatasetError):
        fetch_cifake()
    part = next((cache_dir() / "cifake").glob("*.part"))
    part.write_bytes(bytes(len(server.body) + 5))
    server.cuts = []
    fetch_cifake()
    fetched_as(cifake)


def test_a_whole_part_is_not_asked_for_again(serve: Serve, cifake: Path) -> None:
    server = serve(cuts=[20_000, 0, 0, 0])
    with pytest.raises(DatasetError):
        fetch_cifake()
    next((cache_dir() / "cifake").glob("*.part")).write_bytes(server.body)
    asked = len(server.asked)
    fetch_cifake()
    assert len(server.asked) == asked
    fetched_as(cifake)


@pytest.mark.parametrize("about", ["", "{", "[1]", '{"etag": 1}', "null"])
def test_a_part_of_which_nothing_is_known_begins_again(serve: Serve, cifake: Path, about: str) -> None:
    server = serve(cuts=[20_000, 0, 0, 0])
    with pytest.raises(DatasetError):
        fetch_cifake()
    next((cache_dir() / "cifake").glob("archive-*.json")).write_text(about)
    server.cuts = []
    fetch_cifake()
    assert server.asked[-1] == ""
    fetched_as(cifake)


def test_a_cut_again_and_again_is_a_sentence_and_the_next_try_goes_on(serve: Serve, cifake: Path) -> None:
    server = serve(cuts=[20_000, 0, 0, 0])
    with pytest.raises(DatasetError) as raised:
        fetch_cifake()
    assert re.fullmatch(
        r"127\.0\.0\.1 broke off in the middle; what was downloaded is kept; try again, or .*\.", str(raised.value)
    )
    assert any(name.endswith(".part") for name in left())
    assert "cifake.zip" not in left()
    fetch_cifake()
    assert server.asked[-1] == "bytes=20000-"
    fetched_as(cifake)


@pytest.mark.parametrize("stopped_in", ["downloading", "checking"])
def test_whoever_stops_it_goes_on_later(serve: Serve, cifake: Path, stopped_in: str) -> None:
    server = serve()

    def stop(done: int, _total: int) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_cifake(**{stopped_in: stop})
    assert "cifake.zip" not in left()
    assert not any(name.endswith(".tmp") for name in left())
    fetch_cifake()
    fetched_as(cifake)
    # what has been downloaded is not asked for again
    assert server.asked == ([""] if stopped_in == "checking" else ["", "bytes=16384-"])


def wrong_file(files: dict[str, bytes]) -> dict[str, bytes]:
    """One file of the right length whose content is another."""
    name = "train/REAL/0007 (8).jpg"
    return {**files, name: bytes(len(files[name]))}


def same_checksum(files: dict[str, bytes]) -> dict[str, bytes]:
    """One file that only the fingerprint tells from the right one."""
    import hashlib

    name = "test/FAKE/0003 (4).jpg"
    wanted = hashlib.sha256(files[name]).hexdigest()[:4]
    forged = (files[name] + str(number).encode() for number in range(10**7))
    return {**files, name: next(data for data in forged if hashlib.sha256(data).hexdigest()[:4] == wanted)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: tar_gz(wrong_file(files)), r"Not CIFAKE's own .*: train/REAL/0007 \(8\)\.jpg; nothing"),
        (lambda files: zipped(wrong_file(files)), r"Not CIFAKE's own .*: train/REAL/0007 \(8\)\.jpg; nothing"),
        (lambda files: tar_gz(dict.fromkeys(files, b"x")), r"test/FAKE/0000\.jpg, .* and 101 more files; nothing"),
        (lambda files: tar_gz({name: files[name] for name in [*files][1:]}), r"lacks test/FAKE/0000\.jpg; nothing"),
        (lambda files: tar_gz(same_checksum(files)), "test images .* fingerprint differs"),
        (lambda files: tar_gz({**files, next(iter(files)): bytes(2**20 + 1)}), r"Not CIFAKE's own .*: test/FAKE/0000"),
        (lambda files: tar_gz({}), "holds no image of CIFAKE"),
        (lambda files: zipped({}), "did not send an archive"),
        (lambda _: b"", "did not send an archive"),
        (lambda _: b"<html>Please log in to the network</html>", "perhaps a network.s login page"),
        (lambda _: os.urandom(50_000), "did not send an archive"),
        (lambda _: b"\x1f\x8b" + os.urandom(50_000), "damaged or not whole"),
        (lambda _: b"PK\3\4" + os.urandom(50_000), "damaged or not whole"),
        (lambda files: tar_gz(files)[:-100], "damaged or not whole"),
        (lambda files: tar_gz(files)[:-4] + b"\0\0\0\0", "damaged or not whole"),
        (lambda files: zipped(files)[:-100], "damaged or not whole"),
        (lambda files: tar_gz({**files, "big": bytes(2 * 10**6)}), "unpacks to far more"),
    ],
)  # fmt: skip
def test_what_is_not_cifake_is_not_kept(
    serve: Serve, cifake: Path, change: Callable[..., bytes], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifake_files, "MAX_UNPACKED", 2 * 10**6)
    serve(change(files_of(cifake)))
    with pytest.raises(DatasetError, match=sentence) as raised:
        fetch_cifake()
    assert left() == []
    told = str(raised.value)
    assert "127.0.0.1" in told
    assert "kaggle.com" in told
    assert "\n" not in told
    # the next try is not spoilt by this one
    serve()
    fetch_cifake()
    fetched_as(cifake)


@pytest.mark.parametrize(
    ("statuses", "sentence", "requests"),
    [([404], "answered 404 Not Found", 1), ([403], "answered 403", 1), ([500] * 3, "answered 500", 3),
     ([206], "answered 206", 1), ([204], "answered 204", 1)],
)  # fmt: skip
def test_a_refusal_is_a_sentence(serve: Serve, statuses: list[int], sentence: str, requests: int) -> None:
    server = serve(statuses=statuses)
    with pytest.raises(DatasetError, match=sentence):
        fetch_cifake()
    assert len(server.asked) == requests
    assert left() == []


def test_a_server_that_is_busy_for_a_moment_is_asked_again(serve: Serve, cifake: Path) -> None:
    serve(statuses=[503, 429])
    fetch_cifake()
    fetched_as(cifake)


def test_a_server_that_is_not_there_is_a_sentence(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    with socket.socket() as taken:
        # bound and not listening: nothing else gets this port
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(ADDRESS, f"http://127.0.0.1:{taken.getsockname()[1]}/")
        with pytest.raises(DatasetError, match=r"^127\.0\.0\.1 could not be reached; try again, or "):
            fetch_cifake()
    assert left() == []


def test_a_server_that_says_nothing_is_a_sentence(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    monkeypatch.setattr(fetching, "TIMEOUT", (5.0, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(ADDRESS, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(DatasetError, match="did not answer in time"):
            fetch_cifake()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "nonsense", "http://[", "http://a b:x/"]
)
def test_an_address_of_another_kind_is_a_sentence(serve: Serve, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    monkeypatch.setenv(ADDRESS, url)
    with pytest.raises(DatasetError, match=ADDRESS):
        fetch_cifake()


def test_a_password_in_the_address_is_not_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(statuses=[404])
    monkeypatch.setenv(ADDRESS, server.url.replace("//", "//somebody:secret@"))
    with pytest.raises(DatasetError) as raised:
        fetch_cifake()
    assert "secret" not in str(raised.value)


def test_redirects_are_followed_to_servers_alone(serve: Serve, cifake: Path) -> None:
    server = serve()
    server.redirects = [f"{server.url}/elsewhere", "/tar.gz/there"]
    fetch_cifake()
    assert len(server.asked) == 3
    fetched_as(cifake)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_something_else_is_refused(serve: Serve, to: str) -> None:
    serve(redirects=[to])
    with pytest.raises(DatasetError, match="cannot be requested"):
        fetch_cifake()


def test_redirects_in_a_circle_end(serve: Serve) -> None:
    serve(redirects=["/again"] * 100)
    with pytest.raises(DatasetError, match="cannot be requested"):
        fetch_cifake()


def test_what_never_ends_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(bytes(200_000))
    monkeypatch.setattr(fetching, "MAX_BYTES", 100_000)
    with pytest.raises(DatasetError, match="far more than CIFAKE"):
        fetch_cifake()
    assert not any(name.endswith(".part") for name in left())


@pytest.mark.parametrize("where", [".part", ".zip"])
def test_a_full_disk_is_a_sentence_and_the_next_try_goes_on(
    serve: Serve, cifake: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if where == ".part":
            patch.setattr(fetching, "_pieces", full)
        else:
            patch.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(WriteError, match="could not be written .No space left on device"):
            fetch_cifake()
    assert "cifake.zip" not in left()
    fetch_cifake()
    fetched_as(cifake)


def test_one_at_a_time(serve: Serve, cifake: Path) -> None:
    serve()
    begun, may_go_on = threading.Event(), threading.Event()

    def wait(done: int, _total: int) -> None:
        begun.set()
        assert may_go_on.wait(60)

    thread = threading.Thread(target=fetch_cifake, kwargs={"downloading": wait})
    thread.start()
    assert begun.wait(60)
    with pytest.raises(DatasetError, match="Another program is already downloading"):
        fetch_cifake()
    may_go_on.set()
    thread.join()
    fetched_as(cifake)


def test_a_damaged_zip_is_fetched_again(serve: Serve, cifake: Path) -> None:
    serve()
    path = fetch_cifake()
    path.write_bytes(path.read_bytes()[:-1000])
    fetch_cifake()
    fetched_as(cifake)


def test_the_list_has_a_checksum_for_each_name() -> None:
    names = list(cifake_names())
    assert len(set(names)) == len(names) == 120_000
    assert len(known_files().checksums) == 120_000
    assert CHECKSUMS.stat().st_size < 250_000


def test_the_fingerprints_are_those_of_the_shipped_detectors_and_runs() -> None:
    import json

    assets = CHECKSUMS.parent
    for path in (*assets.glob("detectors/*/manifest.json"), *assets.glob("runs/*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest.get("training_set") == "cifake-train":
            assert manifest["training_set_fingerprint"] == FINGERPRINTS["train"]
        if manifest.get("set") == "cifake-test":
            assert manifest["set_fingerprint"] == FINGERPRINTS["test"]


@pytest.fixture
def whole_cifake() -> dict[str, bytes]:
    """The genuine files by name, in their order."""
    archives = [Path(os.environ.get("TELLTALE_CIFAKE", "")) / f"cifake_{split}.tar.xz" for split in ("train", "test")]
    if not all(file.is_file() for file in archives):
        pytest.skip("set TELLTALE_CIFAKE to a folder with cifake_train.tar.xz and cifake_test.tar.xz")
    found: dict[str, bytes] = {}
    for file in archives:
        with tarfile.open(file, "r|xz") as archive:
            found |= {one.name: opened.read() for one in archive if (opened := archive.extractfile(one)) is not None}
    return {name: found[name] for name in cifake_names()}


def test_the_genuine_images_from_a_server(
    whole_cifake: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = whole_cifake
    assert np.load(CHECKSUMS).tolist() == [checksum(sha256(data).hexdigest()) for data in files.values()]
    # JPEG does not get smaller
    with Server(tar_gz(files, level=0), cuts=[9_000_000], sized=False, ranges=False).running() as server:
        monkeypatch.setenv(ADDRESS, server.url)
        # both splits are kept only where their fingerprints are right
        fetch_cifake()
    assert left() == ["cifake.zip"]
    with zipfile.ZipFile(cache_dir() / "cifake" / "cifake.zip") as archive:
        assert {info.filename: info.CRC for info in archive.infolist()} == {
            name: zlib.crc32(data) for name, data in files.items()
        }
