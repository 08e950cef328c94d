"""Fetch CIFAKE from its authors' repository: one archive, gone on with after a cut, kept only once it was checked.

What is fetched lies in the cache folder: `cifake.zip` when all is there and right, and until then what has been
downloaded so far, which the next try goes on from where the server can do that.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import filelock
import requests
import urllib3

from core.images.cifake_files import fetched_path, is_fetched, known_files, repack
from core.images.image_set import DatasetError, Progress
from core.images.sources import KAGGLE
from core.system.atomic import WriteError, write_bytes_atomically
from core.system.files import parse_json, read_bytes

COMMIT = "e112a942abaecd02b6b1f6f646c807d56be8fb62"
REPOSITORY = "jordan-bird/CIFAKE-Real-and-AI-Generated-Synthetic-Images"
# a .tar.gz has half the size of the .zip, because each image by itself hardly shrinks
ARCHIVE = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
# another address of the same archive, .tar.gz or .zip: a mirror
ADDRESS = "TELLTALE_CIFAKE_URL"
# GitHub packs while it sends and does not say how much will come
EXPECTED_BYTES = 43_000_000
MAX_BYTES = 400_000_000
CHUNK = 2**14
# seconds until a connection, and between two pieces of an answer
TIMEOUT = (10.0, 30.0)
# tries in a row that bring nothing new, and seconds before each further one
TRIES = 3
PAUSE = 1.0
OTHERWISE = f"try again, or download the .zip from kaggle.com/datasets/{KAGGLE} and give its path"


def _ignore(_done: int, _total: int) -> None:
    pass


class _CutError(Exception):
    """A transfer that did not come to its end; another try may. The message follows the name of the server."""


@dataclass(frozen=True)
class _Version:
    """What a part is of: a server that has anything else now cannot go on with it."""

    etag: str
    total: int | None


def fetch_cifake(
    *,
    downloading: Progress | None = None,
    checking: Progress | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Path:
    """Fetch all images of CIFAKE, or find them where they were fetched before.

    Whatever is raised by a callback, KeyboardInterrupt too, leaves what was downloaded to be gone on with.

    Args:
        downloading: called with (bytes there, bytes), the latter a guess where the server does not tell.
        checking: called with (files checked, files).
        say: given a sentence when a download has to begin again, or goes on.

    Returns:
        A .zip that `core.images.image_set.load_image_set` reads.

    Raises:
        DatasetError: the server is not there, refuses, or has sent something that is not CIFAKE.
        WriteError: the disk is full or read-only.
    """
    path = fetched_path()
    if is_fetched():
        return path
    url = os.environ.get(ADDRESS) or ARCHIVE
    with _writing(path.parent), _alone(path.parent):
        # another process may have fetched it in between
        if not is_fetched():
            archive = path.with_name(f"archive-{hashlib.sha256(url.encode()).hexdigest()[:8]}")
            if not archive.exists():
                _download(url, archive, downloading or _ignore, say)
            _keep_checked(archive, path, _host(url), checking or _ignore)
    return path


def _keep_checked(archive: Path, path: Path, sender: str, checking: Progress) -> None:
    known = known_files()
    try:
        write_bytes_atomically(
            path, lambda target: repack(archive, target, known=known, sender=sender, progress=checking)
        )
    except DatasetError as error:
        archive.unlink()
        raise DatasetError(f"{str(error).rstrip('.')}; {OTHERWISE}.") from None
    for left in path.parent.glob("archive-*"):
        left.unlink()


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (WriteError, requests.RequestException):
        raise
    except OSError as error:
        raise WriteError(error.errno, error.strerror, error.filename or str(folder)) from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep two programs, or two threads of one, from writing to the same part."""
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise DatasetError("CIFAKE is being downloaded by another program already; wait until it is there.") from None


