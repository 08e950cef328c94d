"""Download CIFAKE from its authors' repository: one archive, resumed after a break, kept only once it is checked.

The cache folder holds `cifake.zip` once every file has been verified. Until then it holds the partial download, which
the next attempt resumes if the server supports that.
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

from core.images.cifake.files import KAGGLE, fetched_path, is_fetched, known_files, repack
from core.images.image_set import DatasetError, Progress
from core.storage import WriteError, parse_json, read_bytes, write_bytes_atomically

COMMIT = "e112a942abaecd02b6b1f6f646c807d56be8fb62"
REPOSITORY = "jordan-bird/CIFAKE-Real-and-AI-Generated-Synthetic-Images"
# a .tar.gz has half the size of the .zip, which compresses every image by itself
ARCHIVE = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
# the environment variable that names a mirror of the same archive, .tar.gz or .zip
ADDRESS = "TELLTALE_CIFAKE_URL"
# used for progress, because GitHub compresses on the fly and sends no Content-Length
EXPECTED_BYTES = 43_000_000
MAX_BYTES = 400_000_000
CHUNK = 2**14
# seconds to connect, and between two pieces of a response
TIMEOUT = (10.0, 30.0)
# attempts in a row without progress before giving up, and seconds of pause per such attempt so far
TRIES = 3
PAUSE = 1.0
OTHERWISE = f"try again, or download the .zip from kaggle.com/datasets/{KAGGLE} and give its path"


def _ignore(_done: int, _total: int) -> None:
    pass


class _CutError(Exception):
    """A transfer that broke off and may be retried; its message continues a sentence that starts with the host."""


@dataclass(frozen=True)
class _Version:
    """A partial download's archive version; only this version can be resumed."""

    etag: str
    total: int | None


def fetch_cifake(
    *,
    downloading: Progress | None = None,
    checking: Progress | None = None,
    say: Callable[[str], None] = lambda _sentence: None,
) -> Path:
    """Download all images of CIFAKE, unless they have been downloaded before.

    Whatever a callback raises, including KeyboardInterrupt, the downloaded part is kept and can be resumed.

    Args:
        downloading: called with (bytes done, bytes), the latter a guess where the server states no size.
        checking: called with (files checked, files).
        say: given a sentence when a download is resumed or has to start again.

    Returns:
        A .zip that `core.images.loading.load_image_set` reads.

    Raises:
        DatasetError: the server cannot be reached, refuses, or has sent something that is not CIFAKE.
        WriteError: the disk is full or read-only.
    """
    path = fetched_path()
    if is_fetched():
        return path
    url = os.environ.get(ADDRESS) or ARCHIVE
    with _writing(path.parent), _alone(path.parent):
        # another process may have been faster
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
    """Keep two processes, or two threads of one, from writing to the same part."""
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise DatasetError("Another program is already downloading CIFAKE; wait until it has finished.") from None


def _download(url: str, archive: Path, progress: Progress, say: Callable[[str], None]) -> None:
    """Download a file, trying again as long as each try brings something new."""
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
    """Make one request: resume the part where the server can, else start again."""
    held, before = _size(part), _read_version(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "telltale"}
    if held and before:
        if held == before.total:
            # interrupted just before it was renamed
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
            say(f"The download continues after {held / 1e6:.0f} MB.")
        else:
            if held:
                say(f"{_host(url)} cannot resume the download; it starts again.")
            part.unlink(missing_ok=True)
            _about(part).write_text(json.dumps(asdict(now)), encoding="utf-8")
            held = 0
        _receive(response, part, held, now.total, progress)


def _receive(response: requests.Response, part: Path, held: int, total: int | None, progress: Progress) -> None:
    """Append the response's body to the part."""
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
        # not decoded: requests would decompress an archive that is served with a Content-Encoding
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        raise _CutError("broke off in the middle") from None


@contextlib.contextmanager
def _asked(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Request a URL; the response's status is 200, or 206 or 416 where a range was requested."""
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.exceptions.SSLError:
        raise DatasetError(f"{_host(url)} has no trusted certificate; {OTHERWISE}.") from None
    except requests.ReadTimeout:
        raise _CutError("did not answer in time") from None
    except (requests.ConnectionError, requests.Timeout):
        raise _CutError("could not be reached") from None
    except (requests.RequestException, ValueError, UnicodeError) as error:
        # not a URL, another protocol, or endless redirects
        raise DatasetError(f"{_host(url)} cannot be requested ({type(error).__name__}); check {ADDRESS}.") from None
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
    """Read a response's version; a range that does not start at byte `held` gets total -1, which matches no other."""
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
    """Return the host for error messages: a URL may hold a password."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).hostname or "The server"
    return "The server"
