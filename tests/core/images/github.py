"""A server on this machine that plays the one CIFAKE is fetched from, as badly as it is told to."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.images.cifake import fetching
from core.images.cifake.files import KnownFiles, checksum
from core.images.loading import load_image_set

# what GitHub calls the folder in an archive of a commit, and the repository's own folder in it
TOP = "CIFAKE-Real-and-AI-Generated-Synthetic-Images-e112a942/DATASET/"


def files_of(folder: Path) -> dict[str, bytes]:
    """name -> content of the images in a folder like CIFAKE's."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.jpg"))}


@cache
def known_of(folder: Path) -> KnownFiles:
    """What is known of such a folder."""
    checksums = {name: checksum(hashlib.sha256(data).hexdigest()) for name, data in files_of(folder).items()}
    return KnownFiles(checksums, {split: load_image_set(folder, split).fingerprint for split in ("test", "train")})


def tar_gz(files: Mapping[str, bytes], *, level: int = 6) -> bytes:
    """An archive as GitHub packs it, with files beside the images."""
    buffer = io.BytesIO()
    comment = {"comment": "e112a942"}
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=level) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, pax_headers=comment) as tar,
    ):
        for name, data in {"../README.md": b"# CIFAKE", **files}.items():
            info = tarfile.TarInfo(TOP + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The same as a .zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(TOP + name, data)
    return buffer.getvalue()


Serve = Callable[..., "Server"]


@dataclass
class Server:
    """What is served, and how.

    Attributes:
        body: of the answer.
        cuts: bytes after which each of the next answers is cut off; later ones are complete.
        ranges: whether it honours Range requests.
        sized: whether it says how much comes; GitHub does not.
        etag: of what it serves.
        statuses: of the next answers, then 200 or 206.
        redirects: where the next requests are sent to instead.
        holds: what it waits for in the middle of the next answers, then for nothing.
        asked: the Range of each request, "" without.
    """

    body: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    sized: bool = True
    etag: str = '"one"'
    statuses: list[int] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    holds: list[threading.Event] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """Serve on a free port of this machine."""
        given = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                given.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/tar.gz/e112a942"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, to: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request, then hang up."""
        to.close_connection = True
        # whoever asked may have gone, as a fetch that is cancelled has
        with suppress(ConnectionError):
            self._answer(to)

    def _answer(self, to: http.server.BaseHTTPRequestHandler) -> None:
        wanted = to.headers.get("Range", "")
        self.asked.append(wanted)
        if self.redirects:
            self._head(to, 302, {"Location": self.redirects.pop(0), "Content-Length": "0"})
            return
        if self.statuses:
            self._head(to, self.statuses.pop(0), {"Content-Length": "0"})
            return
        start = 0
        if wanted and self.ranges and to.headers.get("If-Range", self.etag) == self.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.body):
                self._head(to, 416, {"Content-Range": f"bytes */{len(self.body)}", "Content-Length": "0"})
                return
        body = self.body[start:]
        headers = {"ETag": self.etag} if self.etag else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        headers |= {"Content-Length": str(len(body))} if self.sized else {"Transfer-Encoding": "chunked"}
        self._head(to, 206 if start else 200, headers)
        sent = body[: self.cuts.pop(0)] if self.cuts else body
        if self.sized:
            to.wfile.write(sent[: len(sent) // 2])
            if self.holds:
                self.holds.pop(0).wait(60)
            to.wfile.write(sent[len(sent) // 2 :])
        else:
            to.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent) + (b"0\r\n\r\n" if len(sent) == len(body) else b""))

    def _head(self, to: http.server.BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
        to.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            to.send_header(name, value)
        to.end_headers()


@pytest.fixture
def serve(cifake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A function that starts a server of the images in `cifake`, which are the ones that are known."""
    known = known_of(cifake)
    monkeypatch.setattr(fetching, "known_files", lambda: known)
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    with ExitStack() as running:

        def start(body: bytes | None = None, **settings: Any) -> Server:
            server = Server(tar_gz(files_of(cifake)) if body is None else body, **settings)
            running.enter_context(server.running())
            monkeypatch.setenv(fetching.ADDRESS, server.url)
            return server

        yield start