def _download(url: str, archive: Path, progress: Progress, say: Callable[[str], None]) -> None:
    """Download a file, in as many tries as bring something new."""
    part = archive.with_suffix(".part")
    most, in_vain = _size(part), 0
    while True:
        try:
            _transfer(url, part, progress, say)
            break
        except _CutError as cut:
            in_vain = in_vain + 1 if _size(part) <= most else 0
            most = max(most, _size(part))
            if in_vain >= TRIES:
                kept = "; what was downloaded is kept" if _size(part) else ""
                raise DatasetError(f"{_host(url)} {cut}{kept}; {OTHERWISE}.") from None
            time.sleep(PAUSE * in_vain)
    part.replace(archive)
    _about(part).unlink(missing_ok=True)


def _transfer(url: str, part: Path, progress: Progress, say: Callable[[str], None]) -> None:
    """One request: go on with the part where the server can, else begin it again."""
    held, before = _size(part), _read_version(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "telltale"}
    if held and before:
        if held == before.total:
            # stopped just before it got its name
            return
        headers["Range"] = f"bytes={held}-"
        if before.etag and not before.etag.startswith("W/"):
            headers["If-Range"] = before.etag
    with _asked(url, headers) as response:
        now = _version(response, held)
        if response.status_code != HTTPStatus.OK:
            if now != before:
                part.unlink(missing_ok=True)
                raise _CutError("has changed what it sends")
            say(f"The download goes on after {held / 1e6:.0f} MB.")
        else:
            if held:
                say(f"{_host(url)} cannot go on where the download was cut off; it begins again.")
            part.unlink(missing_ok=True)
            _about(part).write_text(json.dumps(asdict(now)), encoding="utf-8")
            held = 0
        _receive(response, part, held, now.total, progress)


def _receive(response: requests.Response, part: Path, held: int, total: int | None, progress: Progress) -> None:
    """Append what comes to the part."""
    with part.open("ab") as file:
        progress(held, total or max(held, EXPECTED_BYTES))
        for piece in _pieces(response):
            file.write(piece)
            held += len(piece)
            if held > MAX_BYTES:
                break
            progress(held, total or max(held, EXPECTED_BYTES))
    if held > MAX_BYTES:
        part.unlink()
        raise DatasetError(f"{_host(response.url)} sends far more than CIFAKE; {OTHERWISE}.")
    if total is not None and held != total:
        raise _CutError(f"broke off after {held / 1e6:.0f} of {total / 1e6:.0f} MB")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    try:
        # as sent: a server that calls the archive a compressed page would have it unpacked here
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        raise _CutError("broke off in the middle") from None


@contextlib.contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """The answer of a server that has what is asked for: 200, and 206 or 416 where a range was asked for."""
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.exceptions.SSLError:
        raise DatasetError(f"{_host(url)} has no certificate that is trusted here; {OTHERWISE}.") from None
    except requests.ReadTimeout:
        raise _CutError("did not answer in time") from None
    except (requests.ConnectionError, requests.Timeout):
        raise _CutError("could not be reached") from None
    except (requests.RequestException, ValueError, UnicodeError) as error:
        # no address, an address of another kind, redirects without end
        raise DatasetError(f"{_host(url)} cannot be asked ({type(error).__name__}); see {ADDRESS}.") from None
    with response:
        status = response.status_code
        answered = f"answered {status} {response.reason or ''}".rstrip()
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _CutError(answered)
        ranged = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) if "Range" in headers else ()
        if status not in (HTTPStatus.OK, *ranged):
            raise DatasetError(f"{_host(url)} {answered}; {OTHERWISE}.")
        yield response


def _version(response: requests.Response, held: int) -> _Version:
    """What an answer is a whole or a part of; a part that does not begin after `held` bytes is of something else."""
    etag = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        return _Version(etag, int(length) if length.isdecimal() else None)
    found = re.fullmatch(rf"bytes {held}-\d+/(\d+)", response.headers.get("Content-Range", ""))
    return _Version(etag, int(found[1]) if found else -1)


def _read_version(part: Path) -> _Version | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return _Version(**parse_json(read_bytes(_about(part))))
    return None


def _about(part: Path) -> Path:
    return part.with_suffix(".json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _host(url: str) -> str:
    """Who is asked, for sentences: an address may hold a password."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).hostname or "The server"
    return "The server"
